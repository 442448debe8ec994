"""The XOR sandbox's picture: a 2-2-1 network seen from its inputs and from its hidden units."""

import io
import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from backstage.movies import animate
from backstage.style import BLACK, BLUE, ORANGE
from backstage.xor_view import QuickMap, XorView, class_map, plot_points

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
WIDTH = 820  # pixels of the page that the picture takes
DENSE = 2  # pixels drawn per pixel of the page: sharp on screens of high resolution, too
TRACE = 200  # losses shown
LIMIT = 1.35  # of the plane of two hidden units, whose outputs lie between -1 and 1
BANDS = 11  # colours of the probabilities


class HiddenView:
    """The plane of two tanh units: where the data land, and the one line that separates them.

    Each corner's points carry a label on a side of its own, so that corners that fall on the same
    spot can be told apart.
    """

    def __init__(self, ax: Axes, x: np.ndarray, y: np.ndarray, bands: int | None = None) -> None:
        self.x = np.asarray(x)
        self.y = np.asarray(y)
        side = np.linspace(-LIMIT, LIMIT, 60)
        self.grid = np.stack(np.meshgrid(side, side), -1)
        draw = partial(QuickMap, bands=bands) if bands else class_map
        self.image = draw(ax, np.zeros((60, 60)), -LIMIT, LIMIT)
        plot_points(ax, np.zeros((len(y), 2)), y)
        self.dots = list(ax.collections)
        self.line = ax.plot([], [], c=BLACK, lw=2.6)[0]
        self.labels = [self._label(ax, corner) for corner in CORNERS]
        self.artists = [self.image, *self.dots, self.line, *self.labels]
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


class LossTrace:
    """The losses shown last, on a logarithmic axis, with the plateau at half of ln 2."""

    def __init__(self, ax: Axes) -> None:
        self.line = ax.plot([], [], c=BLACK, lw=1.2)[0]
        self.now = ax.plot([], [], "o", c=BLACK, ms=4)[0]
        self.artists = [self.line, self.now]
        plateau = math.log(2) / 2
        ax.axhline(plateau, c="0.6", ls=":", lw=0.8)
        ax.text(1.01 * TRACE, plateau, r"$\frac{1}{2} \ln 2$", va="center", fontsize=8)
        ax.set(
            yscale="log",
            ylim=(5e-4, 10),
            yticks=(0.001, 0.01, 0.1, 1, 10),
            xlim=(0, TRACE),
            xticks=(),
            ylabel="loss [nats]",
        )
        ax.set(xlabel=f"the last {TRACE} changes and steps")

    def show(self, losses: Sequence[float]) -> None:
        """Draw the end of a list of losses [nats]."""
        losses = losses[-TRACE:]
        self.line.set_data(range(len(losses)), losses)
        self.now.set_data([len(losses) - 1], losses[-1:])


class TwoViews:
    """Both planes side by side, and the losses so far below, in one figure that is redrawn fast."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        fig = Figure(figsize=(WIDTH / 100, 5.4), dpi=100 * DENSE)
        FigureCanvasAgg(fig)  # drawn into memory, not by the notebook
        axes = fig.subplot_mosaic("ab;cc", height_ratios=[4, 1])
        self.input = XorView(axes["a"], x, y, bands=BANDS)
        self.hidden = HiddenView(axes["b"], x, y, bands=BANDS)
        self.trace = LossTrace(axes["c"])
        handles = [*self.input.lines, self.input.curve]
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
        self.text = axes["b"].text(0.5, 1.03, "", transform=axes["b"].transAxes, ha="center")
        axes["a"].set(title="input plane", xticks=(0, 1), yticks=(0, 1))
        moving = [(axes["a"], artist) for artist in self.input.artists]
        moving += [(axes["b"], artist) for artist in (*self.hidden.artists, self.text)]
        moving += [(axes["c"], artist) for artist in self.trace.artists]
        self.frame = animate(fig, moving)

    def picture(self, layers: Sequence[np.ndarray], caption: str, losses: Sequence[float]) -> bytes:
        """The views of a network (w1, b1, w2, b2), and the losses [nats] so far, as a PNG."""
        self.input.show(*layers)
        self.hidden.show(*layers)
        self.text.set_text(caption)
        self.trace.show(losses)
        png = io.BytesIO()
        Image.fromarray(self.frame()).save(png, "png", compress_level=1)
        return png.getvalue()
