"""The practice edition: every stub fails its check, every answer passes, mistakes are noticed.

The notebooks are not run as a whole: of each, the cells that the checks depend on run once, in
quick form, with the project's answers. At each check, the cells that depend on its answer run again
with the stub, and with a wrong answer.
"""

import contextlib
import io
import json
import re
import warnings
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import practice
import pytest
from fingerprint import ROOT, read
from practice_cells import exercise_of, is_answer, make
from practice_formulas import lift
from practice_mistakes import MISTAKES
from practice_modules import from_modules
from practice_runner import Runner, kept_as_it_was
from practice_solutions import use
from practice_stubs import split, stub

from backstage.practice import your_turn

PATHS = {p.relative_to(ROOT).as_posix(): p for p in practice.found(*practice.NOTEBOOKS)}


def marked(path):
    """The exercises of a notebook, by the marks of its answers."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    marks = [cell["metadata"].get("nbgrader", {}) for cell in cells]
    ids = [mark["grade_id"] for mark in marks if mark.get("solution")]
    return list(dict.fromkeys(re.sub(r"-answer(-\d+)?$", "", name) for name in ids))


EXERCISES = [(name, exercise) for name, path in PATHS.items() for exercise in marked(path)]
each_exercise = pytest.mark.parametrize(
    "name, exercise", EXERCISES, ids=[exercise for _, exercise in EXERCISES]
)
each_notebook = pytest.mark.parametrize("name", [n for n, path in PATHS.items() if marked(path)])


@cache
def made(name):
    return make(read(PATHS[name]), PATHS[name].parent)


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """The edition as it is written to files."""
    folder = tmp_path_factory.mktemp("practice")
    practice.build(folder)
    return folder


def with_mistake(answers, exercise):
    old, new = MISTAKES[exercise]
    assert sum(answer.count(old) for answer in answers) == 1, f"{exercise}: {old!r} is not there"
    return [answer.replace(old, new) for answer in answers]


@cache
def outcomes(name):
    """What the checks of a notebook raise: by exercise and by "stub", "answer" and "mistake"."""
    runner = Runner(made(name))
    checks = {exercise: runner.places(exercise, "check") for exercise in runner.exercises()}
    found = {}
    with kept_as_it_was(PATHS[name].parent), contextlib.redirect_stdout(io.StringIO()):
        for k in runner.needed(sum(checks.values(), [])):
            runner.run(k)
            plt.close("all")
            for exercise in [e for e, places in checks.items() if places[-1] == k]:
                answers = runner.answers[exercise]
                stubs = [runner.cells[p].source for p in runner.places(exercise, "answer")]
                found[exercise] = {
                    "stub": runner.outcome(exercise, stubs),
                    "answer": runner.outcome(exercise, answers),
                }
                if exercise in MISTAKES:
                    wrong = with_mistake(answers, exercise)
                    found[exercise]["mistake"] = runner.outcome(exercise, wrong)
    return found


@each_exercise
def test_the_stub_fails_its_check_and_names_the_exercise(name, exercise):
    error = outcomes(name)[exercise]["stub"]
    assert isinstance(error, NotImplementedError)
    assert str(error) == f"Exercise {exercise}: your turn"


@each_exercise
def test_the_answer_put_back_passes(name, exercise):
    assert outcomes(name)[exercise]["answer"] is None


@each_exercise
def test_a_plausible_mistake_is_noticed_with_a_message(name, exercise):
    error = outcomes(name)[exercise]["mistake"]
    assert error is not None, "the check passes"
    assert not isinstance(error, NotImplementedError | NameError | SyntaxError)
    assert str(error).strip(), "the check fails without a word"


def test_every_mistake_belongs_to_an_exercise():
    assert set(MISTAKES) == {exercise for _, exercise in EXERCISES}
