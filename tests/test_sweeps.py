"""Sweeps: the mapping to Optuna, the offline sweep, its faults, and the online branch replayed."""

import contextlib
import json
import math
import signal
import subprocess
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats

from backstage import sweep_space, tracking
from backstage.style import RED
from backstage.sweep_importance import importance_spread, importances, plot_importances
from backstage.sweep_parameters import parameter
from backstage.sweep_plots import log_sweep, parallel_coordinates, plot_sweep
from backstage.sweep_trials import Trial
from backstage.sweeps import run_sweep
from backstage.wandb_server import Mode


@pytest.fixture(autouse=True)
def own_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(tracking, "RUNS", tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return tmp_path


METRIC = {"name": "val/loss", "goal": "minimize"}
RATE = {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0}


def sweep(method="random", **more):
    return {
        "method": method,
        "name": "a-sweep",
        "metric": METRIC,
        "parameters": {"rate": RATE},
    } | more


def bowl(settings, log):
    """A loss with its minimum at rate 0.01, approached over nine epochs."""
    value = (math.log10(settings["rate"]) + 2) ** 2
    for epoch in range(1, 10):
        log({"epoch": epoch, "val/loss": np.array([value + 1 / epoch, value + 1 / epoch])})
    return value


# ---- the mapping ----

SPECS = [
    ({"value": 3}, CategoricalDistribution([3])),
    ({"values": [1, "a", None]}, CategoricalDistribution([1, "a", None])),
    ({"min": 1, "max": 5}, IntDistribution(1, 5)),
    ({"min": 1.0, "max": 5}, FloatDistribution(1.0, 5)),
    ({"min": 0.0, "max": 1.0, "distribution": "uniform"}, FloatDistribution(0, 1)),
    ({"min": 1, "max": 9, "distribution": "int_uniform"}, IntDistribution(1, 9)),
    (
        {"min": 16, "max": 128, "q": 16, "distribution": "q_uniform"},
        IntDistribution(16, 128, step=16),
    ),
    (
        {"min": 0.0, "max": 1.0, "q": 0.25, "distribution": "q_uniform"},
        FloatDistribution(0, 1, step=0.25),
    ),
    (RATE, FloatDistribution(1e-4, 1, log=True)),
    (
        {"min": 1, "max": 64, "distribution": "q_log_uniform_values"},
        IntDistribution(1, 64, log=True),
    ),
]


@pytest.mark.parametrize("spec, wanted", SPECS)
def test_a_parameter_maps_to_the_right_distribution(spec, wanted):
    assert parameter("x", spec).drawn == wanted


@pytest.mark.parametrize("spec, wanted", SPECS)
def test_the_mapping_is_wandbs_own_where_it_has_one(spec, wanted):
    theirs = pytest.importorskip("wandb.sdk.sweeps.scheduler.optuna")
    assert theirs.sweep_parameter_to_distribution(spec) == wanted


def test_log_uniform_takes_exponents():
    d = parameter("x", {"min": -3, "max": 0, "distribution": "log_uniform"}).drawn
    assert d.log and d.low == pytest.approx(math.exp(-3)) and d.high == 1


def test_nested_parameters_are_flattened_and_come_back_nested():
    deep = {
        "rate": RATE,
        "net": {"parameters": {"width": {"min": 1, "max": 4}, "depth": {"value": 2}}},
    }
    assert set(sweep_space.flat(deep)) == {"rate", "net.width", "net.depth"}
    assert sweep_space.nested({"rate": 1, "net.width": 2, "net.depth": 3}) == {
        "rate": 1,
        "net": {"width": 2, "depth": 3},
    }
    trials = run_sweep(
        sweep(parameters=deep), lambda s, log: s["net"]["width"] * s["net"]["depth"], 4
    )
    assert all(t.value == 2 * t.settings["net"]["width"] for t in trials)


WRONG_PARAMETERS = [
    ({"distribution": "cauchy", "mu": 0}, "x: .*'cauchy'; allowed are uniform"),
    ({"distribution": "beta", "min": 0, "max": 1}, "a > 0 and b > 0"),
    ({"distribution": "normal", "sigma": 0}, "sigma > 0"),
    ({"min": 1}, "x: needs value"),
    ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "do not suit"),
    ({"values": [1, 2], "probabilities": [0.1, 0.8]}, "probabilities"),
]
WRONG = [({"parameters": {"x": spec}}, words) for spec, words in WRONG_PARAMETERS] + [
    ({"method": "gird"}, "grid, random or bayes"),
    ({"metric": {"name": "val/loss"}}, "minimize or maximize"),
    ({"parameters": {}}, "no parameters"),
    ({"method": "grid"}, "a grid needs value"),
    ({"early_terminate": {"type": "envelope"}}, "hyperband"),
]


@pytest.mark.parametrize("change, words", WRONG)
def test_what_cannot_be_mapped_is_an_error_before_any_trial(change, words):
    def never(settings, log):
        raise AssertionError("no trial may start")

    with pytest.raises(ValueError, match=words):
        run_sweep(sweep() | change, never, 3)


@pytest.mark.parametrize("count", [None, 0])
def test_a_search_without_end_needs_a_count(count):
    with pytest.raises(ValueError, match="count"):
        run_sweep(sweep(), bowl, count)


# ---- offline ----


def test_a_grid_visits_every_point_once_and_sorts_by_the_goal():
    space = {"a": {"values": [1, 2, 3]}, "b": {"values": [10, 20]}, "c": {"value": 5}}
    config = sweep("grid", parameters=space, metric={"name": "score", "goal": "maximize"})
    trials = run_sweep(config, lambda s, log: s["a"] * s["b"] * s["c"])
    assert [t.value for t in trials] == [300, 200, 150, 100, 100, 50]
    assert sorted((t.settings["a"], t.settings["b"]) for t in trials) == [
        (a, b) for a in (1, 2, 3) for b in (10, 20)
    ]


def test_bayes_finds_a_bowl_better_than_chance():
    best = {m: run_sweep(sweep(m, name=m), bowl, 40, seed=1)[:5] for m in ("random", "bayes")}
    mean = {m: np.mean([t.value for t in trials]) for m, trials in best.items()}
    assert mean["bayes"] < mean["random"]


def test_history_holds_the_means_over_networks():
    trial = run_sweep(sweep(), bowl, 1)[0]
    assert len(trial.history) == 9
    assert trial.history[-1] == pytest.approx({"epoch": 9, "val/loss": trial.value + 1 / 9})


def test_hyperband_stops_trials_that_fall_behind():
    stop = {"type": "hyperband", "min_iter": 2, "eta": 3}
    trials = run_sweep(sweep(early_terminate=stop), bowl, 30)
    states = [t.state for t in trials]
    assert "pruned" in states and "complete" in states
    pruned = next(t for t in trials if t.state == "pruned")
    assert pruned.value is None and len(pruned.history) < 9


def test_a_second_call_continues_and_repeats_no_draw():
    first = run_sweep(sweep(), bowl, 4)
    both = run_sweep(sweep(), bowl, 9)
    rates = [t.settings["rate"] for t in both]
    assert (
        len(both) == 9
        and len(set(rates)) == 9
        and {t.settings["rate"] for t in first} <= set(rates)
    )
    assert len(run_sweep(sweep(), bowl, 9)) == 9, "nothing left to do"


def test_changed_code_or_sweep_starts_anew():
    run_sweep(sweep(), bowl, 3)
    assert len(run_sweep(sweep(), lambda s, log: s["rate"], 2)) == 2
    assert len(run_sweep(sweep(parameters={"rate": {"min": 0.1, "max": 0.2}}), bowl, 2)) == 2


def test_a_failing_trial_is_recorded_and_the_sweep_goes_on():
    def fragile(settings, log):
        if settings["rate"] > 0.1:
            raise OverflowError("diverged")
        return settings["rate"]

    trials = run_sweep(sweep(), fragile, 12)
    failed = [t for t in trials if t.state == "fail"]
    assert len(trials) == 12 and 0 < len(failed) < 12
    assert trials[-1] in failed and "OverflowError: diverged" in failed[0].error


def test_all_failing_is_an_error_with_the_first_traceback():
    with pytest.raises(RuntimeError, match="(?s)all 3 trials failed.*ZeroDivisionError"):
        run_sweep(sweep(), lambda s, log: 1 / 0, 3)


def test_ctrl_c_in_a_trial_keeps_the_others_and_the_next_call_makes_up_for_it(capsys):
    calls = []

    def train(settings, log):
        calls.append(settings)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return settings["rate"]

    assert len(run_sweep(sweep(), train, 5)) == 2
    assert "calling again continues" in capsys.readouterr().out
    assert len(run_sweep(sweep(), train, 5)) == 5 and len(calls) == 6


WORKER = """
import pathlib, time
from backstage import tracking
from backstage.sweeps import run_sweep
tracking.RUNS = pathlib.Path({runs!r})

def train(settings, log):
    time.sleep(0.2)
    return settings["x"]

config = {{"method": "random", "name": "shared", "metric": {{"name": "loss", "goal": "minimize"}},
          "parameters": {{"x": {{"min": 0.0, "max": 1.0}}}}}}
print(len(run_sweep(config, train, {count})))
"""


def worker(tmp_path, count):
    """A process that runs the same sweep as every other worker in this folder."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(runs=str(tmp_path), count=count))
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)


def study(tmp_path):
    (journal,) = (tmp_path / "shared").glob("*.journal")
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    return optuna.load_study(study_name="shared", storage=optuna.storages.JournalStorage(backend))


def test_two_processes_share_a_sweep_and_a_killed_one_loses_one_trial(tmp_path):
    victim = worker(tmp_path, 12)
    deadline = time.time() + 300  # importing takes most of it on a busy machine
    while time.time() < deadline and victim.poll() is None:
        with contextlib.suppress(ValueError, KeyError):  # the study is not there yet
            if sum(t.state.is_finished() for t in study(tmp_path).trials) >= 3:
                break
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    kept = sum(t.state.is_finished() for t in study(tmp_path).trials)
    workers = [worker(tmp_path, 12) for _ in range(2)]
    assert all(w.wait(300) == 0 for w in workers)
    trials = study(tmp_path).trials
    finished = [t for t in trials if t.state.is_finished()]
    assert kept >= 3 and 12 <= len(finished) <= 13, "two workers may both start the last trial"
    assert len(trials) - len(finished) <= 1, "at most the running trial is lost"
    assert len({t.params["x"] for t in finished}) == len(finished), "no draw is repeated"


# ---- online: the server's side played by recorders ----


def test_online_the_agent_calls_and_the_server_chooses(monkeypatch):
    wandb = pytest.importorskip("wandb")
    seen = {"rows": [], "finished": []}

    class Run:
        def __init__(self, config):
            self.config, self.summary = config, {}

        def log(self, row):
            seen["rows"].append(row)

        def finish(self, exit_code=0):
            seen["finished"].append(exit_code)

    chosen = iter(
        [{"rate": 0.01, "torch": "2"}, {"rate": 5.0, "torch": "2"}, {"rate": 0.1, "torch": "2"}]
    )

    def agent(sweep_id, function, count, project):
        seen["agent"] = (sweep_id, count, project)
        for _ in range(count):
            function()

    def train(settings, log):
        assert set(settings) == {"rate"}, "only the sweep's own parameters reach the training"
        return math.log(-1) if settings["rate"] > 1 else bowl(settings, log)

    monkeypatch.setattr(tracking, "tracking_mode", lambda: Mode("online"))
    monkeypatch.setattr(tracking, "start_run", lambda *a, **k: tracking.Started(Run(next(chosen))))
    monkeypatch.setattr(
        wandb, "sweep", lambda config, project: seen.update(sweep=(config, project)) or "new-id"
    )
    monkeypatch.setattr(wandb, "agent", agent)

    trials = run_sweep(sweep(), train, 3)
    assert seen["sweep"] == (sweep(), tracking.PROJECT) and seen["agent"] == (
        "new-id",
        3,
        tracking.PROJECT,
    )
    assert [t.state for t in trials] == ["complete", "complete", "fail"] and trials[0].settings == {
        "rate": 0.01
    }
    assert seen["finished"] == [0, 1, 0] and len(seen["rows"]) == 18


def test_online_an_existing_sweep_is_joined(monkeypatch):
    wandb = pytest.importorskip("wandb")
    asked = []
    monkeypatch.setattr(tracking, "tracking_mode", lambda: Mode("online"))
    monkeypatch.setattr(wandb, "sweep", lambda *a, **k: asked.append("a new sweep"))
    monkeypatch.setattr(
        wandb, "agent", lambda sweep_id, function, count, project: asked.append(sweep_id)
    )
    assert run_sweep(sweep(), bowl, 2, sweep_id="team/project/abc") == [] and asked == [
        "team/project/abc"
    ]


def test_online_a_refused_sweep_goes_on_offline(monkeypatch, capsys):
    wandb = pytest.importorskip("wandb")

    def refuse(config, project):
        raise PermissionError("401")

    monkeypatch.setattr(tracking, "tracking_mode", lambda: Mode("online"))
    monkeypatch.setattr(wandb, "sweep", refuse)
    assert len(run_sweep(sweep(), bowl, 2)) == 2
    assert "refused" in capsys.readouterr().out


def test_the_journal_is_plain_json_lines(own_runs):
    run_sweep(sweep(), bowl, 2)
    (journal,) = (own_runs / "a-sweep").glob("*.journal")
    assert all(isinstance(json.loads(line), dict) for line in journal.read_text().splitlines())


def finished(number, value, settings, state="complete"):
    rows = [{"val/loss": 0.9}]
    return Trial(number, settings, value, state, rows)


PICTURE = {
    "method": "random",
    "metric": {"name": "val/loss", "goal": "minimize"},
    "parameters": {
        "rate": {"distribution": "log_uniform_values", "min": 0.01, "max": 1.0},
        "kind": {"values": ["a", "b"]},
        "width": {"min": 2, "max": 6},
    },
}


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_parallel_coordinates_put_every_setting_at_its_height_and_the_best_in_red(goal):
    config = PICTURE | {"metric": {"name": "val/loss", "goal": goal}}
    first, second = (0.5, 0.7) if goal == "minimize" else (0.7, 0.5)
    trials = [
        finished(0, first, {"rate": 0.1, "kind": "b", "width": 3}),
        finished(1, second, {"rate": 1.0, "kind": "a", "width": 6}),
        finished(2, None, {"rate": 0.01, "kind": "a", "width": 2}, "pruned"),
    ]
    fig, ax = plt.subplots()
    parallel_coordinates(ax, config, trials)
    lines = {line.get_color(): line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 4}
    best_end = 0 if goal == "minimize" else 1
    assert lines[RED] == pytest.approx([0.5, 1, 0.25, best_end])
    assert lines["0.85"][:3] == pytest.approx([0, 0, 0]) and len(lines) == 3
    assert plt.get_cmap("viridis")(1.0) in lines, "the worse trial should be light"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["rate", "kind", "width", "val/loss"]
    plt.close(fig)


def drawn_trials(seed):
    """Sixty random trials whose value depends on the rate alone."""
    rng = np.random.default_rng(seed)
    trials = []
    for i in range(60):
        rate = float(10 ** rng.uniform(-2, 0))
        settings = {"rate": rate, "kind": "ab"[i % 2], "width": int(rng.integers(2, 7))}
        trials.append(finished(i, abs(np.log10(rate) + 1) + 0.01 * rng.random(), settings))
    return sorted(trials, key=lambda trial: trial.value)


def test_the_setting_that_decides_is_the_important_one():
    share = importances(PICTURE, drawn_trials(0))
    assert next(iter(share)) == "rate" and share["rate"] > 0.8


def test_importances_count_completed_trials_only():
    trials = drawn_trials(0)
    stopped = [finished(60 + i, None, trial.settings, "pruned") for i, trial in enumerate(trials)]
    assert importances(PICTURE, trials + stopped) == importances(PICTURE, trials)


def test_importances_of_several_sampler_seeds_are_drawn_with_their_range():
    sweeps = [drawn_trials(seed) for seed in range(3)]
    shares = importance_spread(PICTURE, sweeps)
    alone = [importances(PICTURE, trials)["rate"] for trials in sweeps]
    assert next(iter(shares)) == "rate" and shares["rate"] == pytest.approx(alone)
    fig, ax = plt.subplots()
    plot_importances(ax, PICTURE, sweeps)
    assert ax.patches[-1].get_width() == pytest.approx(np.mean(alone)), "the largest on top"
    (bars,) = (c for c in ax.collections)
    ends = [segment[:, 0] for segment in bars.get_segments()]
    assert ends[-1] == pytest.approx([min(alone), max(alone)])
    plt.close(fig)


def test_a_sweep_is_wrapped_up_in_two_figures_and_a_run(monkeypatch):
    shown = {}
    monkeypatch.setattr(
        tracking.Tracker, "show", lambda self, name, thing: shown.update({name: thing})
    )
    trials = drawn_trials(0)
    figures = plot_sweep(PICTURE, trials, best_possible=0.0, unit=" [nats]")
    log_sweep(PICTURE, trials, "a-group", figures, "made up")
    bars, curves = figures.importance.axes
    labels = [text.get_text() for text in curves.get_legend().get_texts()]
    assert labels == ["best three", "worst three", "best possible"]
    assert curves.get_ylabel() == "val/loss [nats]" and len(bars.patches) == 3
    assert shown["trials"].columns == ["trial", "state", "val/loss", "rate", "kind", "width"]
    assert len(shown["trials"].rows) == 60 and shown["parallel coordinates"] is figures.parallel
    for fig in figures:
        plt.close(fig)


def test_a_sweep_with_one_completed_trial_can_be_drawn():
    one = finished(0, 0.5, {"rate": 0.1, "kind": "b", "width": 3})
    other = finished(1, None, {"rate": 0.2, "kind": "a", "width": 3}, "pruned")
    with pytest.warns(UserWarning, match="too small"):
        figures = plot_sweep(PICTURE, [one, other])
    for fig in figures:
        fig.draw_without_rendering()
        plt.close(fig)


def test_what_a_trial_reached_is_its_value_or_its_last_row_with_the_metric():
    rows = [{"loss": 0.5}, {"loss": 0.4}, {"note": 1}]
    assert Trial(0, {}, None, "pruned", rows).reached("loss") == 0.4
    assert Trial(0, {}, 0.3, "complete", rows).reached("loss") == 0.3
    assert Trial(0, {}, None, "fail", []).reached("loss") is None


# ---- distributions that Optuna does not have ----

QUANTILES = [
    ({"distribution": "normal", "mu": 2, "sigma": 3}, 2, stats.norm(2, 3).ppf(0.9)),
    (
        {"distribution": "log_normal", "mu": 1, "sigma": 1},
        math.e,
        math.exp(1 + stats.norm.ppf(0.9)),
    ),
    ({"distribution": "beta", "a": 2, "b": 2}, 0.5, stats.beta(2, 2).ppf(0.9)),
    ({"distribution": "q_normal", "mu": 50, "sigma": 20, "q": 10}, 50, 80),
    ({"distribution": "q_log_uniform_values", "min": 8, "max": 512, "q": 8}, 64, 336),
    ({"values": ["a", "b", "c"], "probabilities": [0.1, 0.7, 0.2]}, "b", "c"),
]


@pytest.mark.parametrize("spec, middle, ninth", QUANTILES)
def test_other_distributions_are_drawn_by_their_quantiles(spec, middle, ninth):
    found = parameter("x", spec)
    for quantile, wanted in ((0.5, middle), (0.9, ninth)):
        setting = found.to_setting(quantile)
        assert setting == (wanted if isinstance(wanted, str) else pytest.approx(wanted))
        assert found.to_setting(found.to_drawn(setting)) == (
            wanted if isinstance(wanted, str) else pytest.approx(wanted)
        )
    heights = [mark.height for mark in found.marks()]
    assert heights == sorted(heights) and 0 <= heights[0] and heights[-1] <= 1


def test_a_sweep_over_other_distributions_gives_settings_not_quantiles():
    space = {
        "width": {"distribution": "q_normal", "mu": 50, "sigma": 10, "q": 10},
        "kind": {"values": ["a", "b"], "probabilities": [1.0, 0.0]},
    }
    config = sweep("bayes", parameters=space)
    trials = run_sweep(config, lambda s, log: abs(s["width"] - 50), 15)
    assert all(trial.settings["width"] % 10 == 0 for trial in trials)
    assert {trial.settings["kind"] for trial in trials} == {"a"} and trials[0].value == 0
    assert set(importances(config, trials)) == {"width", "kind"}


# ---- seeds, faults and the journal ----


def test_sampler_seeds_keep_apart_journals_and_draws():
    rates = []
    for seed in (0, 1):
        trials = run_sweep(sweep(), bowl, 4, seed)
        assert len(trials) == 4
        rates += [trial.settings["rate"] for trial in trials]
    assert len(set(rates)) == 8


def test_a_training_that_returns_nan_is_a_failed_trial_and_is_counted():
    def diverges(settings, log):
        return math.nan if settings["rate"] > 0.01 else settings["rate"]

    trials = run_sweep(sweep(), diverges, 8)
    states = {trial.state for trial in trials}
    assert len(trials) == 8 and states == {"complete", "fail"}
    assert "returned nan" in trials[-1].error


def test_a_line_cut_by_a_kill_and_a_left_lock_file_do_not_stop_the_sweep(own_runs):
    run_sweep(sweep(), bowl, 2)
    (journal,) = (own_runs / "a-sweep").glob("*.journal")
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker')
    journal.with_name(journal.name + ".lock").touch()
    start = time.time()
    assert len(run_sweep(sweep(), bowl, 4)) == 4 and time.time() - start < 10
    assert journal.read_bytes().startswith(whole)
    assert all(isinstance(json.loads(line), dict) for line in journal.read_text().splitlines())


def test_a_training_without_source_text_continues_its_journal_until_it_changes():
    def made(factor):
        names = {}
        inner = f"    def f(x):\n        return {factor} * x\n"
        text = f"def train(s, log):\n{inner}    return f(s['rate'])"
        exec(text, names)  # as in a process that knows no notebook cells
        return names["train"]

    assert len(run_sweep(sweep(), made(2), 3)) == 3
    assert len(run_sweep(sweep(), made(2), 2)) == 3, "the same training, compiled again"
    assert len(run_sweep(sweep(), made(3), 2)) == 2
