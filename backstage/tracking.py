"""Runs logged to Weights & Biases, without ever ending or holding up a training."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import wandb
from matplotlib.figure import Figure

from backstage.settings import ROOT
from backstage.wandb_server import run_settings, tracking_mode

PROJECT = "deep-learning-coursework"
RUNS = ROOT / "build/runs"  # offline runs wait here for `wandb sync`
BEST = {"train/loss": "min", "val/loss": "min", "val/accuracy": "max", "val/dice": "max"}


class Table(NamedTuple):
    """A table for `Tracker.show`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


class Tracker:
    """A guest in a training: whatever goes wrong in tracking stays in here.

    Attributes:
        mode: "online", "offline" or "disabled".
        rows: what was logged, row by row.
        trouble: the first error of the tracking itself, or None.
    """

    def __init__(self, run: wandb.Run, mode: str) -> None:
        self.run = run
        self.mode = mode
        self.rows: list[dict] = []
        self.trouble: Exception | None = None

    def log(self, row: Mapping[str, object]) -> None:
        """Log a row; an array over networks is logged as its mean."""
        self.rows.append({name: _mean(value) for name, value in row.items()})
        self._try(self.run.log, self.rows[-1])

    def show(self, name: str, thing: Figure | str | Path | Table) -> None:
        """Log a figure, a movie (the path of a GIF) or a table."""
        self._try(lambda: self.run.log({name: _as_media(thing)}))

    def summary(self, **values: object) -> None:
        """Set final values, which W&B shows beside the run's configuration."""
        self._try(self.run.summary.update, values)

    def finish(self, exit_code: int = 0) -> None:
        """Close the run; what could not be uploaded stays on the disk."""
        self._try(self.run.finish, exit_code)

    def _try(self, call: Callable, *args: object) -> None:
        try:
            call(*args)
        except Exception as error:  # tracking must never end a training
            if self.trouble is None:
                self.trouble = error
                print(f"tracking stopped, training goes on: {type(error).__name__}: {error}")


@dataclass(frozen=True)
class RunPlan:
    """What a run is called and where it belongs; without a name W&B makes one up."""

    name: str | None
    config: Mapping[str, object]
    group: str
    tags: Sequence[str] = ()


class Started(NamedTuple):
    """A run that started, or the reason why it did not."""

    run: wandb.Run | None
    reason: str | None = None


@contextlib.contextmanager
def track(
    name: str,
    config: Mapping[str, object],
    group: str,
    tags: Sequence[str] = (),
    quiet: bool = False,
) -> Iterator[Tracker]:
    """Log what happens inside the `with` block as one W&B run, and state where it went.

    WANDB_MODE decides if it is set. Otherwise the run is online with a key and a server that
    answers, and else offline; the printed line uploads it later. Nothing here ever asks a question.
    W&B records the commit by itself.

    Args:
        name: of the run.
        config: the settings; seed, device and data source belong in it.
        group: the experiment that the run belongs to.
        tags: further words to find the run by.
        quiet: True: do not state where the run went (for the many runs of one group).

    Yields:
        A Tracker, whose `log` any training loop takes.
    """
    tracker = _start(RunPlan(name, config, group, tags), quiet)
    try:
        yield tracker
    finally:
        tracker.finish()
        _state_where(tracker, RUNS / group, quiet)


def _start(plan: RunPlan, quiet: bool) -> Tracker:
    """Start a run: online, else offline, else a disabled one, which always works."""
    mode, reason = tracking_mode()
    run = None
    if mode == "online":
        run, reason = start_run("online", plan, init_timeout=8)
    if run is None and mode != "disabled":
        mode = "offline"
        if reason and not quiet:
            print(f"tracking offline: {reason}")
        run, reason = start_run("offline", plan)
    if run is None:
        mode = "disabled"
        if reason:
            print(f"not tracked: {reason}")
        run = start_run("disabled", plan).run
    return Tracker(run, mode)


def _state_where(tracker: Tracker, folder: Path, quiet: bool) -> None:
    where = os.path.relpath(folder, ROOT)
    if tracker.mode == "online" and tracker.trouble is not None:
        print(f"tracked in part; upload the rest with: wandb sync {where}/wandb/run-*")
    elif tracker.mode == "online" and not quiet:
        print(f"tracked: {tracker.run.url}")
    elif tracker.mode == "offline" and not quiet:
        print(f"tracked offline; upload with: wandb sync {where}/wandb/offline-run-*")


def start_run(mode: str, plan: RunPlan, init_timeout: float = 30) -> Started:
    """Call wandb.init, and give the reason where it fails.

    Args:
        mode: "online", "offline" or "disabled".
        plan: name, configuration, group and tags.
        init_timeout: seconds to wait for the server.
    """
    versions = {"torch": torch.__version__, "numpy": np.__version__}
    folder = RUNS / plan.group
    try:
        if mode != "disabled":
            folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            project=PROJECT,
            group=plan.group,
            name=plan.name,
            config={**versions, **plan.config},
            tags=list(plan.tags),
            mode=mode,
            dir=None if mode == "disabled" else str(folder),
            settings=run_settings(mode, init_timeout),
            reinit="finish_previous",
        )
        _define_metrics(run)
        return Started(run)
    except Exception as error:
        first = (str(error) or "no reason given").splitlines()[0]
        return Started(None, f"{type(error).__name__}: {first}")


def _define_metrics(run: wandb.Run) -> None:
    run.define_metric("epoch")
    for metric, best in BEST.items():
        run.define_metric(metric, step_metric="epoch", summary=best)


def _mean(value: object) -> object:
    return float(np.mean(value)) if isinstance(value, np.ndarray) else value


def _as_media(thing: Figure | str | Path | Table) -> object:
    """W&B's own type for a figure, the path of a GIF, or a table."""
    if isinstance(thing, tuple):
        columns, rows = thing
        return wandb.Table(columns=list(columns), data=[list(row) for row in rows])
    if isinstance(thing, str | Path):
        return wandb.Video(str(thing), format="gif")
    return wandb.Image(thing)
