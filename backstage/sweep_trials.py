"""One trial of a sweep: a training with certain settings, inside a tracked run."""

import math
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backstage.tracking import Tracker

Train = Callable[[dict, Callable[[dict], None]], float]


class Pruned(Exception):
    """Raised in a trial's log to end a trial that falls behind."""


@dataclass(frozen=True)
class Trial:
    """One training of a sweep.

    Attributes:
        number: in the order in which the trials started.
        settings: what the sweep chose, nested as in the sweep's description.
        value: the metric's final value; None if the trial was stopped early or failed.
        state: "complete", "pruned" (stopped early) or "fail".
        history: the rows that the training logged, arrays over networks as their means.
        error: the traceback of a trial that failed.
    """

    number: int
    settings: dict
    value: float | None
    state: str
    history: list[dict]
    error: str | None = None

    def curve(self, metric: str) -> list[float]:
        """The metric in all rows that hold it."""
        return [row[metric] for row in self.history if metric in row]

    def reached(self, metric: str) -> float | None:
        """The final value or, for a trial that ended before, the last one that it logged."""
        if self.value is not None:
            return self.value
        return next(reversed(self.curve(metric)), None)


def completed(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that were trained to their end, in the order given (of run_sweep: best first)."""
    return [trial for trial in trials if trial.state == "complete"]


def train_once(
    number: int,
    run: Tracker,
    train: Train,
    settings: dict,
    metric: str,
    after_row: Callable[[list[dict]], None] = lambda rows: None,
) -> Trial:
    """Train inside a tracked run, and catch what ends the training before its time.

    Args:
        number: of the trial.
        run: where rows and the final value are logged.
        train: train(settings, log) gives the metric's final value.
        settings: for the training.
        metric: the name of the value.
        after_row: called with all rows after each one; it may raise Pruned.
    """

    def log(row: dict) -> None:
        run.log(row)
        after_row(run.rows)

    try:
        value = float(train(settings, log))
        if math.isnan(value):
            raise ValueError(f"the training returned nan as its {metric}; a trial needs a number")
    except Pruned:
        run.summary(pruned=True)
        return Trial(number, settings, None, "pruned", run.rows)
    except Exception as error:
        run.summary(failed=repr(error))
        return Trial(number, settings, None, "fail", run.rows, traceback.format_exc())
    run.summary(**{metric: value})
    return Trial(number, settings, value, "complete", run.rows)
