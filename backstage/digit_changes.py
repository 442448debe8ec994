"""What one change does to a digit network's recipe, over the same seeds, and whether it is kept."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from backstage.digit_search import Tried
from backstage.statistics import Interval, signed

LEAST = 0.1  # a kept ingredient lowers the validation loss by at least this share


def paired_difference(changed: np.ndarray, before: np.ndarray) -> Interval:
    """Student's 95 % interval for the mean of changed - before, (n,) each, paired by seed."""
    return Interval(*stats.ttest_1samp(changed - before, 0).confidence_interval())


class Change(NamedTuple):
    """What one change does to a recipe, over the same seeds: 95 % intervals of changed - before."""

    name: str
    loss: np.ndarray  # (seeds,) validation losses of the changed recipe [nats]
    error: np.ndarray  # (seeds,) its validation errors [%]
    gain: float  # share by which the mean validation loss is lower
    loss_difference: Interval  # [nats]
    error_difference: Interval  # percentage points

    @property
    def better(self) -> bool:
        """Whether the validation loss is lower: clear of zero, and by enough to be worth it."""
        return self.loss_difference.high < 0 and self.gain >= LEAST

    @property
    def worse(self) -> bool:
        """Whether the validation loss is clearly higher."""
        return self.loss_difference.low > 0

    @property
    def verdict(self) -> str:
        """What the rule decides, in words."""
        if self.better:
            return "kept"
        if self.worse:
            return "clearly worse"
        if self.loss_difference.high < 0:
            return "better, but by less than a tenth"
        return "open"


def compare(tried: Sequence[Tried]) -> list[Change]:
    """Compare every recipe with the first one, which has the same seeds."""
    before = tried[0]
    return [
        Change(
            one.name,
            one.loss,
            one.error,
            1 - one.loss.mean() / before.loss.mean(),
            paired_difference(one.loss, before.loss),
            paired_difference(one.error, before.error),
        )
        for one in tried[1:]
    ]


def table(before: Tried, changes: Sequence[Change]) -> list[list[str]]:
    """Rows for the report, with 95 % intervals of the differences.

    Columns: name; mean loss [nats], its change [%] and difference [0.001 nats]; error (mean ± sd)
    [%] and its difference [percentage points].
    """
    rows = [[before.name, f"{before.loss.mean():.4f}", "", "", _mean_and_std(before.error), ""]]
    for one in changes:
        change = f"${signed(-100 * one.gain, 1)}$"
        loss = " to ".join(f"${signed(1000 * end, 0)}$" for end in one.loss_difference)
        error = " to ".join(f"${signed(end, 2)}$" for end in one.error_difference)
        mean = f"{one.loss.mean():.4f}"
        rows.append([one.name, mean, change, loss, _mean_and_std(one.error), error])
    return rows


def printed(value: float, digits: int) -> str:
    """A number with its sign as LaTeX, which may stand in text and in formulas."""
    return rf"\text{{${signed(value, digits)}$}}"


def _mean_and_std(values: np.ndarray) -> str:
    return rf"{values.mean():.2f} $\pm$ {values.std(ddof=1):.2f}"
