"""The description of a W&B sweep: its parameters, and whether it can be run here."""

from collections.abc import Mapping

from backstage.sweep_parameters import Parameter, parameter


def flat(parameters: Mapping[str, Mapping], prefix: str = "") -> dict[str, Mapping]:
    """Turn nested sweep parameters into one level, with dots in the names."""
    out = {}
    for name, spec in parameters.items():
        inner = spec.get("parameters")
        out |= flat(inner, f"{prefix}{name}.") if inner else {f"{prefix}{name}": spec}
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
    """Turn a sweep's parameters into what Optuna can draw, by their flat names."""
    parameters = flat(config.get("parameters") or {})
    return {name: parameter(name, spec) for name, spec in parameters.items()}


def check_sweep(config: Mapping[str, object], count: int | None) -> None:
    """Check that a sweep can be run, before any training starts.

    Raises:
        ValueError: it cannot; the message tells what is wrong and what is allowed.
    """
    method = config.get("method")
    if method not in ("grid", "random", "bayes"):
        raise ValueError(f"method must be grid, random or bayes, not {method!r}")
    if count is None and method != "grid":
        raise ValueError(f"a {method} sweep needs a count of trials")
    if count is not None and count < 1:
        raise ValueError(f"count must be 1 or more, not {count}")
    _check_metric(config.get("metric") or {})
    _check_stop(config.get("early_terminate") or {})
    space = parameter_space(config)
    if not space:
        raise ValueError("the sweep has no parameters")
    ranges = [name for name, parameter in space.items() if not parameter.choices]
    if method == "grid" and ranges:
        raise ValueError(
            "a grid needs value or values (without probabilities) for every parameter, "
            f"not a range: {', '.join(ranges)}"
        )


def _check_metric(metric: Mapping[str, object]) -> None:
    if not metric.get("name") or metric.get("goal") not in ("minimize", "maximize"):
        raise ValueError(f"metric needs a name and a goal, minimize or maximize, not {metric}")


def _check_stop(stop: Mapping[str, object]) -> None:
    if not stop:
        return
    if stop.get("type") != "hyperband" or not (stop.get("min_iter") or stop.get("max_iter")):
        raise ValueError(
            f"early_terminate must be of type hyperband, with min_iter or max_iter, not {stop}"
        )
