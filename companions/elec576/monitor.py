"""What every layer does while a network trains, written to TensorBoard and read back."""

import math
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.tensorboard import SummaryWriter


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


class Monitor:
    """Writes a training to TensorBoard from forward hooks, so that no loop has to know of it.

    In every forward pass of training, the criterion's hook writes the loss; in every `every`th, the
    hooks of the layers write the statistics of all that the assignment lists, 17 tensors of the
    network. `epoch` writes the errors.

    Args:
        net: a DCN.
        criterion: the module that computes the loss.
        folder: of the board; emptied first, since a board shows one training.
        every: iterations between two statistics.

    Raises:
        ValueError: every is below 1.
    """

    def __init__(
        self, net: nn.Module, criterion: nn.Module, folder: str | Path, every: int = 100
    ) -> None:
        if every < 1:
            raise ValueError(f"every must be 1 or more iterations, not {every}")
        shutil.rmtree(folder, ignore_errors=True)
        self.net = net
        self.every = every
        self.iteration = 0
        self.writer = SummaryWriter(folder, flush_secs=10)
        self.hooks = [
            net.register_forward_pre_hook(self.begin),
            net.register_forward_hook(self.end),
            criterion.register_forward_hook(self.loss),
        ]
        self.watch("net input", conv1=net.conv1, conv2=net.conv2, fc1=net.fc1, fc2=net.fc2)
        self.watch("activation", conv1=net.act1, conv2=net.act2, fc1=net.act3)
        self.watch("pooled", conv1=net.pool1, conv2=net.pool2)

    def watch(self, term: str, **modules: nn.Module) -> None:
        """Listen to the outputs of modules, which are a layer's `term`."""
        for layer, module in modules.items():
            hook = partial(self.output, layer, term)
            self.hooks.append(module.register_forward_hook(hook))

    def output(
        self, layer: str, term: str, module: nn.Module, inputs: tuple, output: torch.Tensor
    ) -> None:
        """Called with every output of a module; records it in the iterations that are observed."""
        if self.net.in_order:
            self.record(layer, term, output)

    def begin(self, net: nn.Module, inputs: tuple) -> None:
        """Called before every forward pass; records weights and biases if it is observed."""
        if not net.training:
            return
        self.iteration += 1
        net.in_order = self.iteration % self.every == 0
        if net.in_order:
            for name, parameter in net.named_parameters():
                layer, kind = name.split(".")
                self.record(layer, kind, parameter)

    def end(self, net: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        """Called after every forward pass; observation ends with it."""
        net.in_order = False

    def record(self, layer: str, term: str, tensor: torch.Tensor) -> None:
        """Write the statistics and the histogram of one tensor."""
        found = describe(tensor)
        for name, value in found.numbers.items():
            self.writer.add_scalar(f"{layer} {term}/{name}", value, self.iteration)
        n = tensor.numel()
        mean = found.numbers["mean"]
        self.writer.add_histogram_raw(
            f"{layer}/{term}",
            min=found.numbers["min"],
            max=found.numbers["max"],
            num=n,
            sum=n * mean,
            sum_squares=n * (found.numbers["std"] ** 2 + mean**2),
            bucket_limits=found.edges[1:],
            bucket_counts=found.counts,
            global_step=self.iteration,
        )

    def loss(self, criterion: nn.Module, inputs: tuple, loss: torch.Tensor) -> None:
        """Called with every loss; writes those of training."""
        if self.net.training:
            self.writer.add_scalar("loss/training", loss.detach(), self.iteration)

    def epoch(self, row: dict) -> None:
        """Write an epoch's validation loss, validation error and, if there is one, test error."""
        self.writer.add_scalar("loss/validation", row["val/loss"], self.iteration)
        self.writer.add_scalar("error/validation", 1 - row["val/accuracy"], self.iteration)
        if "test/accuracy" in row:
            self.writer.add_scalar("error/test", 1 - row["test/accuracy"], self.iteration)

    def close(self) -> None:
        """Stop listening, and finish the event file."""
        for hook in self.hooks:
            hook.remove()
        self.writer.close()


class Series(NamedTuple):
    """One scalar of a board: iterations (n,) and values (n,)."""

    steps: np.ndarray
    values: np.ndarray


class Histogram(NamedTuple):
    """One histogram of a board: edges (bins + 1,) and counts (bins,)."""

    step: int
    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Board:
    """What a training wrote: scalars, and the histograms of every tensor in order, by tag."""

    scalars: dict[str, Series]
    histograms: dict[str, list[Histogram]]

    def last(self, tag: str) -> float:
        """The last value of a scalar."""
        return float(self.scalars[tag].values[-1])


def read_board(folder: str | Path) -> Board:
    """Read a board by TensorBoard's own reader.

    Raises:
        ValueError: there is nothing to read.
    """
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0}).Reload()
    tags = events.Tags()
    if not tags["scalars"]:
        raise ValueError(f"no TensorBoard events in {folder}")
    scalars = {tag: _series(events.Scalars(tag)) for tag in tags["scalars"]}
    histograms = {
        tag: [_histogram(event) for event in events.Histograms(tag)] for tag in tags["histograms"]
    }
    return Board(scalars, histograms)


def _series(events: list) -> Series:
    steps = np.array([event.step for event in events], dtype=float)
    return Series(steps, np.array([event.value for event in events]))


def _histogram(event: object) -> Histogram:
    written = event.histogram_value
    edges = np.array([written.min, *written.bucket_limit])
    return Histogram(event.step, edges, np.array(written.bucket))
