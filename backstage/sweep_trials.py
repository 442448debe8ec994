"""One trial of a sweep: a training with certain settings, inside a tracked run."""

import json
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np
import torch

from backstage.interrupts import whole_or_nothing
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
        value: the metric's final value; None unless the trial is complete.
        state: "complete", "pruned" (stopped early), "diverged" (its value is not finite) or "fail".
        history: the rows that the training logged, arrays over networks as their means.
        error: the traceback of a trial that failed, or what a trial that diverged returned.
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
        """The final value or, for a trial without one, the last finite one that it logged."""
        if self.value is not None:
            return self.value
        return next(filter(is_finite, reversed(self.curve(metric))), None)


def completed(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that were trained to their end, in the order given (of run_sweep: best first)."""
    return [trial for trial in trials if trial.state == "complete"]


def is_finite(value: object) -> bool:
    """Whether this is a number, and neither NaN nor infinite."""
    return isinstance(value, Real) and math.isfinite(value)


def as_plain(value: object) -> object:
    """Give an array or tensor of numbers as its mean, NumPy's numbers as Python's."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return float(value.mean()) if value.size else math.nan
    return value.item() if isinstance(value, np.generic) else value


def _as_kept(value: object) -> object:
    """Give what a journal can hold: other things, such as paths and pictures, as text."""
    value = as_plain(value)
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    return value


def train_once(
    number: int,
    run: Tracker,
    train: Train,
    settings: dict,
    metric: str,
    after_row: Callable[[list[dict]], None] = lambda rows: None,
) -> Trial:
    """Train inside a tracked run, and catch what ends the training before its time, but Ctrl-C.

    Args:
        number: of the trial.
        run: where rows and the final value are logged.
        train: train(settings, log) gives the metric's final value.
        settings: for the training.
        metric: the name of the value.
        after_row: called with all rows after each one; it may raise Pruned.
    """
    rows: list[dict] = []

    def log(row: Mapping[str, object]) -> None:
        run.log({name: _as_logged(value) for name, value in row.items()})
        rows.append({str(name): _as_kept(value) for name, value in row.items()})
        after_row(rows)

    try:
        with whole_or_nothing():
            value = _as_number(train(settings, log), metric)
    except Pruned:
        run.summary(pruned=True)
        return Trial(number, settings, None, "pruned", rows)
    except (Exception, SystemExit) as error:  # a training that ends Python ends its trial only
        run.summary(failed=repr(error))
        return Trial(number, settings, None, "fail", rows, traceback.format_exc())
    if not math.isfinite(value):
        run.summary(diverged=str(value))
        reason = f"the training returned {value} as its {metric}"
        return Trial(number, settings, None, "diverged", rows, reason)
    run.summary(**{metric: value})
    return Trial(number, settings, value, "complete", rows)


def _as_logged(value: object) -> object:
    value = as_plain(value)
    return str(value) if isinstance(value, Path | np.ndarray) else value


def _as_number(value: object, metric: str) -> float:
    """The one number that a training returned, also from an array or tensor of one entry."""
    if getattr(value, "shape", ()) and math.prod(value.shape) == 1:
        value = as_plain(value)
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # the last from a tensor of several numbers
        found = getattr(value, "shape", None) or repr(value)
        raise TypeError(
            f"the training must return one number as its {metric}, not {found}"
        ) from None
