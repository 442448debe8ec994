"""A training that is interrupted, in whatever way, and ends like one that was not."""

import copy
import io
import os
from pathlib import Path

import numpy as np
import torch

from backstage.files import file_name, remove_parts, write_whole
from backstage.fingerprints import fingerprint, layers, readable
from backstage.hooks import Hook, Training
from backstage.settings import ROOT

PARTS = ("net", "optimizer", "hooks", "history", "order", "random", "cuda", "settings")
NUMPY = [  # what a NumPy number in a row or among an optimiser's settings is read with
    np.float64().__reduce__()[0],
    np.dtype,
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefd"},
]


def checkpoint_path(name: str, **settings: object) -> Path:
    """Where an interrupted training waits: a file for each name and settings.

    Under `make`, also one for each state of the notebook and its data.

    Raises:
        ValueError: a name that is not that of one file.
    """
    state = os.environ.get("COURSEWORK_STATE", "by-hand")[:12]
    mark = fingerprint(settings)
    return ROOT / "build/checkpoints" / state / f"{file_name('checkpoint', name)}-{mark}.pt"


class Checkpoint(Hook):
    """Write after every epoch all that a training needs, and go on from there if it is found.

    The file is removed when the training has finished. This hook comes last in the list. If the
    disk is full or cannot be written to, that is printed once and the training goes on.

    A file is taken up only by the training that wrote it: the same initial weights, layers, loss,
    optimiser, data (of a data set without tensors: their number), batches, seeds and settings of
    the hooks. After Ctrl-C, the network and the optimiser as they were left count as the same.

    Raises:
        ValueError: on starting, for a damaged file, another network or other settings; nothing is
            changed.
    """

    _stopped = {}  # path: settings at the end and at the start of a training stopped here

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.start = None  # the settings with which the training started
        self.failed = False

    def before_training(self, training: Training) -> None:
        if self.path.is_dir():
            raise ValueError(f"the checkpoint {self.path} is a folder; name a file")
        remove_parts(self.path)
        settings = _settings(training)
        if self.path.exists():
            end, start = self._stopped.get(self.path.absolute(), ({}, {}))
            same = [name for name in settings if name in end and settings[name] == end[name]]
            settings |= {name: start.get(name) for name in same}
            _restore(self.path, _read(self.path, training, settings), training)
            done = f"resumed after epoch {len(training.history)} of {training.epochs}"
            bad = any(not p.isfinite().all() for p in training.net.parameters())
            print(done + ("; the weights hold NaN or infinity: it had diverged" if bad else ""))
        self.start = settings

    def after_epoch(self, training: Training) -> None:
        content = io.BytesIO()
        torch.save({**_snapshot(training), "settings": self.start}, content)
        try:
            write_whole(self.path, content.getvalue())
        except OSError as e:
            if not self.failed:
                done = len(training.history)
                print(f"no checkpoint after epoch {done}, the training goes on: {e}")
            self.failed = True

    def after_training(self, training: Training) -> None:
        if training.finished:
            try:
                self.path.unlink(missing_ok=True)
            except OSError as e:
                print(f"the training has finished, its checkpoint stays: {e}")
        elif self.start is not None:
            self._stopped[self.path.absolute()] = (_settings(training), self.start)


def _settings(training: Training) -> dict:
    """What must not change between the two halves of an interrupted training, as it is now."""
    loader = training.loader
    optimizer = training.optimizer
    generator = training.generator
    kinds = [type(hook).__name__ for hook in training.hooks]
    found = {
        "epochs": training.epochs,
        "optimizer": type(optimizer).__name__,
        "hooks": kinds,
        "batches": len(loader),
        "batch size": getattr(loader.sampler, "size", loader.batch_size),
        "shuffled": generator is not None,
        "order": type(loader.sampler).__name__,
        "shuffling seed": generator.initial_seed() if generator else None,
        "seed": torch.initial_seed(),
        "trained": [len(group["params"]) for group in optimizer.param_groups],
        **optimizer.defaults,
        "loss": training.loss_fn,
        "layers": fingerprint(layers(training.net)),
        "initial weights": fingerprint(training.net.state_dict()),
        "data": fingerprint(loader.dataset),
        **_group_settings(training),
    }
    for i, hook in enumerate(training.hooks):
        label = kinds[i] + " again" * kinds[:i].count(kinds[i])
        found |= {f"{label} {name}": value for name, value in hook.decides().items()}
    return {name: readable(value) for name, value in found.items()}


def _group_settings(training: Training) -> dict:
    """What each group of the optimiser trains, and how, where that is not the optimiser's own."""
    names = {id(p): (name, p.requires_grad) for name, p in training.net.named_parameters()}
    defaults = training.optimizer.defaults
    found = {}
    for number, group in enumerate(training.optimizer.param_groups, 1):
        for name, value in group.items():
            if name == "params":
                found[f"group {number} parameters"] = fingerprint([names.get(id(p)) for p in value])
            elif name not in defaults or readable(value) != readable(defaults[name]):
                found[f"group {number} {name}"] = value
    return found


def _snapshot(training: Training) -> dict:
    generator = training.generator
    return {
        "net": training.net.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "hooks": [hook.state() for hook in training.hooks],
        "history": training.history,
        "order": generator.get_state() if generator else None,
        "random": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _read(path: Path, training: Training, settings: dict) -> dict:
    """Load a checkpoint and see that it belongs to this training."""
    try:
        torch.serialization.add_safe_globals(NUMPY)
        saved = torch.load(path, map_location=training.device, weights_only=True)
        lacking = set(PARTS).difference(saved if isinstance(saved, dict) else ())
        there = {} if lacking else {k: tuple(t.shape) for k, t in saved["net"].items()}
    except Exception as e:
        kind = type(e).__name__
        raise ValueError(f"{path} cannot be read ({kind}); delete it to start anew") from None
    if lacking:
        lacks = f"it is no checkpoint of a training: it lacks {', '.join(sorted(lacking))}"
        raise ValueError(f"{path} cannot be read ({lacks}); delete it to start anew")
    here = {name: tuple(t.shape) for name, t in training.net.state_dict().items()}
    _compare(path, "parameters", there, here)
    _compare(path, "settings", saved["settings"], settings)
    return saved


def _compare(path: Path, what: str, there: dict, here: dict) -> None:
    names = [name for name in {**here, **there} if there.get(name) != here.get(name)]
    if names:
        differ = [f"{name} {there.get(name)} there, {here.get(name)} here" for name in names[:3]]
        text = "; ".join(differ)
        raise ValueError(f"the checkpoint {path} has other {what}: {text}; delete it to start anew")


def _restore(path: Path, saved: dict, training: Training) -> None:
    """Take up what was saved, all of it or nothing."""
    before = copy.deepcopy(_snapshot(training))
    try:
        _take_up(saved, training)
    except Exception as e:
        _take_up(before, training)
        kind = type(e).__name__
        raise ValueError(f"{path} cannot be taken up ({kind}: {e}); delete it to start anew") from e


def _take_up(saved: dict, training: Training) -> None:
    training.net.load_state_dict(saved["net"])
    training.optimizer.load_state_dict(saved["optimizer"])
    training.history[:] = [dict(row) for row in saved["history"]]
    for hook, state in zip(training.hooks, saved["hooks"], strict=True):
        hook.restore(state)
    if training.generator:
        training.generator.set_state(saved["order"].cpu())
    torch.set_rng_state(saved["random"].cpu())
    if len(saved["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in saved["cuda"]])
