"""A sweep without a server: an Optuna study in a journal file, with one tracked run a trial."""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState
from tqdm.auto import tqdm

from backstage.settings import ROOT, bars_hidden
from backstage.sweep_axes import Parameter
from backstage.sweep_checks import SEARCH
from backstage.sweep_identity import inputs, remember
from backstage.sweep_journal import Claims, open_journal
from backstage.sweep_search import pruner_of, sampler_of
from backstage.sweep_space import Metric, metric_of, nested, parameter_space
from backstage.sweep_trials import Pruned, Train, Trial, train_once
from backstage.tracking import track, tracking_mode

WAIT = 0.2  # seconds between two looks at trials that run in other processes
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}  # all others: FAIL


@dataclass(frozen=True)
class _Task:
    """What every trial of a sweep needs."""

    config: Mapping[str, object]
    space: dict[str, Parameter]
    train: Train
    seed: int

    @property
    def group(self) -> str:
        return self.config.get("name", "sweep")

    @property
    def metric(self) -> Metric:
        return metric_of(self.config)

    def run(self, trial: optuna.Trial) -> Trial:
        """Train one trial, inside a tracked run, and note in the journal how it ended."""
        drawn = {name: parameter.suggest(trial, name) for name, parameter in self.space.items()}
        settings = nested(drawn)
        about = {"sampler_seed": self.seed, **settings, "trial": trial.number}
        with track(f"trial {trial.number}", about, self.group, ["sweep"], quiet=True) as run:
            done = train_once(
                trial.number, run, self.train, settings, self.metric.name, self._pruning(trial)
            )
        trial.set_user_attr("history", done.history)
        trial.set_user_attr("error", done.error)
        trial.set_user_attr("state", done.state)
        return done

    def _pruning(self, trial: optuna.Trial) -> Callable[[list[dict]], None]:
        def after_row(rows: list[dict]) -> None:
            value = rows[-1].get(self.metric.name)
            if self.config.get("early_terminate") and isinstance(value, int | float):
                trial.report(value, len(rows))
                if trial.should_prune():
                    raise Pruned

        return after_row

    def result(self, trial: FrozenTrial) -> Trial:
        """Turn a trial of the study into one of ours."""
        settings = {
            name: self.space[name].to_setting(value) for name, value in trial.params.items()
        }
        return Trial(
            number=trial.number,
            settings=nested(settings),
            value=trial.value if trial.state.name == "COMPLETE" else None,
            state=trial.user_attrs["state"],
            history=trial.user_attrs.get("history", []),
            error=trial.user_attrs.get("error"),
        )


def run_offline(
    config: Mapping[str, object], train: Train, count: int | None, seed: int, runs: Path
) -> list[Trial]:
    """Run a sweep with Optuna; arguments as in `run_sweep`, and the folder of all runs.

    Returns:
        All trials of the journal that ended, in the order in which they started.
    """
    task = _Task(config, parameter_space(config), train, seed)
    before = inputs(train)
    journal = runs / task.group / f"sweep-{_fingerprint(task, before)}.journal"
    claims = _open_study(task, journal)
    stored = len(claims.ended())
    if stored:
        print(
            f"sweep {task.group}: {stored} trials of the same description, seed and training are "
            f"stored and count; to start anew, delete {os.path.relpath(journal, ROOT)}"
        )
    try:
        _run_until(_limit(task, count), claims, task)
    finally:
        remember(before, train)
    trials = [task.result(trial) for trial in claims.ended()]
    kept = ""
    if tracking_mode().mode == "offline":
        where = f"{os.path.relpath(journal.parent, ROOT)}/wandb/offline-run-*"
        kept = f", kept offline; upload with: wandb sync {where}"
    print(f"sweep {task.group}: {len(trials)} trials{kept}")
    return trials


def _fingerprint(task: _Task, before: Mapping[str, str]) -> str:
    """What a journal's trials agree on: sweep, sampler seed, training and all that it uses."""
    described = [
        {key: task.config[key] for key in SEARCH if key in task.config},
        task.seed,
        before,
        os.environ.get("COURSEWORK_STATE"),
    ]
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _limit(task: _Task, count: int | None) -> int:
    """The number of trials: as asked, at most run_cap, and at most all points of a grid."""
    limits = [count, task.config.get("run_cap")]
    if task.config["method"] == "grid":
        limits.append(math.prod(len(parameter.choices) for parameter in task.space.values()))
    return min(limit for limit in limits if limit is not None)


def _open_study(task: _Task, journal: Path) -> Claims:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_journal(journal)
    study = optuna.create_study(
        storage=storage,
        study_name=task.group,
        load_if_exists=True,
        direction=task.metric.goal,
        sampler=sampler_of(task.config["method"], task.space, task.seed),
        pruner=pruner_of(task.config.get("early_terminate")),
    )
    return Claims(study, storage, journal, set(task.space))


def _run_until(count: int, claims: Claims, task: _Task) -> None:
    """Run trials, one at a time, until so many have ended, here or in other processes."""
    bar = tqdm(total=count, desc=task.group, unit="trial", disable=bars_hidden())
    waits = False
    try:
        while len(done := claims.ended()) < count:
            _show(bar, done, task.metric)
            if any(task.metric.reached_by(trial.value) for trial in done if _is_complete(trial)):
                break
            trial = claims.claim(count)
            if trial is not None:
                _run_one(trial, claims, task)
                continue
            if not waits:
                print(f"sweep {task.group}: the last trials run in other processes; waiting")
            waits = True
            time.sleep(WAIT)
    except KeyboardInterrupt:
        print("sweep stopped by hand; finished trials are kept, and calling again continues")
    _show(bar, claims.ended(), task.metric)
    bar.close()


def _run_one(trial: optuna.Trial, claims: Claims, task: _Task) -> None:
    try:
        done = task.run(trial)
        claims.release(trial, STATES.get(done.state, TrialState.FAIL), done.value)
    except BaseException:  # Ctrl-C among them: the trial is left to the next call
        claims.give_back(trial)
        raise


def _is_complete(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE


def _show(bar: tqdm, done: list[FrozenTrial], metric: Metric) -> None:
    """Move the progress bar to the number of trials, with the best value beside it."""
    bar.update(len(done) - bar.n)
    values = [trial.value for trial in done if _is_complete(trial)]
    if values:
        bar.set_postfix(best=f"{(min if metric.small else max)(values):.4g}")
