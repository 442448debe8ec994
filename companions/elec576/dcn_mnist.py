"""A convolutional network on MNIST, watched in TensorBoard while it trains.

    python dcn_mnist.py                                   the assignment's network, one epoch
    python dcn_mnist.py --epochs 2 --schedule onecycle    the well trained one of the notebook
    python dcn_mnist.py --activation tanh --optimizer sgd --width 8 --train-images 15000
    tensorboard --logdir build/boards/elec576             then open the address that it prints

conv(5 x 5, 32) - activation - max-pool - conv(5 x 5, 64) - activation - max-pool - fully connected
(1024) - activation - dropout - softmax (10), as in ELEC 576 / COMP 576 (Rice University, fall
2025), assignment 1, part 2. Every 100 iterations minimum, maximum, mean, standard deviation and
histogram of each layer's weights, biases, net inputs, activations and pooled activations go to the
board, and after every epoch (1,100 iterations of 50 images) the validation and the test error. The
training loop, the data and the tracking are the project's own (helpers.py).
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import NamedTuple, get_args

import torch
from monitor import Monitor
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import TensorDataset

import helpers as h

BOARDS = h.ROOT / ("build/quick/boards/elec576" if h.QUICK else "build/boards/elec576")

# ---- what can be chosen ----------------------------------------------------------------------


class Maxout(nn.Module):
    """The larger of two net inputs for every unit: (b, 2c, ...) -> (b, c, ...).

    Source: Goodfellow et al., ICML 2013.
    """

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        first, second = z.chunk(2, dim=1)
        return torch.maximum(first, second)


class Shifted(nn.Module):
    """Another activation function plus a constant."""

    def __init__(self, activation: nn.Module, shift: float) -> None:
        super().__init__()
        self.activation = activation
        self.shift = shift

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.activation(z) + self.shift


ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.01),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "maxout": Maxout,
    "centred": lambda: Shifted(nn.Sigmoid(), -0.5),  # a sigmoid around 0, as tanh is
    "raised": lambda: Shifted(nn.Tanh(), 0.5),  # a tanh around 1/2, as the sigmoid is
}
INITS = {
    "xavier": nn.init.xavier_normal_,
    "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "normal": lambda w: nn.init.normal_(w, std=0.01),
}


class Optimizer(NamedTuple):
    """An optimiser: its step size unless one is given, and how it is made."""

    rate: float
    make: Callable  # (parameters, rate) -> torch.optim.Optimizer


OPTIMIZERS = {
    "sgd": Optimizer(0.1, lambda p, rate: torch.optim.SGD(p, rate)),
    "momentum": Optimizer(0.03, lambda p, rate: torch.optim.SGD(p, rate, momentum=0.9)),
    "adagrad": Optimizer(0.01, lambda p, rate: torch.optim.Adagrad(p, rate)),
    "rmsprop": Optimizer(1e-3, lambda p, rate: torch.optim.RMSprop(p, rate)),
    "adam": Optimizer(1e-3, lambda p, rate: torch.optim.Adam(p, rate, fused=True)),
}
SCHEDULES = ("constant", "onecycle")
CHOICES = {
    "activation": ACTIVATIONS,
    "init": INITS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
LOWEST = {"width": 1, "padding": 0, "epochs": 1, "batch": 1, "train_images": 1, "seed": 0}


def choice(default: object, text: str) -> object:
    """A field with a default and the text that --help shows."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """One training; the defaults are the assignment's network, Xavier's initial weights and Adam.

    Raises:
        ValueError: a setting that is not possible, before any work.
    """

    activation: str = choice("relu", ", ".join(ACTIVATIONS))
    init: str = choice("xavier", f"initial weights: {', '.join(INITS)}")
    optimizer: str = choice("adam", ", ".join(OPTIMIZERS))
    rate: float | None = choice(None, "step size, with onecycle the largest; None: the optimiser's")
    schedule: str = choice("constant", "constant, or onecycle: up and down")
    width: int = choice(32, "maps of conv1; conv2 has 2 and fc1 32 times as many units")
    dropout: float = choice(0.5, "share of the units of fc1 that are left out")
    padding: int = choice(0, "of the convolutions: with 0 fc1 has 1,024 inputs, with 2 3,136")
    pool_first: bool = choice(False, "pool before the activation: the same function in less time")
    epochs: int = choice(1, "passes over the training images")
    batch: int = choice(50, "images in a batch")
    train_images: int | None = choice(None, "use the first so many of 55,000; None: all")
    seed: int = choice(0, "of initial weights, dropout and order")

    def __post_init__(self) -> None:
        for what, known in CHOICES.items():
            value = getattr(self, what)
            if value not in known:
                raise ValueError(f"{what} must be one of {', '.join(known)}, not {value!r}")
        if self.rate is None:
            object.__setattr__(self, "rate", OPTIMIZERS[self.optimizer].rate)
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ValueError(f"rate must be finite and positive, not {self.rate}")
        for what, low in LOWEST.items():
            value = getattr(self, what)
            if value is not None and (int(value) != value or value < low):
                raise ValueError(f"{what} must be a whole number of {low} or more, not {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be a share from 0 to below 1, not {self.dropout}")


# ---- the network and its training ------------------------------------------------------------


class DCN(nn.Module):
    """The network: images (b, 1, 28, 28) to the ten net inputs (b, 10) of the softmax in the loss.

    Attributes:
        pool_first: pool before the activation. All activations here are monotone, so that
            max f(z) = f(max z): the same function, with a quarter of the activations to compute.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        s = settings or Settings()
        self.pool_first = s.pool_first
        make = ACTIVATIONS[s.activation]
        inputs = 2 if s.activation == "maxout" else 1  # net inputs of each unit
        side = ((28 + 2 * s.padding - 4) // 2 + 2 * s.padding - 4) // 2
        self.conv1 = nn.Conv2d(1, s.width * inputs, 5, padding=s.padding)
        self.act1 = make()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(s.width, 2 * s.width * inputs, 5, padding=s.padding)
        self.act2 = make()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(2 * s.width * side**2, 32 * s.width * inputs)
        self.act3 = make()
        self.dropout = nn.Dropout(s.dropout)
        self.fc2 = nn.Linear(32 * s.width, 10)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            INITS[s.init](layer.weight)
            nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)  # channels side by side: faster on a CPU

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool_first:
            x = self.act1(self.pool1(self.conv1(x)))
            x = self.act2(self.pool2(self.conv2(x)))
        else:
            x = self.pool1(self.act1(self.conv1(x)))
            x = self.pool2(self.act2(self.conv2(x)))
        return self.fc2(self.dropout(self.act3(self.fc1(x.flatten(1)))))


class EvaluateTest(h.Hook):
    """Evaluate on the test set after every epoch; add test/accuracy to its row."""

    def __init__(self, images: TensorDataset, criterion: nn.Module) -> None:
        self.loader = h.batches(images, 250)
        self.criterion = criterion

    def after_epoch(self, training: h.Training) -> None:
        found = h.evaluate(training.net, self.loader, self.criterion, h.class_hits)
        training.history[-1]["test/accuracy"] = found.score


class Trained(NamedTuple):
    """A trained network, and one row for each epoch."""

    net: DCN
    rows: list[dict]


def train(
    settings: Settings,
    data: object,
    board: str | Path | None = None,
    every: int = 100,
    evaluate_test: bool = True,
    log: Callable = lambda row: None,
) -> Trained:
    """Train one network.

    Args:
        settings: of network and training.
        data: as from helpers.load_mnist.
        board: folder for TensorBoard, emptied first; None: no monitoring.
        every: iterations between two statistics on the board.
        evaluate_test: False: leave the test set alone.
        log: called with every epoch's row: epoch, train/loss, val/loss, val/accuracy, and
            test/accuracy if the test set is evaluated.

    Raises:
        ValueError: more training images than there are.
    """
    images = _first_images(data.train, settings.train_images)
    h.seed_everything(settings.seed)
    net = DCN(settings).to(h.pick_device())
    loader = h.batches(images, settings.batch, settings.seed)
    criterion = nn.CrossEntropyLoss()
    optimizer = OPTIMIZERS[settings.optimizer].make(net.parameters(), settings.rate)
    hooks = [h.Validate(h.batches(data.val, 250), criterion, h.class_hits)]
    if settings.schedule == "onecycle":
        hooks.append(_one_cycle(optimizer, settings, len(loader)))
    if evaluate_test:
        hooks.append(EvaluateTest(data.test, criterion))
    if board:
        hooks.append(Monitor(criterion, board, every))
    hooks.append(h.Log(log))
    return Trained(net, h.fit(net, loader, criterion, optimizer, settings.epochs, hooks))


def _one_cycle(optimizer: torch.optim.Optimizer, settings: Settings, batches: int) -> h.Schedule:
    steps = settings.epochs * batches
    return h.Schedule(OneCycleLR(optimizer, settings.rate, steps, cycle_momentum=False))


def _first_images(images: TensorDataset, count: int | None) -> TensorDataset:
    if count and count > len(images):
        raise ValueError(f"there are {len(images)} training images, not {count}")
    return TensorDataset(*(t[:count] for t in images.tensors))


# ---- the command line ------------------------------------------------------------------------


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; None: that of this process.

    Returns:
        `settings`, `name` of the board and of the tracked run, `every`, and `no_board`.
    """
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for one in fields(Settings):
        kind = (get_args(one.type) or (one.type,))[0]  # float, also of `float | None`
        how = {"action": "store_true"} if kind is bool else {"type": kind}
        text = f"{one.metadata['help']} (default {one.default})"
        line.add_argument(_flag(one.name), default=one.default, help=text, **how)
    line.add_argument("--name", help="of the board and of the tracked run (default: the settings)")
    line.add_argument("--every", type=int, default=100, help="iterations between statistics (100)")
    line.add_argument("--no-board", action="store_true", help="write nothing to TensorBoard")
    order = line.parse_args(words)
    try:
        s = Settings(**{one.name: getattr(order, one.name) for one in fields(Settings)})
        if order.every < 1:
            raise ValueError(f"every must be 1 or more iterations, not {order.every}")
    except ValueError as error:
        line.error(str(error))
    order.settings = s
    order.name = order.name or f"{s.activation}-{s.init}-{s.optimizer}-{s.rate:g}-seed{s.seed}"
    return order


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def main(words: Sequence[str] | None = None) -> None:
    """Train the network that the command line describes, and tell where its board is."""
    order = parse(words)
    data = h.load_mnist()
    board = None if order.no_board else BOARDS / order.name
    config = asdict(order.settings) | {"data": data.label or "MNIST"}
    with h.track(order.name, config, "elec576") as run:

        def log(row: dict) -> None:
            validation = f"validation error {1 - row['val/accuracy']:.2%}"
            test = f"test error {1 - row['test/accuracy']:.2%}"
            print(f"epoch {row['epoch']}: loss {row['train/loss']:.4f}, {validation}, {test}")
            run.log(row)

        train(order.settings, data, board, order.every, log=log)
    if board:
        print(f"look at it with: tensorboard --logdir {board.parent.relative_to(h.ROOT)}")


if __name__ == "__main__":
    main()
