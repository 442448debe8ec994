"""Runs the cells that an exercise's check needs, in this process, with one answer or another.

The cells that a check depends on are found by the names that they use, so that an exercise in a
notebook which trains for minutes may need a second. Cells with imports always run.
"""

import ast
import copy
import linecache
import symtable
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from fingerprint import is_colab
from practice_cells import Practice, exercise_of, is_answer

from backstage.practice import your_turn


@dataclass
class Cell:
    """A code cell: what it says, and which names it uses, gives and changes."""

    source: str
    exercise: str = ""
    kind: str = ""  # "answer", "check" or neither
    uses: set[str] = field(default_factory=set)
    gives: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    imports: bool = False

    def __post_init__(self):
        for node in ast.parse(self.source).body:
            table = symtable.symtable(ast.unparse(node), "", "exec")
            symbols = table.get_symbols()
            given = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
            used = {s.get_name() for s in symbols if s.is_referenced()}
            used |= set(_global_names(table))
            self.uses |= used - self.gives - (given if isinstance(node, ast.FunctionDef) else set())
            self.gives |= given
            self.changes |= _changed(node)
            self.imports |= isinstance(node, ast.Import | ast.ImportFrom)


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        yield from (s.get_name() for s in child.get_symbols() if s.is_global())
        yield from _global_names(child)


def _changed(node: ast.stmt) -> set[str]:
    """Names of what a statement changes in place: a part of it, by an operator, by a call."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return set()
    names = set()
    for inner in ast.walk(node):
        place = inner
        if isinstance(inner, ast.AugAssign):
            place = inner.target
        elif isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            place = inner.value.func
        elif not isinstance(getattr(inner, "ctx", None), ast.Store):
            continue
        while isinstance(place, ast.Subscript | ast.Attribute | ast.Call):
            place = place.func if isinstance(place, ast.Call) else place.value
        names |= {place.id} if isinstance(place, ast.Name) else set()
    return names


class Runner:
    """A practice notebook whose checks can be run with any answers."""

    def __init__(self, practice: Practice) -> None:
        self.cells = [_cell(c) for c in practice.plain.cells if _counts(c)]
        self.answers = practice.answers
        self.facts = [self._solved(k) for k in range(len(self.cells))]
        modules = {name for cell in self.facts if cell.imports for name in cell.gives}
        for cell in self.facts:
            cell.changes -= modules | cell.gives
        self.space = {"__name__": "__main__", "your_turn": your_turn, "In": []}

    def exercises(self) -> list[str]:
        """Those that have a check, in the order of their last check."""
        last = {c.exercise: k for k, c in enumerate(self.cells) if c.kind == "check"}
        return sorted(last, key=last.get)

    def needed(self, ends: list[int]) -> list[int]:
        """The cells that those of these numbers depend on, with them."""
        found = set(ends) | {k for k, c in enumerate(self.cells) if c.imports}
        waiting = list(found)
        while waiting:
            k = waiting.pop()
            new = {j for name in self.facts[k].uses for j in self._givers(name, k)} - found
            found |= new
            waiting += new
        return sorted(found)

    def _givers(self, name: str, k: int) -> Iterator[int]:
        for j in reversed(range(k)):
            cell = self.facts[j]
            if name in cell.gives:
                yield j
                if name not in cell.uses:
                    return
            elif name in cell.changes:
                yield j

    def _solved(self, k: int) -> Cell:
        """A cell as it is with the project's own answer."""
        return Cell(self.original(k)) if self.cells[k].kind == "answer" else self.cells[k]

    def places(self, exercise: str, kind: str) -> list[int]:
        """Where the answers or checks of an exercise are."""
        return [k for k, c in enumerate(self.cells) if c.exercise == exercise and c.kind == kind]

    def original(self, k: int) -> str:
        """The project's own answer of an answer cell."""
        exercise = self.cells[k].exercise
        return self.answers[exercise][self.places(exercise, "answer").index(k)]

    def run(self, k: int, source: str | None = None) -> None:
        """Run a cell; an answer cell as the project has it unless another source is given."""
        cell = self.cells[k]
        if source is None:
            source = self.original(k) if cell.kind == "answer" else cell.source
        name = f"<cell {k} of {id(self)} {hash(source)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.space)

    def outcome(self, exercise: str, answers: list[str]) -> Exception | None:
        """What the checks of an exercise raise with other answers; all is then as before."""
        places = self.places(exercise, "answer")
        checks = self.places(exercise, "check")
        with self._undone():
            try:
                for place, source in zip(places, answers, strict=True):
                    self.run(place, source)
                for k in self._between(places, checks):
                    self.run(k)
            except Exception as error:
                return error
            finally:
                for place in places:  # some answers change what they did not make
                    self.run(place)
        return None

    def _between(self, places: list[int], checks: list[int]) -> list[int]:
        """Cells up to the last check that depend on the answers and that the checks need."""
        touched = {name for place in places for name in self.facts[place].gives}
        chosen = []
        for k in self.needed(checks):
            cell = self.facts[k]
            if k > places[0] and k not in places and cell.uses & touched:
                touched |= cell.gives | cell.changes
                chosen.append(k)
        return chosen

    @contextmanager
    def _undone(self) -> Iterator[None]:
        kept = dict(self.space)
        generators = {k: copy.deepcopy(v) for k, v in kept.items() if isinstance(v, Generator)}
        state = torch.get_rng_state()
        try:
            yield
        finally:
            self.space.clear()
            self.space.update(kept | generators)
            torch.set_rng_state(state)


Generator = np.random.Generator


def _counts(cell) -> bool:
    tags = cell.metadata.get("tags", [])
    return cell.cell_type == "code" and not is_colab(cell) and "practice" not in tags


def _cell(cell) -> Cell:
    exercise = exercise_of(cell)
    kind = ("answer" if is_answer(cell) else "check") if exercise else ""
    return Cell(cell.source, exercise, kind)


@contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Let a notebook import what lies beside it; afterwards those modules are forgotten."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if folder in Path(file).parents and folder.name != "":
                del sys.modules[name]
