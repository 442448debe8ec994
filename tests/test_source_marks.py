"""Marks of functions: another one after every change that may matter, else the same everywhere."""

import importlib
import itertools
import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch.utils.data import TensorDataset

from backstage import source_marks
from backstage.source_marks import source_mark
from backstage.sources import ImageData


def mark(*cells, **values):
    """The mark of f, after these cells of a notebook."""
    names = {"__name__": "__main__", "In": ["", *cells], **values}
    for cell in cells:
        exec(cell, names)
    return source_mark(names["f"])


LOOP = """
def f(n):
    total = 0
    for i in range(n):
        total += i
        total *= 2
    return total
"""
LAMBDAS = """
def turned(x):
    return 5 * x
TABLE = {
    "a": lambda x: x + 1,
    "b": lambda x: turned(x),
}
def f(key):
    return TABLE[key](1)
"""
FACTORY = """
LIMIT = 1
def above(limit):
    def rule(x):
        return x > limit
    return rule
RULES = {"low": above(LIMIT), "high": above(2)}
def f(key):
    return RULES[key]
"""
REDEFINED = """
def step(x):
    return x + 7
first = step
def step(x):
    return 2 * x
def f(x):
    return first(x) + step(x)
"""
DECORATED = """
from functools import lru_cache, wraps
TIMES = 3
def times(n):
    def decorate(g):
        @wraps(g)
        def inner(x):
            return n * g(x) + 4
        return inner
    return decorate
@times(TIMES)
@lru_cache
def loss(x):
    return x - 5
def f(x):
    return loss(x)
"""
DISPATCHED = """
from functools import singledispatch
@singledispatch
def area(x):
    return 1
@area.register
def _(x: int):
    return 2
def f(x):
    return area(x)
"""
CLASSES = """
from dataclasses import dataclass, field
from functools import cached_property, partial
def scaled(x, by):
    return x * by
class Base:
    rate = 1
    scale = partial(scaled, by=3)
class Model(Base):
    def __init__(self, size):
        self.size = size
    @cached_property
    def area(self):
        return 4
    @classmethod
    def small(cls):
        return cls(5)
@dataclass
class Settings:
    depth: int = 6
    widths: list = field(default_factory=lambda: [7])
    @property
    def width(self):
        return self.widths[0] + 8
    @width.setter
    def width(self, value):
        self.widths = [value + 9]
model = Model(10)
settings = Settings(11)
def f(x):
    return model.area, settings.width, Model.small()
"""
CHANGED = """
rows = [1]
rows.append(2)
for i in range(3):
    rows[0] += i
table = {}
table["a"] = rows
extra = 4
extra += 5
def f(x):
    def inner(y):
        return [table["a"][z] for z in y], (lambda: extra)()
    return inner(x)
"""
DEFAULTS = """
from enum import Enum
class Mode(Enum):
    A = "one"
    B = "two"
mode = Mode.A
def g(x):
    return 3 * x
N = 1000001
def f(x, h=g):
    return h(x), mode, N
"""
EDITS = [
    (LOOP, "        total *= 2", "    total *= 2"),
    *[(LAMBDAS, old, new) for old, new in (("5 * x", "6 * x"), ("x + 1", "x + 2"))],
    *[(FACTORY, old, new) for old, new in (("= 1", "= 2"), ("above(2)", "above(3)"))],
    *[(REDEFINED, old, new) for old, new in (("x + 7", "x + 8"), ("2 * x", "3 * x"))],
    *[(DECORATED, old, new) for old, new in (("= 3", "= 2"), ("+ 4", "+ 5"), ("- 5", "- 6"))],
    *[(DISPATCHED, f"return {i}", "return 3") for i in (1, 2)],
    *[(CLASSES, old, "0") for old in ("1", "3", "4", "5", "6", "7", "8", "9", "10", "11")],
    *[(CHANGED, old, "7") for old in ("1", "2", "3", "4", "5")],
    *[(DEFAULTS, old, new) for old, new in (("3 * x", "4 * x"), ("1000001", "1000002"))],
    (DEFAULTS, "Mode.A", "Mode.B"),
    (DEFAULTS, '"two"', '"three"'),
]


@pytest.mark.parametrize("code, old, new", EDITS)
def test_an_edit_that_may_matter_gives_another_mark(code, old, new):
    assert old in code
    assert mark(code.replace(old, new, 1)) != mark(code)


PLAIN = """
def helper(a):
    return a + 1

def f(a):
    return helper(a)
"""
SAME = [
    PLAIN.replace("def f(a):", 'def f(a):\n    """Add.\n\n    One.\n    """'),
    PLAIN.replace("a + 1", "a + 1  # one"),
    PLAIN.replace("    return helper", "    # a comment\n\n    return helper"),
    PLAIN + "\ndef other(a):\n    return helper(a) + 2\n",
    "a = 3\n" + PLAIN + "\nb = [helper(c) for c in (1, 2)]\n",
    'def helper(a):\n    return "an old one"\n' + PLAIN,
]


@pytest.mark.parametrize("code", SAME)
def test_words_and_what_is_not_used_do_not_count(code):
    assert mark(code) == mark(PLAIN)


def test_a_cell_that_is_run_again_counts_as_it_was_last():
    edited = PLAIN.replace("+ 1", "+ 2")
    assert mark(PLAIN, edited) == mark(edited) != mark(PLAIN)
    assert mark(PLAIN, edited, PLAIN) == mark(PLAIN)
    assert mark("this is no Python"[:0], "%matplotlib inline"[:0], PLAIN) == mark(PLAIN)


TOOL = """
RATE = 1
TABLE = {"a": 2}
UNUSED = 9
def g(x):
    return RATE * x + 3
"""
USER = """
import tool as t
from tool import g as renamed
{}
"""
WAYS = ["def f(x):\n    return t.g(x)", "def f(x):\n    return renamed(x)"]
WAYS += ["def f(x):\n    return (lambda: [t.g(y) for y in x])()"]

NUMBERS = itertools.count()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Gives the mark of cells beside a module tool.py of the project that has this text."""
    monkeypatch.setattr(source_marks, "CODE_FOLDER", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def marked(text, *cells):
        name = f"tool{next(NUMBERS)}"  # Python keeps modules and their text by name
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        space = source_marks._Namespace(vars(module))
        space.name = "tool"
        monkeypatch.setattr(source_marks, "_module", lambda _: space)
        monkeypatch.setitem(sys.modules, "tool", module)
        return mark(*cells)

    return marked


@pytest.mark.parametrize("way", WAYS)
def test_modules_of_the_project_are_followed(project, way):
    cell = USER.format(way)
    plain = project(TOOL, cell)
    assert project(TOOL.replace("= 1", "= 2"), cell) != plain
    assert project(TOOL.replace("+ 3", "+ 4"), cell) != plain
    assert project(TOOL.replace("2", "8").replace("9", "7"), cell) == plain


def test_values_of_modules_count(project):
    for way in ("t.TABLE['a'] * t.RATE", "(lambda: t.TABLE)()"):
        cell = USER.format(f"def f(x):\n    return {way}")
        assert project(TOOL.replace("2", "8"), cell) != project(TOOL, cell)


def images(**changes):
    parts = {}
    for name in ("train", "val", "test"):
        x = torch.linspace(0, 1, 12).reshape(3, 1, 2, 2)
        parts[name] = TensorDataset(x, torch.tensor([0, 1, 1]))
    return ImageData(**{**parts, "source": "drawn", **changes})


USES_DATA = "few = [data.train]\ndef f(a):\n    return few[0], a"


def test_data_count_with_their_content_but_not_with_their_last_digits():
    plain = mark(USES_DATA, data=images())
    x, y = images().train.tensors
    assert mark(USES_DATA, data=images(train=TensorDataset(x * (1 + 1e-7), y))) == plain
    assert mark(USES_DATA, data=images(train=TensorDataset(x.flip(0), y))) != plain
    assert mark(USES_DATA, data=images(train=TensorDataset(x, 1 - y))) != plain
    assert mark(USES_DATA, data=images(source="another")) != plain


@pytest.mark.parametrize("thing", [len, partial(max, 1), lambda x: x, "f".upper])
def test_only_functions_with_a_def_of_their_own_have_a_mark(thing):
    with pytest.raises(TypeError, match="def of its own"):
        source_mark(thing)


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
import helpers as h
import numpy as np
from backstage.source_marks import source_mark
def f(a):
    return h.fit, h.xor_points(a, 0.1, np.random.default_rng(0)), {{1, 2, 3}}
print(source_mark(f))
"""


def test_a_mark_depends_neither_on_the_process_nor_on_the_folder(tmp_path):
    marks = set()
    for seed in ("0", "1"):
        script = tmp_path / f"folder {seed}" / "script.py"
        script.parent.mkdir()
        script.write_text(SCRIPT.format(root=str(source_marks.CODE_FOLDER)))
        env = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, script], env=env, capture_output=True, text=True, check=True
        )
        marks.add(done.stdout)
    assert len(marks) == 1


@pytest.mark.parametrize("line", ["    n = (10\n    % 7)", '    n = """\n!a\n"""'])
def test_a_line_that_begins_with_a_sign_of_ipython_stays_python(line):
    cell = f"def f(x):\n{line}\n    return n, x + 1"
    assert mark(cell) != mark(cell.replace("+ 1", "+ 2"))
    assert mark(cell) != mark(cell.replace("7", "6").replace("!a", "!b"))


def test_a_function_without_a_text_has_no_mark():
    names = {"__name__": "__main__", "In": ["", "exec('def f(): pass')"]}
    exec("def f(): pass", names)
    with pytest.raises(ValueError, match="text of the function f is nowhere"):
        source_mark(names["f"])


def test_a_function_of_the_notebook_that_is_called_as_one_of_pythons_is_followed():
    cell = "def sum(x):\n    return x + 1\ndef f(x):\n    return sum(x)"
    assert mark(cell) != mark(cell.replace("+ 1", "+ 2"))


def test_what_is_named_with_its_package_is_read_in_its_module():
    import backstage.augmentation

    names = {"__name__": "__main__", "backstage": backstage}
    cell = "import backstage.augmentation\ndef f(x, rng):\n"
    cell += "    return backstage.augmentation.random_affine(x, rng)"
    names["In"] = [cell]
    exec(cell, names)
    reached = [(use.place.name, use.name) for use in source_marks._Namespace(names).reached(1, "f")]
    assert ("backstage.augmentation", "random_affine") in reached
