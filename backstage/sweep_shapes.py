"""W&B's distributions, as SciPy's.

Source: the table of distributions in W&B's sweep configuration options (docs.wandb.ai).
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

EDGE = 1e-6  # a quantile stays this far from 0 and 1, where a normal distribution has no end


class Shape(NamedTuple):
    """A distribution of W&B's.

    Attributes:
        numbers: what it takes, with W&B's defaults; None where there is no default.
        frozen: from these numbers, in their order, to SciPy's distribution.
    """

    numbers: Mapping[str, float | None]
    frozen: Callable


RANGE = {"min": None, "max": None}
BELL = {"mu": 0.0, "sigma": 1.0}


def _log_uniform(low: float, high: float) -> stats.rv_continuous:
    """The limits are exponents: of X itself or, for inv_log_uniform, of 1 / X."""
    return stats.loguniform(math.exp(low), math.exp(high))


SHAPES = {
    "int_uniform": Shape(RANGE, lambda low, high: stats.randint(low, high + 1)),
    "uniform": Shape(RANGE, lambda low, high: stats.uniform(low, high - low)),
    "log_uniform": Shape(RANGE, _log_uniform),
    "log_uniform_values": Shape(RANGE, stats.loguniform),
    "inv_log_uniform": Shape(RANGE, lambda low, high: _log_uniform(-high, -low)),
    "inv_log_uniform_values": Shape(RANGE, stats.loguniform),
    "normal": Shape(BELL, stats.norm),
    "log_normal": Shape(BELL, lambda mu, sigma: stats.lognorm(sigma, scale=math.exp(mu))),
    "beta": Shape({"a": 1, "b": 1}, stats.beta),
}
for _kind in ("uniform", "log_uniform", "log_uniform_values", "normal", "log_normal", "beta"):
    SHAPES[f"q_{_kind}"] = Shape({**SHAPES[_kind].numbers, "q": 1}, SHAPES[_kind].frozen)


def numbers_of(name: str, kind: str, spec: Mapping[str, object]) -> dict[str, float]:
    """Read the numbers of a distribution, in the order of the table.

    Raises:
        ValueError: the distribution is unknown, or its numbers do not suit it.
    """
    if kind not in SHAPES:
        known = ", ".join(["constant", "categorical", *SHAPES])
        raise ValueError(f"{name}: there is no distribution {kind!r}; allowed are {known}")
    check_keys(f"{name} ({kind})", spec, ["distribution", *SHAPES[kind].numbers])
    numbers = {key: spec.get(key, least) for key, least in SHAPES[kind].numbers.items()}
    for key, number in numbers.items():
        check_number(f"{name}: {key} of {kind}", number)
        if key in ("sigma", "a", "b", "q") and number <= 0:
            raise ValueError(f"{name}: {kind} needs {key} > 0, not {number}")
    _check_range(name, kind, numbers)
    return numbers


def _check_range(name: str, kind: str, numbers: Mapping[str, float]) -> None:
    if "min" not in numbers:
        return
    low = numbers["min"]
    high = numbers["max"]
    if not low < high or (kind.endswith("values") and low <= 0):
        above = " and both above 0" if kind.endswith("values") else ""
        raise ValueError(f"{name}: {kind} needs min below max{above}, not {low} and {high}")
    if kind == "int_uniform" and not (isinstance(low, int) and isinstance(high, int)):
        raise ValueError(f"{name}: int_uniform needs whole numbers, not {low} and {high}")


def frozen(name: str, kind: str, numbers: Mapping[str, float]) -> stats.rv_continuous:
    """Give SciPy's distribution of this kind, the rounding by q left out.

    Raises:
        ValueError: its values leave the range of floating-point numbers.
    """
    try:
        shape = SHAPES[kind].frozen(*[n for key, n in numbers.items() if key != "q"])
        with np.errstate(over="ignore"):
            ends = [float(end) for end in shape.ppf([EDGE, 1 - EDGE])]
    except OverflowError:  # of the exponential function
        ends = [math.inf]
    if not all(math.isfinite(end) for end in ends) or ("log" in kind and min(ends) <= 0):
        hint = (
            "; its numbers are exponents of e"
            if kind.endswith(("log_uniform", "log_normal"))
            else ""
        )
        raise ValueError(f"{name}: {kind} of {dict(numbers)} leaves the range of numbers{hint}")
    return shape


def check_keys(where: str, given: Mapping[str, object], allowed: Collection[str]) -> None:
    """Check that nothing is misspelt or out of place.

    Raises:
        ValueError: a key is not allowed here.
    """
    wrong = [str(key) for key in given if key not in allowed]
    if wrong:
        raise ValueError(f"{where}: unknown {', '.join(wrong)}; allowed are {', '.join(allowed)}")


def check_number(where: str, number: object) -> None:
    """Check that this is a finite number.

    Raises:
        ValueError: it is something else; the message explains a number that YAML read as text.
    """
    if is_exponent(number):
        raise ValueError(f"{where} is the text {number!r}; in YAML a number needs a point: 1.0e-3")
    if isinstance(number, bool) or not isinstance(number, int | float):
        missing = "is missing" if number is None else f"must be a number, not {number!r}"
        raise ValueError(f"{where} {missing}")
    if not math.isfinite(number):
        raise ValueError(f"{where} must be finite, not {number}")


def is_exponent(value: object) -> bool:
    """Whether this is a number like 1e-3 that YAML has read as text."""
    return isinstance(value, str) and bool(re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value))
