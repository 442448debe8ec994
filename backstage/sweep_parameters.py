"""One parameter of a W&B sweep as something that Optuna can draw from."""

import copy
import math
from collections.abc import Mapping

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.stats import rv_continuous

from backstage.sweep_axes import Parameter
from backstage.sweep_shapes import (
    EDGE,
    check_keys,
    check_number,
    frozen,
    is_exponent,
    numbers_of,
)

CHOICES = {  # what W&B calls a distribution of given values, and the keys that it has
    "constant": ["value"],
    "categorical": ["values"],
    "categorical_w_probabilities": ["values", "probabilities"],
}
PRIMITIVE = (type(None), bool, int, float, str)  # what Optuna can keep in a journal


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
    kind = str(spec["distribution"]) if "distribution" in spec else _kind_of(name, spec)
    if kind in CHOICES:
        return _choice(name, kind, spec)
    numbers = numbers_of(name, kind, spec)
    shape = frozen(name, kind, numbers)
    direct = _direct(kind, numbers)
    return Parameter(direct) if direct else _by_quantile(shape, numbers.get("q"))


def grid_values(name: str, spec: Mapping[str, object]) -> Mapping[str, object]:
    """Give a range of whole numbers, or of multiples of q, as the values that a grid visits."""
    kind = str(spec["distribution"]) if "distribution" in spec else _kind_of(name, spec)
    if kind not in ("int_uniform", "q_uniform"):
        return spec
    numbers = numbers_of(name, kind, spec)
    q = numbers.get("q", 1)
    places = range(round(numbers["min"] / q), round(numbers["max"] / q) + 1)
    return {"values": [place * q for place in places]}


def _kind_of(name: str, spec: Mapping[str, object]) -> str:
    """The distribution that W&B takes a description without this key for."""
    for kind, keys in CHOICES.items():
        if set(keys) == set(spec):
            return kind
    if "probabilities" in spec:
        return "categorical_w_probabilities"
    if not {"min", "max"} <= set(spec):
        raise ValueError(
            f"{name}: needs value, values, min and max, or a distribution, not {dict(spec)}"
        )
    whole = isinstance(spec["min"], int) and isinstance(spec["max"], int)
    return "int_uniform" if whole else "uniform"


def _choice(name: str, kind: str, spec: Mapping[str, object]) -> Parameter:
    """One of given values."""
    check_keys(f"{name} ({kind})", spec, ["distribution", *CHOICES[kind]])
    values = [spec["value"]] if "value" in spec else spec.get("values")
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name}: values must be a list with at least one value, not {values!r}")
    for value in filter(is_exponent, values):
        check_number(f"{name}: a value", value)
    if kind == "categorical_w_probabilities":
        return _weighted(name, values, spec.get("probabilities"))
    if all(isinstance(v, PRIMITIVE) and v == v for v in values) and len(set(values)) == len(values):
        return Parameter(CategoricalDistribution(values))
    places = CategoricalDistribution(range(len(values)))
    return Parameter(places, lambda place: copy.deepcopy(values[place]), values.index)


def _direct(kind: str, numbers: Mapping[str, float]) -> BaseDistribution | None:
    """The distribution of Optuna that is the same, if there is one."""
    low = numbers.get("min")
    high = numbers.get("max")
    if kind == "int_uniform":
        return IntDistribution(low, high)
    if kind == "uniform":
        return FloatDistribution(low, high)
    if kind in ("log_uniform_values", "inv_log_uniform_values"):
        return FloatDistribution(low, high, log=True)
    if kind == "log_uniform":  # its limits are exponents
        return FloatDistribution(math.exp(low), math.exp(high), log=True)
    if kind == "inv_log_uniform":  # log(1 / x) lies between its limits
        return FloatDistribution(math.exp(-high), math.exp(-low), log=True)
    return None


def _by_quantile(shape: rv_continuous, q: float | None) -> Parameter:
    """A parameter by its quantile, uniform from 0 to 1; with q rounded to multiples of it."""

    def to_setting(quantile: float) -> float:
        value = float(shape.ppf(quantile))
        return value if q is None else round(value / q) * q

    def to_drawn(setting: float) -> float:
        return float(np.clip(shape.cdf(setting), EDGE, 1 - EDGE))

    return Parameter(FloatDistribution(EDGE, 1 - EDGE), to_setting, to_drawn)


def _weighted(name: str, values: list, shares: object) -> Parameter:
    """A choice with unequal probabilities, by its quantile."""
    if not isinstance(shares, list) or len(shares) != len(values):
        raise ValueError(f"{name}: needs as many probabilities as values")
    for share in shares:
        check_number(f"{name}: a probability", share)
    probabilities = np.array(shares, float)
    if (probabilities < 0).any() or not np.isclose(probabilities.sum(), 1):
        raise ValueError(f"{name}: probabilities must be 0 or more and sum to 1, not {shares}")
    ends = np.cumsum(probabilities)

    def to_setting(quantile: float) -> object:
        return values[min(int(np.searchsorted(ends, quantile)), len(values) - 1)]

    def to_drawn(setting: object) -> float:
        place = values.index(setting)
        middle = ends[place] - probabilities[place] / 2
        return float(np.clip(middle, EDGE, 1 - EDGE))

    return Parameter(FloatDistribution(EDGE, 1 - EDGE), to_setting, to_drawn)
