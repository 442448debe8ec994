"""Reliability, calibration error and temperature, on probabilities whose truth is known."""

import numpy as np
import pytest
import torch

from backstage.lung_calibration import calibration_error, fit_temperature, reliability


def drawn(logits, seed=0):
    """Labels that are 1 with the probability that the logits state."""
    generator = torch.Generator().manual_seed(seed)
    return torch.bernoulli(logits.sigmoid(), generator=generator)


@pytest.fixture
def logits():
    return 2 * torch.randn(200_000, generator=torch.Generator().manual_seed(1))


def test_labels_drawn_from_the_probabilities_are_calibrated(logits):
    assert calibration_error(logits, drawn(logits)) < 0.004
    assert calibration_error(2 * logits, drawn(logits)) > 0.05


@pytest.mark.parametrize("factor", [0.5, 1, 3])
def test_the_temperature_undoes_a_factor(logits, factor):
    assert fit_temperature(factor * logits, drawn(logits)) == pytest.approx(factor, rel=0.03)


def test_four_pixels_by_hand():
    p = torch.tensor([0.02, 0.04, 0.5, 1.0], dtype=torch.double)
    y = torch.tensor([0.0, 1.0, 1.0, 1.0])
    bins = reliability(p.logit(eps=1e-9), y)
    assert np.allclose(bins.probability, [0.03, 0.5, 1])
    assert np.allclose(bins.share, [0.5, 1, 1])
    assert list(bins.count) == [2, 1, 1]
    assert calibration_error(p.logit(eps=1e-9), y) == pytest.approx((2 * 0.47 + 0.5) / 4)
