"""The figures of part 2: curves, statistics and histograms as they stand on TensorBoard's boards.

Every function draws what it is given and returns the figure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from boards import Board, Histogram
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import helpers as h

TERMS = ("weight", "bias", "net input", "activation", "pooled")


def draw_digits(images: torch.Tensor, labels: torch.Tensor) -> Figure:
    """Draw the first two images (n, 1, 28, 28) of every class."""
    fig, axes = plt.subplots(2, 10, figsize=(h.TEXT_WIDTH, 1.4))
    picked = [torch.where(labels == k)[0][:2] for k in range(10)]
    order = torch.stack(picked, 1).flatten()
    h.show_digits(axes, images[order])
    return fig


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Means of `window` values in a row, along the last axis."""
    kernel = np.ones(window) / window
    return np.apply_along_axis(np.convolve, -1, values, kernel, "valid")


def draw_training(board: Board, window: int) -> Figure:
    """Draw loss and error of one training against the iteration."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(h.TEXT_WIDTH, 2.3))
    loss = board.scalars["loss/training"]
    light = {"c": h.SKY, "lw": 0.4, "alpha": 0.6}
    left.semilogy(loss.steps, loss.values, **light, label="training, each iteration")
    smooth = running_mean(loss.values, window)
    left.semilogy(loss.steps[window - 1 :], smooth, c=h.BLUE, label=f"training, mean of {window}")
    left.semilogy(*board.scalars["loss/validation"], "o-", ms=4, c=h.RED, label="validation")
    left.set(xlabel="iteration", ylabel="loss [nats]", ylim=(h.quick(0.002, 0.1), 4))
    left.legend()
    for part, style, colour in (("validation", "o-", h.RED), ("test", "s-", h.BLACK)):
        error = board.scalars[f"error/{part}"]
        right.plot(error.steps, 100 * error.values, style, ms=4, c=colour, label=part)
    right.set(xlabel="iteration", ylabel="error [%]", ylim=(0, None))
    right.legend()
    return fig


def plot_statistics(ax: Axes, board: Board, name: str) -> None:
    """Draw one tensor's range (light), mean ± standard deviation (dark) and mean (line)."""
    if f"{name}/mean" not in board.scalars:
        ax.axis("off")
        return
    low = board.scalars[f"{name}/min"]
    high = board.scalars[f"{name}/max"]
    mean = board.scalars[f"{name}/mean"].values
    std = board.scalars[f"{name}/std"].values
    ax.fill_between(low.steps, low.values, high.values, color=h.SKY, alpha=0.35, lw=0)
    ax.fill_between(low.steps, mean - std, mean + std, color=h.BLUE, alpha=0.45, lw=0)
    ax.plot(low.steps, mean, c=h.BLACK, lw=0.9)
    ax.tick_params(labelsize=7)


def statistics_key() -> tuple[list, list[str]]:
    """Handles and labels of a legend for what `plot_statistics` draws."""
    looks = ((h.SKY, 0.35), (h.BLUE, 0.45))
    handles = [plt.Rectangle((0, 0), 1, 1, fc=colour, alpha=alpha) for colour, alpha in looks]
    handles.append(plt.Line2D([], [], c=h.BLACK, lw=0.9))
    return handles, ["range", r"mean $\pm$ sd", "mean"]


def draw_statistics(board: Board, layers: Sequence[str]) -> Figure:
    """Draw all observed tensors of these layers over the iterations."""
    size = (h.TEXT_WIDTH, 6.2)
    fig, axes = plt.subplots(len(TERMS), len(layers), figsize=size, sharex=True, squeeze=False)
    for row, term in zip(axes, TERMS):
        row[0].set_ylabel(term)
        for ax, layer in zip(row, layers):
            plot_statistics(ax, board, f"{layer} {term}")
    for column, layer in zip(axes.T, layers):
        column[0].set_title(layer)
        lowest = [ax for ax in column if ax.axison][-1]
        lowest.tick_params(labelbottom=True)
    axes[-1, -1].legend(*statistics_key(), loc="center")
    fig.supxlabel("iteration", fontsize=9)
    return fig


def coarser(histogram: Histogram, merged: int) -> Histogram:
    """The same histogram with so many neighbouring bins merged into one."""
    counts = histogram.counts.reshape(-1, merged).sum(1)
    return histogram._replace(edges=histogram.edges[::merged], counts=counts)


def plot_histograms(
    ax: Axes, written: Sequence[Histogram], merged: int = 1, count: int = 6
) -> None:
    """Draw a few histograms of one tensor as densities, early ones light and late ones dark."""
    places = np.unique(np.linspace(0, len(written) - 1, count).astype(int))
    for i, shade in zip(places, np.linspace(0.25, 1, len(places))):
        if written[i].edges[0] == written[i].edges[-1]:  # all alike, as biases of iteration 0
            continue
        step, edges, counts = coarser(written[i], merged)
        density = counts / counts.sum() / np.diff(edges)
        colour = plt.cm.viridis_r(shade)
        ax.stairs(np.maximum(density, 1e-9), edges, color=colour, lw=0.8, label=f"{step}")
    ax.set_yscale("log")
    ax.set_ylim(density[density > 0].min() / 3, density.max() * 4)
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(labelsize=7)


def draw_histograms(board: Board, layers: Sequence[str]) -> Figure:
    """Draw histograms of all observed tensors of these layers; rows are terms."""
    size = (h.TEXT_WIDTH, 6.6)
    fig, axes = plt.subplots(len(TERMS), len(layers), figsize=size, squeeze=False)
    for row, term in zip(axes, TERMS):
        row[0].set_ylabel(f"{term}: density")
        for ax, layer in zip(row, layers):
            written = board.histograms.get(f"{layer}/{term}")
            if written:
                plot_histograms(ax, written, merged=4 if term == "bias" else 1)
            else:
                ax.axis("off")
    for ax, layer in zip(axes[0], layers):
        ax.set_title(layer)
    labels = axes[0, 0].get_legend_handles_labels()
    axes[-1, -1].legend(*labels, title="iteration", loc="center", title_fontsize=8)
    return fig


def draw_compared(groups: Mapping[str, Mapping[str, np.ndarray]], window: int) -> Figure:
    """Draw training losses (seeds, iterations) of every member of every group."""
    size = (h.TEXT_WIDTH, 2.3)
    fig, axes = plt.subplots(1, len(groups), figsize=size, sharey=True, squeeze=False)
    colours = (h.BLUE, h.ORANGE, h.GREEN, h.RED, h.PURPLE)
    for ax, (group, members) in zip(axes[0], groups.items()):
        for (name, losses), colour in zip(members.items(), colours):
            smooth = running_mean(losses, window)
            steps = np.arange(losses.shape[1])[window - 1 :] + 1
            ax.fill_between(steps, smooth.min(0), smooth.max(0), color=colour, alpha=0.2, lw=0)
            ax.plot(steps, smooth.mean(0), c=colour, lw=1, label=name)
        ax.axhline(np.log(10), ls=":", c="0.4", lw=0.8)
        ax.set(title=group, xlabel="iteration", yscale="log", ylim=(0.008, 5))
        h.log_ticks(ax.yaxis, [0.1, 0.3, 1, 3])
        ax.legend(fontsize=7, loc="lower left", handlelength=1.2, labelspacing=0.2)
    axes[0, 0].set_ylabel("training loss [nats]")
    return fig


def draw_dying(boards: Mapping[str, Board], tensors: Sequence[str]) -> Figure:
    """Draw the statistics of a few tensors, one row for each training."""
    size = (h.TEXT_WIDTH, 1.25 * len(boards) + 0.25)
    fig, axes = plt.subplots(len(boards), len(tensors), figsize=size, sharex=True)
    for row, (name, board) in zip(axes, boards.items()):
        row[0].set_ylabel(name)
        for ax, tensor in zip(row, tensors):
            plot_statistics(ax, board, tensor)
    for ax, tensor in zip(axes[0], tensors):
        ax.set_title(tensor)
    fig.supxlabel("iteration", fontsize=9)
    fig.legend(*statistics_key(), ncols=3, loc="outside upper center")
    return fig
