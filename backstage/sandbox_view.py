"""A 2-2-1 network seen from its inputs and from its hidden units, drawn by Matplotlib."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from backstage.style import BLACK, BLUE, ORANGE
from backstage.xor_view import XorView, class_map, plot_points

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
LIMIT = 1.75  # of the plane of two hidden units: their outputs, from -1 to 1, and the labels


class HiddenView:
    """The plane of two tanh units: where the data land, and the one line that separates them.

    A ring marks where a corner itself lands. Each carries a label on a side of its own, so that
    corners that fall on the same spot can be told apart.
    """

    def __init__(self, ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
        self.x = np.asarray(x)
        self.y = np.asarray(y)
        side = np.linspace(-LIMIT, LIMIT, 60)
        self.grid = np.stack(np.meshgrid(side, side), -1)
        self.image = class_map(ax, np.zeros((60, 60)), -LIMIT, LIMIT)
        plot_points(ax, np.zeros((len(y), 2)), y, size=9)
        self.dots = list(ax.collections)
        self.dots[0].set_sizes([20])  # circles are seen behind triangles on the same spot
        self.line = ax.plot([], [], c=BLACK, lw=2.6, zorder=0.5)[0]  # behind the points
        self.rings = ax.plot([], [], "o", ms=8, mfc="none", mec=BLACK, mew=0.8)[0]
        self.labels = [self._label(ax, corner) for corner in CORNERS]
        ax.set(xlabel="$z_1$ (hidden unit 1)", ylabel="$z_2$ (hidden unit 2)")
        ax.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), xticks=(-1, 0, 1), yticks=(-1, 0, 1))

    def _label(self, ax: Axes, corner: tuple[int, int]) -> object:
        """The name of a corner, to be placed on that side of a point on which the corner lies."""
        first, second = corner
        return ax.annotate(
            f"{first}{second}",
            (0, 0),
            (24 * first - 12, 24 * second - 12),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            c="white",
            bbox={"boxstyle": "round,pad=0.15", "fc": ORANGE if first != second else BLUE, "lw": 0},
        )

    def show(self, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> None:
        """Draw a network of hidden w1 (2, 2), b1 (2,) and output w2 (1, 2), b2 (1,)."""
        z = np.tanh(self.x @ w1.T + b1)
        for label, dots in enumerate(self.dots):
            dots.set_offsets(z[self.y == label])
        for corner, label in zip(CORNERS, self.labels):
            label.xy = np.tanh(w1 @ corner + b1)
        self.rings.set_data(*np.transpose([label.xy for label in self.labels]))
        w = np.ravel(w2)
        self.image.set_data(0.5 * (1 + np.tanh((self.grid @ w + b2) / 2)))
        nearest = -b2 * w / (w @ w + 1e-12)
        along = np.array([-w[1], w[0]]) / (np.hypot(*w) + 1e-12)
        self.line.set_data(*np.stack([nearest - 4 * along, nearest + 4 * along], 1))


def class_keys() -> list[Line2D]:
    """Entries of a legend for the points of both classes."""
    keys = []
    for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
        keys += [Line2D([], [], ls="", c=colour, marker=marker, ms=4, label=f"$y = {label}$")]
    return keys


def two_views(
    x: np.ndarray,
    y: np.ndarray,
    layers: Sequence[np.ndarray],
    caption: str,
    heading: str | None = None,
) -> Figure:
    """Both planes of a network side by side: what stands for the panel where none can be shown.

    Args:
        x, y: points (n, 2) and labels (n,).
        layers: hidden w1 (2, 2), b1 (2,) and output w2 (1, 2), b2 (1,).
        caption: stands above the hidden units' plane.
        heading: stands above both planes, with a key for the classes.
    """
    fig = Figure(figsize=(8.2, 4.4))
    left, right = fig.subplots(1, 2)
    view = XorView(left, x, y)
    view.show(*layers)
    HiddenView(right, x, y).show(*layers)
    left.set(title="input plane", xticks=(0, 1), yticks=(0, 1))
    right.set_title(caption)
    fig.legend(handles=[*view.lines, view.curve], loc="outside lower center", ncols=3)
    fig.legend(handles=class_keys(), loc="outside upper center", ncols=2, title=heading)
    return fig
