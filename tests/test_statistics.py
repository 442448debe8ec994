"""Intervals and calibration against published values, other formulas and counting by hand."""

import math

import numpy as np
import pytest
import torch

import helpers as h
from backstage.statistics import Interval, signed, with_ends


@pytest.mark.parametrize(
    "hits, n, low, high",
    [  # Newcombe, Statistics in Medicine 17, 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_against_published_values(hits, n, low, high):
    found = h.share_interval(hits, n)
    assert np.allclose((found.low, found.high), (low, high), atol=5e-5)


def test_share_intervals_take_arrays_and_hold_their_share():
    found = h.share_interval(np.array([0, 5, 10]), np.array([10, 10, 10]))
    assert abs(found.low[0]) < 1e-12 and abs(found.high[2] - 1) < 1e-12
    assert (found.low < found.high).all()


def test_a_share_times_n_counts_as_hits():
    assert h.share_interval(0.29 * 100, 100) == h.share_interval(29, 100)


@pytest.mark.parametrize(
    "hits, n, words",
    [
        (5, 3, "5 in 3"),
        (0, 0, "0 in 0"),
        (-1, 3, "-1 in 3"),
        (2.5, 3, "2.5 in 3"),
        (2, 3.9, "2 in 3.9"),
        (math.nan, 3, "nan in 3"),
        (np.array([1, 5]), 3, "5 in 3"),
    ],
)
def test_hits_that_no_trials_can_give_are_refused(hits, n, words):
    with pytest.raises(ValueError, match=f"need n trials.*not {words}"):
        h.share_interval(hits, n)


def test_a_mean_interval_is_as_wide_as_theory_has_it():
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = h.mean_interval(values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert abs(found.low - values.mean() + half) < 0.05 * half
    assert abs(found.high - values.mean() - half) < 0.05 * half
    assert found == h.mean_interval(values) != h.mean_interval(values, seed=1)


def test_cases_of_one_patient_are_drawn_together():
    patients = np.random.default_rng(0).normal(0, 1, 100)
    values = np.repeat(patients, 9)  # nine X-rays each, all alike: worth no more than one
    groups = np.repeat(np.arange(100), 9)
    alone = h.mean_interval(patients)
    together = h.mean_interval(values, groups)
    apart = h.mean_interval(values)
    width = alone.high - alone.low
    assert abs((together.high - together.low) / width - 1) < 0.06
    assert abs((apart.high - apart.low) / width - 1 / 3) < 0.03


def test_groups_of_uneven_size_weigh_by_their_cases():
    values = np.array([0.0, 0.0, 0.0, 1.0])
    found = h.mean_interval(values, np.array(["a", "a", "a", "b"]))
    assert (found.low, found.high) == (0.0, 1.0)  # one in four draws has b alone


def test_a_difference_interval_is_as_wide_as_theory_has_it():
    rng = np.random.default_rng(0)
    a = rng.normal(3, 2, 400)
    b = rng.normal(1, 1, 100)
    found = h.difference_interval(a, b)
    half = 1.96 * math.sqrt(a.var() / 400 + b.var() / 100)
    gap = a.mean() - b.mean()
    assert abs(found.low - gap + half) < 0.06 * half
    assert abs(found.high - gap - half) < 0.06 * half


def test_reliability_counts_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.45, 0.55]])
    edges = np.array([0, 0.5, 0.7, 1])
    found = h.reliability(p.log(), torch.tensor([0, 1, 1, 1]), edges)
    assert found.count.tolist() == [0, 2, 2] and np.isnan(found.confidence[0])
    assert np.allclose(found.confidence[1:], [0.575, 0.85])
    assert np.allclose(found.accuracy[1:], [1, 0.5])
    assert math.isclose(found.error, (2 * 0.425 + 2 * 0.35) / 4, rel_tol=1e-5)


LOG_P = torch.tensor([[0.9, 0.1], [0.8, 0.2]]).log()
RIGHT = torch.tensor([0, 1])
EDGES = np.array([0, 0.5, 1])


@pytest.mark.parametrize(
    "log_p, y, edges, words",
    [
        (LOG_P + 3, RIGHT, EDGES, "must sum to 1 in each row, not 20"),
        (LOG_P.exp(), RIGHT, EDGES, "must sum to 1 in each row, not 3.56"),
        (LOG_P * math.nan, RIGHT, EDGES, "must sum to 1 in each row, not nan"),
        (LOG_P, RIGHT, EDGES[::-1], "edges must rise from 0 to 1"),
        (LOG_P, RIGHT, EDGES / 2, "edges must rise from 0 to 1"),
        (LOG_P, RIGHT, EDGES[:1], "edges must rise from 0 to 1"),
        (LOG_P, RIGHT[:, None], EDGES, r"not \(2, 2\) and \(2, 1\)"),
        (LOG_P, RIGHT - 100, EDGES, "class numbers 0, 1, 2"),
        (LOG_P, RIGHT + 1, EDGES, "y must be below 2, .* not 2"),
    ],
)
def test_reliability_of_no_probabilities_is_refused(log_p, y, edges, words):
    with pytest.raises(ValueError, match=words):
        h.reliability(log_p, y, edges)


def test_half_precision_is_precise_enough_for_reliability():
    log_p = torch.randn(200, 10, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    assert h.reliability(log_p.half(), torch.arange(200) % 10, EDGES).count.sum() == 200


@pytest.mark.parametrize(
    ("value", "text"), [(-0.4, "0"), (0.4, "0"), (-0.6, "-1"), (2, "+2"), (np.inf, "+inf")]
)
def test_zero_has_no_sign(value, text):
    assert signed(value, 0) == text


def test_a_difference_is_told_with_its_signs():
    assert with_ends(-0.0004, Interval(-0.004, 0.0031)) == "$0.000$ [$-0.004$, $+0.003$]"
