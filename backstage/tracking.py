"""Runs logged to Weights & Biases, without ever ending or holding up a training."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from backstage.settings import ROOT, print_once
from backstage.tracked_values import Table, as_config
from backstage.tracker import Tracker
from backstage.wandb_server import describe, run_settings, tracking_mode, wandb

__all__ = ["RunPlan", "Started", "Table", "Tracker", "start_run", "track", "tracking_mode"]

PROJECT = "deep-learning-coursework"
RUNS = ROOT / "build/runs"  # offline runs wait here for `wandb sync`
BEST = {"train/loss": "min", "val/loss": "min", "val/accuracy": "max", "val/dice": "max"}


@dataclass(frozen=True)
class RunPlan:
    """What a run is called and where it belongs; without a name W&B makes one up."""

    name: str | None
    config: Mapping[str, object]
    group: str
    tags: Sequence[str] = ()


class Started(NamedTuple):
    """A run that started, or the reason why it did not."""

    run: "wandb.Run | None"
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
    Without W&B, or with a variable that it refuses, one line states so and the training goes on.
    Runs may be nested. An error that ends the block marks the run as failed. A kill costs the rows
    of the last few seconds (of W&B before 0.31: up to 32 KB of rows). W&B records the commit by
    itself.

    Args:
        name: of the run.
        config: the settings; seed, device and data source belong in it.
        group: the experiment that the run belongs to.
        tags: further words to find the run by.
        quiet: True: do not state where the run went (for the many runs of one group).

    Yields:
        A Tracker, whose `log` any training loop takes.
    """
    tracker = _start(RunPlan(name, config, group, tags))
    exit_code = 1
    try:
        yield tracker
        exit_code = 0
    finally:
        tracker.finish(exit_code)
        if tracker.run is not None:
            _state_where(tracker, RUNS / group, quiet)


def _start(plan: RunPlan) -> Tracker:
    """Start a run: online, else offline, else none at all."""
    mode, reason = tracking_mode()
    run = None
    if mode == "online":
        run, reason = start_run("online", plan, init_timeout=8)
    if run is None and mode != "disabled":
        mode = "offline"
        if reason:
            print_once(f"tracking offline: {reason}")
        run, reason = start_run("offline", plan)
    if run is None and reason:
        print_once(f"not tracked: {reason}")
    return Tracker(run, mode if run else "disabled")


def _state_where(tracker: Tracker, folder: Path, quiet: bool) -> None:
    runs = "run-*" if tracker.mode == "online" else "offline-run-*"
    command = f"wandb sync {os.path.relpath(folder, ROOT)}/wandb/{runs}"
    if tracker.trouble is not None:
        print(f"tracked in part; upload what is on the disk with: {command}")
    elif tracker.mode == "online" and not quiet:
        print(f"tracked: {tracker.run.url}")
    elif not quiet:
        print(f"tracked offline; upload with: {command}")


def start_run(mode: str, plan: RunPlan, init_timeout: float = 30) -> Started:
    """Call wandb.init, and give the reason where it fails.

    Args:
        mode: "online" or "offline".
        plan: name, configuration, group and tags.
        init_timeout: seconds to wait for the server.
    """
    versions = {"torch": torch.__version__, "numpy": np.__version__}
    try:
        folder = RUNS / plan.group
        folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            project=PROJECT,
            group=plan.group,
            name=plan.name,
            config=versions | as_config(plan.config),
            tags=list(plan.tags),
            mode=mode,
            dir=str(folder),
            settings=run_settings(mode, init_timeout),
            reinit="create_new",  # a run inside another one leaves that open
        )
        _define_metrics(run)
        return Started(run)
    except Exception as error:
        return Started(None, describe(error))


def _define_metrics(run: "wandb.Run") -> None:
    run.define_metric("epoch")
    for metric, best in BEST.items():
        run.define_metric(metric, step_metric="epoch", summary=best)
