"""What can be hung into `helpers.fit`, so that the loop itself stays the textbook's.

A hook overrides the moments at which it has something to do. Hooks are called in their list's
order: what evaluates comes before what reads the evaluation, and a checkpoint comes last.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.utils.data import DataLoader

from backstage.checks import check_column, check_training, checked_batches, report_divergence, whole
from backstage.interrupts import may_end_early
from backstage.settings import progress


class Hook:
    """The moments of a training; each does nothing here."""

    def before_training(self, training: "Training") -> None:
        """Called once, before the first epoch."""

    def change_batch(
        self, training: "Training", x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called with every batch, on the network's device; gives the batch to train on."""
        return x, y

    def after_step(self, training: "Training") -> None:
        """Called after every step of the optimiser."""

    def after_epoch(self, training: "Training") -> None:
        """Called after every epoch; `training.history[-1]` is its row, to which a hook may add."""

    def after_training(self, training: "Training") -> None:
        """Called once, at the end, also after Ctrl-C or an error."""

    def decides(self) -> dict:
        """What of this hook decides the training, by name; a checkpoint compares it."""
        return {}

    def state(self) -> object:
        """What a checkpoint has to keep of this hook; also asked for before the first epoch."""

    def restore(self, state: object) -> None:
        """Take up what `state` gave."""


@dataclass
class Training:
    """What `fit` works on and hooks see; as a context, it runs them and handles Ctrl-C."""

    net: nn.Module
    loader: DataLoader
    loss_fn: Callable
    optimizer: torch.optim.Optimizer
    epochs: int
    hooks: Sequence[Hook] = ()
    history: list[dict] = field(default_factory=list)  # one row per epoch
    finished: bool = False  # all epochs were trained

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.net.parameters()).device

    @property
    def generator(self) -> torch.Generator | None:
        """The generator that shuffles, None if nothing is shuffled; hooks draw from it too."""
        return getattr(self.loader.sampler, "generator", None)

    def __enter__(self) -> "Training":
        self.epochs = whole("epochs", self.epochs)
        check_training(self.loader, self.loss_fn, self.net, self.optimizer, self.hooks)
        try:
            self.tell("before_training")
        except BaseException:
            self.tell("after_training")
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        kept = kind is KeyboardInterrupt and may_end_early()
        if kept:
            done = f"{len(self.history)} of {self.epochs} epochs"
            print(f"stopped by hand after {done}; what was learnt is kept")
        self.finished = kind is None
        self.tell("after_training")
        return kept

    def tell(self, moment: str) -> None:
        """Call one moment of every hook."""
        for hook in self.hooks:
            getattr(hook, moment)(self)

    def remaining_epochs(self) -> Iterable[int]:
        """The numbers of the epochs that are left, behind a progress bar."""
        return progress(range(len(self.history) + 1, self.epochs + 1), "training")

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The loader's batches on the network's device, as the hooks change them."""
        for x, y in checked_batches(self.loader, self.loss_fn, self.net):
            for hook in self.hooks:
                x, y = hook.change_batch(self, x, y)
            yield x, y

    def end_epoch(self, row: dict) -> None:
        """Add an epoch's row to the history and tell the hooks."""
        self.history.append(row)
        report_divergence(self.history)
        try:
            self.tell("after_epoch")
        except KeyboardInterrupt:
            self.history.pop()  # hooks may not have completed it
            raise


class Log(Hook):
    """Hand every epoch's row to a function, such as the `log` of a tracked run."""

    def __init__(self, write: Callable[[dict], None]) -> None:
        self.write = write
        self.written = 0

    def after_epoch(self, training: Training) -> None:
        for row in training.history[self.written :]:  # after a resume, the earlier rows too
            self.written += 1
            self.write(row)

    after_training = after_epoch


class Schedule(Hook):
    """Step a scheduler after every batch, and add the epoch's last rate to its row."""

    def __init__(self, scheduler: torch.optim.lr_scheduler.LRScheduler) -> None:
        self.scheduler = scheduler
        self.rate = 0.0

    def after_step(self, training: Training) -> None:
        self.rate = training.optimizer.param_groups[0]["lr"]
        self.scheduler.step()

    def after_epoch(self, training: Training) -> None:
        training.history[-1]["learning_rate"] = self.rate

    def decides(self) -> dict:
        return {k: v for k, v in vars(self.scheduler).items() if k != "optimizer"}

    def state(self) -> dict:
        return self.scheduler.state_dict()

    def restore(self, state: dict) -> None:
        self.scheduler.load_state_dict(state)


class Augment(Hook):
    """Change every batch at random: change(x, y, generator) -> (x, y), on the network's device."""

    def __init__(self, change: Callable) -> None:
        self.change = change

    def change_batch(
        self, training: Training, x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.change(x, y, training.generator)

    def decides(self) -> dict:
        return {"change": self.change}


class KeepBest(Hook):
    """End with the weights of the epoch whose score was highest, or lowest if it is a loss."""

    def __init__(self, score: str) -> None:
        self.score = score  # such as "val/accuracy"; what ends with "loss" is a loss
        self.weights = None

    def after_epoch(self, training: Training) -> None:
        check_column(training.history[-1], self.score)
        scores = [row[self.score] for row in training.history]
        best = min if self.score.endswith("loss") else max
        if scores[-1] == best((x for x in scores if not math.isnan(x)), default=None):
            self.weights = {k: v.clone() for k, v in training.net.state_dict().items()}

    def after_training(self, training: Training) -> None:
        if self.weights:
            training.net.load_state_dict(self.weights)

    def decides(self) -> dict:
        return {"score": self.score}

    def state(self) -> dict | None:
        return self.weights

    def restore(self, state: dict | None) -> None:
        self.weights = state
