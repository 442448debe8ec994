"""Sweeps: run offline, with their faults, and on the server, replayed; what they found, drawn."""

import contextlib
import math
import threading
import time
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sweep_cases import bowl, own_runs, sweep  # noqa: F401 (a fixture)

from backstage import tracking
from backstage.style import RED
from backstage.sweep_importance import importance_spread, importances, plot_importances
from backstage.sweep_plots import log_sweep, parallel_coordinates, plot_sweep
from backstage.sweep_trials import Trial
from backstage.sweeps import run_sweep
from backstage.wandb_server import Mode

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


@pytest.fixture
def online(monkeypatch):
    """A server that chooses a rate, and W&B's agent, which runs each trial in a thread."""
    wandb = pytest.importorskip("wandb")
    run = SimpleNamespace(config={"rate": 0.1}, summary={}, finish=lambda exit_code: None)

    def agent(sweep_id, function, count, project):
        for _ in range(count):
            thread = threading.Thread(target=attempt, args=[function])
            thread.start()
            thread.join()

    def attempt(function):
        with contextlib.suppress(Exception):  # printed, and the next trial begins
            function()

    monkeypatch.setattr(tracking, "tracking_mode", lambda: Mode("online"))
    monkeypatch.setattr(tracking, "start_run", lambda *a, **k: tracking.Started(run))
    monkeypatch.setattr(wandb, "sweep", lambda config, project: "new-id")
    monkeypatch.setattr(wandb, "agent", agent)


def test_online_a_trial_that_the_agent_stops_is_pruned_not_failed(online):
    def train(settings, log):
        pyagent._terminate_thread(threading.current_thread())
        time.sleep(0.1)
        return 0.5

    pyagent = pytest.importorskip("wandb.agents.pyagent")
    assert [trial.state for trial in run_sweep(sweep(), train, 2)] == ["pruned", "pruned"]


def test_online_it_is_an_error_if_no_trial_can_start(online, monkeypatch):
    refused = tracking.Started(None, "the disk is full")
    monkeypatch.setattr(tracking, "start_run", lambda *a, **k: refused)
    with pytest.raises(RuntimeError, match="no trial could start: the disk is full"):
        run_sweep(sweep(), bowl, 2)


def test_without_tracking_nothing_is_said_to_be_kept(capsys):
    run_sweep(sweep(), bowl, 2)
    assert "a-sweep: 2 trials\n" in capsys.readouterr().out


def test_online_a_refused_sweep_goes_on_offline(monkeypatch, capsys):
    wandb = pytest.importorskip("wandb")

    def refuse(config, project):
        raise PermissionError("401")

    monkeypatch.setattr(tracking, "tracking_mode", lambda: Mode("online"))
    monkeypatch.setattr(wandb, "sweep", refuse)
    assert len(run_sweep(sweep(), bowl, 2)) == 2
    assert "refused" in capsys.readouterr().out


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
    lines = {line.get_color(): line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 7}
    best_end = 0 if goal == "minimize" else 1
    assert lines[RED] == pytest.approx([0.5, 0.5, 1, 1, 0.25, 0.25, best_end])
    assert lines["0.85"][:6] == pytest.approx([0] * 6) and len(lines) == 3
    assert plt.get_cmap("viridis")(1.0) in lines, "the worse trial should be light"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["rate", "kind", "width", "val/loss"]
    plt.close(fig)


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_lines_run_level_past_labels_and_those_beyond_the_colour_bar_are_counted(goal):
    config = PICTURE | {"metric": {"name": "val/loss", "goal": goal}}
    trials = drawn_trials(0)[:: 1 if goal == "minimize" else -1]
    fig, ax = plt.subplots(figsize=(6.3, 3))
    parallel_coordinates(ax, config, trials, " [nats]")
    fig.draw_without_rendering()
    (best,) = [line for line in ax.lines if line.get_label() == "best trial"]
    x, y = best.get_data()
    for i, name in enumerate(("rate", "kind", "width")):
        column = ax.transData.transform([(x[2 * i], 0), (x[2 * i + 1], 0)])[:, 0]
        assert y[2 * i] == y[2 * i + 1] and x[2 * i] < i < x[2 * i + 1]
        for text in ax.texts:
            if text.get_position()[0] == i:
                ends = text.get_window_extent()
                assert column[0] < ends.x0 and ends.x1 < column[1], f"a label of {name} is too wide"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[-1] == "6 trials end beyond the scale", "the worst tenth of sixty"
    (bar,) = ax.child_axes
    names = [text.get_text() for text in bar.get_yticklabels()]
    sign = r"$\geq$" if goal == "minimize" else r"$\leq$"
    assert names[-1 if goal == "minimize" else 0].startswith(sign) and len(names) == 5
    assert ax.get_xticklabels()[-1].get_text() == "val/loss [nats]"
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
    assert ax.patches[-1].get_width() == pytest.approx(100 * np.mean(alone)), "the largest on top"
    (bars,) = (c for c in ax.collections)
    ends = [segment[:, 0] for segment in bars.get_segments()]
    assert ends[-1] == pytest.approx([100 * min(alone), 100 * max(alone)])
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
    figures = plot_sweep(PICTURE, [one, other])
    for fig in figures:
        fig.draw_without_rendering()
        plt.close(fig)


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_a_diverged_trial_is_drawn_at_the_bad_end(goal):
    config = PICTURE | {"metric": {"name": "val/loss", "goal": goal}}
    odd = finished(61, None, {"rate": 0.01, "kind": "a", "width": 2}, "diverged")
    trials = [*drawn_trials(0)[:: 1 if goal == "minimize" else -1], odd]
    figures = plot_sweep(config, trials)
    ax = figures.parallel.axes[0]
    (line,) = [line for line in ax.lines if line.get_color() == "0.85" and len(line.get_ydata())]
    assert line.get_ydata()[-1] == (1 if goal == "minimize" else 0)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "diverged" in labels
    for fig in figures:
        fig.draw_without_rendering()
        plt.close(fig)


def test_a_sweep_without_a_metric_can_be_drawn():
    config = {key: value for key, value in PICTURE.items() if key != "metric"}
    figures = plot_sweep(config, drawn_trials(0))
    assert figures.importance.axes[1].get_ylabel() == "value"
    for fig in figures:
        plt.close(fig)


def test_what_a_trial_reached_is_its_value_or_its_last_row_with_the_metric():
    rows = [{"loss": 0.5}, {"loss": 0.4}, {"note": 1}]
    assert Trial(0, {}, None, "pruned", rows).reached("loss") == 0.4
    assert Trial(0, {}, 0.3, "complete", rows).reached("loss") == 0.3
    assert Trial(0, {}, None, "fail", []).reached("loss") is None
    rows += [{"loss": math.nan}, {"loss": None}]
    assert Trial(0, {}, None, "diverged", rows).reached("loss") == 0.4


@pytest.mark.parametrize(
    "states, words",
    [
        ([], None),
        (["pruned"], "ended by Hyperband"),
        (["fail"], "failed"),
        (["diverged", "pruned"], "ended by Hyperband or diverged"),
    ],
)
def test_the_legend_names_the_ends_that_occur(states, words):
    trials = drawn_trials(0)
    trials += [finished(60 + i, None, trials[0].settings, state) for i, state in enumerate(states)]
    fig, ax = plt.subplots()
    parallel_coordinates(ax, PICTURE, trials)
    (grey,) = [line.get_label() for line in ax.lines if line.get_color() == "0.8"] or [None]
    plt.close(fig)
    assert grey == words


def test_without_a_completed_trial_all_settings_get_the_same_share():
    stopped = [finished(0, None, drawn_trials(0)[0].settings, "pruned")]
    for trials in ([], stopped, drawn_trials(0)[:1]):
        share = importances(PICTURE, trials)
        assert set(share) == {"rate", "kind", "width"}
        assert list(share.values()) == pytest.approx([1 / 3] * 3)
