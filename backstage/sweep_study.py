"""A sweep without a server: an Optuna study in a journal file, with one tracked run a trial."""

import contextlib
import hashlib
import inspect
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import optuna
from filelock import FileLock
from optuna.storages.journal import JournalFileBackend, JournalStorage
from tqdm.auto import tqdm

from backstage.settings import ROOT, bars_hidden
from backstage.sweep_parameters import Parameter
from backstage.sweep_search import pruner_of, sampler_of
from backstage.sweep_space import nested, parameter_space
from backstage.sweep_trials import Pruned, Train, Trial, train_once
from backstage.tracking import track


class _JournalLock:
    """A lock that ends with the process that holds it, and drops a line that a kill cut short."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = FileLock(f"{journal}.lock")

    def acquire(self) -> bool:
        self._lock.acquire()
        self._drop_cut_line()
        return True

    def release(self) -> None:
        self._lock.release()

    def _drop_cut_line(self) -> None:
        content = self._journal.read_bytes() if self._journal.exists() else b""
        if content and not content.endswith(b"\n"):
            os.truncate(self._journal, content.rfind(b"\n") + 1)


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
    def metric(self) -> str:
        return self.config["metric"]["name"]

    def objective(self, trial: optuna.Trial) -> float:
        """Run one trial as Optuna wants it: return a value, or raise."""
        drawn = {name: parameter.suggest(trial, name) for name, parameter in self.space.items()}
        settings = nested(drawn)
        about = {"sampler_seed": self.seed, **settings, "trial": trial.number}
        with track(f"trial {trial.number}", about, self.group, ["sweep"], quiet=True) as run:
            done = train_once(
                trial.number, run, self.train, settings, self.metric, self._pruning(trial)
            )
        trial.set_user_attr("history", done.history)
        trial.set_user_attr("error", done.error)
        if done.state == "pruned":
            raise optuna.TrialPruned
        if done.state == "fail":
            raise RuntimeError("the trial failed")
        return done.value

    def _pruning(self, trial: optuna.Trial) -> Callable[[list[dict]], None]:
        def after_row(rows: list[dict]) -> None:
            if self.config.get("early_terminate") and self.metric in rows[-1]:
                trial.report(rows[-1][self.metric], len(rows))
                if trial.should_prune():
                    raise Pruned

        return after_row

    def result(self, trial: optuna.trial.FrozenTrial) -> Trial:
        """Turn a trial of the study into one of ours."""
        settings = {
            name: self.space[name].to_setting(value) for name, value in trial.params.items()
        }
        return Trial(
            number=trial.number,
            settings=nested(settings),
            value=trial.value if trial.state.name == "COMPLETE" else None,
            state=trial.state.name.lower(),
            history=trial.user_attrs["history"],
            error=trial.user_attrs["error"],
        )


def run_offline(
    config: Mapping[str, object], train: Train, count: int | None, seed: int, runs: Path
) -> list[Trial]:
    """Run a sweep with Optuna; arguments as in `run_sweep`, and the folder of all runs.

    Returns:
        All trials of the journal that ended, in the order in which they started.
    """
    task = _Task(config, parameter_space(config), train, seed)
    journal = runs / task.group / f"sweep-{_fingerprint(task)}.journal"
    study = _open_study(task, journal)
    if count is None:
        count = math.prod(len(parameter.choices) for parameter in task.space.values())
    _run_until(count, study, task)
    trials = [task.result(trial) for trial in _ended(study)]
    where = f"{os.path.relpath(journal.parent, ROOT)}/wandb/offline-run-*"
    print(
        f"sweep {task.group}: {len(trials)} trials, kept offline; upload with: wandb sync {where}"
    )
    return trials


def _fingerprint(task: _Task) -> str:
    """What a journal's trials agree on: sweep, sampler seed, training and the code around it."""
    described = [
        {key: value for key, value in task.config.items() if key != "name"},
        task.seed,
        _source(task.train),
        os.environ.get("COURSEWORK_STATE"),
    ]
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _source(train: Train) -> str:
    """The text of a training; its compiled code where the text is out of reach, as in a process."""
    try:
        return inspect.getsource(train)
    except OSError:
        return _compiled(train.__code__)


def _compiled(code: CodeType) -> str:
    """Compiled code as text that is the same in every process, functions inside it included."""
    constants = [_compiled(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _open_study(task: _Task, journal: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal.parent.mkdir(parents=True, exist_ok=True)
    backend = JournalFileBackend(str(journal), lock_obj=_JournalLock(journal))
    return optuna.create_study(
        storage=JournalStorage(backend),
        study_name=task.group,
        load_if_exists=True,
        direction=task.config["metric"]["goal"],
        sampler=sampler_of(task.config["method"], task.space, task.seed),
        pruner=pruner_of(task.config.get("early_terminate")),
    )


def _run_until(count: int, study: optuna.Study, task: _Task) -> None:
    """Run trials, one at a time, until so many have ended, here or in other processes."""
    bar = tqdm(total=count, desc=task.group, unit="trial", disable=bars_hidden())
    try:
        while (done := len(_ended(study))) < count:
            bar.update(done - bar.n)
            with contextlib.suppress(ValueError):  # no trial has completed yet
                bar.set_postfix(best=f"{study.best_value:.4g}")
            study.optimize(task.objective, n_trials=1, catch=(RuntimeError,))
    except KeyboardInterrupt:
        print("sweep stopped by hand; finished trials are kept, and calling again continues")
    bar.update(len(_ended(study)) - bar.n)
    bar.close()


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that completed, were stopped early or failed; not those that were interrupted."""
    trials = study.get_trials(deepcopy=False)
    finished = [trial for trial in trials if trial.state.is_finished()]
    return [t for t in finished if t.state.name != "FAIL" or t.user_attrs.get("error")]
