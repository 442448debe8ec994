"""Intervals for shares and means, and whether a probability can be taken at its word."""

from typing import NamedTuple

import numpy as np
import torch
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from torch.nn import functional as F

from backstage.checks import check_labels


class Interval(NamedTuple):
    """A 95 % interval; both ends may be arrays."""

    low: float | np.ndarray
    high: float | np.ndarray


def share_interval(hits: np.ndarray, n: np.ndarray) -> Interval:
    """Find Wilson's 95 % interval for a share of hits in n independent trials; both may be arrays.

    Raises:
        ValueError: hits or n are no whole numbers, n is below 1, or hits are not 0 to n.

    Source: E. B. Wilson, J. Amer. Statist. Assoc. 22, 1927, as statsmodels has it.
    """
    hits, n = np.broadcast_arrays(np.asarray(hits, float), np.asarray(n, float))
    count = np.rint(hits)
    near = np.abs(hits - count) < 1e-6  # it may be a share times n
    good = near & (n == np.rint(n)) & (n >= 1) & (count >= 0) & (count <= n)
    if not good.all():
        bad = f"{hits[~good][0]:g} in {n[~good][0]:g}"
        raise ValueError(f"need n trials, 1 or more, and 0 to n hits, not {bad}")
    low, high = proportion_confint(count, n, method="wilson")
    return Interval(low, high) if count.shape else Interval(float(low), float(high))


def mean_interval(values: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Interval:
    """Find a 95 % bootstrap interval for a mean.

    Args:
        values: (n,) one value per independent case.
        groups: (n,) cases of the same group (a patient's X-rays) are drawn together; None: each
            case by itself.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    values = np.asarray(values, dtype=float)
    if groups is None:
        found = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=rng)
        return Interval(*map(float, found.confidence_interval))
    names, place = np.unique(groups, return_inverse=True)
    total = np.bincount(place, values)
    count = np.bincount(place)
    drawn = rng.integers(0, len(names), (4000, len(names)))
    means = total[drawn].sum(1) / count[drawn].sum(1)
    return Interval(*map(float, np.quantile(means, (0.025, 0.975))))


def interval_text(values: np.ndarray, groups: np.ndarray | None = None) -> str:
    """A mean and its 95 % interval as a table shows them; arguments as in `mean_interval`."""
    low, high = mean_interval(values, groups)
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def gain_text(values: np.ndarray, groups: np.ndarray | None = None, digits: int = 3) -> str:
    """The same for a mean difference, with its sign, in LaTeX's minus signs."""
    return with_ends(float(np.mean(values)), mean_interval(values, groups), digits)


def with_ends(value: float, ends: Interval, digits: int = 3) -> str:
    """A difference and the ends of its interval, with their signs, in LaTeX's minus signs."""
    value, low, high = (f"${signed(each, digits)}$" for each in (value, *ends))
    return f"{value} [{low}, {high}]"


def signed(value: float, digits: int) -> str:
    """A number with its sign; one that is rounded to zero has none."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]


def difference_interval(a: np.ndarray, b: np.ndarray) -> Interval:
    """Find a 95 % bootstrap interval for mean(a) - mean(b) of two independent samples."""

    def gap(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return a.mean(axis=axis) - b.mean(axis=axis)

    rng = np.random.default_rng(0)
    found = stats.bootstrap((a, b), gap, n_resamples=4000, method="percentile", rng=rng)
    return Interval(*map(float, found.confidence_interval))


class Reliability(NamedTuple):
    """Answers sorted into bins of confidence, arrays (bins,), NaN where a bin is empty."""

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray
    error: float  # expected calibration error: mean |confidence - accuracy|, weighted by count


def reliability(log_p: torch.Tensor, y: torch.Tensor, edges: np.ndarray) -> Reliability:
    """Ask whether answers given with p = 0.99 are right 99 times in 100.

    Args:
        log_p: (n, classes) log-probabilities.
        y: (n,) class numbers.
        edges: of the bins of confidence, rising from 0 to 1.

    Raises:
        ValueError: log_p are no log-probabilities but logits, say; y are no class numbers; or
            edges do not rise from 0 to 1.

    Source: Guo, Pleiss, Sun and Weinberger, ICML 2017.
    """
    _check_answers(log_p, y)
    edges = np.asarray(edges)
    if not (len(edges) > 1 and edges[0] == 0 and edges[-1] == 1 and (np.diff(edges) > 0).all()):
        raise ValueError(f"edges must rise from 0 to 1, not {edges}")
    best = log_p.exp().max(1)
    p = best.values.numpy()
    right = (best.indices == y).numpy()
    place = bin_of(p, edges)
    count = np.bincount(place, minlength=len(edges) - 1)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, p, len(edges) - 1) / count
        accuracy = np.bincount(place, right, len(edges) - 1) / count
    error = float(np.nansum(np.abs(confidence - accuracy) * count) / len(y))
    return Reliability(confidence, accuracy, count, error)


def bin_of(confidence: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of the bin that each confidence lies in; on an edge it counts with the bin below."""
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)


def _check_answers(log_p: torch.Tensor, y: torch.Tensor) -> None:
    if log_p.ndim != 2 or y.shape != log_p.shape[:1]:
        shapes = f"{tuple(log_p.shape)} and {tuple(y.shape)}"
        raise ValueError(f"need log_p (n, classes) and y (n,), not {shapes}")
    total = log_p.double().exp().sum(1)
    worst = float(total[(total - 1).abs().argmax()])
    if not abs(worst - 1) < 0.01:  # half precision keeps three digits
        raise ValueError(f"e**log_p must sum to 1 in each row, not {worst:g}: take log_softmax(1)")
    check_labels(y, F.nll_loss)
    if y.max() >= log_p.shape[1]:
        raise ValueError(f"y must be below {log_p.shape[1]}, the number of classes, not {y.max()}")
