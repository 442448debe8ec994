"""A sweep's journal: every end counts, exact numbers, damage, and what makes a training another."""

import functools
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import optuna
import pytest
import torch
from sweep_cases import bowl, own_runs, sweep  # noqa: F401 (a fixture)

from backstage import sweep_study
from backstage.sweep_identity import inputs
from backstage.sweep_journal import TRIES
from backstage.sweeps import run_sweep

# ruff: noqa: F811


def rates(trials):
    return [trial.settings["rate"] for trial in trials]


def the_journal(folder):
    (journal,) = folder.rglob("*.journal")
    return journal


# ---- a trial counts however it ends ----


def leave():
    raise SystemExit(3)


def run_out():
    raise MemoryError("no more memory")


ENDS = {
    "nan": (lambda: math.nan, "diverged", "returned nan"),
    "inf": (lambda: math.inf, "diverged", "returned inf"),
    "a tensor of nan": (lambda: torch.tensor([math.nan]), "diverged", "returned nan"),
    "SystemExit": (leave, "fail", "SystemExit: 3"),
    "MemoryError": (run_out, "fail", "MemoryError: no more memory"),
    "None": (lambda: None, "fail", "must return one number as its val/loss, not None"),
    "text": (lambda: "good", "fail", "must return one number as its val/loss, not 'good'"),
    "two numbers": (lambda: np.ones(2), "fail", r"must return one number .*, not \(2,\)"),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_of_a_trial_is_kept_marked_and_counted(name):
    end, state, words = ENDS[name]
    calls = []

    def train(settings, log):
        calls.append(settings["rate"])
        log({"val/loss": settings["rate"]})
        return settings["rate"] if len(calls) == 2 else end()

    trials = run_sweep(sweep(), train, 4)
    assert len(calls) == 4 and [t.state for t in trials] == ["complete"] + [state] * 3
    for trial in trials[1:]:
        assert trial.value is None and trial.history == [{"val/loss": trial.settings["rate"]}]
        assert re.search(words, trial.error)
    assert len(run_sweep(sweep(), train, 4)) == 4 and len(calls) == 4, "all of them are stored"


def test_a_sweep_whose_trials_all_diverge_ends_and_gives_them():
    trials = run_sweep(sweep(), lambda s, log: math.nan, 4)
    assert [t.state for t in trials] == ["diverged"] * 4


def test_nan_in_rows_ends_too():
    stop = {"type": "hyperband", "min_iter": 1}

    def train(settings, log):
        for _ in range(5):
            log({"val/loss": math.nan})
        return math.nan

    trials = run_sweep(sweep(early_terminate=stop), train, 4)
    assert len(trials) == 4 and {t.state for t in trials} <= {"diverged", "pruned"}
    assert trials[0].reached("val/loss") is None


# ---- rows and results ----


def test_rows_may_hold_tensors_numpy_numbers_paths_and_anything(own_runs):
    def train(settings, log):
        log(
            {
                "tensor": torch.tensor([1.0, 3.0], requires_grad=True),
                "number": np.float32(0.5),
                "whole": np.int64(2),
                "path": pathlib.Path("a/b"),
                "dates": np.array(["2020-01-01"], "datetime64[D]"),
                "type": int,
                3: [1, None],
                "val/loss": np.array([0.25]),
            }
        )
        return np.array([0.25])

    (trial,) = run_sweep(sweep(), train, 1)
    (row,) = trial.history
    assert trial.state == "complete" and trial.value == 0.25
    assert row.pop("dates").startswith("['2020") and row.pop("type") == "<class 'int'>"
    assert row.pop("path") == os.path.join("a", "b")
    assert row == {"tensor": 2.0, "number": 0.5, "whole": 2, "3": [1, None], "val/loss": 0.25}


@pytest.mark.parametrize("value", [torch.tensor([0.5]), torch.tensor(0.5), np.float32(0.5), [0.5]])
def test_one_number_may_come_in_an_array(value):
    (trial,) = run_sweep(sweep(), lambda s, log: value[0] if isinstance(value, list) else value, 1)
    assert trial.value == 0.5


# ---- what makes a training another one ----

SCALE = 1.0
TABLE = {"scale": 1.0}


def scaled(x):
    return SCALE * x


def by_global(settings, log):
    return scaled(settings["rate"])


def by_table(settings, log):
    return [TABLE["scale"] * settings["rate"] for _ in range(1)][0]


class Callable:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, settings, log):
        return self.scale * settings["rate"]


def made(text):
    """A training without source text, as in a process that knows no notebook cells."""
    names = {}
    exec(text, names)
    return names["train"]


def by_closure(scale):
    def train(settings, log):
        return float(scale) * settings["rate"]

    return train


def keyword(settings, log, scale):
    return scale * settings["rate"]


def by_default(scale):
    return lambda settings, log, scale=scale: scale * settings["rate"]


def inner(scale):
    return made(
        f"def train(s, log):\n    def f(x):\n        return {scale} * x\n    return f(s['rate'])"
    )


MAKERS = {
    "closure": by_closure,
    "array": lambda scale: by_closure(np.array(scale)),
    "tensor": lambda scale: by_closure(torch.tensor(scale)),
    "partial": lambda scale: functools.partial(keyword, scale=scale),
    "callable object": Callable,
    "method": lambda scale: Callable(scale).__call__,
    "default": by_default,
    "exec": inner,
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_value_that_the_training_takes_from_around_it_makes_it_another(name, own_runs):
    make = MAKERS[name]
    first = run_sweep(sweep(), make(1.0), 3)
    assert len(run_sweep(sweep(), make(1.0), 2)) == 3, "the same training, made again"
    second = run_sweep(sweep(), make(2.0), 3)
    assert [t.value for t in second] == [2 * t.value for t in first]


@pytest.mark.parametrize("train", [by_global, by_table])
def test_a_changed_global_makes_it_another_also_behind_a_function(train, monkeypatch):
    first = run_sweep(sweep(), train, 3)
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 2.0)
    monkeypatch.setitem(TABLE, "scale", 2.0)
    second = run_sweep(sweep(), train, 3)
    assert [t.value for t in second] == [2 * t.value for t in first]


def test_changed_code_sweep_or_seed_starts_anew():
    first = run_sweep(sweep(), bowl, 3)
    assert len(run_sweep(sweep(), lambda s, log: s["rate"], 2)) == 2
    assert len(run_sweep(sweep(parameters={"rate": {"min": 0.1, "max": 0.2}}), bowl, 2)) == 2
    other = run_sweep(sweep(), bowl, 3, seed=1)
    assert len(other) == 3 and not set(rates(first)) & set(rates(other))


def test_what_the_training_itself_changes_does_not_count():
    calls = []
    draw = np.random.default_rng(0)

    def train(settings, log):
        calls.append(settings)
        return draw.normal()

    run_sweep(sweep(), train, 3)
    assert len(run_sweep(sweep(), train, 5)) == 5 and len(calls) == 5
    calls.append("from outside")
    assert len(run_sweep(sweep(), train, 2)) == 2 and len(calls) == 8


def test_stored_trials_are_announced_with_how_to_start_anew(own_runs, capsys):
    run_sweep(sweep(), bowl, 2)
    assert "start anew" not in capsys.readouterr().out
    run_sweep(sweep(), bowl, 3)
    said = capsys.readouterr().out
    assert "2 trials of the same description, seed and training are stored and count" in said
    assert "to start anew, delete" in said and the_journal(own_runs).name in said


class Odd:
    """Cannot be pickled, points to itself, and holds a set, whose order differs."""

    def __init__(self):
        self.words = {"a", "b", "c"}
        self.me = self
        self.file = open(os.devnull)


def test_anything_may_lie_around_a_training():
    odd = Odd()
    things = [
        odd,
        np,
        os,
        torch.nn.Linear(2, 1),
        lambda: odd,
        Odd,
        np.random.default_rng(1),
        {1: 2},
    ]

    def train(settings, log):
        return float(len(things)) if settings["rate"] not in {"x", "y"} else math.nan

    with odd.file:
        assert inputs(train) == inputs(train)
        assert len(run_sweep(sweep(), train, 2)) == 2


# ---- exact numbers, also in several processes ----


def claims_of(folder, method="random"):
    space = {"rate": {"values": [1, 2, 3]}}
    config = sweep(method) if method == "random" else sweep(method, parameters=space)
    parameters = sweep_study.parameter_space(config)
    task = sweep_study._Task(config, parameters, bowl, 0)
    return sweep_study._open_study(task, folder / "x.journal"), task


@pytest.mark.parametrize("method", ["random", "grid"])
def test_two_processes_claim_no_trial_twice_and_none_too_many(own_runs, method):
    (mine, task), (theirs, _) = (claims_of(own_runs, method) for _ in range(2))
    trials = [claims.claim(3) for claims in (mine, theirs, mine)]
    drawn = [task.space["rate"].suggest(trial, "rate") for trial in trials]
    assert sorted(t.number for t in trials) == [0, 1, 2] and len(set(drawn)) == 3
    assert theirs.claim(3) is None and mine.claim(3) is None
    assert not mine.ended() and theirs.claim(4) is not None


@pytest.mark.parametrize("method", ["random", "grid"])
def test_a_trial_whose_process_is_gone_is_trained_again_but_not_for_ever(own_runs, method):
    drawn = []
    for _ in range(TRIES):
        claims, task = claims_of(own_runs, method)
        drawn.append(task.space["rate"].suggest(claims.claim(1), "rate"))
        for lock in claims._mine.values():
            lock.release()  # as the end of its process does
    assert len(set(drawn)) == 1, "the same settings each time"
    claims, task = claims_of(own_runs, method)
    assert claims.claim(1) is None
    (trial,) = [task.result(each) for each in claims.ended()]
    assert trial.state == "fail" and f"killed {TRIES} times" in trial.error
    assert trial.settings == {"rate": drawn[0]}
    assert not list(own_runs.glob("*.journal.[0-9]*.lock"))


def test_a_grid_that_was_interrupted_visits_every_point_once():
    calls = []

    def train(settings, log):
        calls.append(settings["a"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return settings["a"]

    config = sweep("grid", parameters={"a": {"values": [1, 2, 3, 4]}})
    assert len(run_sweep(config, train)) == 1
    assert [t.value for t in run_sweep(config, train, 100)] == [1, 2, 3, 4] and len(calls) == 5


WORKER = """
import pathlib, time
from backstage import tracking
from backstage.sweeps import run_sweep
runs = pathlib.Path({runs!r})
tracking.RUNS = runs
WORDS = {{"a", "b", "c"}}

def train(settings, log):
    with open(runs / "trainings", "a") as file:
        print(settings["x"], file=file)
    time.sleep(0.2)
    return settings["x"] if settings["x"] not in WORDS | {{"d", "e"}} else 0

config = {{"method": "random", "name": "shared", "metric": {{"name": "loss", "goal": "minimize"}},
          "parameters": {{"x": {{"min": 0.0, "max": 1.0}}}}}}
print(len(run_sweep(config, train, {count})))
"""


def worker(folder, count):
    """A process that runs the same sweep as every other worker in this folder."""
    script = folder / "worker.py"
    script.write_text(WORKER.format(runs=str(folder), count=count))
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)


def study(folder):
    backend = optuna.storages.journal.JournalFileBackend(str(the_journal(folder)))
    return optuna.load_study(study_name="shared", storage=optuna.storages.JournalStorage(backend))


def test_processes_share_a_sweep_and_a_killed_one_costs_one_training(tmp_path):
    victim = worker(tmp_path, 12)
    trained = tmp_path / "trainings"
    deadline = time.time() + 300  # importing takes most of it on a busy machine
    while time.time() < deadline and victim.poll() is None:
        if trained.exists() and len(trained.read_text().splitlines()) >= 3:
            break
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    workers = [worker(tmp_path, 12) for _ in range(2)]
    said = [w.communicate(timeout=300)[0] for w in workers]
    assert all(each.splitlines()[-1] == "12" for each in said), said
    draws = trained.read_text().split()
    finished = [t for t in study(tmp_path).trials if t.state.name == "COMPLETE"]
    assert len(finished) == 12 and len({t.params["x"] for t in finished}) == 12
    assert len(set(draws)) == 12 and 12 <= len(draws) <= 13, "the killed one twice, no other"


# ---- damage ----


def test_the_journal_is_plain_json_lines(own_runs):
    run_sweep(sweep(), bowl, 2)
    lines = the_journal(own_runs).read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_line_cut_by_a_kill_and_a_left_lock_file_do_not_stop_the_sweep(own_runs):
    run_sweep(sweep(), bowl, 2)
    journal = the_journal(own_runs)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker')
    journal.with_name(journal.name + ".lock").touch()
    start = time.time()
    assert len(run_sweep(sweep(), bowl, 4)) == 4 and time.time() - start < 10
    assert journal.read_bytes().startswith(whole)
    assert all(isinstance(json.loads(line), dict) for line in journal.read_text().splitlines())


DAMAGE = [
    b"garbage\n",
    b"\0" * 40 + b"\n",
    b"\xff\xfe\n",
    b'{"op_code":5,"wor\n',
    b"[1]\n",
    b"{}\n",
]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("place", [0, 9, -1])
def test_damaged_lines_are_set_aside_and_all_others_stay(own_runs, capsys, damage, place):
    kept = rates(run_sweep(sweep(), lambda s, log: s["rate"], 3))
    journal = the_journal(own_runs)
    lines = journal.read_bytes().splitlines(keepends=True)
    lines.insert(place % (len(lines) + 1), damage)
    journal.write_bytes(b"".join(lines))
    capsys.readouterr()
    again = rates(run_sweep(sweep(), lambda s, log: s["rate"], 4))
    said = capsys.readouterr().out
    assert "is damaged" in said and "set aside" in said and "3 trials" in said
    assert len(again) == 4 and set(kept) <= set(again)
    assert journal.with_name(journal.name + ".damaged").read_bytes() == damage


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_lost_line_costs_no_more_than_what_it_described(own_runs, share):
    calls = []

    def train(settings, log):
        calls.append(settings)
        return settings["rate"]

    first = rates(run_sweep(sweep(), train, 6))
    journal = the_journal(own_runs)
    lines = journal.read_bytes().splitlines(keepends=True)
    for lost in range(int(share * (len(lines) - 3)), int(share * (len(lines) - 3)) + 3):
        lines[lost] = b"\0\0\0\n"
    journal.write_bytes(b"".join(lines))
    again = run_sweep(sweep(), train, 6)
    assert len(again) == 6 and [t.state for t in again] == ["complete"] * 6
    assert all(t.settings["rate"] == t.value for t in again)
    assert len(set(first) & set(rates(again))) >= 4
