"""The input plane of a small network: data, probabilities as colour, and decision boundaries."""

import contourpy
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.image import AxesImage
from PIL import Image

from backstage.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY

CLASSES = [BLUE, "white", ORANGE]  # p(y = 1) of 0, one half, 1
STRENGTH = 0.45  # how strong a probability's colour is, on white


def plot_points(
    ax: Axes, x: np.ndarray, y: np.ndarray, size: float = 6, alpha: float = 0.7
) -> None:
    """Scatter points x (n, 2): class 0 as blue circles, class 1 as orange triangles."""
    for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
        points = np.asarray(x)[np.asarray(y) == label]
        name = f"$y = {label}$"
        ax.scatter(*points.T, s=size, c=colour, marker=marker, lw=0, alpha=alpha, label=name)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


def class_map(ax: Axes, p: np.ndarray, low: float, high: float) -> AxesImage:
    """Show probabilities p (m, m) as colour over the square from low to high."""
    colours = LinearSegmentedColormap.from_list("classes", CLASSES, N=11)
    return ax.imshow(
        p,
        colours,
        vmin=0,
        vmax=1,
        extent=(low, high, low, high),
        origin="lower",
        interpolation="bilinear",
        interpolation_stage="data",
        alpha=STRENGTH,
    )


def probability_key(axes: Axes | np.ndarray) -> None:
    """Put a colour bar for p(y = 1) beside axes, or an array of them, that show a `class_map`."""
    first = np.ravel(axes)[0]
    key = first.figure.colorbar(first.images[0], ax=axes, label="$p(y = 1)$", ticks=(0, 0.5, 1))
    key.outline.set_linewidth(0.5)


class QuickMap(AxesImage):
    """Probabilities as a few bands of colour, drawn several times as fast as by `class_map`.

    For moving pictures on a canvas of pixels: there is one colour per pixel and none in between.

    Args:
        ax: axes.
        p: probabilities (m, m).
        low, high: ends of the square that they cover.
        bands: how many colours.
    """

    def __init__(self, ax: Axes, p: np.ndarray, low: float, high: float, bands: int = 11) -> None:
        super().__init__(ax, origin="lower", extent=(low, high, low, high))
        colours = LinearSegmentedColormap.from_list("classes", CLASSES, N=bands)
        shown = 1 - STRENGTH * (1 - colours(range(bands)))  # on white
        self.table = (255 * shown).round().astype(np.uint8)
        self.set_data(p)
        ax.add_image(self)
        ax.set_aspect("equal")

    def make_image(
        self, renderer: object, magnification: float = 1, unsampled: bool = False
    ) -> tuple:
        """The pixels (rows, columns, 4) from the bottom up, where they begin, no transform."""
        left, bottom, right, top = self.axes.bbox.extents.round().astype(int)
        p = Image.fromarray(np.asarray(self.get_array(), np.float32))
        p = np.asarray(p.resize((right - left, top - bottom), Image.Resampling.BILINEAR))
        band = (p * len(self.table)).astype(np.intp).clip(0, len(self.table) - 1)
        return self.table[band], left, bottom, None


class XorView:
    """The input plane of a 2-k-1 tanh network, k up to 4: p(y = 1), data, decision boundaries.

    Dashed: where a hidden unit's pre-activation is 0. Black: where the output's logit is 0. `show`
    moves them to new parameters; `artists` lists what moves, bottom first, for fast redrawing. With
    a number of `bands`, probabilities are drawn by `QuickMap` and points in full colour.
    """

    def __init__(
        self,
        ax: Axes,
        x: np.ndarray,
        y: np.ndarray,
        hidden: int = 2,
        low: float = -0.7,
        high: float = 1.7,
        resolution: int = 73,
        bands: int | None = None,
    ) -> None:
        self.side = np.linspace(low, high, resolution)
        self.grid = np.stack(np.meshgrid(self.side, self.side)).reshape(2, -1)
        p = np.zeros((resolution, resolution))
        if bands:
            self.image = QuickMap(ax, p, low, high, bands)
        else:
            self.image = class_map(ax, p, low, high)
        plot_points(ax, x, y, alpha=1 if bands else 0.7)
        self.curve = ax.plot([], [], c=BLACK, lw=2.6, label="output")[0]
        self.lines = []
        for j, colour in enumerate((GREEN, PURPLE, RED, SKY)[:hidden]):
            self.lines += ax.plot([], [], "--", c=colour, lw=1.6, label=f"hidden unit {j + 1}")
        self.artists = [self.image, *ax.collections, self.curve, *self.lines]
        ax.set(xlim=(low, high), ylim=(low, high))

    def show(self, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> None:
        """Draw the network of hidden w1 (k, 2), b1 (k,) and output w2 (k,), b2 ()."""
        w1 = np.reshape(w1, (-1, 2))
        b1 = np.ravel(b1)
        z = np.tanh(w1 @ self.grid + b1[:, None])
        logit = np.ravel(w2) @ z + float(np.squeeze(b2))
        logit = logit.reshape(len(self.side), len(self.side))
        self.show_logits(logit)
        for line, w, b in zip(self.lines, w1, b1):
            nearest = -b * w / (w @ w + 1e-12)  # the line's point closest to the origin
            along = np.array([-w[1], w[0]]) / (np.hypot(*w) + 1e-12)
            line.set_data(*np.stack([nearest - 5 * along, nearest + 5 * along], 1))

    def show_logits(self, logit: np.ndarray) -> None:
        """Draw any function of the plane from its logits (m, m) on the grid."""
        p = 0.5 * (1 + np.tanh(logit / 2))  # the logistic function, without overflow
        self.image.set_data(p)
        pieces = contourpy.contour_generator(self.side, self.side, logit).lines(0.0)
        gap = np.full((1, 2), np.nan)
        parts = [part for piece in pieces for part in (piece, gap)]
        self.curve.set_data(*np.concatenate(parts or [gap]).T)
