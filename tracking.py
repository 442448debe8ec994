"""Runs logged to Weights & Biases, online or offline, without ever ending or holding up a training.

`helpers.track` is the way in; what it promises is said there.
"""

import contextlib
import functools
import inspect
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import torch

import helpers as h

PROJECT = "deep-learning-coursework"
RUNS = h.ROOT / "build/runs"  # offline runs wait here for `wandb sync`
FINISH_TIMEOUT = 20  # seconds to wait for a server that stopped answering; what is unsent stays on disk


class Tracker:
    """A guest in training: `log` takes one row, and whatever goes wrong in it stays in it."""

    def __init__(self, run, mode):
        self.run, self.mode, self.trouble, self.rows = run, mode, None, []

    def log(self, row):
        """Log a row, arrays over networks as their means; `rows` keeps what was logged."""
        self.rows.append({k: float(np.mean(v)) if isinstance(v, np.ndarray) else v for k, v in row.items()})
        self._try(self.run.log, self.rows[-1])

    def show(self, name, thing):
        """Log a figure, a movie (the path of a GIF) or a table (column names, rows)."""
        self._try(lambda: self.run.log({name: as_media(thing)}))

    def summary(self, **values):
        """Set final values, shown beside the run's configuration."""
        self._try(self.run.summary.update, values)

    def _try(self, call, *args):
        try:
            call(*args)
        except Exception as e:  # tracking must never end a training
            if self.trouble is None:
                self.trouble = e
                print(f"tracking stopped, training goes on: {type(e).__name__}: {e}")


def as_media(thing):
    """A figure, the path of a GIF, or a table (column names, rows) as W&B's own type."""
    import wandb

    if isinstance(thing, tuple):
        return wandb.Table(columns=list(thing[0]), data=[list(row) for row in thing[1]])
    return wandb.Video(str(thing), format="gif") if isinstance(thing, str | Path) else wandb.Image(thing)


@contextlib.contextmanager
def start(name, config, group, tags, quiet):
    """See helpers.track."""
    mode, why = tracking_mode()
    folder = RUNS / group
    run = None
    if mode == "online":
        run, why = start_run(mode, folder, name, config, group, tags, init_timeout=8)
    if run is None and mode != "disabled":
        mode = "offline"
        if why and not quiet:
            print(f"tracking offline: {why}")
        run, why = start_run(mode, folder, name, config, group, tags)
    if run is None:
        if why:
            print(f"not tracked: {why}")
        mode, run = "disabled", start_run("disabled", folder, name, config, group, tags)[0]
    tracker = Tracker(run, mode)
    try:
        yield tracker
    finally:
        tracker._try(run.finish)
        where = os.path.relpath(folder, h.ROOT)
        if mode == "online" and tracker.trouble is not None:
            print(f"tracked in part; upload the rest with: wandb sync {where}/wandb/run-*")
        elif mode == "online" and not quiet:
            print(f"tracked: {run.url}")
        elif mode == "offline" and not quiet:
            print(f"tracked offline; upload with: wandb sync {where}/wandb/offline-run-*")


def tracking_mode():
    """Where runs go, (mode, reason or None), decided without a prompt and within seconds."""
    import wandb

    if chosen := os.environ.get("WANDB_MODE"):
        return chosen, None
    try:  # versions of wandb before `prompt` ask in a notebook, so they are looked at another way
        wandb.setup(wandb.Settings(silent=True))
        asks = "prompt" not in inspect.signature(wandb.login).parameters
        key = wandb.api.api_key if asks else wandb.login(prompt=False, verify=False)
    except Exception as e:
        return "offline", f"the API key cannot be used ({type(e).__name__})"
    if not key:
        return "offline", None
    silent = silence(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai")
    return ("offline", silent) if silent else ("online", None)


@functools.cache  # asked once per process: a notebook may start a hundred runs
def silence(server):
    """None if the server answers within four seconds, else what happened."""
    try:
        urllib.request.urlopen(server, timeout=4).close()
    except urllib.error.HTTPError:
        pass  # an answer, if not to this question
    except (OSError, ValueError) as e:
        return f"{server} does not answer ({type(e).__name__})"


def start_run(mode, folder, name, config, group, tags, init_timeout=30):
    """wandb.init that gives (run, None), or (None, reason) where it fails."""
    import wandb

    about = {"torch": torch.__version__, "numpy": np.__version__, "commit": git_commit()}
    try:
        if mode != "disabled":
            folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(silent=True, init_timeout=init_timeout)
        if mode == "online" and "finish_timeout" in wandb.Settings.model_fields:  # for a server that vanishes meanwhile
            settings.finish_timeout, settings.finish_timeout_raises = FINISH_TIMEOUT, True
        run = wandb.init(
            project=PROJECT, group=group, name=name, config={**about, **config}, tags=list(tags), mode=mode,
            dir=None if mode == "disabled" else str(folder), settings=settings, reinit="finish_previous",
        )  # fmt: skip
        run.define_metric("epoch")
        for metric, best in (("train/loss", "min"), ("val/loss", "min"), ("val/accuracy", "max"), ("val/dice", "max")):
            run.define_metric(metric, step_metric="epoch", summary=best)
        return run, None
    except Exception as e:
        return None, f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else 'no reason given'}"


def git_commit():
    """The checked-out commit, or 'unknown' outside a repository."""
    ask = ["git", "-C", str(h.ROOT), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
