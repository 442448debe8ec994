"""One training step of a 2-16-16-1 ReLU network on 100 points: nanograd against micrograd.

Both run the very same function, so the same scalar additions, products, ReLUs and squares, in one process
with garbage collection as Python has it. The engines take turns; each turn is several steps in a row, so that
the garbage an engine leaves is collected in its own turn, and starts from a collected heap. Beside it: the same
step with one `dot` node for each neuron, which micrograd does not have. Writes benchmarks/nanograd_speed.txt.
"""

import gc
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from nanograd import Var, dot

try:
    from micrograd.engine import Value
except ImportError:
    sys.exit("this benchmark compares with micrograd: pip install micrograd==0.1.0")

SIZES, POINTS, ROUNDS, STEPS, RATE = (2, 16, 16, 1), 100, 7, 3, 1e-4


def scalar_neuron(weights, inputs, bias):
    """bias + sum of weights[i] * inputs[i], one operation at a time."""
    total = bias
    for w, x in zip(weights, inputs):
        total = total + w * x
    return total


def make_step(Number, value, neuron):
    """A function that makes one step of gradient descent and gives the loss before it.

    Number  the engine's scalar; value is the name of the attribute that holds its value
    """
    rng = random.Random(0)
    layers = []
    for n_in, n_out in zip(SIZES, SIZES[1:]):
        weights = [[Number(rng.uniform(-1, 1)) for _ in range(n_in)] for _ in range(n_out)]
        layers.append((weights, [Number(0.0) for _ in range(n_out)]))
    parameters = [p for weights, biases in layers for row in [*weights, biases] for p in row]
    points = [(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(POINTS)]

    def step():
        loss = Number(0.0)
        for x1, x2 in points:
            z = [Number(x1), Number(x2)]
            for weights, biases in layers:
                a = [neuron(w, z, b) for w, b in zip(weights, biases)]
                z = a if weights is layers[-1][0] else [u.relu() for u in a]
            loss = loss + (z[0] - float(x1 * x2 > 0)) ** 2
        loss.backward()
        for p in parameters:
            setattr(p, value, getattr(p, value) - RATE * p.grad)
            p.grad = 0.0
        return getattr(loss, value)

    return step


def main():
    engines = {
        "micrograd": make_step(Value, "data", scalar_neuron),
        "nanograd": make_step(Var, "v", scalar_neuron),
        "nanograd, dot": make_step(Var, "v", dot),
    }
    seconds = {name: [] for name in engines}
    for _ in range(ROUNDS):
        losses = []
        for name, step in engines.items():
            gc.collect()
            start = time.perf_counter()
            for _ in range(STEPS):
                loss = step()
            seconds[name].append((time.perf_counter() - start) / STEPS)
            losses.append(loss)
        assert max(losses) - min(losses) < 1e-9 * max(losses), f"the engines disagree on the loss: {losses}"
    lines = [
        f"one training step of a {'-'.join(map(str, SIZES))} network on {POINTS} points, median of {ROUNDS} rounds"
    ]
    for name, times in seconds.items():
        ratio = statistics.median(t / m for t, m in zip(times, seconds["micrograd"]))
        lines.append(f"{name:14s} {1e3 * statistics.median(times):7.1f} ms   {ratio:.3f} of micrograd's time")
    Path(__file__).with_suffix(".txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
