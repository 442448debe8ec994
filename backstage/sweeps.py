"""Sweeps from one W&B description: on W&B's server if it is there, else with Optuna."""

import math
from collections.abc import Callable, Mapping

from tqdm.auto import tqdm

from backstage import tracking
from backstage.settings import bars_hidden
from backstage.sweep_checks import read_sweep
from backstage.sweep_space import metric_of
from backstage.sweep_study import run_offline
from backstage.sweep_trials import Pruned, Train, Trial, train_once
from backstage.wandb_server import wandb


def run_sweep(
    config: Mapping[str, object],
    train: Train,
    count: int | None = None,
    seed: int = 0,
    sweep_id: str | None = None,
) -> list[Trial]:
    """Search for good settings as a W&B sweep dict describes.

    W&B's server leads the search if it is there, otherwise Optuna, with every trial an offline W&B
    run and a journal beside the runs. Calling again goes on there, and so do other processes;
    another seed, sweep or training, or a changed value that the training takes from around it,
    starts anew. A trial counts however it ends; one that Ctrl-C or a kill interrupted does not.

    Args:
        config: method (grid, random or bayes), metric {name, goal, target}, parameters; optionally
            name, run_cap and early_terminate (with a whole eta).
        train: train(settings, log) hands its rows to log and returns the metric's final value.
        count: trials in all, with those of earlier calls and other processes; None: the whole grid.
        seed: of Optuna's sampler; W&B's server takes none.
        sweep_id: joins a sweep that exists on the server, from this machine.

    Returns:
        The trials, best first; those without a final value come last.

    Raises:
        ValueError: the sweep cannot be run; raised before any trial.
        RuntimeError: every trial failed, with the traceback of the first one; or none could start.

    Source: bayes: TPE, Bergstra et al. 2011; early_terminate: Hyperband, Li et al. 2018.
    """
    config = read_sweep(config, train, count, seed)
    sweep_id = _sweep_on_server(config, sweep_id)
    if sweep_id:
        trials = _run_online(config, train, count, sweep_id)
    else:
        trials = run_offline(config, train, count, int(seed), tracking.RUNS)
    if trials and all(trial.state == "fail" for trial in trials):
        raise RuntimeError(f"all {len(trials)} trials failed; the first one so:\n{trials[0].error}")
    return _best_first(trials, metric_of(config).small)


def _best_first(trials: list[Trial], small: bool) -> list[Trial]:
    sign = 1 if small else -1

    def rank(trial: Trial) -> tuple[bool, float, int]:
        cost = math.inf if trial.value is None else sign * trial.value
        return trial.value is None, cost, trial.number

    return sorted(trials, key=rank)


def _sweep_on_server(config: Mapping[str, object], sweep_id: str | None) -> str | None:
    """The id of the sweep on W&B's server, or None, with a message, if it runs offline."""
    mode, reason = tracking.tracking_mode()
    if mode == "online":
        try:
            return sweep_id or wandb.sweep(config, project=tracking.PROJECT)
        except Exception as error:
            reason = f"the server refused the sweep ({type(error).__name__}: {error})"
    if sweep_id or reason:
        print(f"the sweep runs offline: {reason or f'tracking is {mode}'}")
    return None


def _run_online(
    config: Mapping[str, object], train: Train, count: int | None, sweep_id: str
) -> list[Trial]:
    """Run the sweep by W&B's server and agent; gives the trials that this process ran."""
    group = config.get("name", "sweep")
    plan = tracking.RunPlan(None, {}, group, ["sweep"])
    trials = []
    refused = []
    bar = tqdm(total=count, desc=group, unit="trial", disable=bars_hidden())

    def one_trial() -> None:
        run, reason = tracking.start_run("online", plan)
        if run is None:
            refused.append(reason)
            raise RuntimeError(f"the trial's run did not start: {reason}")
        tracker = tracking.Tracker(run, "online")
        settings = {name: run.config[name] for name in config["parameters"]}
        trial = train_once(
            len(trials), tracker, _stoppable(train), settings, metric_of(config).name
        )
        tracker.finish(exit_code=int(trial.state == "fail"))
        trials.append(trial)
        bar.update()

    wandb.agent(sweep_id, function=one_trial, count=count, project=tracking.PROJECT)
    bar.close()
    if refused and not trials:
        raise RuntimeError(f"no trial could start: {refused[0]}")
    print(f"sweep {sweep_id}: {len(trials)} trials run here")
    return trials


def _stoppable(train: Train) -> Train:
    """The same training, pruned when W&B's agent stops it by raising a bare Exception in it."""

    def stoppable(settings: dict, log: Callable[[dict], None]) -> float:
        try:
            return train(settings, log)
        except Exception as error:
            if type(error) is Exception and not error.args:
                raise Pruned from error
            raise

    return stoppable
