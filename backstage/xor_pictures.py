"""Pictures of many small XOR networks: every loss as a dot, shares by size, ends of a survey."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import nn

from backstage.plots import plot_shares
from backstage.style import BLUE, GREEN, ORANGE, RED
from backstage.xor_view import XorView

DEPTH_COLOURS = ("0.4", BLUE, ORANGE, GREEN)
DEPTH_MARKERS = ("s", "o", "v", "D")
DEPTH_NAMES = ("linear", "1 hidden layer", "2 hidden layers", "3 hidden layers")
WIDTH_COLOURS = (GREEN, BLUE, ORANGE)
RESOLUTION = 121  # points along each side of a network's map

Shape = tuple[int, int]  # depth and width


class Level(NamedTuple):
    """A loss [nats] worth knowing, drawn as a line across every network's dots."""

    name: str
    loss: float
    colour: str
    style: str


def plot_every_network(
    ax: Axes, losses: Mapping[Shape, np.ndarray], levels: Sequence[Level]
) -> None:
    """Draw one dot per network, its loss on new data; diamonds: means, bars: quartiles.

    Args:
        ax: axes.
        losses: by (depth, width) of widths 1 to 3, arrays (networks,) in nats.
        levels: horizontal lines with their names at the right.
    """
    rng = np.random.default_rng(0)
    places = [_place(i, depth) for i, (depth, _) in enumerate(losses)]
    for at, ((_, width), loss) in zip(places, losses.items()):
        x = at + rng.uniform(-0.3, 0.3, len(loss))
        ax.scatter(x, loss, s=3, lw=0, alpha=0.5, c=WIDTH_COLOURS[width - 1])
        low, high = np.quantile(loss, (0.25, 0.75))
        ax.plot([at, at], [low, high], c="k", marker="_", ms=7, lw=0.8)
        ax.plot(at, loss.mean(), c="k", marker="D", ms=3)
    end = places[-1] + 0.6
    for level in levels:
        ax.hlines(level.loss, -0.6, end, level.colour, level.style, lw=0.8)
        ax.text(end + 0.1, level.loss, level.name, va="center", fontsize=7)
    ax.set(xticks=places, xticklabels=[width for _, width in losses])
    ax.set(xlim=(-0.6, end + 2.4), ylim=(-0.05, 0.76), ylabel="loss on new data [nats]")


def name_depths(ax: Axes, shapes: Sequence[Shape]) -> None:
    """Write the depths below the widths that `plot_every_network` put under the last axes."""
    for depth in sorted({depth for depth, _ in shapes}):
        places = [_place(i, d) for i, (d, _) in enumerate(shapes) if d == depth]
        words = ("linear", "1 layer", "2 layers", "3 layers")[depth]
        ax.text(np.mean(places), -0.2, words, ha="center", fontsize=8)
    ax.set_xlabel("width of the hidden layers, by depth", labelpad=22)


def _place(number: int, depth: int) -> float:
    return number + 0.6 * depth


def plot_solved_by_parameters(
    ax: Axes, parameters: Mapping[Shape, int], hits: Mapping[Shape, int], n: int
) -> None:
    """Draw the share of networks that solve a problem against their parameters, a line per depth.

    Args:
        ax: axes.
        parameters: by (depth, width).
        hits: by (depth, width), networks of n that solve it.
        n: networks of each shape.
    """
    for depth in sorted({depth for depth, _ in hits}):
        shapes = [shape for shape in hits if shape[0] == depth]
        at = [parameters[shape] for shape in shapes]
        style = _depth_style(depth)
        plot_shares(ax, at, np.array([hits[shape] for shape in shapes]), n, **style)
    ax.set(xlabel="number of parameters", ylim=(-4, 104))


def plot_loss_by_parameters(
    ax: Axes, parameters: Mapping[Shape, int], losses: Mapping[Shape, np.ndarray], best: float
) -> None:
    """Draw the mean loss with two standard errors against the parameters, a line per depth.

    Args:
        ax: axes.
        parameters: by (depth, width).
        losses: by (depth, width), arrays (networks,) in nats.
        best: the lowest possible loss, a dotted line.
    """
    for depth in sorted({depth for depth, _ in losses}):
        shapes = [shape for shape in losses if shape[0] == depth]
        at = [parameters[shape] for shape in shapes]
        means = [losses[shape].mean() for shape in shapes]
        errors = [losses[shape].std(ddof=1) / np.sqrt(len(losses[shape])) for shape in shapes]
        style = {"ms": 4, "capsize": 2, "lw": 0.9, **_depth_style(depth)}
        ax.errorbar(at, means, 2 * np.array(errors), **style)
    ax.axhline(best, c="0.5", ls=":", label="best possible")
    ax.set(xlabel="number of parameters")


def _depth_style(depth: int) -> dict:
    return {
        "c": DEPTH_COLOURS[depth],
        "marker": DEPTH_MARKERS[depth],
        "label": DEPTH_NAMES[depth],
    }


def plot_survey(ax: Axes, hits: Mapping[tuple[str, Shape], int], n: int) -> None:
    """Draw, for each setting and shape, the share of n networks that solve the problem.

    Args:
        ax: axes; settings run from top to bottom in the order in which they first appear.
        hits: by (setting, (depth, width)), networks of n that solve it.
        n: networks of each.
    """
    settings = list(dict.fromkeys(name for name, _ in hits))
    shapes = list(dict.fromkeys(shape for _, shape in hits))
    colours = (ORANGE, BLUE, GREEN, RED)
    for k, (depth, width) in enumerate(shapes):
        count = np.array([hits[name, (depth, width)] for name in settings])
        at = np.arange(len(settings)) + 0.16 * (k - (len(shapes) - 1) / 2)
        label = f"{depth} layer{'s' * (depth > 1)}, width {width}"
        style = {"fmt": "ov^s"[k], "c": colours[k], "lw": 0.8, "capsize": 0, "label": label}
        plot_shares(ax, at, count, n, horizontal=True, **style)
    ax.set(yticks=range(len(settings)), yticklabels=settings, xlim=(-3, 103))
    ax.set(ylim=(len(settings) - 0.5, -0.5))
    for row in range(0, len(settings), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="0.95", lw=0, zorder=0)


def draw_network(ax: Axes, net: nn.Module, points: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Draw p(y = 1) as colour, the decision boundary in black, and points over it.

    Args:
        ax: axes, left without ticks.
        net: (b, 2) -> logits (b, 1).
        points: x (n, 2) and y (n,).
    """
    view = XorView(ax, *points, hidden=0, resolution=RESOLUTION)
    grid = torch.from_numpy(view.grid.T).float()
    with torch.no_grad():
        view.show_logits(net(grid).view(RESOLUTION, RESOLUTION).double().numpy())
    view.curve.set_linewidth(1.2)
    ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
