"""What tracking costs: the plain loop with an offline W&B run against the same loop without, in turns.

Writes benchmarks/tracking_overhead.txt. WANDB_MODE is set here, run by run.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import helpers as h  # noqa: E402
import tracking  # noqa: E402

EPOCHS, ROUNDS = 250, 3


def training(mode):
    """Seconds for one training of about ten seconds; mode None means that nothing is tracked at all."""
    rng = h.seed_everything(0)
    train, val = (h.batches(h.NoisyXor(2000, 0.3, rng), 25, seed=0) for _ in range(2))
    net = h.Net((2, 3, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    start = time.perf_counter()
    if mode is None:
        h.fit(net, train, val, optimizer, EPOCHS)
    else:
        os.environ["WANDB_MODE"] = mode
        with h.track("overhead", {"seed": 0}, "benchmark", quiet=True) as run:
            h.fit(net, train, val, optimizer, EPOCHS, run.log)
    return time.perf_counter() - start


torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    tracking.RUNS = Path(folder)
    training("offline")  # warm up
    seconds, ratios = [], {"offline": [], "disabled": []}
    for _ in range(ROUNDS):
        for mode, found in ratios.items():
            seconds.append(training(None))
            found.append(training(mode) / seconds[-1])

lines = [f"training without tracking: {statistics.median(seconds):.1f} s (median of {len(seconds)}), one thread"]
for mode, found in ratios.items():
    low, middle, high = (100 * (f(found) - 1) for f in (min, statistics.median, max))
    lines.append(f"{mode:8} {middle:+.1f} % (median of {ROUNDS}; {low:+.1f} to {high:+.1f} %)")
h.write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
print("\n".join(lines))
