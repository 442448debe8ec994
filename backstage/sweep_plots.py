"""What a sweep found, as pictures: settings against values, importances and curves."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backstage.style import GREEN, RED, TEXT_WIDTH
from backstage.sweep_axes import Mark
from backstage.sweep_importance import plot_importances
from backstage.sweep_space import metric_of, parameter_space, setting_of
from backstage.sweep_trials import Trial, completed
from backstage.tracking import Table, track


class SweepFigures(NamedTuple):
    """The two figures of a sweep."""

    parallel: Figure
    importance: Figure


class _Scale(NamedTuple):
    """The axis of the values: its two ends, and whether small values are good."""

    low: float
    high: float
    small: bool

    @property
    def worst(self) -> float:
        return self.high if self.small else self.low

    def height(self, value: float) -> float:
        span = max(self.high - self.low, 1e-9)
        return float(np.clip((value - self.low) / span, 0, 1))

    def badness(self, value: float) -> float:
        return self.height(value) if self.small else 1 - self.height(value)


def plot_sweep(
    config: Mapping[str, object],
    trials: Sequence[Trial],
    best_possible: float | None = None,
    unit: str = "",
) -> SweepFigures:
    """Draw a sweep: settings against values, and importances beside curves of trials.

    Args:
        config: the sweep, a W&B sweep dict.
        trials: of run_sweep, best first.
        best_possible: a value that no trial can pass, drawn as a dotted line.
        unit: of the metric, for labels, such as " [nats]".
    """
    parallel, ax = plt.subplots(figsize=(TEXT_WIDTH, 3.0))
    parallel_coordinates(ax, config, trials, unit)
    importance, (left, right) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.5))
    plot_importances(left, config, [trials])
    metric = metric_of(config).name
    _plot_curves(right, metric, completed(trials))
    if best_possible is not None:
        right.axhline(best_possible, c="0.4", ls=":", label="best possible")
    right.set(xlabel="epoch", ylabel=metric + unit)
    right.legend()
    return SweepFigures(parallel, importance)


def log_sweep(
    config: Mapping[str, object],
    trials: Sequence[Trial],
    group: str,
    figures: SweepFigures,
    data_source: str,
) -> None:
    """Log a sweep's trials as a table, and its figures, to a W&B run of their own.

    Args:
        config: the sweep, a W&B sweep dict.
        trials: of run_sweep.
        group: the group of the trials' runs.
        figures: of plot_sweep.
        data_source: what the trainings learnt from.
    """
    metric = metric_of(config).name
    names = list(parameter_space(config))
    rows = []
    for trial in trials:
        settings = [setting_of(trial.settings, name) for name in names]
        rows.append([trial.number, trial.state, trial.value, *settings])
    about = {"sweep": config, "trials": len(trials), "data": data_source}
    with track("sweep: summary", about, group, quiet=True) as run:
        run.show("trials", Table(["trial", "state", metric, *names], rows))
        run.show("parallel coordinates", figures.parallel)
        run.show("importances and curves", figures.importance)


def _plot_curves(ax: Axes, metric: str, best_first: Sequence[Trial]) -> None:
    """The curves of the best three and the worst three completed trials."""
    best = best_first[:3]
    worst = best_first[3:][-3:]  # none of the best three
    groups = ((best, GREEN, "best three"), (worst, RED, "worst three"))
    for group, colour, label in groups:
        for i, trial in enumerate(group):
            curve = trial.curve(metric)
            epochs = range(1, len(curve) + 1)
            ax.plot(epochs, curve, c=colour, lw=1, label=label if i == 0 else None)


def parallel_coordinates(
    ax: Axes, config: Mapping[str, object], trials: Sequence[Trial], unit: str = ""
) -> None:
    """Draw one line per trial, from its settings to its value.

    Dark lines are good, the red one is the best; grey ones were stopped early or diverged. The last
    axis leaves out the worst tenth of the values: lines of those trials, and of those that
    diverged, end where it ends.

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
    for trial in reversed(trials):
        reached = scale.worst if trial.state == "diverged" else trial.reached(metric.name)
        if reached is None:
            continue
        line = [space[name].height(setting_of(trial.settings, name)) for name in space]
        style = _line_style(trial, done[0], scale.badness(reached))
        ax.plot([*line, scale.height(reached)], **style)
    diverged = any(trial.state == "diverged" for trial in trials)
    ax.plot([], [], c="0.8", label="stopped early" + " or diverged" * diverged)
    for i, name in enumerate(space):
        _draw_axis(ax, i, space[name].marks())
    _draw_axis(ax, len(space), [Mark(0, scale.low), Mark(1, scale.high)])
    _finish_axes(ax, [*space, metric.name + unit])


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
    return {"c": plt.get_cmap("viridis")(badness), "lw": 1.0, "zorder": 2}


def _draw_axis(ax: Axes, place: int, marks: Sequence[Mark]) -> None:
    """One vertical axis with labels beside it."""
    ax.axvline(place, c="k", lw=0.7, zorder=4)
    box = {"fc": "white", "ec": "none", "pad": 0.8}
    for height, setting in marks:
        number = isinstance(setting, int | float) and not isinstance(setting, bool)
        text = f"{setting:.3g}" if number else textwrap.fill(str(setting), 10)
        ax.text(place + 0.04, height, text, fontsize=7, va="center", zorder=5, bbox=box)


def _finish_axes(ax: Axes, labels: Sequence[str]) -> None:
    ax.set(xticks=range(len(labels)), xticklabels=labels, yticks=[])
    ax.set_xlim(-0.1, len(labels) - 0.5)
    ax.spines["left"].set_visible(False)
    ax.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
