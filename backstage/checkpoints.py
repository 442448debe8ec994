"""A training that is interrupted, in whatever way, and ends like one that was not."""

import hashlib
import io
import os
from pathlib import Path

import torch

from backstage.hooks import Hook, Training
from backstage.report import write_whole
from backstage.settings import ROOT


def checkpoint_path(name: str, **settings: object) -> Path:
    """Where an interrupted training waits: a file for each name and settings.

    Under `make`, also one for each state of the notebook and its data.
    """
    state = os.environ.get("COURSEWORK_STATE", "by-hand")[:12]
    mark = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()[:8]
    return ROOT / "build/checkpoints" / state / f"{name}-{mark}.pt"


class Checkpoint(Hook):
    """Write after every epoch all that a training needs, and go on from there if it is found.

    The file is removed when the training has finished. This hook comes last in the list.

    Raises:
        ValueError: on starting, for a damaged file, another network or other settings; nothing is
            changed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def before_training(self, training: Training) -> None:
        if self.path.exists():
            saved = _read(self.path, training)
            _restore(saved, training)
            print(f"resumed after epoch {len(training.history)} of {training.epochs}")

    def after_epoch(self, training: Training) -> None:
        content = io.BytesIO()
        torch.save(_snapshot(training), content)
        write_whole(self.path, content.getvalue())

    def after_training(self, training: Training) -> None:
        if training.finished:
            self.path.unlink(missing_ok=True)


def _settings(training: Training) -> dict:
    """What must not change between the two halves of an interrupted training."""
    return {
        "epochs": training.epochs,
        "optimizer": type(training.optimizer).__name__,
        "hooks": [type(hook).__name__ for hook in training.hooks],
        "batches": len(training.loader),
        "shuffled": training.generator is not None,
        "trained": [len(group["params"]) for group in training.optimizer.param_groups],
        **training.optimizer.defaults,
    }


def _snapshot(training: Training) -> dict:
    generator = training.generator
    return {
        "net": training.net.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "hooks": [hook.state() for hook in training.hooks],
        "history": training.history,
        "settings": _settings(training),
        "order": generator.get_state() if generator else None,
        "random": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _read(path: Path, training: Training) -> dict:
    """Load a checkpoint and see that it belongs to this training."""
    try:
        saved = torch.load(path, map_location=training.device, weights_only=True)
        saved_shapes = {name: tuple(t.shape) for name, t in saved["net"].items()}
        settings = saved["settings"]
    except Exception as e:
        kind = type(e).__name__
        raise ValueError(f"{path} cannot be read ({kind}); delete it to start anew") from None
    shapes = {name: tuple(t.shape) for name, t in training.net.state_dict().items()}
    _compare(path, "parameters", saved_shapes, shapes)
    _compare(path, "settings", settings, _settings(training))
    return saved


def _compare(path: Path, what: str, there: dict, here: dict) -> None:
    names = [name for name in {**here, **there} if there.get(name) != here.get(name)]
    if names:
        differ = [f"{name} {there.get(name)} there, {here.get(name)} here" for name in names[:3]]
        text = "; ".join(differ)
        raise ValueError(f"the checkpoint {path} has other {what}: {text}; delete it to start anew")


def _restore(saved: dict, training: Training) -> None:
    training.net.load_state_dict(saved["net"])
    training.optimizer.load_state_dict(saved["optimizer"])
    training.history.extend(saved["history"])
    for hook, state in zip(training.hooks, saved["hooks"]):
        hook.restore(state)
    if training.generator:
        training.generator.set_state(saved["order"].cpu())
    torch.set_rng_state(saved["random"].cpu())
    if len(saved["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in saved["cuda"]])
