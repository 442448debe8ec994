"""A convolutional network on MNIST, watched in TensorBoard while it trains.

    python dcn_mnist.py                                                   the assignment's network, one epoch
    python dcn_mnist.py --epochs 4 --schedule onecycle                    the well trained one of the notebook
    python dcn_mnist.py --activation tanh --init xavier --optimizer sgd --train-images 15000
    tensorboard --logdir build/boards/elec576                             then open the address that it prints

conv(5 x 5, 32) - activation - max-pool - conv(5 x 5, 64) - activation - max-pool - fully connected (1024) -
activation - dropout - softmax (10), as in ELEC 576 / COMP 576 (Rice University, fall 2025), assignment 1, part 2.
Every 100 iterations minimum, maximum, mean, standard deviation and histogram of each layer's weights, biases, net
inputs, activations and pooled activations go to the board, and after every epoch (1,100 iterations of 50 images) the
validation and the test error. The training loop, the data and the tracking are the project's own (helpers.py).
"""

import argparse
import math
import shutil
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import TensorDataset
from torch.utils.tensorboard import SummaryWriter

sys.path.insert(0, str(next(p for p in Path(__file__).resolve().parents if (p / "helpers.py").exists())))
import helpers as h

BOARDS = h.ROOT / ("build/quick/boards/elec576" if h.QUICK else "build/boards/elec576")


class Maxout(nn.Module):
    """The larger of two net inputs for every unit: (b, 2c, ...) -> (b, c, ...). Goodfellow et al., 2013."""

    def forward(self, z):
        return torch.maximum(*z.chunk(2, dim=1))


# All of these are monotone, so that max-pooling may come before them: max f(z) = f(max z).
ACTIVATIONS = {
    "relu": nn.ReLU, "leaky": lambda: nn.LeakyReLU(0.01), "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "maxout": Maxout,
}  # fmt: skip
INITS = {
    "xavier": nn.init.xavier_normal_,
    "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "normal": lambda w: nn.init.normal_(w, std=0.01),
}
# name: (step size unless one is given, the optimiser)
OPTIMIZERS = {
    "sgd": (0.1, lambda p, rate: torch.optim.SGD(p, rate)),
    "momentum": (0.03, lambda p, rate: torch.optim.SGD(p, rate, momentum=0.9)),
    "adagrad": (0.01, lambda p, rate: torch.optim.Adagrad(p, rate)),
    "rmsprop": (1e-3, lambda p, rate: torch.optim.RMSprop(p, rate)),
    "adam": (1e-3, lambda p, rate: torch.optim.Adam(p, rate, fused=True)),
}
SCHEDULES = ("constant", "onecycle")


@dataclass(frozen=True)
class Settings:
    """One training; the defaults are the assignment's network, Xavier's first weights and Adam.

    raises  ValueError for what is not possible, before any work
    """

    activation: str = "relu"
    init: str = "xavier"
    optimizer: str = "adam"
    rate: float | None = None  # step size, with onecycle the largest; None: the optimiser's usual one
    schedule: str = "constant"
    epochs: int = 1
    batch: int = 50
    train_images: int | None = None  # the first so many of the training set; None: all
    dropout: float = 0.5
    padding: int = 0  # of both convolutions: 0 gives 1,024 inputs to the fully connected layer, 2 gives 3,136
    seed: int = 0  # of first weights, dropout and order

    def __post_init__(self):
        for what, known in (
            ("activation", ACTIVATIONS), ("init", INITS), ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES),
        ):  # fmt: skip
            if getattr(self, what) not in known:
                raise ValueError(f"{what} must be one of {', '.join(known)}, not {getattr(self, what)!r}")
        if self.rate is None:
            object.__setattr__(self, "rate", OPTIMIZERS[self.optimizer][0])
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ValueError(f"rate must be finite and positive, not {self.rate}")
        for what, low in (("epochs", 1), ("batch", 1), ("padding", 0), ("seed", 0), ("train_images", 1)):
            value = getattr(self, what)
            if value is not None and (int(value) != value or value < low):
                raise ValueError(f"{what} must be a whole number of {low} or more, not {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be a share from 0 to below 1, not {self.dropout}")


class DCN(nn.Module):
    """The network; images (b, 1, 28, 28) to the ten net inputs of the softmax (b, 10), which is in the loss.

    in_order  False: pool before the activation, the same function for a quarter of the activation's work.
              True: as printed, so that hooks see the activations before they are pooled
    """

    in_order = False

    def __init__(self, activation="relu", init="xavier", dropout=0.5, padding=0):
        super().__init__()
        act, twice = ACTIVATIONS[activation], 2 if activation == "maxout" else 1  # two net inputs for each maxout unit
        side = ((28 + 2 * padding - 4) // 2 + 2 * padding - 4) // 2
        self.conv1, self.act1, self.pool1 = nn.Conv2d(1, 32 * twice, 5, padding=padding), act(), nn.MaxPool2d(2)
        self.conv2, self.act2, self.pool2 = nn.Conv2d(32, 64 * twice, 5, padding=padding), act(), nn.MaxPool2d(2)
        self.fc1, self.act3 = nn.Linear(64 * side**2, 1024 * twice), act()
        self.dropout, self.fc2 = nn.Dropout(dropout), nn.Linear(1024, 10)
        for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
            INITS[init](layer.weight)
            nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)  # channels side by side in memory: faster on a CPU

    def forward(self, x):
        for conv, act, pool in ((self.conv1, self.act1, self.pool1), (self.conv2, self.act2, self.pool2)):
            x = pool(act(conv(x))) if self.in_order else act(pool(conv(x)))
        return self.fc2(self.dropout(self.act3(self.fc1(x.flatten(1)))))


def describe(t, bins=40):
    """Minimum, maximum, mean, standard deviation and histogram of a tensor, made where it lies.

    gives  ({"min": ..., "max": ..., "mean": ..., "std": ...}, counts [bins], edges [bins + 1])
    """
    t = t.detach().float()
    low, high = torch.aminmax(t)
    std, mean = torch.std_mean(t, correction=0)
    low, high, mean, std = torch.stack([low, high, mean, std]).tolist()  # one wait for the device
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    if math.isfinite(low) and math.isfinite(high) and low < high:
        counts = torch.histc(t, bins, low, high)
    else:
        counts, edges = torch.tensor([float(t.numel())]), torch.tensor([low, high])
    return {"min": low, "max": high, "mean": mean, "std": std}, counts.tolist(), edges.tolist()


class Monitor:
    """Writes a training to TensorBoard from forward hooks, so that no training loop has to know of it.

    In every forward pass of training, `criterion`'s hook writes the loss; in every `every`th, the hooks of the layers
    write the statistics of all that the assignment lists, 17 tensors of the network. `epoch` writes the errors.
    """

    def __init__(self, net, criterion, folder, every=100):
        if every < 1:
            raise ValueError(f"every must be 1 or more iterations, not {every}")
        shutil.rmtree(folder, ignore_errors=True)  # a board shows one training, not this one and an older one
        self.net, self.every, self.iteration, self.writer = net, every, 0, SummaryWriter(folder, flush_secs=10)
        self.hooks = [
            net.register_forward_pre_hook(self.begin),
            net.register_forward_hook(self.end),
            criterion.register_forward_hook(self.loss),
        ]
        self.watch("net input", conv1=net.conv1, conv2=net.conv2, fc1=net.fc1, fc2=net.fc2)
        self.watch("activation", conv1=net.act1, conv2=net.act2, fc1=net.act3)
        self.watch("pooled", conv1=net.pool1, conv2=net.pool2)

    def watch(self, term, **modules):
        for layer, module in modules.items():
            self.hooks.append(module.register_forward_hook(partial(self.output, layer, term)))

    def output(self, layer, term, module, inputs, output):
        if self.net.in_order:
            self.record(layer, term, output)

    def begin(self, net, _):
        if net.training:
            self.iteration += 1
            net.in_order = self.iteration % self.every == 0
            if net.in_order:
                for name, p in net.named_parameters():
                    layer, kind = name.split(".")
                    self.record(layer, kind, p)

    def end(self, net, *_):
        net.in_order = False

    def record(self, layer, term, tensor):
        numbers, counts, edges = describe(tensor)
        for name, value in numbers.items():
            self.writer.add_scalar(f"{layer} {term}/{name}", value, self.iteration)
        n, mean, std = tensor.numel(), numbers["mean"], numbers["std"]
        about = {"min": numbers["min"], "max": numbers["max"], "num": n, "sum": n * mean}
        about["sum_squares"] = n * (std**2 + mean**2)
        self.writer.add_histogram_raw(
            f"{layer}/{term}", **about, bucket_limits=edges[1:], bucket_counts=counts, global_step=self.iteration
        )

    def loss(self, criterion, _, loss):
        if self.net.training:
            self.writer.add_scalar("loss/training", loss.detach(), self.iteration)

    def epoch(self, row, test_error=None):
        self.writer.add_scalar("loss/validation", row["val/loss"], self.iteration)
        self.writer.add_scalar("error/validation", 1 - row["val/accuracy"], self.iteration)
        if test_error is not None:
            self.writer.add_scalar("error/test", test_error, self.iteration)

    def close(self):
        for hook in self.hooks:
            hook.remove()
        self.writer.close()


def train(settings, data, board=None, every=100, judge_test=True, log=lambda row: None):
    """Train one network; gives (network, one row for each epoch).

    data        as from helpers.load_mnist
    board       folder for TensorBoard, emptied first (None: no monitoring); statistics every `every` iterations
    judge_test  False: leave the test set alone
    log         called with every epoch's row: epoch, train/loss, val/loss, val/accuracy, and test/accuracy if judged
    raises      ValueError for more training images than there are
    """
    x, y = (t[: settings.train_images] for t in data.train.tensors)
    if settings.train_images and len(x) < settings.train_images:
        raise ValueError(f"there are {len(x)} training images, not {settings.train_images}")
    h.seed_everything(settings.seed)
    net = DCN(settings.activation, settings.init, settings.dropout, settings.padding).to(h.pick_device())
    optimizer = OPTIMIZERS[settings.optimizer][1](net.parameters(), settings.rate)
    batches, val, test = h.batches(TensorDataset(x, y), settings.batch, settings.seed), *judges(data)
    steps = settings.epochs * len(batches)
    onecycle = settings.schedule == "onecycle"
    scheduler = OneCycleLR(optimizer, settings.rate, steps, cycle_momentum=False) if onecycle else None
    criterion, rows = nn.CrossEntropyLoss(), []
    task = h.Task(criterion, lambda output, y: output.argmax(1) == y)
    monitor = Monitor(net, criterion, board, every) if board else None

    def after_epoch(row):
        if judge_test:
            row = row | {"test/accuracy": h.evaluate(net, test, task)[1]}
        if monitor:
            monitor.epoch(row, 1 - row["test/accuracy"] if judge_test else None)
        rows.append(row)
        log(row)

    try:
        h.fit(net, batches, val, optimizer, settings.epochs, after_epoch, task, scheduler)
    finally:
        if monitor:
            monitor.close()
    return net, rows


def judges(data, size=250):
    """Batches of the validation and of the test set."""
    return h.batches(data.val, size), h.batches(data.test, size)


def read_board(folder):
    """What a training wrote, by TensorBoard's own reader.

    gives   scalars {tag: (iterations (n,), values (n,))} and histograms {tag: [(iteration, edges, counts), ...]}
    raises  ValueError where there is nothing to read
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    everything = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0}).Reload()
    tags = everything.Tags()
    if not tags["scalars"]:
        raise ValueError(f"no TensorBoard events in {folder}")
    scalars = {tag: np.array([(e.step, e.value) for e in everything.Scalars(tag)]).T for tag in tags["scalars"]}
    histograms = {
        tag: [
            (
                e.step,
                np.array([e.histogram_value.min, *e.histogram_value.bucket_limit]),
                np.array(e.histogram_value.bucket),
            )
            for e in everything.Histograms(tag)
        ]
        for tag in tags["histograms"]
    }
    return scalars, histograms


def parse(words=None):
    """Settings, and where and how often to write, from the command line."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    d = Settings()
    usual = ", ".join(f"{name} {rate:g}" for name, (rate, _) in OPTIMIZERS.items())
    net = line.add_argument_group("the network")
    net.add_argument("--activation", default=d.activation, help=f"{', '.join(ACTIVATIONS)} (default {d.activation})")
    net.add_argument("--init", default=d.init, help=f"first weights: {', '.join(INITS)} (default {d.init})")
    net.add_argument("--dropout", type=float, default=d.dropout, help="share of units left out (default 0.5)")
    net.add_argument("--padding", type=int, default=d.padding, help="of the convolutions: 0 (default) or 2")
    fit = line.add_argument_group("its training")
    fit.add_argument("--optimizer", default=d.optimizer, help=f"{', '.join(OPTIMIZERS)} (default {d.optimizer})")
    fit.add_argument("--rate", type=float, help=f"step size (default: {usual})")
    fit.add_argument("--schedule", default=d.schedule, help="constant (default), or onecycle: up to the rate and down")
    fit.add_argument("--epochs", type=int, default=d.epochs, help="passes over the training images (default 1)")
    fit.add_argument("--batch", type=int, default=d.batch, help="images in a batch (default 50)")
    fit.add_argument("--train-images", type=int, help="use only the first so many of 55,000")
    fit.add_argument("--seed", type=int, default=d.seed, help="of first weights, dropout and order (default 0)")
    see = line.add_argument_group("what is written")
    see.add_argument("--name", help="of the board and of the tracked run (default: from the settings)")
    see.add_argument("--every", type=int, default=100, help="iterations between statistics (default 100)")
    see.add_argument("--no-board", action="store_true", help="write nothing to TensorBoard")
    args = vars(line.parse_args(words))
    name, every, no_board = (args.pop(k) for k in ("name", "every", "no_board"))
    try:
        settings = Settings(**args)
        if every < 1:
            raise ValueError(f"every must be 1 or more iterations, not {every}")
    except ValueError as e:
        line.error(str(e))
    name = name or f"{settings.activation}-{settings.init}-{settings.optimizer}-{settings.rate:g}-seed{settings.seed}"
    return settings, name, every, no_board


def main(words=None):
    settings, name, every, no_board = parse(words)
    data = h.load_mnist()

    def say(row):
        errors = "".join(f", {part} error {1 - row[f'{key}/accuracy']:.2%}" for part, key in
                         (("validation", "val"), ("test", "test")))  # fmt: skip
        print(f"epoch {row['epoch']}: training loss {row['train/loss']:.4f}{errors}")
        run.log(row)

    board = None if no_board else BOARDS / name
    with h.track(name, asdict(settings) | {"data": data.label or "MNIST"}, "elec576") as run:
        train(settings, data, board, every, log=say)
    if board:
        print(f"look at it with: tensorboard --logdir {board.parent.relative_to(h.ROOT)}")


if __name__ == "__main__":
    main()
