"""W&B's distributions that Optuna does not have, as SciPy's."""

import math
from collections.abc import Mapping

from scipy import stats

ALLOWED = (
    "uniform, q_uniform, int_uniform, and log_uniform, log_uniform_values, inv_log_uniform, "
    "inv_log_uniform_values, normal, log_normal, beta; the last three, log_uniform and "
    "log_uniform_values also with q_"
)


def shape_of(name: str, kind: str, spec: Mapping[str, object]) -> stats.rv_continuous:
    """Find SciPy's distribution of the same shape, for W&B's name without q_.

    Raises:
        ValueError: the name is unknown, or what the distribution needs is missing.
    """
    if kind in ("normal", "log_normal"):
        return _bell(name, kind, spec.get("mu", 0.0), spec.get("sigma", 1.0))
    if kind == "beta":
        if not {"a", "b"} <= set(spec) or min(spec["a"], spec["b"]) <= 0:
            raise ValueError(f"{name}: a beta distribution needs a > 0 and b > 0, not {dict(spec)}")
        return stats.beta(spec["a"], spec["b"])
    if kind == "log_uniform":
        return stats.loguniform(math.exp(spec["min"]), math.exp(spec["max"]))
    if kind == "log_uniform_values":
        return stats.loguniform(spec["min"], spec["max"])
    raise ValueError(f"{name}: there is no distribution {kind!r}; allowed are {ALLOWED}")


def _bell(name: str, kind: str, mu: float, sigma: float) -> stats.rv_continuous:
    if sigma <= 0:
        raise ValueError(f"{name}: a {kind} distribution needs sigma > 0, not {sigma}")
    return stats.norm(mu, sigma) if kind == "normal" else stats.lognorm(sigma, scale=math.exp(mu))
