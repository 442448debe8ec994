"""What an epoch of MNIST costs: one image at a time, as torchvision's data set hands them out, against whole batches.

torchvision keeps the images as bytes and makes, for every single one, a PIL image, a tensor, and a normalised
tensor, which DataLoader then stacks; that is emulated here line by line. (Beside torchvision 0.24's own code the
emulation took 91.4 microseconds an image instead of 91.3.) `helpers.batches` cuts whole batches out of a tensor in
memory; `helpers.digit_cnn` pools before the ReLU, leaves out the rows and columns that never reach the output, and
keeps its maps in oneDNN's memory layout; the optimiser is fused.
Both train the same networks with the handed-out settings (SGD 0.002, momentum 0.9, batch 64) in turns, on one
thread, and must end with the same parameters.
Writes benchmarks/mnist_speed.txt, and the medians for the report.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import helpers as h  # noqa: E402

STEPS, BATCH, ROUNDS = 100, 64, 15
data = h.load_mnist()
x, y = (t[: STEPS * BATCH] for t in data.train.tensors)
raw = ((x[:, 0] * data.deviation + data.mean) * 255).round().byte()


class OneByOne(Dataset):
    """MNIST with transforms ToTensor and Normalize, as torchvision does it."""

    def __len__(self):
        return len(raw)

    def __getitem__(self, i):
        picture = Image.fromarray(raw[i].numpy())
        pixels = torch.from_numpy(np.array(picture, np.uint8, copy=True))[:, :, None].permute(2, 0, 1).contiguous()
        scaled = pixels.to(torch.get_default_dtype()).div(255)
        mean, deviation = torch.as_tensor([data.mean]), torch.as_tensor([data.deviation])
        if (deviation == 0).any():
            raise ValueError("a deviation of 0")
        return scaled.clone().sub_(mean.view(-1, 1, 1)).div_(deviation.view(-1, 1, 1)), int(y[i])


PRINTED = {  # the layers as the assignment prints them, computed in that order, in PyTorch's usual memory layout
    h.digit_mlp: lambda: nn.Sequential(
        nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10), nn.LogSoftmax(dim=1)
    ),
    h.digit_cnn: lambda: nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(800, 10), nn.LogSoftmax(dim=1),
    ),
}  # fmt: skip


def network(make, plain):
    """The same first weights, for the plain loop in the layers as printed."""
    torch.manual_seed(0)
    net = make()
    if plain:
        layers = PRINTED[make]()
        layers.load_state_dict(net.main.state_dict())
        net = nn.Sequential(nn.Flatten(), layers) if make is h.digit_mlp else layers
    return net, torch.optim.SGD(net.parameters(), lr=0.002, momentum=0.9, fused=not plain)


def train(net, optimizer, loader, steps):
    """CPU seconds for so many steps, data loading included."""
    net.train()
    start = time.process_time()
    for step, (x, y) in enumerate(loader, 1):
        loss = F.nll_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        if step == steps:
            break
    return time.process_time() - start


def one_by_one(shuffle=True):
    return DataLoader(OneByOne(), batch_size=BATCH, shuffle=shuffle)


def whole(seed=0):
    return h.batches(TensorDataset(x, y), BATCH, seed)


torch.set_num_threads(1)
lines = []
for name, make in (("feed-forward", h.digit_mlp), ("convolutional", h.digit_cnn)):
    plain, ours = network(make, plain=True), network(make, plain=False)
    train(*plain, one_by_one(shuffle=False), 100)
    train(*ours, whole(seed=None), 100)
    gap = max((a - b).abs().max().item() for a, b in zip(plain[0].parameters(), ours[0].parameters()))
    assert gap < 1e-4, f"{name}: after 100 steps the parameters differ by {gap:.1e}"
    pairs = [(train(*plain, one_by_one(), STEPS), train(*ours, whole(), STEPS)) for _ in range(ROUNDS)]
    epoch = 55000 / len(x)
    slow, fast = (epoch * statistics.median(side) for side in zip(*pairs))
    shares = [b / a for a, b in pairs]
    short = "Ff" if make is h.digit_mlp else "Cnn"
    h.save_number(f"mnist{short}Seconds", fast, ".1f")
    h.save_number(f"mnist{short}Share", statistics.median(shares), ".2f")
    lines.append(
        f"{name:13}  {slow:5.1f} s  {fast:5.1f} s  ours / one by one: {statistics.median(shares):.3f} "
        f"({min(shares):.3f} to {max(shares):.3f})  parameters after 100 steps differ by {gap:.0e}"
    )
lines.insert(0, f"an epoch of 55,000 images, CPU seconds of one thread, median of {ROUNDS} turns: one by one, ours")
h.write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
print("\n".join(lines))
