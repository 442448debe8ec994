"""Ctrl-C inside a job: it ends the job, and no half-trained network counts as a result."""

import numpy as np
import pytest
import torch
from sweep_cases import own_runs, sweep  # noqa: F401 (a fixture)
from torch import nn

import helpers as h
import side_by_side
from backstage import digit_finals, processes
from backstage.sweeps import run_sweep


def press(row):
    """Ctrl-C at the end of the second epoch."""
    if row["epoch"] == 2:
        raise KeyboardInterrupt


def train_one():
    net = h.Net()
    loader = h.batches(h.NoisyXor(8, 0.1, np.random.default_rng(0)), 4)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    return h.fit(net, loader, h.binary_loss, optimizer, 4, [h.Log(press)])


def train_many():
    rng = np.random.default_rng(0)
    stack = side_by_side.NetStack((2, 1), 2, rng)
    points = h.xor_points(8, 0.1, rng, 2)
    orders = side_by_side.shuffles(8, 2, 4, rng)
    return side_by_side.fit_many(stack, points, points, orders, log=press)


each_loop = pytest.mark.parametrize("train", [train_one, train_many])


@each_loop
def test_a_job_gives_no_result(train, capsys):
    with pytest.raises(KeyboardInterrupt):
        processes.in_parallel(train, [{}], "jobs")
    assert "what was learnt is kept" not in capsys.readouterr().out
    assert len(train()) in (1, 2), "outside a job, the rows so far"


@each_loop
def test_a_trial_does_not_count(train):
    assert run_sweep(sweep(), lambda settings, log: len(train()), 1) == []


def test_final_networks_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(digit_finals, "ROOT", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        digit_finals.saved_or_trained("a", lambda: nn.Linear(2, 1), "settings", train_one)
    assert not list(tmp_path.rglob("*.pt"))
