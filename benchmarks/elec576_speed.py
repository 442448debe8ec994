"""The ELEC 576 companion: NumPy backpropagation, and what observing a network costs.

1. 20,000 passes of the 2-3-2 tanh network by fit_fast and by a direct transcription of the
   formulas, in turns, and how far their parameters are apart after 500 passes.
2. An epoch of the MNIST network at half scale (550 iterations of 50 images, statistics every 100,
   5,000 test images at the end) with everything observed and with nothing, in turns.
3. One iteration of 50 images for each activation and each optimiser, for a quarter of the width,
   and with pooling after the activation, in turns.

All in CPU seconds on one thread. It needs no MNIST: the images are noise of the same shape.
Writes benchmarks/elec576_speed.txt.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from backstage.report import write_whole
from backstage.settings import ROOT
from backstage.sources import ImageData

sys.path.insert(0, str(ROOT / "companions/elec576"))  # the companion is no package
from dcn_mnist import ACTIVATIONS, DCN, OPTIMIZERS, Settings, train
from descent import fit_fast
from three_layer_neural_network import NeuralNetwork, generate_data

X, y = generate_data()


def seconds(work: Callable, *args: object) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work(*args)
    return time.process_time() - start


def spread(ratios: Sequence[float]) -> str:
    """Median, number and range of some ratios."""
    limits = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"{statistics.median(ratios):.2f} (median of {len(ratios)}; {limits})"


def direct(network: NeuralNetwork, passes: int, epsilon: float = 0.01) -> None:
    """The formulas of the assignment as they stand, on the same network."""
    for _ in range(passes):
        z1 = X.dot(network.W1) + network.b1
        a1 = np.tanh(z1)
        z2 = a1.dot(network.W2) + network.b2
        scores = np.exp(z2)
        probs = scores / np.sum(scores, axis=1, keepdims=True)
        delta2 = probs.copy()
        delta2[range(len(X)), y] -= 1
        dW2 = a1.T.dot(delta2)
        db2 = np.sum(delta2, axis=0, keepdims=True)
        delta1 = delta2.dot(network.W2.T) * (1 - np.tanh(z1) ** 2)
        dW1 = X.T.dot(delta1)
        db1 = np.sum(delta1, axis=0, keepdims=True)
        network.W1 -= epsilon * (dW1 + network.reg_lambda * network.W1)
        network.b1 -= epsilon * db1
        network.W2 -= epsilon * (dW2 + network.reg_lambda * network.W2)
        network.b2 -= epsilon * db2


def fast(network: NeuralNetwork, passes: int) -> None:
    """The companion's loop for many networks."""
    fit_fast(network, X, y, 0.01, passes)


def numpy_part(passes: int = 20000, rounds: int = 7) -> list[str]:
    """Lines on the NumPy network."""
    one = NeuralNetwork(2, 3, 2)
    two = NeuralNetwork(2, 3, 2)
    direct(one, 500)
    fast(two, 500)
    layers = zip(one.parameters, two.parameters)
    gap = max(np.abs(p - q).max() for a, b in layers for p, q in zip(a, b))
    assert gap < 1e-9, f"the two are {gap:.1e} apart after 500 passes"
    slow_times = []
    fast_times = []
    for _ in range(rounds):
        slow_times.append(seconds(direct, NeuralNetwork(2, 3, 2), passes))
        fast_times.append(seconds(fast, NeuralNetwork(2, 3, 2), passes))
    ratios = [a / b for a, b in zip(slow_times, fast_times)]
    slow = statistics.median(slow_times)
    quick = statistics.median(fast_times)
    return [
        f"2-3-2 network, {passes} passes: transcription {slow:.2f} s, fit_fast {quick:.2f} s",
        f"transcription / fit_fast: {spread(ratios)}; parameters {gap:.0e} apart after 500 passes",
    ]


def noise(n: int, rng: np.random.Generator) -> TensorDataset:
    """Images of noise (n, 1, 28, 28) with labels of noise (n,)."""
    x = torch.from_numpy(rng.normal(size=(n, 1, 28, 28))).float()
    return TensorDataset(x, torch.from_numpy(rng.integers(0, 10, n)))


def board_part(rounds: int = 3) -> list[str]:
    """Lines on what the board and the test error cost."""
    rng = np.random.default_rng(0)
    data = ImageData(noise(27500, rng), noise(2500, rng), noise(5000, rng), "noise")
    settings = Settings(pool_first=True)
    board = []
    both = []
    train(Settings(train_images=500), data, None)  # warm up
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            nothing = seconds(train, settings, data, None, 100, False)
            board.append(100 * (seconds(train, settings, data, folder, 100, False) / nothing - 1))
            both.append(100 * (seconds(train, settings, data, folder, 100, True) / nothing - 1))
    return [
        f"observing an epoch, in % of its training: board {spread(board)}",
        f"board and test error {spread(both)}",
    ]


class Kind(NamedTuple):
    """A network and the optimiser that trains it."""

    net: nn.Module
    optimizer: torch.optim.Optimizer


def kinds() -> dict[str, Kind]:
    """Every activation with Adam, ReLU with every other optimiser, and two other networks."""
    wanted = {name: Settings(name, pool_first=True) for name in ACTIVATIONS}
    for name in OPTIMIZERS:
        if name != "adam":
            wanted[name] = Settings(optimizer=name, pool_first=True)
    wanted["quarter"] = Settings(width=8, pool_first=True)
    wanted["pooled_last"] = Settings()
    found = {}
    for name, settings in wanted.items():
        net = DCN(settings)
        found[name] = Kind(net, OPTIMIZERS[settings.optimizer].make(net.parameters(), 1e-5))
    return found


def iterate(kind: Kind, x: torch.Tensor, labels: torch.Tensor, iterations: int) -> None:
    """Make so many steps on one batch."""
    for _ in range(iterations):
        loss = F.cross_entropy(kind.net(x), labels)
        kind.optimizer.zero_grad()
        loss.backward()
        kind.optimizer.step()


def iteration_part(iterations: int = 20, rounds: int = 5) -> list[str]:
    """Lines on one iteration of each kind."""
    torch.manual_seed(0)
    x = torch.randn(50, 1, 28, 28)
    labels = torch.randint(0, 10, (50,))
    all_kinds = kinds()
    times = {name: [] for name in all_kinds}
    for kind in all_kinds.values():
        iterate(kind, x, labels, iterations)  # warm up
    for _ in range(rounds):
        for name, kind in all_kinds.items():
            times[name].append(seconds(iterate, kind, x, labels, iterations) / iterations * 1e3)
    times["adam"] = times["relu"]
    lines = ["one iteration of 50 images   median    ratio to ReLU with Adam, median of the rounds"]
    for name, t in times.items():
        ratio = statistics.median(a / b for a, b in zip(t, times["relu"]))
        lines.append(f"{name:26} {statistics.median(t):5.1f} ms   {ratio:.2f}")
    return lines


def main() -> None:
    """Measure all three, and write what was found."""
    torch.set_num_threads(1)
    lines = [*numpy_part(), *board_part(), *iteration_part()]
    write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
