"""What Optuna draws for a parameter of a sweep, the setting that it stands for, and its axis."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import Trial

FEW = 6  # whole numbers that all get a label


def _same(value: object) -> object:
    return value


class Mark(NamedTuple):
    """A label on a parameter's axis."""

    height: float  # 0 (bottom) to 1 (top)
    setting: object


@dataclass(frozen=True)
class Parameter:
    """What Optuna draws for a parameter, and how that becomes the setting of a training.

    Attributes:
        drawn: the distribution that Optuna draws from: the parameter's own, one of quantiles, or
            one of places in a list of values.
        to_setting: from a drawn value to the setting.
        to_drawn: the way back, from a setting to what was (about) drawn.
    """

    drawn: BaseDistribution
    to_setting: Callable = _same
    to_drawn: Callable = _same

    @property
    def choices(self) -> tuple | None:
        """All values of a parameter without probabilities; None for every other one."""
        if not isinstance(self.drawn, CategoricalDistribution):
            return None
        return tuple(self.to_setting(choice) for choice in self.drawn.choices)

    def suggest(self, trial: Trial, name: str) -> object:
        """Ask a trial of Optuna for a setting."""
        drawn = self.drawn
        if isinstance(drawn, CategoricalDistribution):
            return self.to_setting(trial.suggest_categorical(name, drawn.choices))
        whole = isinstance(drawn, IntDistribution)
        ask = trial.suggest_int if whole else trial.suggest_float
        value = ask(name, drawn.low, drawn.high, step=drawn.step, log=drawn.log)
        return self.to_setting(value)

    def height(self, setting: object) -> float:
        """Where a setting lies on the parameter's axis, from 0 to 1."""
        if self.choices:
            return self.choices.index(setting) / max(1, len(self.choices) - 1)
        place = self.to_drawn(setting)
        low = self.drawn.low
        high = self.drawn.high
        if high == low:
            return 0.0
        if self.drawn.log:
            return math.log(place / low) / math.log(high / low)
        return (place - low) / (high - low)

    def marks(self) -> list[Mark]:
        """All of a few values, or both ends of a range (of quantiles: 5 %, 50 % and 95 %)."""
        drawn = self.drawn
        if self.choices:
            settings = self.choices
        elif isinstance(drawn, IntDistribution) and drawn.high - drawn.low < FEW * drawn.step:
            settings = range(drawn.low, drawn.high + 1, drawn.step)
        elif self.to_setting is _same:
            settings = (drawn.low, drawn.high)
        else:
            settings = dict.fromkeys(self.to_setting(q) for q in (0.05, 0.5, 0.95))
        return [Mark(self.height(setting), setting) for setting in settings]
