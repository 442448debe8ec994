"""The figures of part 1 that show curves alone.

Losses are in nats; bars show one standard deviation over the starts or the splits.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import helpers as h


def bars(ax: Axes, at: Sequence[float], values: np.ndarray, **style: object) -> None:
    """Draw mean and standard deviation of values (len(at), starts)."""
    style = {"fmt": "o-", "ms": 3, "capsize": 2, **style}
    ax.errorbar(at, values.mean(1), values.std(1, ddof=1), **style)


def draw_oscillation(
    losses: Sequence[float], floor: float, steps: np.ndarray, swings: np.ndarray, limit: float
) -> Figure:
    """Draw the last losses above their minimum, and the swing against the step."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(h.TEXT_WIDTH, 2.1))
    left.plot(losses, "o-", ms=3, label=r"$\epsilon = 0.01$")
    left.axhline(floor, c=h.BLACK, ls=":", label="minimum")
    left.set(xlabel="pass, counted from 19,980", ylabel="training loss [nats]")
    left.ticklabel_format(useOffset=False)
    left.legend(loc="center right")
    right.semilogy(steps, np.maximum(swings, 1e-10), "o-", ms=4, c=h.RED)
    right.axvline(limit, c=h.BLACK, ls=":")
    place = {"textcoords": "offset points"}
    right.annotate("$2/h$, from the\ncurvature $h$", (limit, 1e-8), (5, 0), **place)
    right.axvline(0.01, c="0.7")
    right.annotate("assignment", (0.01, 1e-8), (-4, 0), color="0.4", ha="right", **place)
    right.set(xlabel=r"step $\epsilon$", ylabel="swing of the loss [nats]")
    powers = range(-10, 0, 2)
    labels = [rf"$10^{{{power}}}$" for power in powers]
    labels[0] = rf"$\leq 10^{{{powers[0]}}}$"  # smaller swings are drawn there
    right.set_yticks([10.0**power for power in powers], labels)
    right.minorticks_off()
    return fig


def draw_cancer(
    shapes: Sequence[str], penalties: Sequence[float], train: np.ndarray, validation: np.ndarray
) -> Figure:
    """Draw losses (splits, shapes, penalties)."""
    fig, ax = plt.subplots(figsize=(4.2, 2.3))
    for i, (shape, colour) in enumerate(zip(shapes, (h.BLACK, h.GREEN, h.BLUE, h.RED))):
        place = np.arange(len(penalties)) + 0.06 * (i - 1.5)
        bars(ax, place, validation[:, i].T, c=colour, label=shape)
        ax.plot(place, train[:, i].mean(0), ":", c=colour, lw=1)
    ax.set(xlabel=r"penalty $\lambda$", ylabel="cross-entropy [nats]", ylim=(0, None))
    ax.set_xticks(range(len(penalties)), penalties)
    title = "validation, mean $\\pm$ sd\n(dotted: training, mean)"
    ax.legend(title=title, title_fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return fig
