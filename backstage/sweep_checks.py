"""Whether the description of a sweep can be run here; found out before any training starts."""

import re
from collections.abc import Callable, Mapping

from backstage.sweep_shapes import check_keys, check_number
from backstage.sweep_space import parameter_space, plain

SEARCH = ("method", "metric", "parameters", "early_terminate")  # what decides the trials
KEYS = (*SEARCH, "name", "run_cap", "description", "program", "command", "project", "entity")
STOP_KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


def read_sweep(config: Mapping[str, object], train: Callable, count: int | None, seed: int) -> dict:
    """Check that a sweep can be run, and give its description without NumPy's numbers.

    Raises:
        ValueError: it cannot; the message tells what is wrong and what is allowed.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"a sweep must be a dict with {', '.join(SEARCH)}, not {config!r}")
    if not callable(train):
        raise ValueError(f"train must be a function of settings and log, not {train!r}")
    config = plain(config)
    check_keys("sweep", config, KEYS)
    _check_name(config.get("name", "sweep"))
    method = config.get("method")
    if method not in ("grid", "random", "bayes"):
        raise ValueError(f"method must be grid, random or bayes, not {method!r}")
    check_whole("seed", seed)
    check_whole("run_cap", config.get("run_cap", 1), 1)
    if count is None and method != "grid" and "run_cap" not in config:
        raise ValueError(f"a {method} sweep needs a count of trials")
    check_whole("count", 1 if count is None else count, 1)
    _check_metric(config)
    _check_stop(config)
    if not config.get("parameters"):
        raise ValueError("the sweep has no parameters")
    _check_grid(config)
    return config


def check_whole(what: str, number: object, least: int | None = None) -> None:
    """Check that this is a whole number, and not too small.

    Raises:
        ValueError: it is not.
    """
    if isinstance(number, str):
        check_number(what, number)
    number = plain(number)
    whole = isinstance(number, int) and not isinstance(number, bool)
    if not whole or (least is not None and number < least):
        limit = "" if least is None else f" of {least} or more"
        raise ValueError(f"{what} must be a whole number{limit}, not {number!r}")


def _check_name(name: object) -> None:
    """A sweep's name becomes that of a folder."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w .,=+()-]{0,79}", name):
        raise ValueError(
            f"name must be text of letters, digits and the signs _-.,=+() , without a path, "
            f"80 characters at most, not {name!r}"
        )


def _check_metric(config: Mapping[str, object]) -> None:
    """W&B needs a metric for bayes and for stopping early only, and minimises by default."""
    metric = config.get("metric")
    if metric is None and config["method"] != "bayes" and not config.get("early_terminate"):
        return
    if not isinstance(metric, Mapping) or not isinstance(metric.get("name"), str):
        raise ValueError(f"metric must be a dict with a name and a goal, not {metric!r}")
    check_keys("metric", metric, ("name", "goal", "target"))
    if not metric["name"] or metric.get("goal", "minimize") not in ("minimize", "maximize"):
        raise ValueError(f"metric needs a name and a goal, minimize or maximize, not {metric}")
    if "target" in metric:
        check_number("metric: target", metric["target"])


def _check_stop(config: Mapping[str, object]) -> None:
    stop = config.get("early_terminate")
    if stop is None:
        return
    known = isinstance(stop, Mapping) and stop.get("type") == "hyperband"
    if not known or not {"min_iter", "max_iter"} & set(stop):
        raise ValueError(
            f"early_terminate must be of type hyperband, with min_iter or max_iter, not {stop!r}"
        )
    check_keys("early_terminate", stop, STOP_KEYS)
    for key, least in (("min_iter", 1), ("max_iter", 1), ("s", 1), ("eta", 2)):
        check_whole(f"early_terminate: {key}", stop.get(key, least), least)
    if stop.get("min_iter", 1) > stop.get("max_iter", stop.get("min_iter", 1)):
        raise ValueError(f"early_terminate: min_iter must not be above max_iter, as in {stop}")


def _check_grid(config: Mapping[str, object]) -> None:
    space = parameter_space(config)
    ranges = [name for name, parameter in space.items() if not parameter.choices]
    if config["method"] == "grid" and ranges:
        raise ValueError(
            "a grid needs value, values (without probabilities), int_uniform or q_uniform for "
            f"every parameter, which {', '.join(ranges)} has not"
        )
