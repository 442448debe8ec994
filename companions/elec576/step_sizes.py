"""The step size of every kind of training that part 2c compares, chosen with the same care.

Each kind is trained over half an epoch (550 iterations), from two seeds that are not used again,
with three steps, a factor of about 3 apart, the same for all kinds of one optimiser. While the
lowest validation loss belongs to the smallest or the largest of them, one more is tried beyond it.
"""

import math
from dataclasses import replace

import numpy as np
from dcn_mnist import Settings, train

import helpers as h

LADDER = tuple(float(f"{c}e{e}") for e in range(-5, 2) for c in (1, 3))  # 1e-5, 3e-5, 1e-4 ... 30
FIRST = {"adam": (0.001, 0.003, 0.01), "adagrad": (0.003, 0.01, 0.03)}  # the steps tried first
FIRST |= {"momentum": (0.003, 0.01, 0.03), "sgd": (0.03, 0.1, 0.3)}
SCAN_SEEDS = (100, 101)

NARROW = Settings(width=8, pool_first=True)  # a quarter of the maps and units


def vary(field: str, names: tuple, base: Settings = NARROW) -> dict[str, Settings]:
    """Kinds that differ from `base` in one field, by its value."""
    return {name: replace(base, **{field: name, "rate": None}) for name in names}


SGD = replace(NARROW, optimizer="sgd", rate=None)
ALL_KINDS = {
    "activation": vary("activation", ("relu", "leaky", "tanh", "sigmoid", "maxout")),
    "sigmoid and tanh": vary("activation", ("sigmoid", "centred", "raised", "tanh")),
    "initial weights, SGD": vary("init", ("xavier", "he", "normal"), SGD),
    "optimiser": vary("optimizer", ("adam", "adagrad", "momentum", "sgd")),
}
KINDS = h.quick(ALL_KINDS, {"activation": vary("activation", ("relu", "maxout"))})


def label(kind: Settings) -> str:
    """A kind's name."""
    return f"{kind.activation}, {kind.init}, {kind.optimizer}"


def each_once(groups: dict[str, dict[str, Settings]]) -> list[Settings]:
    """The kinds of all groups, each once."""
    return list(dict.fromkeys(kind for members in groups.values() for kind in members.values()))


def scan(kind: Settings, data: object) -> dict[float, list[float]]:
    """Validation losses [nats] of all seeds after half an epoch, by step."""
    losses = {}
    waiting = list(FIRST[kind.optimizer])
    while waiting:
        for rate in waiting:
            half = replace(kind, rate=rate, train_images=len(data.train) // 2)
            runs = [train(replace(half, seed=s), data, evaluate_test=False) for s in SCAN_SEEDS]
            losses[rate] = [run.rows[-1]["val/loss"] for run in runs]
        waiting = beyond(losses)
    return dict(sorted(losses.items()))


def best(losses: dict[float, list[float]]) -> float:
    """The step with the lowest mean loss; one that diverged is never the best."""
    return min(losses, key=lambda rate: np.nan_to_num(np.mean(losses[rate]), nan=math.inf))


def beyond(losses: dict[float, list[float]]) -> list[float]:
    """The next step outside, if the best one is the smallest or the largest so far."""
    place = LADDER.index(best(losses))
    return [LADDER[i] for i in (place - 1, place + 1) if LADDER[i] not in losses]
