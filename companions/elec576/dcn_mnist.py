"""A convolutional network on MNIST, watched in TensorBoard while it trains.

    python dcn_mnist.py                                   the assignment's network, one epoch
    python dcn_mnist.py --epochs 4 --schedule onecycle    the well trained one of the notebook
    python dcn_mnist.py --activation tanh --init xavier --optimizer sgd --train-images 15000
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from monitor import Monitor
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import TensorDataset

import helpers as h

BOARDS = h.ROOT / ("build/quick/boards/elec576" if h.QUICK else "build/boards/elec576")


class Maxout(nn.Module):
    """The larger of two net inputs for every unit: (b, 2c, ...) -> (b, c, ...).

    Source: Goodfellow et al., ICML 2013.
    """

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        first, second = z.chunk(2, dim=1)
        return torch.maximum(first, second)


# All of these are monotone, so that max-pooling may come before them: max f(z) = f(max z).
ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.01),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "maxout": Maxout,
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
LOWEST = {"epochs": 1, "batch": 1, "padding": 0, "seed": 0, "train_images": 1}


@dataclass(frozen=True)
class Settings:
    """One training; the defaults are the assignment's network, Xavier's first weights and Adam.

    Raises:
        ValueError: a setting that is not possible, before any work.
    """

    activation: str = "relu"
    init: str = "xavier"
    optimizer: str = "adam"
    rate: float | None = None  # step size, with onecycle the largest; None: the optimiser's own
    schedule: str = "constant"
    epochs: int = 1
    batch: int = 50
    train_images: int | None = None  # the first so many of the training set; None: all
    dropout: float = 0.5
    padding: int = 0  # of both convolutions: 0 gives fc1 1,024 inputs, 2 gives it 3,136
    seed: int = 0  # of first weights, dropout and order

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


class DCN(nn.Module):
    """The network: images (b, 1, 28, 28) to the ten net inputs (b, 10) of the softmax in the loss.

    Args:
        activation, init, dropout, padding: as in Settings.

    Attributes:
        in_order: False: pool before the activation, the same function for a quarter of the
            activation's work. True: as printed, so that hooks see the activations before pooling.
    """

    in_order = False

    def __init__(
        self,
        activation: str = "relu",
        init: str = "xavier",
        dropout: float = 0.5,
        padding: int = 0,
    ) -> None:
        super().__init__()
        make = ACTIVATIONS[activation]
        inputs = 2 if activation == "maxout" else 1  # net inputs of each unit
        side = ((28 + 2 * padding - 4) // 2 + 2 * padding - 4) // 2
        self.conv1 = nn.Conv2d(1, 32 * inputs, 5, padding=padding)
        self.act1 = make()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64 * inputs, 5, padding=padding)
        self.act2 = make()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64 * side**2, 1024 * inputs)
        self.act3 = make()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, 10)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            INITS[init](layer.weight)
            nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)  # channels side by side: faster on a CPU

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.in_order:
            x = self.pool1(self.act1(self.conv1(x)))
            x = self.pool2(self.act2(self.conv2(x)))
        else:
            x = self.act1(self.pool1(self.conv1(x)))
            x = self.act2(self.pool2(self.conv2(x)))
        return self.fc2(self.dropout(self.act3(self.fc1(x.flatten(1)))))


class Observe(h.Hook):
    """After every epoch, evaluate on the test set if there is one, and write the board's errors."""

    def __init__(self, monitor: Monitor | None, test: object | None, criterion: nn.Module) -> None:
        self.monitor = monitor
        self.test = test
        self.criterion = criterion

    def after_epoch(self, training: h.Training) -> None:
        row = training.history[-1]
        if self.test is not None:
            found = h.evaluate(training.net, self.test, self.criterion, h.class_hits)
            row["test/accuracy"] = found.score
        if self.monitor:
            self.monitor.epoch(row)


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
    net = DCN(settings.activation, settings.init, settings.dropout, settings.padding)
    net.to(h.pick_device())
    optimizer = OPTIMIZERS[settings.optimizer].make(net.parameters(), settings.rate)
    loader = h.batches(images, settings.batch, settings.seed)
    criterion = nn.CrossEntropyLoss()
    monitor = Monitor(net, criterion, board, every) if board else None
    test = h.batches(data.test, 250) if evaluate_test else None
    hooks = [
        h.Validate(h.batches(data.val, 250), criterion, h.class_hits),
        Observe(monitor, test, criterion),
        h.Log(log),
    ]
    if settings.schedule == "onecycle":
        steps = settings.epochs * len(loader)
        cycle = OneCycleLR(optimizer, settings.rate, steps, cycle_momentum=False)
        hooks.insert(0, h.Schedule(cycle))
    try:
        rows = h.fit(net, loader, criterion, optimizer, settings.epochs, hooks)
    finally:
        if monitor:
            monitor.close()
    return Trained(net, rows)


def _first_images(images: TensorDataset, count: int | None) -> TensorDataset:
    if count and count > len(images):
        raise ValueError(f"there are {len(images)} training images, not {count}")
    return TensorDataset(*(t[:count] for t in images.tensors))


class Order(NamedTuple):
    """What the command line asks for."""

    settings: Settings
    name: str  # of the board and of the tracked run
    every: int  # iterations between two statistics
    no_board: bool


def parse(words: Sequence[str] | None = None) -> Order:
    """Read the command line; None: that of this process."""
    line = _parser()
    args = vars(line.parse_args(words))
    name = args.pop("name")
    every = args.pop("every")
    no_board = args.pop("no_board")
    try:
        settings = Settings(**args)
        if every < 1:
            raise ValueError(f"every must be 1 or more iterations, not {every}")
    except ValueError as error:
        line.error(str(error))
    kind = f"{settings.activation}-{settings.init}-{settings.optimizer}"
    usual = f"{kind}-{settings.rate:g}-seed{settings.seed}"
    return Order(settings, name or usual, every, no_board)


def _parser() -> argparse.ArgumentParser:
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    d = Settings()
    usual = ", ".join(f"{name} {optimizer.rate:g}" for name, optimizer in OPTIMIZERS.items())
    add = line.add_argument_group("the network").add_argument
    add("--activation", default=d.activation, help=f"{', '.join(ACTIVATIONS)} (default relu)")
    add("--init", default=d.init, help=f"first weights: {', '.join(INITS)} (default xavier)")
    add("--dropout", type=float, default=d.dropout, help="share of units left out (default 0.5)")
    add("--padding", type=int, default=d.padding, help="of the convolutions: 0 (default) or 2")
    add = line.add_argument_group("its training").add_argument
    add("--optimizer", default=d.optimizer, help=f"{', '.join(OPTIMIZERS)} (default adam)")
    add("--rate", type=float, help=f"step size (default: {usual})")
    add("--schedule", default=d.schedule, help="constant (default), or onecycle: up and down")
    add("--epochs", type=int, default=d.epochs, help="passes over the training images (default 1)")
    add("--batch", type=int, default=d.batch, help="images in a batch (default 50)")
    add("--train-images", type=int, help="use only the first so many of 55,000")
    add("--seed", type=int, default=d.seed, help="of first weights, dropout and order (default 0)")
    add = line.add_argument_group("what is written").add_argument
    add("--name", help="of the board and of the tracked run (default: from the settings)")
    add("--every", type=int, default=100, help="iterations between statistics (default 100)")
    add("--no-board", action="store_true", help="write nothing to TensorBoard")
    return line


def _print_row(row: dict) -> None:
    validation = f"validation error {1 - row['val/accuracy']:.2%}"
    test = f"test error {1 - row['test/accuracy']:.2%}"
    print(f"epoch {row['epoch']}: training loss {row['train/loss']:.4f}, {validation}, {test}")


def main(words: Sequence[str] | None = None) -> None:
    """Train the network that the command line describes, and tell where its board is."""
    order = parse(words)
    data = h.load_mnist()
    board = None if order.no_board else BOARDS / order.name
    config = asdict(order.settings) | {"data": data.label or "MNIST"}
    with h.track(order.name, config, "elec576") as run:

        def log(row: dict) -> None:
            _print_row(row)
            run.log(row)

        train(order.settings, data, board, order.every, log=log)
    if board:
        print(f"look at it with: tensorboard --logdir {board.parent.relative_to(h.ROOT)}")


if __name__ == "__main__":
    main()
