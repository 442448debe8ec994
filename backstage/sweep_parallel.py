"""A sweep in parallel coordinates: one line per trial, from its settings to its value."""

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from backstage.style import RED
from backstage.sweep_axes import Mark, Parameter
from backstage.sweep_space import metric_of, parameter_space, setting_of
from backstage.sweep_trials import Trial, completed

BAR = 0.12  # width of the colour bar, in distances between two axes
LETTER = 0.03  # width of half a letter, likewise
LETTERS = 13  # in a line of a label
TICKS = 5  # of the colour bar
ENDINGS = {"pruned": "ended by Hyperband", "diverged": "diverged", "fail": "failed"}


class _Scale(NamedTuple):
    """The axis of the values: its two ends, and whether small values are good."""

    low: float
    high: float
    small: bool

    @property
    def beyond_all(self) -> float:
        return np.inf if self.small else -np.inf

    def height(self, value: float) -> float:
        span = max(self.high - self.low, 1e-9)
        return float(np.clip((value - self.low) / span, 0, 1))

    def badness(self, value: float) -> float:
        return self.height(value) if self.small else 1 - self.height(value)

    def beyond(self, value: float) -> bool:
        return value > self.high if self.small else value < self.low


def parallel_coordinates(
    ax: Axes, config: Mapping[str, object], trials: Sequence[Trial], unit: str = ""
) -> None:
    """Draw one line per trial, from its settings to its value on a colour bar.

    Dark lines are good, the red one is the best; the legend tells what ended grey ones. The colour
    bar leaves out the worst tenth of the completed values: the lines of those trials, and of those
    that diverged, end where it ends, and the legend counts them.

    Args:
        ax: where to draw.
        config: the sweep, a W&B sweep dict.
        trials: of run_sweep, best first.
        unit: of the metric, for the label.

    Raises:
        ValueError: no trial completed.
    """
    metric = metric_of(config)
    space = parameter_space(config)
    done = completed(trials)
    if not done:
        raise ValueError("parallel coordinates need at least one completed trial")
    scale = _value_scale(done, metric.small)
    columns = [_draw_axis(ax, i, _marks(space[name])) for i, name in enumerate(space)]
    places = [*np.ravel(columns), len(space) - 0.25]
    outside = 0
    ended = set()
    for trial in reversed(trials):
        reached = scale.beyond_all if trial.state == "diverged" else trial.reached(metric.name)
        if reached is None:
            continue
        outside += scale.beyond(reached)
        ended.add(trial.state)
        line = [*_heights(space, trial), scale.height(reached)]
        ax.plot(places, line, **_line_style(trial, done[0], scale.badness(reached)))
    _draw_bar(ax, places[-1], scale)
    _name_lines(ax, ended, outside)
    labels = {name: i for i, name in enumerate(space)}
    _finish_axes(ax, labels | {metric.name + unit: places[-1] + BAR / 2})


def _heights(space: Mapping[str, Parameter], trial: Trial) -> np.ndarray:
    """Where a trial's line meets the axes of its settings, each with two sides."""
    heights = [space[name].height(setting_of(trial.settings, name)) for name in space]
    return np.repeat(heights, 2)


def _value_scale(done: Sequence[Trial], small: bool) -> _Scale:
    values = np.array([trial.value for trial in done])
    if small:
        return _Scale(values.min(), np.quantile(values, 0.9), small)
    return _Scale(np.quantile(values, 0.1), values.max(), small)


def _line_style(trial: Trial, best: Trial, badness: float) -> dict:
    if trial is best:
        return {"c": RED, "lw": 2.2, "zorder": 3, "label": "best trial"}
    if trial.state != "complete":
        return {"c": "0.85", "lw": 0.6, "zorder": 1}
    return {"c": colormaps["viridis"](badness), "lw": 1.0, "zorder": 2}


def _marks(parameter: Parameter) -> list[Mark]:
    """The labels of an axis; of a logarithmic one also the powers of ten far from both ends."""
    marks = parameter.marks()
    if getattr(parameter.drawn, "log", False):
        low = math.ceil(math.log10(parameter.drawn.low))
        high = math.floor(math.log10(parameter.drawn.high))
        inner = [10.0**power for power in range(low, high + 1)]
        within = [Mark(parameter.height(setting), setting) for setting in inner]
        marks += [mark for mark in within if 0.1 < mark.height < 0.9]
    return marks


def _draw_axis(ax: Axes, place: int, marks: Sequence[Mark]) -> tuple[float, float]:
    """Labels in a column in which all lines run level; gives the column's two sides."""
    box = {"fc": "white", "ec": "none", "pad": 1.5}
    half = 0.0
    for height, setting in marks:
        number = isinstance(setting, int | float) and not isinstance(setting, bool)
        text = f"{setting:.3g}" if number else textwrap.fill(str(setting), LETTERS)
        style = {"ha": "center", "va": "center", "zorder": 5, "bbox": box}
        ax.text(place, height, text, fontsize=8, **style)
        half = max(half, LETTER * (1 + max(map(len, text.split("\n")))))
    for side in (place - half, place + half):
        ax.plot([side, side], [0, 1], c="0.6", lw=0.5, zorder=0)
    return place - half, place + half


def _draw_bar(ax: Axes, place: float, scale: _Scale) -> None:
    """The colour bar on which the lines end; its bad end stands for all beyond it, too."""
    box = ax.inset_axes([place, 0, BAR, 1], transform=ax.transData)
    values = Normalize(scale.low, max(scale.high, scale.low + 1e-9))
    bar = ax.figure.colorbar(ScalarMappable(values, "viridis" if scale.small else "viridis_r"), box)
    ticks = np.linspace(scale.low, scale.high, TICKS)
    names = [f"{tick:.3f}" for tick in ticks]
    if scale.small:
        names[-1] = rf"$\geq$ {names[-1]}"
    else:
        names[0] = rf"$\leq$ {names[0]}"
    bar.set_ticks(ticks, labels=names)


def _name_lines(ax: Axes, ended: Collection[str], outside: int) -> None:
    """The legend, above the axes; ended: the states of the trials that are drawn."""
    words = [text for state, text in ENDINGS.items() if state in ended]
    if words:
        ax.plot([], [], c="0.8", label=" or ".join(words))
    if outside:
        ax.plot([], [], " ", label=f"{outside} trials end beyond the scale")
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _finish_axes(ax: Axes, labels: Mapping[str, float]) -> None:
    ax.set(xticks=list(labels.values()), xticklabels=labels, yticks=[])
    ax.set(xlim=(-0.3, max(labels.values()) + BAR / 2), ylim=(-0.04, 1.04))
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0)
