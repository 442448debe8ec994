"""The step size of every kind of training that part 2c compares, chosen with the same care.

    python companions/elec576/step_sizes.py       scans again (minutes on two idle cores)

Each kind is trained over half an epoch (550 iterations), from two seeds that are not used again,
with three steps, a factor of about 3 apart, the same for all kinds of one optimiser. While the
lowest validation loss belongs to the smallest or the largest of them, one more is tried beyond it.
That would make the notebook half as long again, so the losses are stored, in step_sizes.json, and
the notebook reads them.
"""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from dcn_mnist import Settings, train

import helpers as h

STORED = Path(__file__).resolve().with_name("step_sizes.json")
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


def scan(kind: Settings) -> dict[float, list[float]]:
    """Validation losses [nats] of all seeds after half an epoch, by step."""
    data = h.load_mnist()
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


def read() -> dict[str, dict[float, list[float]]]:
    """The stored losses of every kind, by label, then by step."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    return {name: {float(rate): v for rate, v in row.items()} for name, row in stored.items()}


def main() -> None:
    """Scan all kinds, and store what was found."""
    if h.load_mnist().label:
        sys.exit("the scan needs the real MNIST, not its stand-in")
    kinds = each_once(ALL_KINDS)
    found = h.in_parallel(scan, [{"kind": kind} for kind in kinds], "kinds")
    rows = {label(kind): losses for kind, losses in zip(kinds, found)}
    STORED.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
