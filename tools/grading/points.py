"""Which exercises of a submission are solved, by what came of its cells."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from grading.marks import Task
from grading.tables import one_line


@dataclass
class Mark:
    """What came of an exercise."""

    exercise: str
    most: float = 0.0
    points: float = 0.0
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether all of its checks passed."""
        return not self.message


@dataclass
class Graded:
    """What came of a submission."""

    name: str
    notebook: str = ""
    marks: list[Mark] = field(default_factory=list)
    problem: str = ""  # why it could not be graded, or not to its end

    @property
    def points(self) -> float:
        """All points that were reached."""
        return sum(mark.points for mark in self.marks)

    @property
    def most(self) -> float:
        """All points that could be reached."""
        return sum(mark.most for mark in self.marks)


def results_in(content: bytes) -> Iterator[dict]:
    """The results among the lines that runner.py, or somebody in its place, has written."""
    for line in content.decode(errors="replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            result = json.loads(line)
            if _is_result(result):
                yield result


def _is_result(found: object) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() == {"cell", "error", "filled"}
        and isinstance(found["cell"], int)
        and isinstance(found["error"], str | None)
        and isinstance(found["filled"], list)
    )


def marks_of(wish: Task, results: list[dict]) -> list[Mark]:
    """The marks that follow from what came of the cells.

    Args:
        wish: the submission.
        results: number and error of the answers and checks that were run, and the exercises that
            were filled in with the project's own answer by then.
    """
    by_cell = {result["cell"]: result for result in reversed(results)}
    marks = {}
    for cell in wish.cells:
        if cell.kind == "check":
            marks.setdefault(cell.exercise, Mark(cell.exercise))
    for exercise in wish.missing:
        if exercise in marks:
            marks[exercise].message = "its answer cell is missing"
    for place, cell in enumerate(wish.cells):
        if cell.exercise in marks:
            mark = marks[cell.exercise]
            error = _error(cell.exercise, by_cell.get(place))
            if cell.kind == "check":
                mark.most += cell.points
                mark.points += cell.points * (not error)
            mark.message = mark.message or error
    for mark in marks.values():
        if mark.points == mark.most:  # an error in an answer that passes its checks is none
            mark.message = ""
    return list(marks.values())


def _error(exercise: str, result: dict | None) -> str:
    """Why a cell does not count, "" if it does."""
    if result is None:
        return "was not run"
    if exercise in result.get("filled", []):
        return "filled in with the project's own answer"
    return one_line(str(result["error"])) if result.get("error") else ""
