"""The description of a W&B sweep: its metric and its parameters, as they are needed here."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from backstage.sweep_axes import Parameter
from backstage.sweep_parameters import grid_values, parameter


class Metric(NamedTuple):
    """What a sweep compares its trials by.

    Attributes:
        name: of the number in the rows of a training.
        goal: "minimize" or "maximize".
        target: a value that ends the sweep once a trial reaches it, or None.
    """

    name: str = "value"
    goal: str = "minimize"
    target: float | None = None

    @property
    def small(self) -> bool:
        """Whether small values are good."""
        return self.goal == "minimize"

    def reached_by(self, value: float) -> bool:
        """Whether a trial's value is as good as the target."""
        if self.target is None:
            return False
        return value <= self.target if self.small else value >= self.target


def metric_of(config: Mapping[str, object]) -> Metric:
    """Read a sweep's metric, with W&B's defaults."""
    return Metric(**plain(config.get("metric") or {}))


def plain(thing: object) -> object:
    """Give a description with NumPy's numbers and arrays, tuples and ranges as Python's lists."""
    if isinstance(thing, np.generic | np.ndarray):
        return thing.tolist()
    if isinstance(thing, Mapping):
        return {key: plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple | range):
        return [plain(value) for value in thing]
    return thing


def flat(parameters: Mapping[str, Mapping], prefix: str = "") -> dict[str, Mapping]:
    """Turn nested sweep parameters into one level, with dots in the names.

    Raises:
        ValueError: a parameter, or a level of them, is not described by a dict.
    """
    if not isinstance(parameters, Mapping) or not parameters:
        raise ValueError(f"{prefix}parameters must be a dict of parameters, not {parameters!r}")
    out = {}
    for name, spec in parameters.items():
        if not isinstance(name, str):
            raise ValueError(f"a parameter's name must be text, not {name!r}")
        if not isinstance(spec, Mapping):
            example = f'{{"value": {spec!r}}}'
            raise ValueError(f"{prefix}{name} must be a dict such as {example}, not {spec!r}")
        inside = "parameters" in spec
        here = f"{prefix}{name}"
        more = flat(spec["parameters"], f"{here}.") if inside else {here: spec}
        if out.keys() & more.keys():
            raise ValueError(f"two parameters are called {', '.join(out.keys() & more.keys())}")
        out |= more
    return out


def nested(settings: Mapping[str, object]) -> dict:
    """Undo `flat` for settings: {"a.b": 1} becomes {"a": {"b": 1}}."""
    out: dict = {}
    for name, value in settings.items():
        *outer, last = name.split(".")
        place = out
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return out


def setting_of(settings: Mapping[str, object], name: str) -> object:
    """Find the setting that `flat` calls by this name."""
    for key in name.split("."):
        settings = settings[key]
    return settings


def parameter_space(config: Mapping[str, object]) -> dict[str, Parameter]:
    """Turn a sweep's parameters into what Optuna can draw, by their flat names.

    Raises:
        ValueError: a parameter is not described as W&B has it.
    """
    parameters = flat(plain(config.get("parameters") or {}))
    if config.get("method") == "grid":
        parameters = {name: grid_values(name, spec) for name, spec in parameters.items()}
    return {name: parameter(name, spec) for name, spec in parameters.items()}
