"""A short mark of what a function computes, from the text of the code: the same everywhere.

Followed are, statement by statement, all names that the function's text uses: those of the notebook
(the cells executed so far) or module that it stands in, and from there those of the project's other
modules. A statement counts with its text, without comments and docstrings, so that the mark
depends neither on Python's version nor on the folder. Of libraries the names count. Data sets that
are reached count with their content.
"""

import ast
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import NamedTuple

import torch

from backstage.settings import CODE_FOLDER
from backstage.source_statements import Statement, statements
from backstage.sources import ImageData

# Modules that report on trainings or bring data: a change there leaves results as they are.
SILENT = """
checkpoints files interrupts lung_checks phantoms plots processes records report settings
source_marks sources style tracked_values tracker tracking wandb_server
""".split()
PLAIN = ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom


def source_mark(function: Callable) -> str:
    """Eight hexadecimal digits for a function and all of the project's code and data that it uses.

    Of the statements that change a value in place, those are seen that name it: a function to which
    it was handed over may change it unseen.

    Raises:
        TypeError: it is no function that a notebook or module defines by itself, by a def.
        ValueError: its text is in none of the notebook's cells, nor in its module.
    """
    name = getattr(function, "__name__", "")
    inside = inspect.unwrap(function)
    if not isinstance(inside, FunctionType) or not name == inside.__qualname__ != "<lambda>":
        raise TypeError(f"a function that is defined by a def of its own is needed, not {function}")
    here = _Namespace(inside.__globals__)
    pieces = set()
    waiting = [_Use(here, name)]
    done = set()
    while waiting:
        place, name, before = waiting.pop()
        if (place.name, name, before) in done:
            continue
        done.add((place.name, name, before))
        for row in place.defining(name, before):
            pieces.add(f"{place.name}: {_text(place.statements[row], name)}")
            waiting += place.reached(row, name)
        value = place.values.get(name)
        if isinstance(value, ImageData):
            pieces.add(f"{name}: {_content(value)}")
    if not pieces:
        raise ValueError(f"the text of the function {function.__name__} is nowhere to be found")
    return hashlib.sha256("\n".join(sorted(pieces)).encode()).hexdigest()[:8]


class _Namespace:
    """The global names of a notebook or a module, and the statements behind them."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values
        self.name = values["__name__"]
        if isinstance(values.get("In"), list):  # IPython's
            self.name = "notebook"
            self.statements = [each for cell in values["In"] for each in statements(cell)]
        else:
            self.statements = statements(inspect.getsource(sys.modules[self.name]))

    def defining(self, name: str, before: int | None) -> Iterator[int]:
        """Where the statements stand that give a name its value, the last first."""
        for row in reversed(range(len(self.statements[:before]))):
            statement = self.statements[row]
            if name in statement.defines | statement.changes:
                yield row
            if name in statement.defines - statement.uses and isinstance(statement.node, PLAIN):
                return  # what stood here before does not count any more

    def reached(self, row: int, name: str) -> Iterator["_Use"]:
        """What the statement that defines a name leads to."""
        statement = self.statements[row]
        if isinstance(statement.node, ast.ImportFrom) and _is_followed(statement.node.module):
            yield _Use(_module(statement.node.module), _imported(statement.node, name))
        for use in statement.uses:
            base, _, attribute = use.partition(".")
            value = self.values.get(base)
            if isinstance(value, ModuleType):
                if not attribute or not _is_followed(value.__name__):
                    continue
                yield _Use(_module(value.__name__), attribute)
                inner = getattr(value, attribute, None)
                if isinstance(inner, ModuleType) and _is_followed(inner.__name__):
                    yield from _attributes(statement, _module(inner.__name__))
            elif not attribute:
                yield _Use(self, base, row)
                if statement.late:
                    yield _Use(self, base)


class _Use(NamedTuple):
    """A name that is used; before: the row of the statement that uses it, None for a function."""

    place: _Namespace
    name: str
    before: int | None = None


def _attributes(statement: Statement, place: _Namespace) -> Iterator[_Use]:
    """All that a statement may use of a module that it names with its package: package.place.x."""
    for part in ast.walk(statement.node):
        if isinstance(part, ast.Attribute):
            yield _Use(place, part.attr)


def _imported(node: ast.ImportFrom, name: str) -> str:
    """What a name was called in the module that it was imported from."""
    return next(alias.name for alias in node.names if name in (alias.asname, alias.name))


def _text(statement: Statement, name: str) -> str:
    """What counts of the statement that defines a name; of an import, that name alone."""
    if isinstance(statement.node, ast.ImportFrom):
        return f"from {statement.node.module} import {_imported(statement.node, name)}"
    return statement.text


@cache
def _module(name: str) -> _Namespace:
    return _Namespace(vars(importlib.import_module(name)))


def _is_followed(name: str | None) -> bool:
    """Whether a module is the project's, and may change what is computed."""
    file = getattr(sys.modules.get(name or ""), "__file__", None)
    if file is None or name.removeprefix("backstage.") in SILENT or name.endswith("pictures"):
        return False
    place = Path(file).resolve()
    inside = place.is_relative_to(CODE_FOLDER) and place.relative_to(CODE_FOLDER).parts
    return bool(inside) and (inside[0] in ("backstage", "companions") or len(inside) == 1)


def _content(data: ImageData) -> str:
    """The images and labels of a data set, to two digits, and where they come from."""
    digest = hashlib.sha256(data.source.encode())
    for part in (data.train, data.val, data.test):
        for tensor in part.tensors:
            hundredths = (100 * tensor.cpu()).round().to(torch.int32)
            digest.update(f"{tuple(tensor.shape)}".encode())
            digest.update(hundredths.contiguous().numpy().tobytes())
    return digest.hexdigest()
