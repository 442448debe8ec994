"""Drawings of layers and of backpropagation for the pen-and-paper notebook."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from backstage.style import BLUE, RED, TEXT_WIDTH

LABEL = {"ha": "center", "va": "center"}
TAG = {**LABEL, "zorder": 5, "bbox": {"fc": "white", "ec": "none", "pad": 0.8}}


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty drawing on which one unit is half an inch."""
    fig, ax = plt.subplots(figsize=(width / 2, height / 2))
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return fig, ax


def _column(
    ax: Axes,
    x: float,
    labels: Sequence[str | None],
    radius: float = 0.46,
    top: float = 5.2,
    gap: float = 1.15,
    constant: bool = True,
    face: str = "white",
) -> list[float | None]:
    """Draw a layer from top to bottom; None is drawn as dots, and the constant unit as a square."""
    heights = []
    for row, label in enumerate(labels):
        y = top - gap * row
        heights.append(None if label is None else y)
        if label is None:
            ax.text(x, y, r"$\vdots$", **LABEL)
            continue
        if row == 0 and constant:
            corner = (x - 0.38, y - 0.34)
            unit = Rectangle(corner, 0.76, 0.68, fc="#eeeeee", ec="0.35", lw=0.8, zorder=3)
        else:
            unit = Circle((x, y), radius, fc=face, ec="0.2", lw=0.9, zorder=3)
        ax.add_patch(unit)
        ax.text(x, y - 0.02, label, fontsize=8, zorder=4, **LABEL)
    return heights


def draw_network() -> Figure:
    """A network of three weight layers, with constant units, biases and one weight named."""
    fig, ax = _blank(12.6, 6.9)
    places = [0.9, 4.5, 8.1, 11.7]
    columns = [_column(ax, places[0], ["$1$", "$x_1$", "$x_2$", None, "$x_D$"], face="#eaf3fa")]
    for l in (1, 2):
        names = [
            "$1$",
            f"$z^{{({l})}}_{{1}}$",
            f"$z^{{({l})}}_{{2}}$",
            None,
            f"$z^{{({l})}}_{{M_{l}}}$",
        ]
        columns.append(_column(ax, places[l], names))
    outputs = ["$y_1$", None, "$y_K$"]
    columns.append(_column(ax, places[3], outputs, top=4.05, constant=False, face="#fdf3e0"))
    for l in (1, 2, 3):
        _connect(ax, places[l - 1 : l + 1], columns[l - 1], columns[l][0 if l == 3 else 1 :])
    ends = [columns[1][1], columns[2][2]]
    ax.plot(places[1:3], ends, color=BLUE, lw=2, zorder=2)
    ax.text(6.3, sum(ends) / 2, r"$w^{(2)}_{21}$", color=BLUE, **TAG)
    titles = ("inputs, $l = 0$", "$l = 1$", "$l = 2$", "outputs, $l = L = 3$")
    for x, title in zip(places, titles):
        ax.text(min(x, 11.5), 6.55, title, **LABEL)
    units = ("D", "M_1", "M_2", "K")
    for l in (1, 2, 3):
        size = rf"$w^{{({l})}}_{{ji}}$: ${units[l]} \times ({units[l - 1]} + 1)$"
        ax.text((places[l - 1] + places[l]) / 2, 6.0, size, fontsize=8, **LABEL)
    return fig


def _connect(ax: Axes, x: list[float], before: list, after: list) -> None:
    """Lines from each unit of a layer to each of the next; dashed from the constant unit."""
    for row, y0 in enumerate(before):
        style = {"ls": (0, (4, 2)), "color": "0.75"} if row == 0 else {"color": "0.6"}
        for y1 in after:
            if y0 is not None and y1 is not None:
                ax.plot(x, [y0, y1], lw=0.6, zorder=1, **style)


def draw_deltas() -> Figure:
    """Backpropagation at one hidden unit: errors from the right, and a gradient on each weight."""
    fig, ax = _blank(12.6, 6.7)
    i, j, k = 1.2, 6.3, 11.2
    inputs = ["$1$", r"$z^{(l-1)}_1$", r"$z^{(l-1)}_i$"]
    left = _column(ax, i, inputs, radius=0.56, top=5.0, gap=1.7)
    later = [r"$\delta^{(l+1)}_1$", r"$\delta^{(l+1)}_k$", None, r"$\delta^{(l+1)}_{M_{l+1}}$"]
    right = _column(ax, k, later, radius=0.6, top=5.2, gap=1.4, constant=False)
    constant, y = _column(ax, j, ["$1$", r"$\delta^{(l)}_j$"], radius=0.6, top=5.0, gap=2.0)
    for height in left:
        ax.plot([i, j], [height, y], color="0.6", lw=0.8, zorder=1)
    ax.plot([i, j], [left[2], y], color=BLUE, lw=2, zorder=2)
    arrow = {"arrowstyle": "-|>", "color": RED, "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
    for height in filter(None, right):
        ax.plot([j, k], [constant, height], color="0.82", lw=0.7, ls=(0, (4, 2)), zorder=1)
        bend = 0.09 * (height - y)
        ax.annotate("", (j + 0.62, y + bend), (k - 0.62, height - bend), arrowprops=arrow, zorder=2)
    _formulas(ax, (right[1] + y) / 2)
    for x, title in ((i, "layer $l-1$"), (j, "layer $l$"), (k, "layer $l+1$")):
        ax.text(x, 6.4, title, **LABEL)
    return fig


def _formulas(ax: Axes, y: float) -> None:
    """What stands on the lines of draw_deltas; y is the height of the formula on the right."""
    gradient = r"$\partial E/\partial w^{(l)}_{ji} = \delta^{(l)}_j z^{(l-1)}_i$"
    bias = r"$\partial E/\partial w^{(l)}_{j0} = \delta^{(l)}_j$"
    total = r"$\sum_{k=1}^{M_{l+1}} \delta^{(l+1)}_k\, w^{(l+1)}_{kj}$"
    error = rf"$\delta^{{(l)}}_j = h_l^\prime(a^{{(l)}}_j)\,$ {total}"
    ax.text(8.75, y, r"$\delta^{(l+1)}_k w^{(l+1)}_{kj}$", color=RED, fontsize=8, **TAG)
    ax.text(4.3, 1.72, gradient, color=BLUE, fontsize=8, **TAG)
    ax.text(4.1, 4.5, bias, color="0.3", fontsize=8, **TAG)
    ax.text(6.3, 5.62, "nothing leads in: no error", color="0.4", fontsize=8, **TAG)
    ax.text(6.3, 0.42, error, color=RED, fontsize=10, **TAG)


def draw_agreement(
    gaps: Mapping[str, np.ndarray], steps: np.ndarray, by_step: np.ndarray
) -> Figure:
    """Left: one dot per network and pair of gradients. Right: the central difference's error.

    Args:
        gaps: relative differences (networks,) by name: first three comparisons, then slips.
        steps: of the central difference.
        by_step: (networks, steps) its relative error.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.9), width_ratios=(1.45, 1))
    rng = np.random.default_rng(0)
    places = [-row - 0.5 * (row > 2) for row in range(len(gaps))]
    for row, gap in enumerate(gaps.values()):
        y = places[row] + rng.uniform(-0.27, 0.27, len(gap))
        colour = BLUE if row < 3 else RED
        left.scatter(np.maximum(gap, 1e-17), y, s=3, lw=0, alpha=0.6, color=colour)
    left.axvline(1e-10, color="0.5", lw=0.8, ls=":")
    left.set(xscale="log", xlim=(5e-18, 3e2), xlabel="relative difference of two gradients")
    left.set_xticks(10.0 ** np.arange(-16, 1, 4))
    left.set_yticks(places, list(gaps))
    left.tick_params(axis="y", length=0)
    low, middle, high = np.quantile(by_step, (0.1, 0.5, 0.9), axis=0)
    right.fill_between(steps, low, high, color=BLUE, alpha=0.2, lw=0)
    right.plot(steps, middle, color=BLUE)
    right.plot((1e-4, 2e-2), (3e-8, 1.2e-3), color="0.4", lw=0.8, ls="--")
    right.text(2e-6, 1e-4, r"$\propto$ step$^2$", color="0.3", fontsize=8)
    right.plot((1e-11, 1e-6), (6e-4, 6e-9), color="0.4", lw=0.8, ls="--")
    right.text(1e-8, 2e-6, r"$\propto$ 1/step", color="0.3", fontsize=8)
    right.set(xscale="log", yscale="log", xlabel="step")
    right.set_ylabel("relative error of central difference")
    right.set_xticks(10.0 ** np.arange(-12, 0, 4))
    return fig
