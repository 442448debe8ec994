"""What an epoch of MNIST costs: the usual loop, image by image, against whole batches.

torchvision's data set keeps the images as bytes and makes, for every single one, a PIL image, a
tensor and a normalised tensor, which DataLoader then stacks; that is emulated here line by line.
(Beside torchvision 0.24's own code the emulation took 91.4 microseconds an image instead of 91.3.)
Against it: `helpers.batches`, which cuts whole batches out of a tensor in memory, `helpers.faster`
for the convolutional network, and a fused optimiser.

Both train the same networks with the handed-out settings (SGD 0.002, momentum 0.9, batch 64) in
turns, on one thread, and must end with the same parameters. Writes benchmarks/mnist_speed.txt, and
the medians for the report.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import helpers as h

STEPS = 100
BATCH = 64
ROUNDS = 15
EPOCH = 55000  # images
NETWORKS = {"feed-forward": h.digit_mlp, "convolutional": h.digit_cnn}
PREFIXES = {"feed-forward": "mnistFf", "convolutional": "mnistCnn"}


class OneByOne(Dataset):
    """Images with the transforms ToTensor and Normalize, as torchvision does it.

    Args:
        images: normalised images (n, 1, 28, 28) and their labels (n,).
        mean, std: with which they were normalised.
    """

    def __init__(self, images: TensorDataset, mean: float, std: float) -> None:
        x, self.y = images.tensors
        self.raw = ((x[:, 0] * std + mean) * 255).round().byte()
        self.mean = mean
        self.std = std

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.raw[i].numpy())
        pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True))[:, :, None]
        pixels = pixels.permute(2, 0, 1).contiguous()
        scaled = pixels.to(torch.get_default_dtype()).div(255)
        mean = torch.as_tensor([self.mean])
        std = torch.as_tensor([self.std])
        if (std == 0).any():
            raise ValueError("a standard deviation of 0")
        x = scaled.clone().sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1))
        return x, int(self.y[i])


class Side(NamedTuple):
    """One of the two ways to train."""

    net: nn.Module
    computes: nn.Module  # what is called: the network itself, or its faster form
    optimizer: torch.optim.Optimizer
    in_order: DataLoader  # the same batches on both sides, for the comparison of results
    shuffled: DataLoader


class Finding(NamedTuple):
    """CPU seconds of an epoch by both ways, ratios of the rounds, and how far results differ."""

    usual: float
    ours: float
    shares: list[float]
    gap: float


def usual_side(make: Callable, images: Dataset) -> Side:
    """The network as printed, image by image."""
    torch.manual_seed(0)
    net = make()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.002, momentum=0.9)
    shuffled = DataLoader(images, BATCH, shuffle=True)
    return Side(net, net, optimizer, DataLoader(images, BATCH), shuffled)


def our_side(make: Callable, images: TensorDataset) -> Side:
    """The same initial weights in the faster form, in whole batches."""
    torch.manual_seed(0)
    net = make()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.002, momentum=0.9, fused=True)
    in_order = h.batches(images, BATCH)
    return Side(net, h.faster(net), optimizer, in_order, h.batches(images, BATCH, seed=0))


def train(side: Side, loader: DataLoader) -> float:
    """CPU seconds of a pass through the loader, data loading included."""
    side.net.train()
    start = time.process_time()
    for x, y in loader:
        loss = F.nll_loss(side.computes(x), y)
        side.optimizer.zero_grad()
        loss.backward()
        side.optimizer.step()
        loss.item()
    return time.process_time() - start


def compare(make: Callable, data: object) -> Finding:
    """Train both ways, first for the results, then for the time."""
    images = TensorDataset(*(t[: STEPS * BATCH] for t in data.train.tensors))
    usual = usual_side(make, OneByOne(images, data.mean, data.std))
    ours = our_side(make, images)
    train(usual, usual.in_order)
    train(ours, ours.in_order)
    pairs = zip(usual.net.parameters(), ours.net.parameters())
    gap = max((a - b).abs().max().item() for a, b in pairs)
    assert gap < 1e-4, f"after {STEPS} steps the parameters differ by {gap:.1e}"
    usual_seconds = []
    our_seconds = []
    for _ in range(ROUNDS):
        usual_seconds.append(train(usual, usual.shuffled))
        our_seconds.append(train(ours, ours.shuffled))
    shares = [b / a for a, b in zip(usual_seconds, our_seconds)]
    epoch = EPOCH / len(images)
    usual_epoch = epoch * statistics.median(usual_seconds)
    return Finding(usual_epoch, epoch * statistics.median(our_seconds), shares, gap)


def main() -> None:
    """Compare both networks' trainings, and write what was found."""
    torch.set_num_threads(1)
    data = h.load_mnist()
    title = f"an epoch of {EPOCH:,} images, CPU seconds of one thread, median of {ROUNDS} turns"
    lines = [f"{title}: one by one, ours"]
    for name, make in NETWORKS.items():
        found = compare(make, data)
        share = statistics.median(found.shares)
        h.save_numbers(PREFIXES[name], Seconds=(found.ours, ".1f"), Share=(share, ".2f"))
        lines.append(
            f"{name:13}  {found.usual:5.1f} s  {found.ours:5.1f} s  ours / one by one: {share:.3f} "
            f"({min(found.shares):.3f} to {max(found.shares):.3f})  "
            f"parameters after {STEPS} steps differ by {found.gap:.0e}"
        )
    h.write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
