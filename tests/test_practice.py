"""The practice edition: every stub fails its check, every answer passes, mistakes are noticed.

The notebooks are not run as a whole: of each, the cells that the checks depend on run once, in
quick form, with the project's answers. At each check, the cells that depend on its answer run again
with the stub, and with a wrong answer.
"""

import contextlib
import importlib
import io
import json
import re
import sys
from functools import cache

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import practice
import pytest
from fingerprint import ROOT, code_cells, read
from practice_cells import exercise_of, is_answer, make
from practice_formulas import lift
from practice_mistakes import MISTAKES
from practice_modules import from_modules
from practice_runner import Runner, kept_as_it_was
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


@pytest.fixture
def solutions(edition):
    """The module that the edition's notebooks import."""
    sys.path.insert(0, str(edition))
    yield importlib.import_module("solutions")
    sys.path.remove(str(edition))
    for name in [n for n in sys.modules if n.split(".")[0] == "solutions"]:
        del sys.modules[name]


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
            try:
                runner.run(k)
            except Exception as error:  # a check; what else depends on it will tell as well
                found |= {e: {"answer": error} for e in checks if k in checks[e]}
                continue
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


# ---- nothing gives an answer away ----


def lines_of(text):
    """Lines of code without their comments, if they are long enough to tell something."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {line for line in lines if len(line) >= 25}


ELSEWHERE = {  # lines of an answer that other cells have for reasons of their own
    "nanograd-m": {"glorot = GlorotInitializer(1, np.random.default_rng([seed, 1]))"},
    "pen-c": {"for l in range(1, len(W) + 1):"},
    "xor-loop": {"optimizer = torch.optim.Adam(net.parameters(), lr=rate)"},
}


def leaked(cells, answers):
    """Lines of answers that stand in the cells, by exercise."""
    shown = set().union(*(lines_of(cell.source) for cell in cells))
    found = {}
    for exercise, codes in answers.items():
        stubs = (c.source for c in cells if is_answer(c) and exercise_of(c) == exercise)
        kept = set().union(*map(lines_of, stubs)) | ELSEWHERE.get(exercise, set())
        if lines := (set().union(*map(lines_of, codes)) & shown) - kept:
            found[exercise] = lines
    return found


@each_notebook
def test_no_line_of_an_answer_stands_in_the_notebook(name):
    assert not leaked(made(name).plain.cells, made(name).answers)


@each_notebook
def test_no_formula_that_was_lifted_out_stands_in_the_notebook(name):
    shown = "\n".join(cell.source for cell in made(name).plain.cells)
    for cell in read(PATHS[name]).cells:
        for formula in cell.metadata.get("practice", {}).get("lift", []):
            short = len(formula["of"]) < 8
            assert short or formula["of"] not in shown, f"{cell.id} shows {formula['of']}"


@each_notebook
def test_words_that_are_exchanged_are_there(name):
    for cell in read(PATHS[name]).cells:
        for old, new in cell.metadata.get("practice", {}).get("reword", []):
            text = "\n".join(c.source for c in made(name).plain.cells if c.id.startswith(cell.id))
            assert old in cell.source and old not in text and new in text


def test_the_notebooks_hold_no_outputs_and_only_the_marks_of_nbgrader(edition):
    for name in PATHS:
        nb = nbformat.read(edition / name, as_version=4)
        nbformat.validate(nb)
        for cell in nb.cells:
            assert set(cell.metadata) <= {"nbgrader", "tags", "cellView", "jupyter"}
            assert "answer" not in cell.metadata.get("tags", [])
        for cell in code_cells(nb):
            assert not cell.outputs and cell.execution_count is None
            assert "raises-exception" in cell.metadata.tags
        text = "\n".join(cell.source for cell in nb.cells)
        assert not re.search(r"^\*\*Answer\b(?!s)", text, re.M) and "Colab](" not in text


def test_marks_are_unique_and_as_nbgrader_wants_them(edition):
    ids = []
    for name in PATHS:
        for cell in nbformat.read(edition / name, as_version=4).cells:
            mark = cell.metadata.get("nbgrader")
            if mark:
                ids.append(mark["grade_id"])
                assert mark["solution"] != mark["grade"] == mark["locked"] == ("points" in mark)
                assert mark["schema_version"] == 3 and mark["task"] is False
    assert len(ids) == len(set(ids))
    assert {i for i in ids if "-answer" in i} and all(re.search("-(answer|check)", i) for i in ids)


def test_hints_and_answers_are_folded_behind_each_exercise(edition):
    name = "DL_AutoDiff_Nanograd.ipynb"
    text = (edition / "with_hints" / name).read_text(encoding="utf-8")
    assert text.count("<summary>Code</summary>") == text.count('"solution": true')
    assert "<summary>Hint</summary>" in text and "lists of Var, without overflow" not in text
    assert "<details><summary>Answer</summary>" in text


# ---- the parts ----

CELL = '''
scale = 2


# the trick
def f(x):  # (n,) -> (n,)
    """Twice x."""
    # a secret
    return scale * x


total = f(3)
assert total == 6, "wrong"
'''


def test_a_cell_is_cut_between_the_answer_with_what_it_needs_and_the_rest():
    halves = split(CELL, ["f"])
    assert "scale = 2" in halves.answer and "return" in halves.answer
    assert halves.rest.split("\n") == ["total = f(3)", 'assert total == 6, "wrong"']
    with pytest.raises(ValueError, match="does not define g"):
        split(CELL, ["g"])


def test_a_stub_keeps_head_and_docstring_and_no_comment_of_the_answer():
    text = stub(split(CELL, ["f"]).answer, ["f"], "x-a")
    assert "def f(x):  # (n,) -> (n,)" in text and "Twice x." in text
    assert "secret" not in text and "trick" not in text and "return" not in text
    assert 'raise NotImplementedError("Exercise x-a: your turn")' in text
    assert "Double." in stub(CELL, ["f"], "x-a", {"f": "Double."})


@pytest.mark.parametrize(
    "head, body",
    [
        ("def f(\n    x,  # shape:\n    y,\n):", "\n    # a secret\n    return x"),
        ("def f(x, key=lambda a:\n      a):  # (n,) -> (n,)", "\n    return x"),
        ("async def f(\n    x: int,\n) -> int:", " return x"),
        ("def f(x):", " return (x +\n    1)"),
    ],
)
def test_a_stub_keeps_the_whole_head(head, body):
    text = stub(f"{head}{body}\n", ["f"], "x-a")
    assert text == f'{head}\n    raise NotImplementedError("Exercise x-a: your turn")'
    compile(text, "stub", "exec")


def test_of_a_class_all_methods_or_some_are_left_open():
    code = "class A:\n    z: int\n    def m(self): return 1\n    def n(self):\n        return 2\n"
    assert "return" not in stub(code, ["A"], "x-a")
    assert "return 1" in stub(code, ["A.n"], "x-a") and "return 2" not in stub(code, ["A.n"], "x-a")
    with pytest.raises(ValueError, match="does not have all the methods"):
        stub(code, ["A.p"], "x-a")


def test_a_value_is_left_open_with_its_shape():
    code = "d = {}  # (n, k)\nd[2] = 7\nfor i in range(3):\n    e = i\n"
    assert stub(code, ["d"], "x-a").startswith('d = your_turn("x-a")  # (n, k)\nfor')
    assert 'e = your_turn("x-a")  # a number' in stub(code, ["e"], "x-a", {"e": "a number"})


def test_a_formula_becomes_a_function_that_the_check_calls():
    code = "a = 3\nassert a - 1 == 2\nassert 2 * a - 1 == 5\n"
    formulas = [
        {"of": "a - 1", "call": "less(x=a)", "doc": "One less."},
        {"of": "2 * a - 1", "call": "less(x=2 * a)"},
    ]
    halves = lift(code, formulas)
    assert halves.rest == "a = 3\nassert less(a) == 2\nassert less(2 * a) == 5\n"
    assert halves.answer == 'def less(x):\n    """One less."""\n    return x - 1'
    with pytest.raises(ValueError, match="does not hold b - 1"):
        lift(code, [{"of": "b - 1", "call": "less(x=b)"}])


def test_a_lambda_becomes_a_function_of_its_name():
    halves = lift("f = lambda x: x + 1", [{"of": "lambda x: x + 1", "call": "more"}])
    assert halves.answer == "def more(x):\n    return x + 1" and halves.rest == "f = more"


def test_a_method_of_a_module_is_put_back_where_it_belongs():
    code = from_modules(["nanograd.Var.tanh"], [ROOT])
    assert code.startswith("from nanograd import Var, _node") and code.endswith("Var.tanh = tanh")


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1,
        lambda x: np.ones(2) * x,
        lambda x: x.shape,
        lambda x: x == 3,
        lambda x: np.allclose(x, 1),
        lambda x: list(x),
        lambda x: f"{x:.2f}",
        lambda x: x << 1,
        lambda x: 1 >> x,
        lambda x: divmod(1, x),
        lambda x: {x},
        bool,
    ],
)
def test_whatever_is_done_with_an_open_value_names_the_exercise(use):
    with pytest.raises(NotImplementedError, match="Exercise x-a: your turn"):
        use(your_turn("x-a"))


@pytest.mark.parametrize("statement", ["x.y = 1", "del x.y", "del x[0]", "with x: pass"])
def test_statements_about_an_open_value_name_the_exercise(statement):
    with pytest.raises(NotImplementedError, match="Exercise x-a: your turn"):
        exec(statement, {"x": your_turn("x-a")})


def test_a_solution_fills_a_gap_and_says_so(solutions, capsys):
    space = {"np": np}
    solutions.use("pen-g", space)
    assert space["cross_entropy"](np.array([[0.5, 0.5]]), np.array([[1, 0]])) == np.log(2)
    assert capsys.readouterr().out == "Exercise pen-g: filled in with the project's own answer\n"
    with pytest.raises(ValueError, match="there is no exercise pen-z; there are pen-a, pen-b"):
        solutions.use("pen-z")
    with pytest.raises(ValueError, match="no notebook has exercises that begin with ink-"):
        solutions.use("ink-a")


# ---- each of these would be noticed ----


def test_a_leak_and_a_passing_mistake_would_be_noticed():
    name = "DL_Backpropagation_pen_and_paper.ipynb"
    cells = [*made(name).plain.cells]
    cells.append(nbformat.v4.new_markdown_cell("`total += W[2][j - 1, m] * h1(sum(`\n\nx"))
    answer = made(name).answers["pen-a"][0].splitlines()[-2].strip()
    cells.append(nbformat.v4.new_markdown_cell(answer))
    assert "pen-a" in leaked(cells, made(name).answers)
    same = Runner(made(name)).answers["pen-a"]
    with pytest.raises(AssertionError, match="is not there"):
        with_mistake([answer.replace("range", "span") for answer in same], "pen-a")
