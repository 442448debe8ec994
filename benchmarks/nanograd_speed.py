"""One training step of a 2-16-16-1 ReLU network on 100 points: nanograd against micrograd.

Both run the very same function, so the same scalar additions, products, ReLUs and squares, in one
process with garbage collection as Python has it. The engines take turns; each turn is several steps
in a row, so that the garbage an engine leaves is collected in its own turn, and starts from a
collected heap. Beside it: the same step with one `dot` node for each neuron, which micrograd does
not have. Writes benchmarks/nanograd_speed.txt.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backstage.report import write_whole
from nanograd import Var, dot

try:
    from micrograd.engine import Value
except ImportError:
    sys.exit("this benchmark compares with micrograd: pip install micrograd==0.1.0")

SIZES = (2, 16, 16, 1)
POINTS = 100
ROUNDS = 7
STEPS = 3
RATE = 1e-4


def scalar_neuron(weights: Sequence, inputs: Sequence, bias: object) -> object:
    """bias + sum of weights[i] * inputs[i], one operation at a time."""
    total = bias
    for w, x in zip(weights, inputs):
        total = total + w * x
    return total


def random_network(number: type, rng: random.Random) -> list[tuple[list, list]]:
    """Weights (out, in) and biases (out,) of every layer, as scalars of an engine."""
    layers = []
    for n_in, n_out in zip(SIZES, SIZES[1:]):
        weights = [[number(rng.uniform(-1, 1)) for _ in range(n_in)] for _ in range(n_out)]
        layers.append((weights, [number(0.0) for _ in range(n_out)]))
    return layers


def make_step(number: type, value: str, neuron: Callable) -> Callable[[], float]:
    """A function that makes one step of gradient descent and gives the loss before it.

    Args:
        number: the engine's scalar.
        value: name of the attribute that holds its value.
        neuron: (weights, inputs, bias) -> their weighted sum.
    """
    rng = random.Random(0)
    layers = random_network(number, rng)
    parameters = [p for weights, biases in layers for row in [*weights, biases] for p in row]
    points = [(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(POINTS)]

    def output(x1: float, x2: float) -> object:
        z = [number(x1), number(x2)]
        for weights, biases in layers:
            a = [neuron(w, z, b) for w, b in zip(weights, biases)]
            z = a if weights is layers[-1][0] else [u.relu() for u in a]
        return z[0]

    def step() -> float:
        loss = number(0.0)
        for x1, x2 in points:
            loss = loss + (output(x1, x2) - float(x1 * x2 > 0)) ** 2
        loss.backward()
        for p in parameters:
            setattr(p, value, getattr(p, value) - RATE * p.grad)
            p.grad = 0.0
        return getattr(loss, value)

    return step


def measure(engines: dict[str, Callable]) -> dict[str, list[float]]:
    """Seconds per step of each engine in each round; all must find the same losses."""
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
        gap = max(losses) - min(losses)
        assert gap < 1e-9 * max(losses), f"the engines disagree on the loss: {losses}"
    return seconds


def main() -> None:
    """Measure the engines in turns, and write what was found."""
    seconds = measure(
        {
            "micrograd": make_step(Value, "data", scalar_neuron),
            "nanograd": make_step(Var, "v", scalar_neuron),
            "nanograd, dot": make_step(Var, "v", dot),
        }
    )
    shape = "-".join(map(str, SIZES))
    title = f"one training step of a {shape} network on {POINTS} points, median of {ROUNDS} rounds"
    lines = [title]
    for name, times in seconds.items():
        ratio = statistics.median(t / m for t, m in zip(times, seconds["micrograd"]))
        milliseconds = 1e3 * statistics.median(times)
        lines.append(f"{name:14s} {milliseconds:7.1f} ms   {ratio:.3f} of micrograd's time")
    write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
