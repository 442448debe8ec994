"""What one trained network costs: the plain DataLoader loop against hundreds of networks side by side.

Both train the assignment's 2-3-1 network on 200 points of noisy XOR, batch 25, with Adam, and judge it on 200
validation points after every epoch. They take turns in one process, on one thread, so that the ratio holds where
the machine's speed does not.
Writes benchmarks/xor_speed.txt.
"""

import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import helpers as h  # noqa: E402

EPOCHS, POINTS, BATCH, ROUNDS = 40, 200, 25, 5
COUNTS = (1, 3, 10, 30, 100, 300, 1000, 3000)


def plain():
    """Milliseconds per epoch of the plain loop."""
    rng = h.seed_everything(0)
    train, val = h.NoisyXor(POINTS, 0.1, rng), h.NoisyXor(POINTS, 0.1, rng)
    net = h.Net((2, 3, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    loaders = h.batches(train, BATCH, seed=0), h.batches(val, POINTS)
    start = time.perf_counter()
    h.fit(net, *loaders, optimizer, EPOCHS)
    return (time.perf_counter() - start) / EPOCHS * 1e3


def many(count, sizes=(2, 3, 1)):
    """Milliseconds per epoch and network of `count` networks at once."""
    rng = h.seed_everything(0)
    train, val = (h.xor_points(POINTS, 0.1, rng, count) for _ in range(2))
    stack = h.NetStack(sizes, count, rng)
    start = time.perf_counter()
    h.fit_many(stack, train, val, rng, 0.02, BATCH, EPOCHS)
    return (time.perf_counter() - start) / EPOCHS / count * 1e3


torch.set_num_threads(1)
plain(), many(3)  # warm up
ratios, loop, cost = {c: [] for c in COUNTS}, [], {c: [] for c in COUNTS}
for _ in range(ROUNDS):
    for c in COUNTS:
        loop.append(plain())
        cost[c].append(many(c))
        ratios[c].append(loop[-1] / cost[c][-1])

lines = [
    f"plain loop: {statistics.median(loop):.2f} ms an epoch (median of {len(loop)}), one thread",
    "networks at once   µs per epoch and network   plain loop / this: median (min to max)",
]
for c in COUNTS:
    r = ratios[c]
    lines.append(
        f"{c:16}   {1e3 * statistics.median(cost[c]):24.1f}   {statistics.median(r):.0f} ({min(r):.0f} to {max(r):.0f})"
    )
h.write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
print("\n".join(lines))
