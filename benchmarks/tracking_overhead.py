"""What tracking costs: a plain loop with a tracked run against the same loop without, in turns.

Writes benchmarks/tracking_overhead.txt. WANDB_MODE is set here, run by run.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from backstage import tracking
from backstage.report import write_whole

EPOCHS = 250
ROUNDS = 3
POINTS = 2000
BATCH = 25


def train(log: Callable[[dict], None]) -> None:
    """Train a small network on noisy XOR, and log a row each epoch."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 2, (POINTS, 2), generator=generator)
    x = corners + 0.3 * torch.randn((POINTS, 2), generator=generator)  # (POINTS, 2)
    y = (corners[:, :1] != corners[:, 1:]).float()  # (POINTS, 1)
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for epoch in range(1, EPOCHS + 1):
        total = 0.0
        for batch in torch.randperm(POINTS, generator=generator).split(BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        log({"epoch": epoch, "train/loss": total * BATCH / POINTS})


def seconds_of(mode: str | None) -> float:
    """Time one training; mode None means that nothing is tracked at all."""
    start = time.perf_counter()
    if mode is None:
        train(lambda row: None)
    else:
        os.environ["WANDB_MODE"] = mode
        with tracking.track("overhead", {"seed": 0}, "benchmark", quiet=True) as run:
            train(run.log)
    return time.perf_counter() - start


def measure() -> list[str]:
    """Time trainings in turns; gives the lines of the result."""
    seconds_of("offline")  # warm up
    plain = []
    ratios = {"offline": [], "disabled": []}
    for _ in range(ROUNDS):
        for mode, found in ratios.items():
            plain.append(seconds_of(None))
            found.append(seconds_of(mode) / plain[-1])
    middle = statistics.median(plain)
    lines = [f"training without tracking: {middle:.1f} s (median of {len(plain)}), one thread"]
    for mode, found in ratios.items():
        middle, low, high = (100 * (f(found) - 1) for f in (statistics.median, min, max))
        lines.append(f"{mode:8} {middle:+.1f} % (median of {ROUNDS}; {low:+.1f} to {high:+.1f} %)")
    return lines


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        tracking.RUNS = Path(folder)
        lines = measure()
    write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
    print("\n".join(lines))
