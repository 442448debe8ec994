"""What a sweep found, as pictures: settings against values, importances and curves."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backstage.style import GREEN, RED, TEXT_WIDTH
from backstage.sweep_importance import plot_importances
from backstage.sweep_parallel import parallel_coordinates
from backstage.sweep_space import metric_of, parameter_space, setting_of
from backstage.sweep_trials import Trial, completed
from backstage.tracking import Table, track


class SweepFigures(NamedTuple):
    """The two figures of a sweep."""

    parallel: Figure
    importance: Figure


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
