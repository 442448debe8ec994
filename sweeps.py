"""Sweeps from one description, a W&B sweep dict: on W&B's server if it is there, else with Optuna.

`helpers.run_sweep` is the way in; what it promises is said there.
"""

import contextlib
import hashlib
import inspect
import json
import math
import os
import traceback

import matplotlib.pyplot as plt
import numpy as np
from tqdm.auto import tqdm

import helpers as h
import tracking


def run(config, train, count, seed, sweep_id):
    """See helpers.run_sweep."""
    check_sweep(config, count)
    mode, why = tracking.tracking_mode()
    if mode == "online":
        try:
            import wandb

            sweep_id = sweep_id or wandb.sweep(config, project=tracking.PROJECT)
        except Exception as e:
            mode, why = "offline", f"the server refused the sweep ({type(e).__name__}: {e})"
    if mode != "online" and (sweep_id or why):
        print(f"the sweep runs offline: {why or 'tracking is ' + mode}")
    if mode == "online":
        trials = _sweep_online(config, train, count, sweep_id)
    else:
        trials = _sweep_offline(config, train, count, seed)
    if trials and all(t["state"] == "fail" for t in trials):
        raise RuntimeError(f"all {len(trials)} trials failed; the first one so:\n{trials[0]['error']}")
    sign = 1 if config["metric"]["goal"] == "minimize" else -1
    worst = (math.inf, 0)
    return sorted(trials, key=lambda t: worst if t["value"] is None else (sign * t["value"], t["number"]))


def check_sweep(config, count):
    """Raise ValueError for a sweep that run_sweep cannot run, saying what is wrong and what is allowed."""
    if config.get("method") not in ("grid", "random", "bayes"):
        raise ValueError(f"method must be grid, random or bayes, not {config.get('method')!r}")
    metric = config.get("metric") or {}
    if not metric.get("name") or metric.get("goal") not in ("minimize", "maximize"):
        raise ValueError(f"metric needs a name and a goal, minimize or maximize, not {metric}")
    stop = config.get("early_terminate")
    if stop and (stop.get("type") != "hyperband" or not (stop.get("min_iter") or stop.get("max_iter"))):
        raise ValueError(f"early_terminate must be of type hyperband, with min_iter or max_iter, not {stop}")
    space = {name: distribution(name, spec) for name, spec in flat(config.get("parameters") or {}).items()}
    if not space:
        raise ValueError("the sweep has no parameters")
    if config["method"] == "grid":
        if ranges := [name for name, d in space.items() if not hasattr(d, "choices")]:
            raise ValueError(f"a grid needs value or values for every parameter, not a range: {', '.join(ranges)}")
    elif count is None:
        raise ValueError(f"a {config['method']} sweep needs a count of trials")
    if count is not None and count < 1:
        raise ValueError(f"count must be 1 or more, not {count}")


def flat(parameters, prefix=""):
    """Nested sweep parameters as one level, with dots in the names."""
    out = {}
    for name, spec in parameters.items():
        inner = spec.get("parameters")
        out |= flat(inner, f"{prefix}{name}.") if inner else {f"{prefix}{name}": spec}
    return out


def nested(settings):
    """The inverse of flat, for settings: {"a.b": 1} -> {"a": {"b": 1}}."""
    out = {}
    for name, value in settings.items():
        *outer, last = name.split(".")
        place = out
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return out


def distribution(name, spec):
    """A W&B parameter as an Optuna distribution.

    source  W&B's sweep configuration options, docs.wandb.ai, and Optuna's distributions
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kind = spec.get("distribution")
    if "probabilities" in spec:
        raise ValueError(f"{name}: Optuna has no unequal probabilities; leave them out")
    if "value" in spec or "values" in spec:
        return CategoricalDistribution(spec["values"] if "values" in spec else [spec["value"]])
    if not {"min", "max"} <= set(spec):
        raise ValueError(f"{name}: needs value, values, or min and max; Optuna has nothing like {kind or spec}")
    low, high, q = spec["min"], spec["max"], spec.get("q", 1)
    kind = kind or ("int_uniform" if isinstance(low, int) and isinstance(high, int) else "uniform")
    if not low <= high or ("log" in kind and "values" in kind and low <= 0):
        raise ValueError(f"{name}: min {low} and max {high} do not suit {kind}")
    if kind == "int_uniform":
        return IntDistribution(low, high)
    if kind == "uniform":
        return FloatDistribution(low, high)
    if kind == "q_uniform":
        whole = all(isinstance(v, int) for v in (low, high, q))
        return IntDistribution(low, high, step=q) if whole else FloatDistribution(low, high, step=q)
    if kind == "log_uniform_values":
        return FloatDistribution(low, high, log=True)
    if kind == "log_uniform":  # its limits are exponents
        return FloatDistribution(math.exp(low), math.exp(high), log=True)
    if kind == "q_log_uniform_values" and q == 1 and low >= 1:
        return IntDistribution(int(low), int(high), log=True)
    raise ValueError(f"{name}: Optuna has nothing like {kind}; allowed are uniform, int_uniform, q_uniform, "
                     "log_uniform, log_uniform_values and q_log_uniform_values with q = 1")  # fmt: skip


def suggest(trial, name, d):
    """Ask an Optuna trial for a value from a distribution."""
    if hasattr(d, "choices"):
        return trial.suggest_categorical(name, d.choices)
    ask = trial.suggest_int if isinstance(d.low, int) else trial.suggest_float
    return ask(name, d.low, d.high, step=d.step, log=d.log)


def seeded_by_trial(make, seed):
    """An Optuna sampler that is made anew for each trial, make(seed + number), so that a sweep that is resumed or
    shared by several processes never repeats a draw."""
    import optuna

    class Seeded(optuna.samplers.BaseSampler):
        inner = make(seed)

        def before_trial(self, study, trial):
            self.inner = make(seed + trial.number)
            self.inner.before_trial(study, trial)

        def infer_relative_search_space(self, study, trial):
            return self.inner.infer_relative_search_space(study, trial)

        def sample_relative(self, study, trial, search_space):
            return self.inner.sample_relative(study, trial, search_space)

        def sample_independent(self, study, trial, name, distribution):
            return self.inner.sample_independent(study, trial, name, distribution)

        def after_trial(self, study, trial, state, values):
            self.inner.after_trial(study, trial, state, values)

    return Seeded()


def _run_trial(run, train, settings, metric, after_row=lambda row: None):
    """Train once inside a tracked run; gives (value or None, state, rows, traceback or None)."""
    rows = run.rows

    def log(row):
        run.log(row)
        after_row(rows)

    try:
        value = float(train(settings, log))
        run.summary(**{metric: value})
        return value, "complete", rows, None
    except Pruned:
        run.summary(pruned=True)
        return None, "pruned", rows, None
    except Exception as e:
        run.summary(failed=repr(e))
        return None, "fail", rows, traceback.format_exc()


class Pruned(Exception):
    """Raised in a trial's log to end a trial that falls behind."""


def _sweep_online(config, train, count, sweep_id):
    """The sweep by W&B's server and agent; gives the trials that this process ran."""
    import wandb

    group, metric, trials = config.get("name", "sweep"), config["metric"]["name"], []
    bar = tqdm(total=count, desc=group, unit="trial", disable=h.hidden())

    def one():
        run, why = tracking.start_run("online", tracking.RUNS / group, None, {}, group, ["sweep"], init_timeout=30)
        if run is None:
            raise RuntimeError(f"the trial's run did not start: {why}")
        settings = {name: run.config[name] for name in config["parameters"]}
        value, state, rows, error = _run_trial(tracking.Tracker(run, "online"), train, settings, metric)
        run.finish(exit_code=int(state == "fail"))
        trials.append({"number": len(trials), "settings": settings, "value": value, "state": state,
                       "history": rows, "error": error})  # fmt: skip
        bar.update()

    wandb.agent(sweep_id, function=one, count=count, project=tracking.PROJECT)
    bar.close()
    print(f"sweep {sweep_id}: {len(trials)} trials run here")
    return trials


def _sweep_offline(config, train, count, seed):
    """The sweep as an Optuna study in a journal file, one tracked run a trial."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {name: distribution(name, spec) for name, spec in flat(config["parameters"]).items()}
    metric, group = config["metric"]["name"], config.get("name", "sweep")
    stop, pruner = config.get("early_terminate"), optuna.pruners.NopPruner()
    if stop:
        least = stop.get("min_iter") or max(1, stop["max_iter"] // stop.get("eta", 3) ** stop.get("s", 1))
        pruner = optuna.pruners.HyperbandPruner(least, stop.get("max_iter", "auto"), stop.get("eta", 3))

    if config["method"] == "grid":
        sampler = optuna.samplers.GridSampler({name: d.choices for name, d in space.items()}, seed=seed)
    elif config["method"] == "random":
        sampler = seeded_by_trial(lambda seed: optuna.samplers.RandomSampler(seed=seed), seed)
    else:
        sampler = seeded_by_trial(lambda seed: optuna.samplers.TPESampler(seed=seed), seed)

    # what the journal's trials have to agree on: the sweep, the training, and the code around it
    described = [
        {k: config[k] for k in config if k != "name"},
        inspect.getsource(train),
        os.environ.get("COURSEWORK_STATE"),
    ]
    mark = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()[:12]
    journal = tracking.RUNS / group / f"sweep-{mark}.journal"
    journal.parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=JournalFileOpenLock(str(journal))))
    goal = config["metric"]["goal"]
    study = optuna.create_study(
        storage=storage, study_name=group, load_if_exists=True, direction=goal, sampler=sampler, pruner=pruner
    )

    def ended():
        """Trials that completed, were pruned or failed; not those that were interrupted."""
        trials = study.get_trials(deepcopy=False)
        return [t for t in trials if t.state.is_finished() and (t.state.name != "FAIL" or t.user_attrs.get("error"))]

    if count is None:
        count = math.prod(len(d.choices) for d in space.values())
    bar = tqdm(total=count, desc=group, unit="trial", disable=h.hidden())

    def objective(trial):
        def after_row(rows):
            if stop and metric in rows[-1]:
                trial.report(rows[-1][metric], len(rows))
                if trial.should_prune():
                    raise Pruned

        settings = nested({name: suggest(trial, name, d) for name, d in space.items()})
        with h.track(f"trial {trial.number}", {**settings, "trial": trial.number}, group, ["sweep"], quiet=True) as run:
            value, state, rows, error = _run_trial(run, train, settings, metric, after_row)
        trial.set_user_attr("history", rows)
        trial.set_user_attr("error", error)
        if state == "pruned":
            raise optuna.TrialPruned
        if state == "fail":
            raise RuntimeError("the trial failed")
        return value

    try:
        while (done := len(ended())) < count:
            bar.update(done - bar.n)
            with contextlib.suppress(ValueError):  # no trial has completed yet
                bar.set_postfix(best=f"{study.best_value:.4g}")
            study.optimize(objective, n_trials=1, catch=(RuntimeError,))
    except KeyboardInterrupt:
        print("sweep stopped by hand; finished trials are kept, and calling again continues")
    bar.update(len(ended()) - bar.n)
    bar.close()
    runs = f"{os.path.relpath(journal.parent, h.ROOT)}/wandb/offline-run-*"
    print(f"sweep {group}: {len(ended())} trials, kept offline; upload with: wandb sync {runs}")
    return [
        {"number": t.number, "settings": nested(t.params), "value": t.value if t.state.name == "COMPLETE" else None,
         "state": t.state.name.lower(), "history": t.user_attrs["history"], "error": t.user_attrs["error"]}
        for t in ended()
    ]  # fmt: skip


def reached(trial, config):
    """A trial's value or, if it was stopped early, the last one it logged."""
    return trial["history"][-1][config["metric"]["name"]] if trial["value"] is None else trial["value"]


def parallel_coordinates(ax, config, trials, unit=""):
    """One line per trial of run_sweep, from its settings to its value: dark is good, grey stopped early, red the best.

    The last axis leaves out the worst tenth of the values: lines of those trials end where it ends. For parameters of
    one level.
    """
    space = {name: distribution(name, spec) for name, spec in config["parameters"].items()}
    complete, metric = [t for t in trials if t["state"] == "complete"], config["metric"]
    values, small = np.array([t["value"] for t in complete]), metric["goal"] == "minimize"
    low, high = (values.min(), np.quantile(values, 0.9)) if small else (np.quantile(values, 0.1), values.max())

    def height(name, value):
        d = space[name]
        if hasattr(d, "choices"):
            return d.choices.index(value) / max(1, len(d.choices) - 1)
        return math.log(value / d.low) / math.log(d.high / d.low) if d.log else (value - d.low) / (d.high - d.low)

    for t in reversed([t for t in trials if t["value"] is not None or t["history"]]):
        end = float(np.clip((reached(t, config) - low) / max(high - low, 1e-9), 0, 1))
        line = [*(height(name, value) for name, value in t["settings"].items()), end]
        style = {"c": plt.get_cmap("viridis")(end if small else 1 - end), "lw": 1.0, "zorder": 2}
        if t["state"] != "complete":
            style = {"c": "0.85", "lw": 0.6, "zorder": 1}
        if t is complete[0]:
            style = {"c": h.RED, "lw": 2.2, "zorder": 3, "label": "best trial"}
        ax.plot(line, **style)
    ax.plot([], [], c="0.8", label="stopped early")
    for i, name in enumerate([*space, None]):
        marks = (low, high) if name is None else getattr(space[name], "choices", None)
        marks = marks or (space[name].low, space[name].high)
        ax.axvline(i, c="k", lw=0.7, zorder=4)
        for mark, y in zip(marks, np.linspace(0, 1, len(marks))):
            box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.8}
            text = mark if isinstance(mark, str) else f"{mark:.3g}"
            ax.text(i + 0.04, y, text, fontsize=7, va="center", zorder=5, bbox=box)
    ax.set(xticks=range(len(space) + 1), xticklabels=[*space, metric["name"] + unit], yticks=[])
    ax.set_xlim(-0.1, len(space) + 0.5)
    ax.spines["left"].set_visible(False)
    ax.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def importances(config, trials):
    """How much each setting matters for being among the best: {name: share}, largest first.

    source  PED-ANOVA, Watanabe et al., IJCAI 2023, as Optuna has it
    """
    import optuna

    study = optuna.create_study(direction=config["metric"]["goal"])
    space = {name: distribution(name, spec) for name, spec in config["parameters"].items()}
    for t in trials:
        study.add_trial(optuna.trial.create_trial(params=t["settings"], distributions=space, value=reached(t, config)))
    return optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
