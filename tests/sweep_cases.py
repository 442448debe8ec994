"""What the tests of sweeps share: a description, and a training that takes no time."""

import math

import numpy as np
import pytest

from backstage import tracking

METRIC = {"name": "val/loss", "goal": "minimize"}
RATE = {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0}


@pytest.fixture(autouse=True)
def own_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(tracking, "RUNS", tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return tmp_path


def sweep(method="random", **more):
    return {
        "method": method,
        "name": "a-sweep",
        "metric": METRIC,
        "parameters": {"rate": RATE},
    } | more


def bowl(settings, log):
    """A loss with its minimum at rate 0.01, approached over nine epochs."""
    value = (math.log10(settings["rate"]) + 2) ** 2
    for epoch in range(1, 10):
        log({"epoch": epoch, "val/loss": np.array([value + 1 / epoch, value + 1 / epoch])})
    return value
