"""Pictures that several notebooks draw: a training's curves, shares with intervals, digits."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, NullLocator

from backstage.statistics import share_interval


def plot_rows(ax: Axes, rows: Sequence[dict], key: str, style: str = "-", **line: object) -> None:
    """Draw one column of a training's rows against the epoch; the column's name is the label.

    Args:
        ax: axes; labelled "epoch".
        rows: what `fit` returns.
        key: of the rows, such as "val/loss".
        style: of the line; more properties, such as c and lw, by name. `scale` multiplies the
        values.
    """
    scale = line.pop("scale", 1)
    epochs = [row["epoch"] for row in rows]
    values = [scale * row[key] for row in rows]
    ax.plot(epochs, values, style, **{"label": key, **line})
    ax.set_xlabel("epoch")


def plot_losses(ax: Axes, rows: Sequence[dict], best: float | None = None, **line: object) -> None:
    """Draw training loss (solid) and validation loss (dashed) against the epoch, in nats.

    Args:
        ax: axes; labelled.
        rows: what `fit` returns.
        best: a dotted line at the lowest possible loss, if that is known.
        line: properties of both lines.
    """
    plot_rows(ax, rows, "train/loss", **{"label": "training", **line})
    plot_rows(ax, rows, "val/loss", "--", **{"label": "validation", **line})
    if best is not None:
        ax.axhline(best, c="0.5", ls=":", label="best possible")
    ax.set_ylabel("loss [nats]")


def plot_shares(
    ax: Axes,
    at: Sequence[float],
    hits: np.ndarray,
    n: np.ndarray,
    horizontal: bool = False,
    **style: object,
) -> None:
    """Draw shares of hits in n trials in per cent, with Wilson's 95 % intervals.

    Args:
        ax: axes.
        at: positions, along x, or along y if `horizontal`.
        hits, n: (len(at),) counts; n may be one number for all.
        style: of Axes.errorbar, such as fmt, c and label.
    """
    hits = np.asarray(hits)
    share = 100 * hits / n
    interval = share_interval(hits, np.broadcast_to(n, hits.shape))
    error = np.stack([share - 100 * interval.low, 100 * interval.high - share]).clip(0)
    style = {"ms": 4, "capsize": 2, "lw": 0.9, **style}
    if horizontal:
        ax.errorbar(share, at, xerr=error, **style)
    else:
        ax.errorbar(at, share, error, **style)


def log_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Put plain numbers at these places of a logarithmic axis, such as ax.xaxis."""
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def show_digits(axes: np.ndarray, images: np.ndarray, titles: Sequence[str] = ()) -> None:
    """Draw images (n, 1, 28, 28) into as many axes, dark ink on white, with small titles."""
    for ax in axes.flat:
        ax.axis("off")
    for ax, image in zip(axes.flat, images):
        ax.imshow(image[0], cmap="gray_r", interpolation="nearest")
    for ax, title in zip(axes.flat, titles):
        ax.set_title(title, fontsize=7, pad=2)


def show_confusion(ax: Axes, matrix: np.ndarray) -> None:
    """Draw a confusion matrix (classes, classes), rows the true class; the diagonal stays empty."""
    wrong = matrix - np.diag(np.diag(matrix))
    ax.imshow(wrong, "Blues")
    for true, predicted in np.argwhere(wrong):
        count = wrong[true, predicted]
        colour = "white" if count > wrong.max() / 2 else "black"
        ax.text(predicted, true, count, ha="center", va="center", fontsize=7, c=colour)
    ticks = range(len(matrix))
    ax.set(xlabel="predicted class", ylabel="true class", xticks=ticks, yticks=ticks)
    ax.spines[["top", "right"]].set_visible(True)
