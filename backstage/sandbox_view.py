"""A 2-2-1 network seen from its inputs and from its hidden units, drawn by Matplotlib."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backstage.style import BLACK, BLUE, ORANGE
from backstage.xor_view import XorView, class_map, plot_points

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
LIMIT = 1.35  # of the plane of two hidden units, whose outputs lie between -1 and 1


class HiddenView:
    """The plane of two tanh units: where the data land, and the one line that separates them.

    Each corner's points carry a label on a side of its own, so that corners that fall on the same
    spot can be told apart.
    """

    def __init__(self, ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
        self.x = np.asarray(x)
        self.y = np.asarray(y)
        side = np.linspace(-LIMIT, LIMIT, 60)
        self.grid = np.stack(np.meshgrid(side, side), -1)
        self.image = class_map(ax, np.zeros((60, 60)), -LIMIT, LIMIT)
        plot_points(ax, np.zeros((len(y), 2)), y)
        self.dots = list(ax.collections)
        self.line = ax.plot([], [], c=BLACK, lw=2.6)[0]
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
        w = np.ravel(w2)
        self.image.set_data(0.5 * (1 + np.tanh((self.grid @ w + b2) / 2)))
        nearest = -b2 * w / (w @ w + 1e-12)
        along = np.array([-w[1], w[0]]) / (np.hypot(*w) + 1e-12)
        self.line.set_data(*np.stack([nearest - 4 * along, nearest + 4 * along], 1))


def two_views(x: np.ndarray, y: np.ndarray, layers: Sequence[np.ndarray], caption: str) -> Figure:
    """Both planes of a network side by side: what stands for the panel where none can be shown.

    Args:
        x, y: points (n, 2) and labels (n,).
        layers: hidden w1 (2, 2), b1 (2,) and output w2 (1, 2), b2 (1,).
        caption: stands above the hidden units' plane.
    """
    fig = Figure(figsize=(8.2, 4.4))
    left, right = fig.subplots(1, 2)
    view = XorView(left, x, y)
    view.show(*layers)
    HiddenView(right, x, y).show(*layers)
    left.set(title="input plane", xticks=(0, 1), yticks=(0, 1))
    right.set_title(caption)
    fig.legend(handles=[*view.lines, view.curve], loc="outside lower center", ncols=3)
    return fig
