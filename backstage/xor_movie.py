"""The movie of two small XOR networks during training, and snapshots from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from backstage.movies import animate
from backstage.style import TEXT_WIDTH
from backstage.xor_view import XorView, probability_key

WIDTH = 800  # pixels
BANDS = 5  # colours of the probabilities; each border between two costs bytes in every frame
Weights = Sequence[np.ndarray]  # of a 2-2-1 network: hidden (2, 2) and (2,), output (1, 2) and (1,)


@dataclass(frozen=True)
class Filmed:
    """One network's training, kept whole.

    Attributes:
        title: what became of it.
        history: one row per epoch, with val/loss.
        weights: its parameters before training and after every epoch, one more than rows.
    """

    title: str
    history: list[dict]
    weights: list[Weights]

    def loss_at(self, epoch: int) -> str:
        """The validation loss after an epoch, in words; nothing is known of epoch 0."""
        return f"{self.history[epoch - 1]['val/loss']:.3f}" if epoch else "  -  "


def film_frames(films: Sequence[Filmed], points: tuple) -> list[np.ndarray]:
    """Draw networks side by side, one frame per epoch: RGB (rows, columns, 3), uint8.

    Args:
        films: trainings of equal length.
        points: x (n, 2) and y (n,), drawn in every frame.

    Returns:
        Frames of 800 columns.
    """
    fig, axes = plt.subplots(1, len(films), figsize=(WIDTH / 138, 2.9), dpi=138)
    views = [XorView(ax, *points, bands=BANDS) for ax in axes]
    captions = [_caption(ax, film.title) for ax, film in zip(axes, films)]
    handles = [*axes[0].collections, views[0].curve, *views[0].lines]
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    moving = []
    for ax, view, caption in zip(axes, views, captions):
        moving += [(ax, artist) for artist in (*view.artists, caption)]
    draw = animate(fig, moving)
    frames = []
    for epoch in range(len(films[0].weights)):
        for view, caption, film in zip(views, captions, films):
            view.show(*film.weights[epoch])
            caption.set_text(f"epoch {epoch:2d}, validation loss {film.loss_at(epoch)}")
        frames.append(draw())
    plt.close(fig)
    return frames


def _caption(ax: Axes, title: str) -> Text:
    """A title, and below it, above the axes, a line that changes."""
    ax.set_title(title, pad=16)
    ax.set(xticks=(0, 1), yticks=(0, 1), xlabel="", ylabel="")
    return ax.text(0.5, 1.02, "", transform=ax.transAxes, ha="center", fontsize=8)


def plot_snapshots(films: Sequence[Filmed], points: tuple, epochs: Sequence[int]) -> Figure:
    """Draw a few moments of each training, a row per network.

    Args:
        films: trainings.
        points: x (n, 2) and y (n,).
        epochs: the moments, 0 for the initial weights.
    """
    fig, axes = plt.subplots(len(films), len(epochs), figsize=(TEXT_WIDTH, 3.1))
    for row, film in zip(axes, films):
        for ax, epoch in zip(row, epochs):
            view = XorView(ax, *points)
            view.show(*film.weights[epoch])
            loss = f", loss {film.history[epoch - 1]['val/loss']:.3f}" if epoch else ""
            ax.set_title(f"epoch {epoch}{loss}", fontsize=8)
            ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
        row[0].set_ylabel(film.title)
    probability_key(axes)
    handles = [*view.lines, view.curve]
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return fig
