"""What one trained network costs: the plain DataLoader loop against hundreds side by side.

Both train the assignment's 2-3-1 network on 200 points of noisy XOR, batch 25, with Adam, and
evaluate it on 200 validation points after every epoch. They take turns in one process, on one
thread, so that the ratio holds where the machine's speed does not.
Writes benchmarks/xor_speed.txt.
"""

import statistics
import time
from pathlib import Path

import torch

import helpers as h
from side_by_side import NetStack, fit_many, shuffles

SIZES = (2, 3, 1)
EPOCHS = 40
POINTS = 200
BATCH = 25
ROUNDS = 5
COUNTS = (1, 3, 10, 30, 100, 300, 1000, 3000)


def plain() -> float:
    """Milliseconds per epoch of the plain loop."""
    rng = h.seed_everything(0)
    train = h.batches(h.NoisyXor(POINTS, 0.1, rng), BATCH, seed=0)
    val = h.batches(h.NoisyXor(POINTS, 0.1, rng), POINTS)
    net = h.Net(SIZES)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    start = time.perf_counter()
    h.fit(net, train, h.binary_loss, optimizer, EPOCHS, [h.Validate(val)])
    return (time.perf_counter() - start) / EPOCHS * 1e3


def many(count: int) -> float:
    """Milliseconds per epoch and network of `count` networks at once."""
    rng = h.seed_everything(0)
    train = h.xor_points(POINTS, 0.1, rng, count)
    val = h.xor_points(POINTS, 0.1, rng, count)
    stack = NetStack(SIZES, count, rng)
    start = time.perf_counter()
    fit_many(stack, train, val, shuffles(POINTS, count, EPOCHS, rng), 0.02, BATCH)
    return (time.perf_counter() - start) / EPOCHS / count * 1e3


def main() -> None:
    """Measure both in turns, and write what was found."""
    torch.set_num_threads(1)
    plain()  # warm up
    many(3)
    loop = []
    cost = {count: [] for count in COUNTS}
    ratios = {count: [] for count in COUNTS}
    for _ in range(ROUNDS):
        for count in COUNTS:
            loop.append(plain())
            cost[count].append(many(count))
            ratios[count].append(loop[-1] / cost[count][-1])
    milliseconds = statistics.median(loop)
    lines = [
        f"plain loop: {milliseconds:.2f} ms an epoch (median of {len(loop)}), one thread",
        "networks at once   µs per epoch and network   plain loop / this: median (min to max)",
    ]
    for count in COUNTS:
        r = ratios[count]
        microseconds = 1e3 * statistics.median(cost[count])
        spread = f"{statistics.median(r):.0f} ({min(r):.0f} to {max(r):.0f})"
        lines.append(f"{count:16}   {microseconds:24.1f}   {spread}")
    h.write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
