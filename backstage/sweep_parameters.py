"""One parameter of a W&B sweep as something that Optuna can draw from."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from backstage.sweep_shapes import shape_of

EDGE = 1e-6  # a quantile stays this far from 0 and 1, where a normal distribution has no end


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
        drawn: the distribution that Optuna draws from: the parameter's own, or one of quantiles.
        to_setting: from a drawn value to the setting.
        to_drawn: the way back, from a setting to what was (about) drawn.
    """

    drawn: BaseDistribution
    to_setting: Callable = _same
    to_drawn: Callable = _same

    @property
    def choices(self) -> tuple | None:
        """All values of a parameter without probabilities; None for every other one."""
        return getattr(self.drawn, "choices", None)

    def suggest(self, trial: Trial, name: str) -> object:
        """Ask a trial of Optuna for a setting."""
        drawn = self.drawn
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
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
        """All choices, or both ends of a range (of quantiles: 5 %, 50 % and 95 %)."""
        if self.choices:
            settings = self.choices
        elif self.to_setting is _same:
            settings = (self.drawn.low, self.drawn.high)
        else:
            settings = dict.fromkeys(self.to_setting(q) for q in (0.05, 0.5, 0.95))
        return [Mark(self.height(setting), setting) for setting in settings]


def parameter(name: str, spec: Mapping[str, object]) -> Parameter:
    """Turn one parameter of a W&B sweep into what Optuna can draw.

    Args:
        name: for messages.
        spec: value, or values (with or without probabilities), or min and max, or the name of a
            distribution of W&B's with what it needs.

    Raises:
        ValueError: the description is incomplete, or unknown.

    Source: W&B's sweep configuration options (docs.wandb.ai) and Optuna's distributions.
    """
    if "probabilities" in spec:
        return _weighted(
            name, list(spec.get("values", ())), np.asarray(spec["probabilities"], float)
        )
    if "value" in spec or "values" in spec:
        values = spec["values"] if "values" in spec else [spec["value"]]
        return Parameter(CategoricalDistribution(values))
    kind = spec.get("distribution") or _kind_of_range(spec)
    _check_range(name, kind, spec)
    direct = _direct(kind, spec)
    return Parameter(direct) if direct else _by_quantile(name, kind, spec)


def _kind_of_range(spec: Mapping[str, object]) -> str:
    """What W&B takes a minimum and a maximum for."""
    whole = isinstance(spec.get("min"), int) and isinstance(spec.get("max"), int)
    return "int_uniform" if whole else "uniform"


def _check_range(name: str, kind: str, spec: Mapping[str, object]) -> None:
    if "uniform" not in kind:
        return
    if not {"min", "max"} <= set(spec):
        raise ValueError(f"{name}: needs value, values, or min and max, not {dict(spec)}")
    low = spec["min"]
    high = spec["max"]
    if not low <= high or ("log" in kind and "values" in kind and low <= 0):
        raise ValueError(f"{name}: min {low} and max {high} do not suit {kind}")


def _direct(kind: str, spec: Mapping[str, object]) -> BaseDistribution | None:
    """The distribution of Optuna that is the same, if there is one."""
    low = spec.get("min")
    high = spec.get("max")
    q = spec.get("q", 1)
    if kind == "int_uniform":
        return IntDistribution(low, high)
    if kind == "uniform":
        return FloatDistribution(low, high)
    if kind == "q_uniform":
        whole = all(isinstance(v, int) for v in (low, high, q))
        return (IntDistribution if whole else FloatDistribution)(low, high, step=q)
    if kind in ("log_uniform_values", "inv_log_uniform_values"):
        return FloatDistribution(low, high, log=True)
    if kind == "log_uniform":  # its limits are exponents
        return FloatDistribution(math.exp(low), math.exp(high), log=True)
    if kind == "inv_log_uniform":  # log(1 / x) lies between its limits
        return FloatDistribution(math.exp(-high), math.exp(-low), log=True)
    if kind == "q_log_uniform_values" and q == 1 and low >= 1:
        return IntDistribution(int(low), int(high), log=True)
    return None


def _by_quantile(name: str, kind: str, spec: Mapping[str, object]) -> Parameter:
    """A parameter by its quantile, uniform from 0 to 1; q_ ones are rounded to multiples of q."""
    shape = shape_of(name, kind.removeprefix("q_"), spec)
    q = spec.get("q", 1) if kind.startswith("q_") else None

    def to_setting(quantile: float) -> float:
        value = float(shape.ppf(quantile))
        return value if q is None else round(value / q) * q

    def to_drawn(setting: float) -> float:
        return float(np.clip(shape.cdf(setting), EDGE, 1 - EDGE))

    return Parameter(FloatDistribution(EDGE, 1 - EDGE), to_setting, to_drawn)


def _weighted(name: str, values: list, probabilities: np.ndarray) -> Parameter:
    """A choice with unequal probabilities, by its quantile."""
    fair = len(values) == len(probabilities) > 0 and (probabilities >= 0).all()
    if not fair or abs(probabilities.sum() - 1) > 1e-6:
        raise ValueError(f"{name}: needs as many probabilities as values, and 1 as their sum")
    ends = np.cumsum(probabilities)

    def to_setting(quantile: float) -> object:
        return values[min(int(np.searchsorted(ends, quantile)), len(values) - 1)]

    def to_drawn(setting: object) -> float:
        place = values.index(setting)
        middle = ends[place] - probabilities[place] / 2
        return float(np.clip(middle, EDGE, 1 - EDGE))

    return Parameter(FloatDistribution(EDGE, 1 - EDGE), to_setting, to_drawn)
