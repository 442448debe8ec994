"""What every layer does while a network trains, written to TensorBoard; boards.py reads it back."""

import math
import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import helpers as h


class Description(NamedTuple):
    """A tensor in a few numbers.

    Attributes:
        numbers: "min", "max", "mean", "std" of all entries.
        counts: of the histogram's bins (bins,).
        edges: of its bins (bins + 1,).
    """

    numbers: dict[str, float]
    counts: list[float]
    edges: list[float]


def describe(tensor: torch.Tensor, bins: int = 40) -> Description:
    """Find minimum, maximum, mean, standard deviation and histogram of a tensor, where it lies."""
    t = tensor.detach().float()
    low, high = torch.aminmax(t)
    std, mean = torch.std_mean(t, correction=0)
    low, high, mean, std = torch.stack([low, high, mean, std]).tolist()  # one wait for the device
    if math.isfinite(low) and math.isfinite(high) and low < high:
        edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
        counts = torch.histc(t, bins, low, high)
    else:
        edges = torch.tensor([low, high])
        counts = torch.tensor([float(t.numel())])
    numbers = {"min": low, "max": high, "mean": mean, "std": std}
    return Description(numbers, counts.tolist(), edges.tolist())


class Monitor(h.Hook):
    """Writes a training to TensorBoard from forward hooks, so that no loop has to know of it.

    Iteration i is the forward pass after i steps of the optimiser; iteration 0 shows the initial
    weights. In every iteration of training the criterion's hook writes the loss; in every
    `every`th, the hooks of the layers write the statistics of all that the assignment lists, 17
    tensors of the network, in the order that the assignment prints, whatever `pool_first` is. After
    every epoch the errors are written.

        fit(net, loader, criterion, optimizer, epochs, [Validate(...), Monitor(criterion, folder)])

    Args:
        criterion: the module that computes the loss.
        folder: of the board; emptied first, since a board shows one training.
        every: iterations between two statistics.

    Raises:
        ValueError: every is below 1.
    """

    def __init__(self, criterion: nn.Module, folder: str | Path, every: int = 100) -> None:
        if every < 1:
            raise ValueError(f"every must be 1 or more iterations, not {every}")
        self.criterion = criterion
        self.folder = folder
        self.every = every
        self.iteration = 0
        self.observing = False
        self.pool_first = False  # what it is in iterations that are not observed
        self.hooks = []
        self.writer = None

    def attach(self, net: nn.Module) -> None:
        """Open the board, and listen to a DCN and to the criterion."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.writer = SummaryWriter(self.folder, flush_secs=10)
        self.hooks = [
            net.register_forward_pre_hook(self.begin),
            net.register_forward_hook(self.end),
            self.criterion.register_forward_hook(self.loss),
        ]
        self.watch("net input", conv1=net.conv1, conv2=net.conv2, fc1=net.fc1, fc2=net.fc2)
        self.watch("activation", conv1=net.act1, conv2=net.act2, fc1=net.act3)
        self.watch("pooled", conv1=net.pool1, conv2=net.pool2)

    def watch(self, term: str, **modules: nn.Module) -> None:
        """Listen to the outputs of modules, which are a layer's `term`."""
        for layer, module in modules.items():
            hook = partial(self.output, layer, term)
            self.hooks.append(module.register_forward_hook(hook))

    def begin(self, net: nn.Module, inputs: tuple) -> None:
        """Before a forward pass: if it is observed, record weights and biases."""
        self.observing = net.training and self.iteration % self.every == 0
        if self.observing:
            self.pool_first = net.pool_first
            net.pool_first = False
            for name, parameter in net.named_parameters():
                self.record(*name.split("."), parameter)

    def output(
        self, layer: str, term: str, module: nn.Module, inputs: tuple, output: torch.Tensor
    ) -> None:
        """After a layer's module: if it is observed, record its output."""
        if self.observing:
            self.record(layer, term, output)

    def end(self, net: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        """After a forward pass: observation ends."""
        if self.observing:
            net.pool_first = self.pool_first
        self.observing = False

    def loss(self, criterion: nn.Module, inputs: tuple, loss: torch.Tensor) -> None:
        """After a loss: write it if a step follows, which is so if it has a gradient."""
        if loss.requires_grad:
            self.writer.add_scalar("loss/training", loss.detach(), self.iteration)
            self.iteration += 1

    def record(self, layer: str, term: str, tensor: torch.Tensor) -> None:
        """Write the statistics and the histogram of one tensor."""
        found = describe(tensor)
        low, high, mean, std = (found.numbers[name] for name in ("min", "max", "mean", "std"))
        for name, value in found.numbers.items():
            self.writer.add_scalar(f"{layer} {term}/{name}", value, self.iteration)
        n = tensor.numel()
        self.writer.add_histogram_raw(
            f"{layer}/{term}",
            min=low,
            max=high,
            num=n,
            sum=n * mean,
            sum_squares=n * (std**2 + mean**2),
            bucket_limits=found.edges[1:],
            bucket_counts=found.counts,
            global_step=self.iteration,
        )

    def before_training(self, training: h.Training) -> None:
        self.attach(training.net)

    def after_epoch(self, training: h.Training) -> None:
        row = training.history[-1]
        self.writer.add_scalar("loss/validation", row["val/loss"], self.iteration)
        self.writer.add_scalar("error/validation", 1 - row["val/accuracy"], self.iteration)
        if "test/accuracy" in row:
            self.writer.add_scalar("error/test", 1 - row["test/accuracy"], self.iteration)

    def after_training(self, training: h.Training | None = None) -> None:
        """Stop listening, and finish the event file."""
        for hook in self.hooks:
            hook.remove()
        if self.writer:
            self.writer.close()
