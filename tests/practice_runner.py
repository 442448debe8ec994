"""Runs the cells that an exercise's check needs, in this process, with one answer or another.

The statements that a check depends on are found by the names that they use, so that an exercise in
a notebook which trains for minutes may need a second. Imports always run.
"""

import ast
import copy
import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from fingerprint import ROOT, is_colab
from practice_cells import Practice, exercise_of, is_answer
from practice_names import Cell

import helpers
import side_by_side
from backstage import report
from backstage.practice import your_turn
from nanograd import Var


class Runner:
    """A practice notebook whose checks can be run with any answers."""

    def __init__(self, practice: Practice) -> None:
        self.cells = [part for c in practice.plain.cells if _counts(c) for part in _parts(c)]
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
        imports = {k for k in range(max(ends)) if self.cells[k].imports}
        found = set(ends) | {k for k in imports if self.cells[k].kind != "answer"}
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
        """Parts up to the last check that the checks need, of cells that depend on the answers.

        Of such a cell also what does not depend on them runs again: it may be changed in place.
        """
        touched = {name for place in places for name in self.facts[place].gives}
        needed = [k for k in self.needed(checks) if k > places[0] and k not in places]
        homes = {self.cells[k].home for k in checks}
        for k in needed:
            if self.facts[k].uses & touched:
                touched |= self.facts[k].gives | self.facts[k].changes
                homes.add(self.cells[k].home)
        return [k for k in needed if self.cells[k].home in homes]

    @contextmanager
    def _undone(self) -> Iterator[None]:
        kept = dict(self.space)
        generators = {
            k: copy.deepcopy(v) for k, v in kept.items() if isinstance(v, np.random.Generator)
        }
        state = torch.get_rng_state()
        try:
            yield
        finally:
            self.space.clear()
            self.space.update(kept | generators)
            torch.set_rng_state(state)


def _counts(cell) -> bool:
    tags = cell.metadata.get("tags", [])
    return cell.cell_type == "code" and not is_colab(cell) and "practice" not in tags


def _parts(cell) -> list[Cell]:
    """A marked cell as it is; of others each statement by itself, as not all may be needed."""
    exercise = exercise_of(cell)
    if exercise:
        return [Cell(cell.source, exercise, "answer" if is_answer(cell) else "check", cell.id)]
    lines = cell.source.splitlines()
    parts = []
    start = 0
    for node in ast.parse(cell.source).body:
        if not lines[node.lineno - 1].startswith("torch.manual_seed"):  # goes with what it seeds
            parts.append(Cell("\n".join(lines[start : node.end_lineno]), home=cell.id))
            start = node.end_lineno
    return parts


@contextmanager
def kept_as_it_was(folder: Path) -> Iterator[None]:
    """Run a notebook of a folder: with its modules, in a folder of its own, and leave no trace.

    Answers may put functions into `nanograd` and `helpers`; companions have a report of their own.
    Trainings that could run side by side stay in this process, whose names other ones cannot see.
    """
    before = set(sys.modules)
    owners = [Var, helpers, side_by_side.NetStack]
    contents = [dict(vars(owner)) for owner in owners]
    place = report.report_folder()
    sys.path.insert(0, str(folder))
    try:
        with chdir(folder), mock.patch.dict(os.environ, LOKY_MAX_CPU_COUNT="1"):
            yield
    finally:
        sys.path.remove(str(folder))
        report.report_to(place)
        for owner, content in zip(owners, contents):
            for name, value in content.items():
                if getattr(owner, name) is not value and not name.startswith("__"):
                    setattr(owner, name, value)
        if folder != ROOT:
            for name in set(sys.modules) - before:
                if folder in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
                    del sys.modules[name]
