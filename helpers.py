"""What the notebooks share, told in the order in which they meet it.

1  Start      seeds, device, style
2  Data       noisy XOR, and what the best possible classifier reaches on it
3  Networks   those that the assignments print, and a U-Net
4  Training   the loop, how a network is evaluated, and the recipe of the digit networks

What a lesson needs and does not teach (data files, hooks, tracking, sweeps, report files) lies
in backstage/ and is passed on by the imports below.

Nothing happens on import. Losses are in nats, noise is a standard deviation in units of the side
of XOR's square, and shapes stand in comments and docstrings: b is a batch, n a data set.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

# What lies in backstage/ and is passed on: each name is documented where it is defined.
# ruff: noqa: F401
# isort: off
from backstage.settings import QUICK, ROOT, progress, quick
from backstage.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY, TEXT_WIDTH, use_style
from backstage.report import report_folder, report_to, say, show_figure, show_movie, show_source
from backstage.report import save_figure, save_listing, save_numbers, save_table, write_whole
from backstage.plots import log_ticks, plot_losses, plot_rows, plot_shares
from backstage.plots import show_confusion, show_digits
from backstage.statistics import difference_interval, mean_interval, reliability, share_interval
from backstage.checks import check_images, check_loader, check_network, checked_batches
from backstage.checks import positive, sum_scores, whole
from backstage.batching import batches
from backstage.augmentation import random_affine
from backstage.mnist import load_mnist
from backstage.lungs import load_lungs, patient_folds
from backstage.xrays import to_square, xray_logits
from backstage.xray_files import as_grey
from backstage.xray_quality import predict_mask
from backstage.hooks import Augment, Hook, KeepBest, Log, Schedule, Training
from backstage.precision import MixedPrecision
from backstage.checkpoints import Checkpoint, checkpoint_path
from backstage.processes import in_parallel
from backstage.records import recorded
from backstage.tracking import track
from backstage.sweeps import run_sweep
from backstage.sweep_importance import importances
from backstage.sweep_plots import log_sweep, parallel_coordinates, plot_sweep
from backstage.xor_view import XorView, class_map, plot_points
from backstage.movies import animate, gif
# isort: on

# ---- 1  Start --------------------------------------------------------------------------------


def seed_everything(seed: int) -> np.random.Generator:
    """Seed PyTorch, which draws the initial weights, and give a NumPy generator for the rest.

    Raises:
        ValueError: seed is negative, or no whole number.
    """
    torch.manual_seed(whole("seed", seed, least=0))
    return np.random.default_rng(seed)


def pick_device() -> torch.device:
    """Choose CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


# ---- 2  Data ---------------------------------------------------------------------------------


class Points(NamedTuple):
    """Inputs x (n, 2) and labels y (n,) of one data set; of R data sets (2, n, R) and (n, R)."""

    x: torch.Tensor
    y: torch.Tensor


def xor_points(n: int, noise: float, rng: np.random.Generator, count: int | None = None) -> Points:
    """Draw noisy XOR: the corners of the unit square with equal probability, plus Gaussian noise.

    Args:
        n: points in a data set.
        noise: standard deviation of each coordinate around its corner, in sides of the square.
        rng: where all randomness comes from.
        count: number of data sets R, side by side; None: one.

    Returns:
        float32 points; without count x (n, 2) and y (n,), with it x (2, n, R) and y (n, R).

    Raises:
        ValueError: n or count below 1, or noise that is negative or not finite.

    Source: KU Deep Learning 2025, assignment 1, part 3.
    """
    if n < 1 or (count is not None and count < 1):
        raise ValueError(f"need at least one point and one data set, not n={n}, count={count}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise must be a finite standard deviation of 0 or more, not {noise}")
    corner = rng.integers(0, 2, (2, n, count or 1))
    x = corner + noise * rng.standard_normal(corner.shape)
    x = torch.from_numpy(x).float()
    y = torch.from_numpy(corner[0] ^ corner[1]).float()
    if count:
        return Points(x, y)
    return Points(x[:, :, 0].T.contiguous(), y[:, 0])


class NoisyXor(TensorDataset):
    """n points of noisy XOR, drawn once: `data.x` is (n, 2), `data.y` is (n,)."""

    def __init__(self, n: int, noise: float, rng: np.random.Generator) -> None:
        points = xor_points(n, noise, rng)
        super().__init__(points.x, points.y)
        self.x = points.x
        self.y = points.y
        self.noise = noise


def xor_bayes_logit(x1: np.ndarray, x2: np.ndarray, noise: float) -> np.ndarray:
    """Log odds of y = 1 at (x1, x2) when everything about the data is known.

    Given x, the two corner coordinates are independent, each 1 with log odds
    a_i = (x_i - 1/2) / noise**2, and 1 - 2 p(y=1) = tanh(a_1 / 2) tanh(a_2 / 2).

    Raises:
        ValueError: noise is not positive and finite.
    """
    noise = positive("noise", noise)
    a1 = (np.asarray(x1) - 0.5) / noise**2
    a2 = (np.asarray(x2) - 0.5) / noise**2
    return np.logaddexp(a1, a2) - np.logaddexp(0, a1 + a2)  # nothing overflows at small noise


class BestPossible(NamedTuple):
    """Lowest possible expected loss [nats] and highest possible accuracy."""

    loss: float
    accuracy: float


def xor_bayes_limit(noise: float) -> BestPossible:
    """What the best possible classifier reaches on noisy XOR.

    The loss is the mean entropy of y given x, integrated over one corner (all four are alike) by
    the trapezoidal rule, which converges faster than any power for a smooth integrand that dies
    out: the error is below 1e-11 nats for noise 0.02 to 3, against a grid of ten times the points.

    Raises:
        ValueError: noise is not positive and finite.
    """
    noise = positive("noise", noise)
    e = np.linspace(-9, 9, 121)
    weight = np.exp(-(e**2) / 2)
    weight /= weight.sum()
    logit = xor_bayes_logit(noise * e[:, None], noise * e[None, :], noise)  # corner (0, 0), y = 0
    loss = float(weight @ np.logaddexp(0, logit) @ weight)
    crosses = 0.5 * math.erfc(1 / (2 * noise) / math.sqrt(2))  # P(a coordinate passes 1/2)
    return BestPossible(loss, 1 - 2 * crosses * (1 - crosses))


# ---- 3  Networks -----------------------------------------------------------------------------

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}


def count_parameters(net: nn.Module) -> int:
    """Number of trained numbers in a network."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


class Net(nn.Module):
    """Fully connected network with one logit as output, printed as in the assignment.

    Args:
        sizes: (inputs, hidden widths ..., 1); (2, 3, 1) is the assignment's figure 2.
        activation: of the hidden layers, one of ACTIVATIONS.
    """

    def __init__(self, sizes: Sequence[int] = (2, 3, 1), activation: str = "tanh") -> None:
        check_network(sizes, activation, ACTIVATIONS)
        super().__init__()
        layers = []
        for n_in, n_out in zip(sizes, sizes[1:]):
            layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
        self.model = nn.Sequential(*layers[:-1], nn.Identity())  # the sigmoid is in the loss

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (b, 2) -> (b, 1) logits
        return self.model(x)


class DigitNet(nn.Module):
    """Layers from images (b, 1, 28, 28) to log-probabilities (b, 10), printed as assigned."""

    def __init__(self, *layers: nn.Module, flat: bool = False) -> None:
        super().__init__()
        self.main = nn.Sequential(*layers, nn.LogSoftmax(dim=1))
        self.flat = flat  # the first layer takes 784 numbers in a row

    def _get_name(self) -> str:
        return "Net"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x.flatten(1) if self.flat else x)


def digit_mlp(widths: Sequence[int] = (128, 64)) -> DigitNet:
    """The assigned feed-forward network: 784 inputs, hidden layers of ReLU, ten classes."""
    sizes = (784, *widths)
    layers = []
    for n_in, n_out in zip(sizes, widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return DigitNet(*layers, nn.Linear(sizes[-1], 10), flat=True)


def digit_cnn(channels: tuple[int, int] = (16, 32)) -> DigitNet:
    """The assigned convolutional network: convolution, ReLU and pooling, twice; then linear."""
    first, second = channels
    return DigitNet(
        nn.Conv2d(1, first, 3),  # (b, first, 26, 26)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (b, first, 13, 13)
        nn.Conv2d(first, second, 3),  # (b, second, 11, 11)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (b, second, 5, 5)
        nn.Flatten(),
        nn.Linear(second * 5 * 5, 10),
    )


class FastCNN(nn.Module):
    """The function of a `digit_cnn`, with its layers and its weights, at less cost on a CPU.

    Pooling comes before the ReLU, since max(relu(a)) = relu(max(a)); the last two rows and columns,
    which never reach the output, are left out; maps stay in oneDNN's memory layout.
    """

    def __init__(self, net: DigitNet) -> None:
        super().__init__()
        conv1, relu1, pool1, conv2, relu2, pool2, *rest = net.main
        self.maps = nn.Sequential(conv1, pool1, relu1, conv2, pool2, relu2)
        self.classes = nn.Sequential(*rest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        check_images(x, 1, 28, 28)
        x = x[:, :, :26, :26]
        if x.device.type == "cpu" and torch.backends.mkldnn.is_available():
            return self.classes(self.maps(x.to_mkldnn()).to_dense())
        return self.classes(self.maps(x))


def faster(net: DigitNet) -> nn.Module:
    """The same function with the same weights (training one trains the other), at less cost."""
    return net if net.flat else FastCNN(net)


class UNet(nn.Module):
    """Images (b, in_channels, rows, columns) to logits (b, out_channels, rows, columns).

    Args:
        in_channels, out_channels: of images and logits.
        base_width: channels at full resolution; each step down doubles them and halves the sides.
        depth: steps down.

    Raises:
        ValueError: sizes below 1, or an image whose sides 2**depth does not divide.

    Source: Ronneberger, Fischer and Brox 2015. Departures: each image is standardised first, so
        that its exposure and contrast do not matter; padding keeps sizes, so that skips need no
        cropping; batch norm after every convolution; one logit per class; fewer channels.
    """

    gives_masks = True  # the labels that it is trained with are masks

    def __init__(
        self, in_channels: int = 1, out_channels: int = 1, base_width: int = 8, depth: int = 4
    ) -> None:
        for size in (in_channels, out_channels, base_width, depth):
            whole("each of a UNet's sizes", size)
        super().__init__()
        self.in_channels = in_channels
        self.depth = depth
        self.image_size = 128  # side of the squares that predict_mask makes; set it to training's
        widths = [base_width * 2**level for level in range(depth + 1)]
        upwards = widths[-2::-1]
        self.standardise = nn.InstanceNorm2d(in_channels)  # mean 0, standard deviation 1
        pairs = zip([in_channels, *widths], widths)
        self.down = nn.ModuleList(two_convolutions(n_in, n_out) for n_in, n_out in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in upwards)
        self.merge = nn.ModuleList(two_convolutions(2 * w, w) for w in upwards)
        self.head = nn.Conv2d(base_width, out_channels, 1)
        self.to(memory_format=torch.channels_last)  # a quarter faster on a CPU

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x)
        x = self.standardise(x)
        skips = []
        for convolve in self.down:  # level l: (b, base_width * 2**l, rows / 2**l, columns / 2**l)
            x = convolve(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for upsample, convolve, skip in zip(self.up, self.merge, skips[-2::-1]):
            x = convolve(torch.cat([skip, upsample(x)], 1))  # seen at this size, and from below
        return self.head(x)

    def _check(self, x: torch.Tensor) -> None:
        step = 2**self.depth
        sides = x.shape[2:]
        if x.ndim != 4 or x.shape[1] != self.in_channels or any(s == 0 or s % step for s in sides):
            raise ValueError(
                f"a UNet of depth {self.depth} takes images (b, {self.in_channels}, rows, columns) "
                f"with rows and columns divisible by {step}, not {tuple(x.shape)}"
            )


def two_convolutions(n_in: int, n_out: int) -> nn.Sequential:
    """3 x 3 convolution, batch norm, ReLU, twice: (b, n_in, r, c) -> (b, n_out, r, c)."""
    layers = []
    for channels in (n_in, n_out):  # no bias: batch norm has one
        convolution = nn.Conv2d(channels, n_out, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


# ---- 4  Training -----------------------------------------------------------------------------


def fit(
    net: nn.Module,
    loader: DataLoader,
    loss_fn: Callable,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    hooks: Sequence[Hook] = (),
) -> list[dict]:
    """Train a network, in place.

    Args:
        net: maps x to what loss_fn takes; it trains on the device that it is on.
        loader: gives batches x (b, ...), y (b, ...); see `batches`.
        loss_fn: (net(x), y) -> mean loss of the batch.
        optimizer: of the network's parameters.
        epochs: passes through the data.
        hooks: what else is to happen, and when; see `Validate`, `Log`, `Schedule`, `Checkpoint` ...

    Returns:
        One row per epoch: epoch, train/loss, and what hooks added. After Ctrl-C, the rows so far.

    Raises:
        ValueError: before the first step, if epochs, rate, data or labels cannot be used.
    """
    with Training(net, loader, loss_fn, optimizer, epochs, hooks) as training:
        for epoch in training.remaining_epochs():
            net.train()
            total = 0.0
            seen = 0
            for x, y in training.batches():
                loss = loss_fn(net(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                training.tell("after_step")
                total += loss.item() * len(y)
                seen += len(y)
            training.end_epoch({"epoch": epoch, "train/loss": total / seen})
    return training.history


def binary_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy [nats] of logits (b, 1) for labels (b,) of 0 and 1."""
    return F.binary_cross_entropy_with_logits(logits.squeeze(1), y)


def binary_hits(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Whether each logit (b, 1) has the right sign for its label (b,)."""
    return (logits.squeeze(1) > 0) == (y > 0.5)


def class_hits(log_p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Whether the most probable of the classes (b, k) is the right one (b,)."""
    return log_p.argmax(1) == y


class Evaluation(NamedTuple):
    """Means over a data set."""

    loss: float
    score: float


@torch.no_grad()
def evaluate(
    net: nn.Module,
    loader: DataLoader,
    loss_fn: Callable = binary_loss,
    score_fn: Callable = binary_hits,
) -> Evaluation:
    """Mean loss and mean score over a DataLoader, in evaluation mode.

    Args:
        net, loader, loss_fn: as in `fit`.
        score_fn: (net(x), y) -> one score per example (b,), the higher the better.
    """
    check_loader(loader, loss_fn, net)
    net.eval()
    n = 0
    loss = 0.0
    score = 0.0
    for x, y in checked_batches(loader, loss_fn, net):
        output = net(x)
        n += len(y)
        loss += loss_fn(output, y).item() * len(y)
        score += sum_scores(score_fn(output, y), y)
    return Evaluation(loss / n, score / n)


@torch.no_grad()
def outputs(net: nn.Module, loader: DataLoader) -> torch.Tensor:
    """What a network gives for all of a DataLoader, (n, ...) on the CPU, in evaluation mode."""
    net.eval()
    device = next(net.parameters()).device
    return torch.cat([net(x.to(device)).cpu() for x, _ in loader])


@dataclass
class Validate(Hook):
    """Evaluate after every epoch; add val/loss and val/accuracy (or another name) to its row."""

    loader: DataLoader
    loss_fn: Callable = binary_loss
    score_fn: Callable = binary_hits
    name: str = "accuracy"

    def before_training(self, training: Training) -> None:
        check_loader(self.loader, self.loss_fn, training.net)

    def after_epoch(self, training: Training) -> None:
        found = evaluate(training.net, self.loader, self.loss_fn, self.score_fn)
        training.history[-1]["val/loss"] = found.loss
        training.history[-1][f"val/{self.name}"] = found.score

    def decides(self) -> dict:
        return vars(self)


@dataclass(frozen=True)
class Recipe:
    """How a digit network is trained: all that is chosen but the network and the seed."""

    epochs: int
    rate: float  # the optimiser's step size; with one_cycle, its largest
    batch: int = 64
    weight_decay: float | None = None  # None: SGD with momentum 0.9; a number: AdamW with it
    nesterov: bool = False  # Nesterov's momentum in SGD
    one_cycle: bool = False  # the rate rises to its maximum and falls to 0 (Smith and Topin 2019)
    cycle_momentum: bool = True  # meanwhile momentum goes from 0.95 to 0.85 and back
    augment: bool = False  # random_affine on every batch


def fit_digits(
    net: nn.Module, data: object, recipe: Recipe, seed: int = 0, hooks: Sequence[Hook] = ()
) -> list[dict]:
    """Train a digit network by a recipe on `data.train`, evaluated on `data.val` after every epoch.

    Args:
        net: (b, 1, 28, 28) -> log-probabilities (b, 10), on the device to train on.
        data: what `load_mnist` gives.
        recipe: the settings.
        seed: of shuffling and augmentation.
        hooks: more of them, after validation.
    """
    loader = batches(data.train, recipe.batch, seed)
    optimizer = digit_optimizer(net, recipe)
    own = [Validate(batches(data.val, 1000), F.nll_loss, class_hits)]
    if recipe.one_cycle:
        steps = recipe.epochs * len(loader)
        cycle = OneCycleLR(optimizer, recipe.rate, steps, cycle_momentum=recipe.cycle_momentum)
        own.append(Schedule(cycle))
    if recipe.augment:
        own.append(Augment(lambda x, y, generator: (random_affine(x, generator), y)))
    return fit(net, loader, F.nll_loss, optimizer, recipe.epochs, [*own, *hooks])


def digit_optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser that a recipe names."""
    weights = net.parameters()
    if recipe.weight_decay is not None:
        return torch.optim.AdamW(weights, recipe.rate, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.SGD(weights, recipe.rate, momentum=0.9, nesterov=recipe.nesterov, fused=True)
