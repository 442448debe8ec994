"""What two or more of the notebooks share, in the order in which a reader meets it.

    1  seeds and device      where chance and the processor come from
    2  data                  noisy XOR, and what the best possible classifier reaches on it; MNIST
    3  models                the networks that the assignments print; many small ones side by side
    4  training              one network by the usual loop; hundreds at once
    5  tracking              every run logged to Weights & Biases, with or without a network
    6  figures and numbers   one style, and everything the report shows written by the code that found it

Nothing happens on import. Losses are in nats, noise is a standard deviation in units of the XOR
square's side, and arrays are described by their shapes in the comments beside them.
"""

import contextlib
import hashlib
import inspect
import io
import logging
import math
import multiprocessing
import os
import pickle
import re
import signal
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cloudpickle
import contourpy
import matplotlib.pyplot as plt
import numpy as np
import torch
from filelock import FileLock
from joblib import cpu_count
from matplotlib.colors import LinearSegmentedColormap
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Sampler, TensorDataset
from tqdm.auto import tqdm

ROOT = Path(__file__).resolve().parent
QUICK = os.environ.get("COURSEWORK_QUICK", "0") not in ("", "0")  # fewer repeats and epochs, same code path
REPORT = ROOT / ("build/quick/report" if QUICK else "report")  # a quick run never overwrites real results


# ---- 1  seeds and device ---------------------------------------------------------------------


def quick(full, short):
    """The first value in a real run, the second in a quick one (COURSEWORK_QUICK=1)."""
    return short if QUICK else full


def seed_everything(seed):
    """Seed PyTorch, whose layers draw their first weights, and hand back a NumPy generator for all the rest.

    raises  ValueError for a negative seed
    """
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def pick_device():
    """CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


# ---- 2  data ---------------------------------------------------------------------------------


def xor_points(n, noise, rng, count=None):
    """Draw noisy XOR: corners of the unit square with equal chance, plus Gaussian noise.

    n, count  points in a data set; number of data sets (None: one)
    gives     x (2, n, count) and y (n, count), float32; without count x (n, 2) and y (n,)
    raises    ValueError for n < 1, count < 1 or noise that is negative or not finite
    source    KU Deep Learning 2025, assignment 1, part 3
    """
    if n < 1 or (count is not None and count < 1):
        raise ValueError(f"need at least one point and one data set, not n={n}, count={count}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise must be a finite standard deviation of 0 or more, not {noise}")
    corner = rng.integers(0, 2, (2, n, count or 1))
    x = corner + noise * rng.standard_normal(corner.shape)
    x, y = torch.from_numpy(x).float(), torch.from_numpy(corner[0] ^ corner[1]).float()
    return (x, y) if count else (x[:, :, 0].T.contiguous(), y[:, 0])


class NoisyXor(TensorDataset):
    """n points (x1, x2, y) = (m1 + s e1, m2 + s e2, m1 xor m2), drawn once from rng.

    `data.x` is (n, 2), `data.y` is (n,); data[rows] gives any number of points in one indexing.
    """

    def __init__(self, n, noise, rng):
        super().__init__(*xor_points(n, noise, rng))
        self.noise = noise

    x = property(lambda self: self.tensors[0])
    y = property(lambda self: self.tensors[1])


def batches(data, size, seed=None):
    """A DataLoader over a TensorDataset, shuffled anew each epoch if given a seed.

    It samples the indices of whole batches (batch_size=None hands them to the data set as they are), so
    that a batch is one indexing and not a loop over points.
    raises  ValueError for a batch size below 1, an empty data set, or values that are not finite
    """
    if size < 1:
        raise ValueError(f"batch size must be 1 or more, not {size}")
    check_finite(*data.tensors)
    chance = None if seed is None else torch.Generator().manual_seed(seed)
    return DataLoader(Rows(*data.tensors), batch_size=None, sampler=BatchOrder(len(data), size, chance))


class Rows(TensorDataset):
    """Tensors that give whole batches: rows (b,) -> (x (b, ...), y (b, ...))."""

    def __getitem__(self, rows):
        return tuple(t.index_select(0, rows) for t in self.tensors)


class BatchOrder(Sampler):
    """Indices 0 to n - 1 cut into batches (size,), shuffled anew each epoch by `generator` if there is one."""

    def __init__(self, n, size, generator=None):
        self.n, self.size, self.generator = n, size, generator

    def __len__(self):
        return math.ceil(self.n / self.size)

    def __iter__(self):
        order = torch.randperm(self.n, generator=self.generator) if self.generator else torch.arange(self.n)
        return iter(order.split(self.size))


def check_finite(*tensors):
    """Raise ValueError if a tensor is empty or holds NaN or infinity."""
    for t in tensors:
        if t.numel() == 0:
            raise ValueError(f"the data are empty: shape {tuple(t.shape)}")
        if not math.isfinite(t.sum(dtype=torch.float64)):  # one pass in the good case
            bad = int((~torch.isfinite(t)).sum())
            raise ValueError(f"the data hold {bad} values that are NaN or infinite, of {t.numel()}")


def xor_bayes_logit(x1, x2, noise):
    """Log odds of y = 1 at (x1, x2) when everything about the data is known.

    Given x, the two corner coordinates are independent, each 1 with log odds
    a_i = (x_i - 1/2) / noise**2, and 1 - 2 p(y=1) = tanh(a_1 / 2) tanh(a_2 / 2).
    Written with logaddexp so that nothing overflows at small noise.
    """
    a1, a2 = (np.asarray(x1) - 0.5) / noise**2, (np.asarray(x2) - 0.5) / noise**2
    return np.logaddexp(a1, a2) - np.logaddexp(0, a1 + a2)


def xor_bayes_limit(noise):
    """Lowest possible expected loss [nats] and highest possible accuracy on noisy XOR.

    The loss is the mean entropy of y given x, integrated over one corner (all four are alike) by the
    trapezoidal rule, which for a smooth integrand that dies out converges faster than any power.
    error   below 1e-6 nats for noise 0.05 to 2, against a grid of twice the points
    raises  ValueError for noise that is not positive
    """
    if not noise > 0:
        raise ValueError(f"noise must be positive, not {noise}")
    e = np.linspace(-9, 9, 1201)
    weight = np.exp(-(e**2) / 2)
    weight /= weight.sum()
    logit = xor_bayes_logit(noise * e[:, None], noise * e[None, :], noise)  # corner (0, 0), where y = 0
    loss = float(weight @ np.logaddexp(0, logit) @ weight)
    q = 0.5 * math.erfc(1 / (2 * noise) / math.sqrt(2))  # chance that one coordinate crosses 1/2
    return loss, 1 - 2 * q * (1 - q)


def load_mnist(root=None, seed=0):
    """MNIST in memory, split by seed into 55,000 / 5,000 / 10,000 for training, validation and test.

    root    a folder with the four IDX files, packed or not, in itself or in mnist/ (None: the folder that
            COURSEWORK_DATA names, else the cache, else a download with checked SHA-256)
    gives   imagedata.ImageData: TensorDatasets of x (n, 1, 28, 28), normalised with the training set's mean and
            deviation, and y (n,); without data and network an upsampled stand-in, announced and with a `label`
    raises  ValueError for a damaged file, or a root without MNIST
    """
    from imagedata import mnist

    return mnist(root, seed)


def load_lungs(root=None, seed=0):
    """Chest X-rays with lung masks, in memory, in the parts (train, val, test) of the file they come from.

    root    an .npz of arrays x_train, y_train, x_val, y_val, x_test, y_test, each (n, rows, columns, 1), or its folder
            (None: the folder that COURSEWORK_DATA names, else the cache, else a download from the course's link)
    seed    of the chest phantoms that, without data and network, take their place: announced, and with a `label`
    gives   imagedata.LungData: TensorDatasets of images (n, 1, rows, columns), 0 to 1, and masks alike, 1 = lung;
            source and licence; patients and credits of every film where a sources table lies beside the file
    raises  ValueError for a wrong key, shape, range or mask, or a root without such a file
    """
    from imagedata import lungs

    return lungs(root, seed)


# ---- 3  models -------------------------------------------------------------------------------

# name: (PyTorch module, the function in place on a tensor, its slope from its output times an error)
ACTIVATIONS = {
    "tanh": (nn.Tanh, lambda a: fast_tanh_(a), lambda e, z: torch.ops.aten.tanh_backward(e, z)),
    "relu": (nn.ReLU, lambda a: a.relu_(), lambda e, z: e * (z > 0)),
    "sigmoid": (nn.Sigmoid, lambda a: a.sigmoid_(), lambda e, z: e * z * (1 - z)),
}


def fast_tanh_(a):
    """tanh in place. On a CPU NumPy's is several times faster than PyTorch's."""
    if a.device.type != "cpu":
        return a.tanh_()
    np.tanh(a.numpy(), out=a.numpy())
    return a


def check_network(sizes, activation):
    """Raise ValueError unless sizes is (inputs, hidden widths ..., 1), all 1 or more, and activation known."""
    if len(sizes) < 2 or any(int(s) != s or s < 1 for s in sizes) or sizes[-1] != 1:
        raise ValueError(f"sizes must be (inputs, hidden widths ..., 1), each 1 or more, not {tuple(sizes)}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")


class Net(nn.Module):
    """Fully connected network with one logit as output, printed as in the assignment.

    sizes   (inputs, hidden widths ..., 1): (2, 3, 1) is the network of the assignment's figure 2
    """

    def __init__(self, sizes=(2, 3, 1), activation="tanh"):
        check_network(sizes, activation)
        super().__init__()
        layers = []
        for n_in, n_out in zip(sizes, sizes[1:]):
            layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation][0]()]
        self.model = nn.Sequential(*layers[:-1], nn.Identity())  # the sigmoid is in the loss

    def forward(self, x):  # (b, 2) -> (b, 1) logits
        return self.model(x)


class DigitNet(nn.Module):
    """Layers from images (b, 1, 28, 28) to log-probabilities (b, 10), printed as in the assignment."""

    def __init__(self, *layers):
        super().__init__()
        self.main = nn.Sequential(*layers, nn.LogSoftmax(dim=1))
        self.order = list(self.main)
        for i, (this, after) in enumerate(zip(self.main, self.main[1:])):
            if isinstance(this, nn.ReLU) and isinstance(after, nn.MaxPool2d):
                self.order[i : i + 2] = after, this  # max(relu(a)) = relu(max(a)): a quarter of the work for ReLU

    def _get_name(self):
        return "Net"

    def forward(self, x):
        if isinstance(self.main[0], nn.Linear):
            return self.main(x.flatten(1))
        x = x[:, :, :26, :26]  # pooling 11 to 5 sees no more
        if x.device.type == "cpu" and torch.backends.mkldnn.is_available():
            x = x.to_mkldnn()  # the memory layout of the CPU's fast convolutions, kept from layer to layer
        for layer in self.order:
            x = layer(x.to_dense() if isinstance(layer, nn.Flatten) else x)
        return x


def digit_mlp(widths=(128, 64)):
    """The feed-forward network of the assignment: 784 inputs, hidden layers of ReLU, ten classes."""
    sizes = (784, *widths, 10)
    layers = [layer for i, o in zip(sizes, sizes[1:]) for layer in (nn.Linear(i, o), nn.ReLU())]
    return DigitNet(*layers[:-1])


def digit_cnn(channels=(16, 32)):
    """The convolutional network of the assignment: two times 3 x 3 convolution, ReLU and pooling; a linear layer."""
    one, two = channels
    return DigitNet(
        nn.Conv2d(1, one, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(one, two, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(two * 5 * 5, 10),
    )  # fmt: skip


class UNet(nn.Module):
    """Images (b, in_channels, rows, columns) to logits (b, out_channels, rows, columns): down, across, and up again.

    base_width  channels at full resolution; each of `depth` steps down halves rows and columns and doubles the channels
    raises      ValueError for sizes below 1, or an image whose sides 2**depth does not divide
    source      Ronneberger, Fischer and Brox 2015. Departures: each image is standardised first, so that its exposure
                and contrast do not matter; padding keeps sizes, so that skips need no cropping; batch norm after
                every convolution; one logit per class instead of a softmax over two; fewer channels; no dropout
    """

    def __init__(self, in_channels=1, out_channels=1, base_width=8, depth=4):
        sizes = dict(in_channels=in_channels, out_channels=out_channels, base_width=base_width, depth=depth)
        if any(not isinstance(s, int) or s < 1 for s in sizes.values()):
            raise ValueError(f"all of a UNet's sizes must be whole numbers of 1 or more, not {sizes}")
        super().__init__()
        self.in_channels, self.depth = in_channels, depth
        self.film_size = 128  # side of the squares that predict_mask makes of films; set it to that of training
        widths = [base_width * 2**level for level in range(depth + 1)]
        self.standardise = nn.InstanceNorm2d(in_channels)  # each channel of each image: mean 0, deviation 1
        self.down = nn.ModuleList(two_convolutions(i, o) for i, o in zip([in_channels, *widths], widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.merge = nn.ModuleList(two_convolutions(2 * w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(base_width, out_channels, 1)
        self.to(memory_format=torch.channels_last)  # channels side by side in memory: a quarter faster on a CPU

    def forward(self, x):
        step = 2**self.depth
        if x.ndim != 4 or x.shape[1] != self.in_channels or any(side == 0 or side % step for side in x.shape[2:]):
            raise ValueError(
                f"a UNet of depth {self.depth} takes images (b, {self.in_channels}, rows, columns) with rows and "
                f"columns divisible by {step}, not {tuple(x.shape)}"
            )
        x, skips = self.standardise(x), []
        for convolve in self.down:  # level l: (b, base_width * 2**l, rows / 2**l, columns / 2**l)
            x = convolve(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for upsample, convolve, skip in zip(self.up, self.merge, skips[-2::-1]):
            x = convolve(torch.cat([skip, upsample(x)], 1))  # what was seen at this size, beside what came from below
        return self.head(x)


def two_convolutions(i, o):
    """3 x 3 convolution, batch norm and ReLU, twice: (b, i, rows, columns) -> (b, o, rows, columns)."""
    layers = []
    for channels in (i, o):  # no bias: batch norm has one
        layers += [nn.Conv2d(channels, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def count_parameters(net):
    """Number of trained numbers in a network."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


class NetStack:
    """R networks of one shape, side by side, as one array of parameters (P, R).

    The network's index comes last everywhere, so that the processor works on R numbers in a row.
    `weights[l]` (out, in, 1, R) and `biases[l]` (out, 1, R) are views into `theta` (P, R); the 1 is where
    a batch goes. Each network starts like nn.Linear: uniform within 1 / sqrt(inputs of the layer).
    """

    def __init__(self, sizes, count, rng, activation="tanh", device="cpu"):
        check_network(sizes, activation)
        if count < 1:
            raise ValueError(f"need at least one network, not {count}")
        self.sizes, self.count, self.activation = tuple(sizes), count, activation
        self.theta = torch.empty(sum(o * (i + 1) for i, o in zip(sizes, sizes[1:])), count, device=device)
        self.weights, self.biases = self.views(self.theta)
        for w, b in zip(self.weights, self.biases):
            for t in (w, b):
                t.copy_(torch.from_numpy(rng.uniform(-1, 1, t.shape) / math.sqrt(w.shape[1])))

    def views(self, flat):
        """Cut an array like theta into weights [(out, in, 1, R)] and biases [(out, 1, R)], without copying."""
        weights, biases, at = [], [], 0
        for i, o in zip(self.sizes, self.sizes[1:]):
            weights.append(flat[at : at + o * i].view(o, i, 1, -1))
            biases.append(flat[at + o * i : at + o * (i + 1)].view(o, 1, -1))
            at += o * (i + 1)
        return weights, biases

    def activations(self, x):
        """Forward pass, all layers kept: x (in, b, R or 1) -> [x, z1 (out, b, R), ..., logits (1, b, R)]."""
        z, squash = [x], ACTIVATIONS[self.activation][1]
        for w, b in zip(self.weights, self.biases):
            a = (w * z[-1]).sum(1).add_(b)  # a_j = sum_i w_ji z_i + b_j, for R networks
            z.append(a if b is self.biases[-1] else squash(a))
        return z

    def logits(self, x):
        """x (in, n, R or 1) -> (n, R)."""
        return self.activations(x)[-1][0]

    def net(self, r):
        """Network number r as an ordinary Net on the CPU."""
        net = Net(self.sizes, self.activation)
        with torch.no_grad():
            for layer, w, b in zip(net.model[::2], self.weights, self.biases):
                layer.weight.copy_(w[:, :, 0, r])
                layer.bias.copy_(b[:, 0, r])
        return net


# ---- 4  training -----------------------------------------------------------------------------


def hidden():
    """True if TQDM_DISABLE=1 asks for no progress bars, also in notebooks."""
    return os.environ.get("TQDM_DISABLE", "0") not in ("", "0")


def progress(items, what):
    """Walk through items behind a progress bar."""
    return tqdm(items, what, leave=False, disable=hidden())


@dataclass(frozen=True)
class Task:
    """What a network is trained for, and judged by.

    loss   (output, y) -> mean loss of a batch, which training makes small
    score  (output, y) -> one score per example (b,), the higher the better
    name   of the mean score
    """

    loss: Callable
    score: Callable
    name: str = "accuracy"


BINARY = Task(  # one logit (b, 1), y 0 or 1
    lambda a, y: F.binary_cross_entropy_with_logits(a.squeeze(1), y), lambda a, y: (a.squeeze(1) > 0) == (y > 0.5)
)
CLASSES = Task(F.nll_loss, lambda a, y: a.argmax(1) == y)  # log-probabilities (b, classes), y a class number


def fit(net, train, val, optimizer, epochs, log=lambda row: None, task=BINARY, scheduler=None, augment=None,
        checkpoint=None, keep="last", mixed=False):  # fmt: skip
    """Train net on the batches of train, in place, and judge it on val after every epoch.

    train, val  DataLoaders of x (b, ...) and y (b, ...), from `batches`
    log         called with one row an epoch: epoch, train/loss, val/loss, val/accuracy (or the task's other score),
                and with a scheduler the learning_rate of the epoch's last step
    scheduler   stepped after every batch
    augment     (x, y, generator) -> (x, y), applied to each batch of training on the network's device
    checkpoint  path: everything is written there after each epoch, and removed at the end. A call that finds the
                file continues there and ends like one that was never interrupted
    keep        "last" or "best": the weights to end with; best by val score
    mixed       True: bfloat16 where a CUDA device has it
    gives       the list of rows; Ctrl-C keeps what was learnt and gives the rows so far
    raises      ValueError for data that are not finite, or a checkpoint of another network or other settings
    """
    check_finite(*train.dataset.tensors, *val.dataset.tensors)
    if keep not in ("last", "best"):
        raise ValueError(f'keep must be "last" or "best", not {keep!r}')
    device, score, history = next(net.parameters()).device, f"val/{task.name}", []
    mixed = mixed and device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
    chance = getattr(train.sampler, "generator", None)  # of the order and of augment
    best = None
    if checkpoint and Path(checkpoint).exists():
        history, best = resume(checkpoint, net, optimizer, scheduler, chance, epochs)
        print(f"resumed after epoch {len(history)} of {epochs}")
        for row in history:
            log(row)
    try:
        for epoch in progress(range(len(history) + 1, epochs + 1), "training"):
            net.train()
            total = 0.0
            for x, y in train:
                x, y = x.to(device), y.to(device)
                if augment:
                    x, y = augment(x, y, chance)
                with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                    loss = task.loss(net(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if scheduler:
                    rate = optimizer.param_groups[0]["lr"]
                    scheduler.step()
                total += loss.item() * len(y)
            val_loss, val_score = evaluate(net, val, task)
            row = {"epoch": epoch, "train/loss": total / len(train.dataset), "val/loss": val_loss, score: val_score}
            history.append(row | {"learning_rate": rate} if scheduler else row)
            if keep == "best" and val_score == max(r[score] for r in history):
                best = {k: v.clone() for k, v in net.state_dict().items()}
            if checkpoint:
                save_checkpoint(checkpoint, net, optimizer, scheduler, chance, epochs, history, best)
            log(history[-1])
    except KeyboardInterrupt:
        print(f"stopped by hand after {len(history)} of {epochs} epochs; what was learnt is kept")
    else:
        if checkpoint:
            Path(checkpoint).unlink(missing_ok=True)
    if best:
        net.load_state_dict(best)
    return history


@lru_cache
def pixel_centres(rows, columns):
    """Places (3, rows * columns) of an image's pixels, (right, down, 1), where images reach from -1 to 1."""
    right, down = ((2 * torch.arange(n) + 1) / n - 1 for n in (columns, rows))
    return torch.stack([right.repeat(rows), down.repeat_interleave(columns), torch.ones(rows * columns)])


def random_affine(x, chance, degrees=7, scale=0.07, shift=1, shear=0.05):
    """Turn, scale, shift and shear each image a little and differently, filling in with the darkest value.

    x       (b, channels, rows, columns)
    chance  torch.Generator
    limits  degrees, relative size, pixels, and slope: each is drawn uniformly between - limit and + limit
    """

    def draw(limit):
        return limit * (2 * torch.rand(len(x), generator=chance) - 1)

    rows, columns = x.shape[2:]
    angle, size, slant = draw(math.radians(degrees)), 1 + draw(scale), draw(shear)
    cos, sin = angle.cos() / size, angle.sin() / size
    moves = torch.stack([cos, slant - sin, draw(2 * shift / columns), sin, cos, draw(2 * shift / rows)], 1)
    grid = moves.view(-1, 3).to(x.device) @ pixel_centres(rows, columns).to(x.device)  # one product for all images
    low = x.amin()  # grid_sample fills in with 0
    return F.grid_sample(x - low, grid.view(-1, 2, rows, columns).permute(0, 2, 3, 1), align_corners=False) + low


def fit_digits(net, data, epochs, rate, batch=64, seed=0, decay=None, schedule=True, augment=True, **more):
    """Train a digit network on the device it is on; gives the rows of `fit`, which takes what else is given.

    decay     None: SGD with momentum 0.9; a number: AdamW with this weight decay
    schedule  True: the rate rises to `rate` and falls to 0 in one cycle (Smith and Topin 2019); False: constant
    augment   True: random_affine on every batch
    """
    train = batches(data.train, batch, seed)
    if decay is None:
        optimizer = torch.optim.SGD(net.parameters(), rate, momentum=0.9, nesterov=schedule, fused=True)
    else:
        optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=decay, fused=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * len(train)) if schedule else None
    moved = (lambda x, y, chance: (random_affine(x, chance), y)) if augment else None
    return fit(
        net, train, batches(data.val, 1000), optimizer, epochs, task=CLASSES, scheduler=cycle, augment=moved, **more
    )


def in_parallel(function, jobs, what):
    """[function(**job) for job in jobs], for trainings that do not need each other.

    On a CPU as many at once as it has cores (LOKY_MAX_CPU_COUNT if set), 4 at most, each in a process of its own that
    computes on one thread, so that results do not depend on the number of cores. On a GPU one after the other. What a
    job prints is shown when it is done. A script must call this below `if __name__ == "__main__":`.

    what    the jobs' name beside the progress bar
    raises  what the first job that fails raises; that, and Ctrl-C, stops the others at once
    """
    workers = min(4, len(jobs), cpu_count()) if pick_device().type == "cpu" else 1
    if workers < 2:
        return [function(**job) for job in jobs]
    fresh = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
    if os.name != "nt":
        fresh.set_forkserver_preload(["helpers", "torch._dynamo", "wandb"])  # what each would else import by itself
    packed = cloudpickle.dumps(function)  # takes functions and classes of notebooks too, and the data they use
    results = []
    with ProcessPoolExecutor(workers, fresh, start_worker, (packed,)) as pool:
        try:
            waiting = pool.map(work, map(cloudpickle.dumps, jobs))
            for done in tqdm(waiting, what, len(jobs), leave=False, disable=hidden()):
                printed, result = pickle.loads(done)
                print(printed, end="")
                results.append(result)
        except BaseException:  # Ctrl-C too stops them all at once
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return results


def start_worker(packed):
    """Prepare another process for the jobs of in_parallel: one thread, no progress bars, and their function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow_parent, daemon=True).start()
    torch.set_num_threads(1)
    os.environ["TQDM_DISABLE"] = "1"
    work.function = pickle.loads(packed)


def follow_parent():
    """End this process when the one that started it has ended, however that came about."""
    multiprocessing.parent_process().join()
    os._exit(1)


def work(packed):
    """What that function prints for a job, and what it gives, packed like the job: networks then travel whole."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = work.function(**pickle.loads(packed))
    return cloudpickle.dumps((printed.getvalue(), result))


def settings_of(optimizer, epochs):
    """What must not change between the two halves of an interrupted training."""
    return {"epochs": epochs, "optimizer": type(optimizer).__name__, **optimizer.defaults}


def save_checkpoint(path, net, optimizer, scheduler, chance, epochs, history, best):
    """Write all that a training needs to go on, whole or not at all."""
    content = io.BytesIO()
    torch.save(
        {
            "net": net.state_dict(), "best": best, "history": history, "settings": settings_of(optimizer, epochs),
            "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict() if scheduler else None,
            "order": chance.get_state() if chance else None, "chance": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        },
        content,
    )  # fmt: skip
    write_whole(path, content.getvalue())


def resume(path, net, optimizer, scheduler, chance, epochs):
    """Put everything back as save_checkpoint found it; gives history and best weights.

    raises  ValueError for a damaged file, another network, or other settings; nothing is changed then
    """
    try:
        saved = torch.load(path, map_location=next(net.parameters()).device, weights_only=True)
    except Exception as e:
        raise ValueError(
            f"the checkpoint {path} cannot be read ({type(e).__name__}); delete it to start anew"
        ) from None
    there, here = ({k: tuple(v.shape) for k, v in state.items()} for state in (saved["net"], net.state_dict()))
    pairs = [("parameters", there, here), ("settings", saved["settings"], settings_of(optimizer, epochs))]
    for what, there, here in pairs:
        differ = [
            f"{k} {there.get(k)} there, {here.get(k)} here" for k in {**here, **there} if there.get(k) != here.get(k)
        ]
        if differ:
            raise ValueError(
                f"the checkpoint {path} has other {what}: {'; '.join(differ[:3])}; delete it to start anew"
            )
    net.load_state_dict(saved["net"])
    optimizer.load_state_dict(saved["optimizer"])
    if scheduler:
        scheduler.load_state_dict(saved["scheduler"])
    if chance:
        chance.set_state(saved["order"].cpu())
    torch.set_rng_state(saved["chance"].cpu())
    if len(saved["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in saved["cuda"]])
    return saved["history"], saved["best"]


def checkpoint_path(name, **settings):
    """Where an interrupted training waits: a file of its own for each name and settings, and, under `make`, for each
    state of the notebook and its data."""
    state = os.environ.get("COURSEWORK_STATE", "by-hand")[:12]
    mark = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:8]
    return ROOT / "build/checkpoints" / state / f"{name}-{mark}.pt"


@torch.no_grad()
def outputs(net, data):
    """What a network gives for all of a DataLoader, in evaluation mode, on the CPU."""
    net.eval()
    device = next(net.parameters()).device
    return torch.cat([net(x.to(device)).cpu() for x, _ in data])


@torch.no_grad()
def evaluate(net, data, task=BINARY):
    """Mean loss and mean score of a network on a DataLoader, in evaluation mode."""
    net.eval()
    device, loss, score = next(net.parameters()).device, 0.0, 0.0
    for x, y in data:
        output, y = net(x.to(device)), y.to(device)
        loss += task.loss(output, y).item() * len(y)
        score += task.score(output, y).sum().item()
    return loss / len(data.dataset), score / len(data.dataset)


@torch.no_grad()
def film_logits(model, films):
    """Logits (n, 1, rows, columns) of films (n, 1, rows, columns) of any size, on the CPU.

    model  a UNet with one channel in and out, or a list of them, whose logits are averaged. Each gets the films
           padded with black to squares of side model.film_size (128 if it has none), and gives logits of that size
    """
    from imagedata import from_square, to_square

    nets, total = model if isinstance(model, list | tuple) else [model], 0
    for net in nets:
        device, side = next(net.parameters()).device, getattr(net, "film_size", 128)
        squares = [net.eval()(to_square(part, side).to(device)).float().cpu() for part in films.split(16)]
        total = total + from_square(torch.cat(squares), films.shape[2:])
    return total / len(nets)


def predict_mask(model, image):
    """Segment one film of any size with a trained UNet, or a list of them.

    image   (rows, columns) or (rows, columns, 3 or 4), numbers or uint8; a PIL image; or the path of a PNG or JPEG
    gives   (rows, columns), bool, True = lung
    raises  ValueError for anything else, or values that are not finite
    """
    from imagedata import as_grey

    return (film_logits(model, as_grey(image)[None, None])[0, 0] > 0).numpy()


@torch.inference_mode()
def fit_many(stack, train, val, rng, rate=0.02, batch=25, epochs=200, log=lambda row: None, orders=None):
    """Train all networks of a NetStack at once, each on its own data in its own order, with Adam.

    The same arithmetic as fit with torch.optim.Adam, in batched products and with the gradient
    written out as the backpropagation recursion.

    train, val  (x (inputs, n, R), y (n, R)); with 1 in place of R all networks share the data
    rate        Adam's step size, one number or one per network (R,)
    orders      for tests: one (n, R) index array per epoch in place of chance
    gives       rows as from fit, with an array (R,) in place of each loss and accuracy
    """
    if not (epochs >= 1 and batch >= 1 and np.all(np.asarray(rate) > 0)):
        raise ValueError(f"need epochs >= 1, batch >= 1, rate > 0, not {epochs}, {batch}, {rate}")
    check_finite(*train, *val)
    R, device, slope = stack.count, stack.theta.device, ACTIVATIONS[stack.activation][2]
    (x, y), (x_val, y_val) = ([t.to(device) for t in pair] for pair in (train, val))
    n = len(y)
    x, y = x.expand(-1, n, R).reshape(-1, n * R), y.expand(n, R).reshape(-1)
    index = np.arange(n) * R + np.arange(R)[:, None]  # (R, n): where point i of network r lies in x and y
    rate = torch.as_tensor(rate, dtype=torch.float32, device=device)
    grad, m, v = (torch.zeros_like(stack.theta) for _ in range(3))
    weight_grads, bias_grads = stack.views(grad)
    history, step = [], 0
    try:
        for epoch in progress(range(1, epochs + 1), f"training {R} networks"):
            order = rng.permuted(index, axis=1).T if orders is None else orders[epoch - 1] * R + np.arange(R)
            order = torch.from_numpy(np.ascontiguousarray(order)).to(device).view(-1)
            xs = x.index_select(1, order).view(-1, n, R)
            ys = y.index_select(0, order).view(n, R)
            logits = []
            for xb, yb in zip(xs.split(batch, 1), ys.split(batch)):
                z = stack.activations(xb)
                logits.append(z[-1])
                delta = (z[-1].sigmoid() - yb).div_(len(yb))  # dE/da of the output, (1, b, R)
                for l in reversed(range(len(stack.weights))):
                    torch.sum(delta[:, None] * z[l], 2, True, out=weight_grads[l])  # dE/dw_ji = sum_n delta_j z_i
                    torch.sum(delta, 1, True, out=bias_grads[l])
                    if l:  # delta_j = h'(a_j) sum_k w_kj delta_k
                        delta = slope((stack.weights[l] * delta[:, None]).sum(0), z[l])
                step += 1  # Adam, with its two bias corrections
                m.lerp_(grad, 0.1)
                v.lerp_(grad * grad, 0.001)
                c = math.sqrt(1 - 0.999**step)
                stack.theta.addcmul_(m / v.sqrt().add_(1e-8 * c), rate, value=-c / (1 - 0.9**step))
            logits, guess = torch.cat(logits, 1)[0], stack.logits(x_val)
            row = {"epoch": epoch, "train/loss": bce_many(logits, ys), "val/loss": bce_many(guess, y_val)}
            row["val/accuracy"] = ((guess > 0) == (y_val > 0.5)).float().mean(0).cpu().numpy()
            history.append(row)
            log(row)
    except KeyboardInterrupt:
        print(f"stopped by hand after {len(history)} of {epochs} epochs; what was learnt is kept")
    return history


def bce_many(logits, y):
    """Mean binary cross-entropy [nats] over the first axis: (n, R), (n, R or 1) -> array (R,)."""
    return (F.softplus(logits) - y * logits).mean(0).cpu().numpy()


# ---- 5  tracking -----------------------------------------------------------------------------


def track(name, config, group, tags=(), quiet=False):
    """Log what happens inside the `with` block as one Weights & Biases run, and say where it went.

    name, group  the run's name; the experiment it belongs to
    config       settings as a dict; seed, device and data source belong in it
    quiet        True: do not say where the run went (for the many runs of one group)
    gives        a Tracker, whose `log` any training loop takes
    mode         WANDB_MODE if set; online with a key and a server that answers; else offline.
                 Never asks for anything. Offline runs are uploaded later by the line it prints.
    """
    from tracking import start

    return start(name, config, group, tags, quiet)


def run_sweep(config, train, count=None, seed=0, sweep_id=None):
    """Search for good settings as a W&B sweep dict describes: on W&B's server if it is there, else with Optuna.

    config    method grid, random or bayes; metric {name, goal}; parameters; optional name and early_terminate
    train     train(settings, log) trains once, hands log its rows, and gives the metric's final value
    count     trials in all, those of earlier calls and other processes included (None: the whole grid)
    sweep_id  joins a sweep that exists on the server, from this machine
    gives     the trials, best first: dicts of number, settings, value, state and history
    Offline, every trial is an offline W&B run in the sweep's group and is kept in a journal beside the runs.
    Calling again, also after a kill, continues there, and so do other processes that call at the same time.
    raises  ValueError for what cannot be mapped, before any trial; RuntimeError with the first traceback
            if every trial failed
    """
    from sweeps import run

    return run(config, train, count, seed, sweep_id)


# ---- 6  figures and numbers ------------------------------------------------------------------

TEXT_WIDTH = 6.3  # inches of the printed line; figures are drawn at the size at which they are printed
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK = (  # Okabe and Ito's colours, safe for colour-blind readers
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000",
)  # fmt: skip


def use_style():
    """One style for notebooks and report: Computer Modern at the report's size, colours anyone can tell apart."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on the age of Computer Modern
    plt.rcParams.update(
        {
            "font.family": "serif", "font.serif": ["cmr10"], "mathtext.fontset": "cm", "font.size": 9,
            "axes.formatter.use_mathtext": True, "axes.unicode_minus": False, "axes.titlesize": 9,
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK]),
            "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "legend.fontsize": 8,
            "xtick.labelsize": 8, "ytick.labelsize": 8, "lines.linewidth": 1.2, "figure.figsize": (TEXT_WIDTH, 2.6),
            "figure.constrained_layout.use": True, "figure.dpi": 120, "savefig.dpi": 200, "pdf.fonttype": 42,
        }
    )  # fmt: skip


def plot_points(ax, x, y, size=6):
    """Scatter data x (n, 2): class 0 as blue circles, class 1 as orange triangles."""
    for k, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
        here = np.asarray(y) == k
        ax.scatter(*np.asarray(x)[here].T, s=size, c=colour, marker=marker, lw=0, alpha=0.7, label=f"$y = {k}$")
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


def class_map(ax, p, low, high):
    """Show probabilities p (m, m) on a square as colour in steps, from class 0's through white to class 1's."""
    surface = LinearSegmentedColormap.from_list("classes", [BLUE, "white", ORANGE], N=11)
    smooth = {"interpolation": "bilinear", "interpolation_stage": "data", "alpha": 0.45}
    return ax.imshow(p, surface, vmin=0, vmax=1, extent=(low, high, low, high), origin="lower", **smooth)


class XorView:
    """The input plane of a 2-k-1 tanh network, k up to 4: p(y = 1) as colour, the data, and the decision boundaries.

    Dashed lines: where a hidden unit's pre-activation is 0. Black: where the output's logit is 0.
    `show` moves them to new parameters; `artists` lists what moves, bottom first, for fast redrawing.
    """

    def __init__(self, ax, x, y, hidden=2, low=-0.7, high=1.7, resolution=73):
        side = np.linspace(low, high, resolution)
        self.grid = np.stack(np.meshgrid(side, side)).reshape(2, -1)
        self.image = class_map(ax, np.zeros((resolution, resolution)), low, high)
        plot_points(ax, x, y)
        colours = (GREEN, PURPLE, RED, SKY)[:hidden]
        self.curve = ax.plot([], [], c=BLACK, lw=2.6, label="output")[0]
        self.lines = [
            ax.plot([], [], "--", c=c, lw=1.6, label=f"hidden unit {j + 1}")[0] for j, c in enumerate(colours)
        ]
        self.artists = [self.image, *ax.collections, self.curve, *self.lines]
        ax.set(xlim=(low, high), ylim=(low, high))

    def show(self, w1, b1, w2, b2):
        """Draw the network with hidden weights w1 (k, 2), b1 (k,) and output weights w2 (k,), b2 ()."""
        w1, b1, w2 = np.reshape(w1, (-1, 2)), np.ravel(b1), np.ravel(w2)
        logit = (w2 @ np.tanh(w1 @ self.grid + b1[:, None]) + float(np.squeeze(b2))).reshape(self.image.get_size())
        self.image.set_data(0.5 * (1 + np.tanh(logit / 2)))  # the logistic function, without overflow
        for line, w, b in zip(self.lines, w1, b1):
            near, along = -b * w / (w @ w + 1e-12), np.array([-w[1], w[0]]) / (np.hypot(*w) + 1e-12)
            line.set_data(*np.stack([near - 5 * along, near + 5 * along], 1))
        low, high = self.image.get_extent()[:2]
        side = np.linspace(low, high, len(logit))
        pieces = contourpy.contour_generator(side, side, logit).lines(0.0)
        gap = np.full((1, 2), np.nan)
        self.curve.set_data(*np.concatenate([part for p in pieces for part in (p, gap)] or [gap]).T)


def animate(fig, moving):
    """Give a function that draws one frame, RGB (rows, columns, 3), redrawing only what moves.

    moving  (axes, artist) pairs, bottom first; all the rest of fig is drawn once, here
    """
    for _, artist in moving:
        artist.set_animated(True)
    fig.canvas.draw()
    background = fig.canvas.copy_from_bbox(fig.bbox)

    def frame():
        fig.canvas.restore_region(background)
        for ax, artist in moving:
            ax.draw_artist(artist)
        return np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()

    return frame


def write_whole(path, content):
    """Write text or bytes so that a reader finds the old file or the new one, never half of one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(part, path)
    return path


def save_figure(fig, name):
    """Write a figure as vector PDF to report/figures, the same bytes each time, and hand it back."""
    page = io.BytesIO()
    fig.savefig(page, format="pdf", metadata={"CreationDate": None})
    write_whole(REPORT / "figures" / f"{name}.pdf", page.getvalue())
    return fig


def save_number(name, value, spec=""):
    """Define the LaTeX macro \\name in report/numbers.tex as format(value, spec); notebooks may do so at once.

    raises  ValueError for a name that is not all letters, or a value that is not finite
    """
    if not re.fullmatch("[A-Za-z]+", name):
        raise ValueError(f"a LaTeX macro's name is all letters, not {name!r}")
    if not isinstance(value, str) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}: nothing to report")
    path, lock = REPORT / "numbers.tex", ROOT / "build/numbers.lock"
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if not line.startswith(f"\\newcommand{{\\{name}}}")]
        line = f"\\newcommand{{\\{name}}}{{{format(value, spec)}}}"
        write_whole(path, "\n".join(sorted([*kept, line])) + "\n")


def save_table(name, rows):
    """Write rows of cells (already formatted text) as the body of a LaTeX table, report/tables/name.tex."""
    body = "\n".join(r"\midrule" if row is None else " & ".join(row) + r" \\" for row in rows)
    write_whole(REPORT / "tables" / f"{name}.tex", body + "\n")


def save_listing(name, thing, first="", last=""):
    """Write source for the report to show, report/listings/name.py: of a function or class, or a text.

    first, last  words in the first and the last line to keep; empty: from the beginning, to the end
    raises       ValueError if no line holds them
    """
    lines = (thing if isinstance(thing, str) else inspect.getsource(thing)).rstrip().splitlines()
    try:
        start = next(i for i, line in enumerate(lines) if first in line)
        stop = next(i for i, line in enumerate(lines) if i >= start and last in line) if last else len(lines) - 1
    except StopIteration:
        raise ValueError(f"no lines from {first!r} to {last!r} in the source for listing {name}") from None
    write_whole(REPORT / "listings" / f"{name}.py", textwrap.dedent("\n".join(lines[start : stop + 1])) + "\n")


def mark(fig, data):
    """Write above a figure what its data stand in for, if they do; gives the figure."""
    if data.label:
        fig.suptitle(data.label, color=RED)
    return fig


def say(text):
    """Show a sentence in a notebook as Markdown: for findings that quote numbers the code has just made."""
    from IPython.display import Markdown, display

    display(Markdown(text))


def show_source(*things):
    """Show the source of functions or classes in a notebook, with colours."""
    for thing in things:  # without the div, nbconvert would not export it in a fixed width
        say(f'<div style="font-family: monospace">\n\n```python\n{inspect.getsource(thing).rstrip()}\n```\n\n</div>')


def reliability(log_p, y, edges):
    """Is p = 0.99 right 99 times in 100? Per bin of confidence: mean confidence, share right, count.

    log_p, y  log-probabilities (n, classes), class numbers (n,); edges of the bins, rising, from 0 to 1
    gives     three arrays (bins,), NaN where a bin is empty, and the expected calibration error: the mean distance
              between the first two, weighted by the third
    source    Guo et al., ICML 2017
    """
    p, guess = (t.numpy() for t in log_p.exp().max(1))
    place = np.clip(np.searchsorted(edges, p, side="left") - 1, 0, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1)
    with np.errstate(invalid="ignore"):
        sure, right = (np.bincount(place, w, len(edges) - 1) / count for w in (p, guess == y.numpy()))
    return sure, right, count, float(np.nansum(np.abs(sure - right) * count) / len(y))


def share_interval(hits, n, z=1.959964):
    """95 % interval for a share of hits in n trials, by Wilson's score; both may be arrays.

    source  E. B. Wilson, J. Amer. Statist. Assoc. 22, 1927
    """
    n = np.asarray(n, float)
    p = np.asarray(hits) / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return np.minimum(low, p), np.maximum(high, p)  # rounding must not take p itself out
