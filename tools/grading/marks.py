"""The nbgrader marks of a notebook: which cells are answers, which are checks, and their points.

As in nbgrader, what is graded is the submission with every locked cell put back to what it was in
the released notebook: whatever a student changed in a check has no effect.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat

NUMBERED = re.compile(r"(.+)-(?:answer|check)(?:-\d+)?")
LARGEST = 20  # MB of a submission


class Cell(NamedTuple):
    """A code cell as it is run."""

    source: str
    kind: str = ""  # "answer", "check" or neither
    exercise: str = ""
    points: float = 0.0  # of a check


class Released(NamedTuple):
    """A notebook of the practice edition."""

    path: Path
    place: Path  # of the same, in the edition's folder
    cells: dict[str, nbformat.NotebookNode]  # those with marks, by their id, in order


class Task(NamedTuple):
    """A submission, ready to be run."""

    released: Released
    cells: list[Cell]
    missing: list[str]  # exercises whose answer cell is not there


def marks(cell: nbformat.NotebookNode) -> dict:
    """The nbgrader marks of a cell, {} if it has none."""
    found = cell.get("metadata", {}).get("nbgrader")
    return found if isinstance(found, dict) and isinstance(found.get("grade_id"), str) else {}


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook that somebody else wrote.

    Raises:
        ValueError: it cannot be read; the error says why, in one sentence.
    """
    try:
        if path.stat().st_size > LARGEST * 1e6:
            raise ValueError(f"It is larger than {LARGEST} MB.")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("It is no text in UTF-8, and so no notebook.") from None
    except OSError as error:
        raise ValueError(f"It cannot be opened: {error.strerror}.") from None
    try:
        nb = nbformat.reads(text, as_version=4)
        nbformat.validate(nb)
    except Exception:  # other people's JSON fails in many ways, RecursionError among them
        raise ValueError("It is no Jupyter notebook: its JSON is broken or incomplete.") from None
    return nb


def released_in(folder: Path) -> list[Released]:
    """The notebooks of a practice edition that have exercises.

    Raises:
        ValueError: there are none.
    """
    found = []
    for path in sorted(folder.rglob("*.ipynb")):
        if not {"with_hints", ".ipynb_checkpoints"} & set(path.relative_to(folder).parts):
            cells = {marks(cell)["grade_id"]: cell for cell in read(path).cells if marks(cell)}
            if any(marks(cell).get("solution") for cell in cells.values()):
                found.append(Released(path, path.relative_to(folder), cells))
    if not found:
        raise ValueError(f"There is no practice edition in {folder}: run `make practice` first.")
    return found


def task(path: Path, released: list[Released]) -> Task:
    """Prepare a submission to be run.

    Args:
        path: of the filled-in notebook; its name does not matter.
        released: the notebooks that it may have come from.

    Raises:
        ValueError: it cannot be graded; the error says why, in one sentence.
    """
    nb = read(path)
    ids = Counter(marks(cell)["grade_id"] for cell in nb.cells if marks(cell))
    origin = max(released, key=lambda one: len(ids.keys() & one.cells.keys()))
    if not ids.keys() & origin.cells.keys():
        raise ValueError("It is no practice notebook: none of its cells has a mark of one.")
    twice = [name for name, count in ids.items() if count > 1]
    if twice:
        raise ValueError(f"It has the cell {twice[0]} more than once.")
    cells = [_cell(cell, origin) for cell in _restored(nb.cells, origin)]
    there = {marks(c)["grade_id"] for c in nb.cells if marks(c) and c.cell_type == "code"}
    missing = [_exercise(name) for name in _answers(origin) if name not in there]
    return Task(origin, [cell for cell in cells if cell], missing)


def _answers(origin: Released) -> Iterator[str]:
    return (name for name, cell in origin.cells.items() if marks(cell).get("solution"))


def _exercise(name: str) -> str:
    found = NUMBERED.fullmatch(name)
    return found[1] if found else name


def _restored(cells: list, origin: Released) -> list:
    """The submission's cells with the locked ones of the released notebook among them."""
    answers = set(_answers(origin))
    done = []
    for cell in cells:
        name = marks(cell).get("grade_id")
        if name not in origin.cells:
            done.append(cell)
        else:
            done.append(cell if name in answers else origin.cells[name])
    place = 0  # behind the marked cell that comes before, in the released notebook
    for name, cell in origin.cells.items():
        names = [marks(one).get("grade_id") for one in done]
        if name in names:
            place = names.index(name) + 1
        elif name not in answers:
            done.insert(place, cell)
            place += 1
    return done


def _cell(cell: nbformat.NotebookNode, origin: Released) -> Cell | None:
    """What is run of a cell; None if it is no code."""
    if cell.cell_type != "code":
        return None
    name = marks(cell).get("grade_id")
    if name not in origin.cells:
        return Cell(cell.source)
    mark = marks(origin.cells[name])
    if mark.get("solution"):
        return Cell(cell.source, "answer", _exercise(name))
    if mark.get("grade"):
        return Cell(cell.source, "check", _exercise(name), float(mark.get("points", 1)))
    return Cell(cell.source)
