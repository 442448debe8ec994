"""Pictures of the digit notebooks: networks as dots, classes, calibration, searches, weights."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backstage.digit_results import Answers, calibration
from backstage.digit_search import Tried
from backstage.plots import log_ticks, plot_rows
from backstage.style import BLACK, BLUE, HALF_WIDTH, ORANGE, TEXT_WIDTH

LOWEST_LOSS = 0.07  # where the loss axes of the searches start, the same for all networks [nats]


def plot_dots(
    ax: Axes, at: Sequence[float], values: Sequence[np.ndarray], c: str, label: str | None = None
) -> None:
    """Draw a dot for each network at each place, and a line through the means.

    Args:
        ax: axes.
        at: (n,) places along x.
        values: n arrays (networks,).
        c: colour.
        label: of the line.
    """
    for place, some in zip(at, values):
        ax.plot([place] * len(some), some, "o", c=c, ms=4, alpha=0.6, mew=0)
    ax.plot(at, [np.mean(some) for some in values], c=c, lw=0.9, label=label)


def plot_ladder(
    ax: Axes, steps: dict[str, np.ndarray], colours: Sequence[str] | None = None
) -> None:
    """Draw a row of dots for each step, with mean and standard deviation beside it.

    Args:
        ax: axes.
        steps: (networks,) values by the step's name, from top to bottom.
        colours: of the dots of each step; None: blue.
    """
    side = ax.get_yaxis_transform()
    for i, (values, colour) in enumerate(zip(steps.values(), colours or [BLUE] * len(steps))):
        ax.plot(values, np.full(len(values), -i), "o", c=colour, ms=5, alpha=0.6, mew=0)
        ax.plot(values.mean(), -i, "|", c=BLACK, ms=14)
        text = rf"{values.mean():.2f} $\pm$ {values.std(ddof=1):.2f}"
        ax.text(1.02, -i, text, transform=side, va="center", fontsize=8)
    ax.text(1.02, 0.7, r"mean $\pm$ sd", transform=side, fontsize=8)
    ax.set_yticks(-np.arange(len(steps)), list(steps))
    ax.set(xlabel="validation error [%]", ylim=(-len(steps) + 0.5, 0.5))


def diverged(groups: Sequence[Sequence[Tried]], top: float) -> int:
    """Trainings whose validation loss is above `top`, or no number at all."""
    return sum(int((~(one.loss <= top)).sum()) for group in groups for one in group)


def draw_rates(groups: Sequence[Sequence[Tried]], top: float) -> Figure:
    """Validation loss against the rate, for each optimiser and schedule.

    The dots of the dashed line are hollow.

    Args:
        groups: what `tune_rates` gives.
        top: the end of the loss axis [nats]; what lies above diverged, or nearly so, and stands as
            a triangle at the upper edge, joined to the dots of the same rate by a dotted line.
    """
    fig, ax = plt.subplots(figsize=(HALF_WIDTH, 2.8))
    for group, colour, style in zip(groups, (BLUE, BLUE, ORANGE), ("--", "-", "-")):
        rates = [one.recipe.rate for one in group]
        losses = np.array([one.loss for one in group])
        ax.plot(rates, losses.mean(1), style, c=colour, lw=0.9, label=group[0].name)
        inside = {"mfc": "white", "mew": 0.8} if style == "--" else {"mew": 0, "alpha": 0.6}
        ax.plot(rates, losses, "o", c=colour, ms=3, **inside)
        for rate, some in zip(rates, losses):
            if not (some <= top).all():
                ax.plot(rate, top, "^", c=colour, ms=5, clip_on=False)
                ax.plot([rate, rate], [min(some.min(), top), top], ":", c=colour, lw=0.9)
    lowest = min(LOWEST_LOSS, *(0.85 * one.loss.min() for group in groups for one in group))
    ax.set(xscale="log", yscale="log", xlabel="rate, or its maximum", ylim=(lowest, top))
    ax.set_ylabel("validation loss [nats]")
    log_ticks(ax.yaxis, [v for v in (0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2) if v <= top])
    log_ticks(ax.xaxis, [0.001, 0.003, 0.01, 0.03, 0.1, 0.3])
    fig.legend(loc="outside upper center", ncols=2, columnspacing=1)
    return fig


def plot_error(ax: Axes, rows: Sequence[dict], **line: object) -> None:
    """Draw a training's validation error in per cent against the epoch."""
    errors = [{**row, "error": 100 * (1 - row["val/accuracy"])} for row in rows]
    plot_rows(ax, errors, "error", **{"lw": 0.9, **line})
    ax.set(yscale="log", ylabel="validation error [%]")


def draw_curves(groups: dict[str, Sequence[Sequence[dict]]], colours: Sequence[str]) -> Figure:
    """Losses (left) and validation errors (right) of groups of trainings, one line a network."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.7))
    for (name, trainings), colour in zip(groups.items(), colours):
        for i, rows in enumerate(trainings):
            plot_rows(left, rows, "train/loss", "--", c=colour, lw=0.7, label=None)
            plot_rows(left, rows, "val/loss", c=colour, lw=0.9, label=None)
            plot_error(right, rows, c=colour, label=None if i else name)
    left.plot([], [], "--", c="0.4", label="training")
    left.plot([], [], c="0.4", label="validation")
    left.set(yscale="log", ylabel="loss [nats]")
    log_ticks(left.yaxis, [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
    log_ticks(right.yaxis, [0.7, 1, 1.5, 2, 3, 5, 10])
    left.legend()
    colour_key = right.get_legend_handles_labels()
    fig.legend(*colour_key, loc="outside upper center", ncols=len(groups))
    return fig


def plot_classes(ax: Axes, groups: Sequence[Answers]) -> None:
    """Draw the accuracy of each class: mean and standard deviation over networks, and each one."""
    for some, shift in zip(groups, (-0.2, 0.1)):
        each = some.class_accuracy
        at = np.arange(10) + shift
        style = {"fmt": "o", "ms": 4, "capsize": 2, "lw": 0.9, "c": some.colour}
        ax.errorbar(at, each.mean(0), each.std(0, ddof=1), label=some.label, **style)
        beside = np.tile(at + 0.13, (len(each), 1))
        ax.plot(beside, each, ".", c=some.colour, ms=3, alpha=0.6)
    ax.set(xlabel="class", ylabel="test accuracy [%]", xticks=range(10))
    ax.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def plot_calibration(ax: Axes, groups: Sequence[Answers]) -> None:
    """Draw the share of wrong answers against their doubt, with intervals over images.

    An interval that starts at 0, which a logarithmic axis lacks, ends in a triangle at the edge.
    """
    to_zero = []
    bottom = 1.0
    for some, marker in zip(groups, "so"):
        found = calibration(some)
        doubt = 100 * found.doubt
        wrong = 100 * found.wrong
        low = wrong - 100 * found.interval.low
        high = 100 * found.interval.high - wrong
        style = {"fmt": marker + "-", "c": some.colour, "ms": 4, "capsize": 2, "lw": 0.8}
        error = np.stack([low, high]).clip(0)
        ax.errorbar(doubt, wrong, error, label=some.label, **style)
        bottom = min(bottom, *wrong, *(wrong - low)[wrong > low])
        to_zero += [(place, some.colour) for place in doubt[wrong <= low]]
    ax.plot([0.005, 60], [0.005, 60], ":", c="0.4", label="calibrated")
    ax.set(xscale="log", yscale="log", xlabel="doubt: 100 % $-$ confidence [%]")
    ax.set_ylabel("answers that are wrong [%]")
    for axis in (ax.xaxis, ax.yaxis):
        log_ticks(axis, [0.01, 0.1, 1, 10, 100])
    ax.set_ylim(0.5 * bottom, 120)
    for place, colour in to_zero:
        ax.plot(place, 0.5 * bottom, "v", c=colour, ms=5, clip_on=False)
    ax.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def draw_weights(rows: dict[str, np.ndarray]) -> Figure:
    """Sixteen pictures in two rows for each name; those with negative values in two colours.

    Each picture has its own scale; a colour bar beside the rows shows what the colours mean. A
    picture that is zero everywhere holds these words.
    """
    fig, axes = plt.subplots(2 * len(rows), 8, figsize=(TEXT_WIDTH, 1.55 * len(rows)))
    for row, (name, pictures) in enumerate(rows.items()):
        both = axes[2 * row : 2 * row + 2]
        signed = bool((pictures < 0).any())
        for ax, picture in zip(both.flat, pictures):
            limit = np.abs(picture).max() or 1
            style = {"cmap": "PuOr_r" if signed else "gray_r", "vmin": -limit * signed}
            image = ax.imshow(picture, vmax=limit, **style)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if not picture.any():
                words = {"ha": "center", "va": "center", "fontsize": 8}
                ax.text(0.5, 0.5, "zero\neverywhere", transform=ax.transAxes, **words)
        axes[2 * row, 0].set_ylabel(name, fontsize=8, y=0)
        bar = fig.colorbar(image, ax=both, aspect=30, pad=0.01)
        low = ["$-$largest"] if signed else []
        bar.set_ticks([*[-limit] * signed, 0, limit], labels=[*low, "0", "largest"])
    return fig
