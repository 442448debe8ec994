"""Whether a network's probabilities are right: reliability, calibration error, temperature."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional as F

BINS = 15  # of equal width, for probabilities from 0 to 1
TEMPERATURES = (0.2, 5.0)  # the range that is searched


class Reliability(NamedTuple):
    """Pixels sorted into bins by their probability; bins without a pixel are left out."""

    probability: np.ndarray  # (bins,) mean probability of lung
    share: np.ndarray  # (bins,) share of the pixels that are lung
    count: np.ndarray  # (bins,) pixels


def reliability(logits: torch.Tensor, y: torch.Tensor) -> Reliability:
    """Compare probabilities of lung with what is lung.

    Args:
        logits: of any shape.
        y: shaped like logits, 0 or 1.
    """
    p = logits.double().sigmoid().numpy().ravel()
    lung = y.double().numpy().ravel()
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    filled = count > 0
    probability = np.bincount(place, p, BINS)[filled] / count[filled]
    share = np.bincount(place, lung, BINS)[filled] / count[filled]
    return Reliability(probability, share, count[filled])


def calibration_error(logits: torch.Tensor, y: torch.Tensor) -> float:
    """Mean distance between probability and share over the bins, weighted by their pixels.

    Source: the expected calibration error of Guo, Pleiss, Sun and Weinberger, ICML 2017, for the
    probability of one class. Arguments as in `reliability`.
    """
    bins = reliability(logits, y)
    return float(np.average(np.abs(bins.probability - bins.share), weights=bins.count))


def fit_temperature(logits: torch.Tensor, y: torch.Tensor) -> float:
    """Find the number by which to divide logits so that their cross-entropy is least.

    Source: Guo, Pleiss, Sun and Weinberger, ICML 2017. Arguments as in `reliability`.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits / float(np.exp(log_temperature))
        return F.binary_cross_entropy_with_logits(scaled, y).item()

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(found.x))
