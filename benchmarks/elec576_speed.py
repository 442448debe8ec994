"""The ELEC 576 companion: NumPy backpropagation against its transcription, and what observing a network costs.

1. 20,000 passes of the 2-3-2 tanh network by fit_model and by a direct transcription of the formulas, in turns, and how
   far their parameters are apart after 500 passes.
2. An epoch of the MNIST network at half scale (550 iterations of 50 images, statistics every 100, 5,000 test images at
   the end) with everything observed and with nothing, in turns.
3. One iteration of 50 images for each activation and each optimiser, in turns.
All in CPU seconds on one thread. Needs MNIST for nothing: the images are noise of the same shape.
Writes benchmarks/elec576_speed.txt.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import TensorDataset

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "companions/elec576")]
from dcn_mnist import ACTIVATIONS, DCN, OPTIMIZERS, Settings, train  # noqa: E402
from three_layer_neural_network import NeuralNetwork, generate_data  # noqa: E402

import helpers as h  # noqa: E402
from imagedata import ImageData  # noqa: E402

torch.set_num_threads(1)
X, y = generate_data()


def seconds(work, *args):
    """CPU seconds of one call."""
    start = time.process_time()
    work(*args)
    return time.process_time() - start


def spread(ratios):
    return f"{statistics.median(ratios):.2f} (median of {len(ratios)}; {min(ratios):.2f} to {max(ratios):.2f})"


def direct(network, passes, epsilon=0.01):
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


def fast(network, passes):
    network.fit_model(X, y, 0.01, passes, print_loss=False)


def numpy_part(passes=20000, rounds=7):
    one, two = NeuralNetwork(2, 3, 2), NeuralNetwork(2, 3, 2)
    direct(one, 500), fast(two, 500)
    gap = max(np.abs(p - q).max() for a, b in zip(one.parameters, two.parameters) for p, q in zip(a, b))
    assert gap < 1e-9, f"the two are {gap:.1e} apart after 500 passes"
    pairs = [[seconds(f, NeuralNetwork(2, 3, 2), passes) for f in (direct, fast)] for _ in range(rounds)]
    return [
        f"2-3-2 network, {passes} passes: transcription {statistics.median(a for a, _ in pairs):.2f} s, "
        f"fit_model {statistics.median(b for _, b in pairs):.2f} s",
        f"transcription / fit_model: {spread([a / b for a, b in pairs])}; parameters {gap:.0e} apart after 500 passes",
    ]


def noise(n, rng):
    return TensorDataset(
        torch.from_numpy(rng.normal(size=(n, 1, 28, 28))).float(), torch.from_numpy(rng.integers(0, 10, n))
    )


def board_part(rounds=3):
    rng = np.random.default_rng(0)
    data = ImageData(noise(27500, rng), noise(2500, rng), noise(5000, rng), "noise")
    settings, extra, both = Settings(), [], []
    train(Settings(train_images=500), data, None)  # warm up
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            nothing = seconds(train, settings, data, None, 100, False)
            extra.append(100 * (seconds(train, settings, data, folder, 100, False) / nothing - 1))
            both.append(100 * (seconds(train, settings, data, folder, 100, True) / nothing - 1))
    return [
        f"observing an epoch, in % of its training: board {spread(extra)}",
        f"board and test error {spread(both)}",
    ]


def iteration_part(iterations=20, rounds=5):
    torch.manual_seed(0)
    x, labels = torch.randn(50, 1, 28, 28), torch.randint(0, 10, (50,))

    def iterate(net, optimizer):
        for _ in range(iterations):
            loss = F.cross_entropy(net(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    makers = {name: (name, "adam") for name in ACTIVATIONS} | {
        name: ("relu", name) for name in OPTIMIZERS if name != "adam"
    }
    kinds = {}
    for name, (activation, optimizer) in makers.items():
        net = DCN(activation)
        kinds[name] = net, OPTIMIZERS[optimizer][1](net.parameters(), 1e-5)
        iterate(*kinds[name])  # warm up
    times = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, kind in kinds.items():
            times[name].append(seconds(iterate, *kind) / iterations * 1e3)
    times["adam"] = times["relu"]
    lines = ["one iteration of 50 images   median    ratio to ReLU with Adam, median of the rounds"]
    for name, t in times.items():
        ratio = statistics.median(a / b for a, b in zip(t, times["relu"]))
        lines.append(f"{name:26} {statistics.median(t):5.1f} ms   {ratio:.2f}")
    return lines


lines = [*numpy_part(), *board_part(), *iteration_part()]
h.write_whole(Path(__file__).with_suffix(".txt"), "\n".join(lines) + "\n")
print("\n".join(lines))
