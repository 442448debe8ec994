"""One notebook of the practice edition, made from the marks in the cells of its source.

Marks are metadata. A code cell with nbgrader's `solution` holds an answer, one with `grade` its
check. Beside them, `metadata.practice` may tell more of an answer: `names` (what the student is to
give; otherwise all functions and classes of the cell), `shapes` of variables, `lift` (formulas to
make functions of, see practice_formulas), `show` (parts of a module to be written, as in
`nanograd.Var.tanh`), `docs` in place of docstrings that give an answer away, and `hint`.
`reword` exchanges words of a check that give the answer away.

A cell with the tag `answer` is left out, of Markdown only what comes before a heading. In other
Markdown, what follows **Answer.** or the comment <!-- answer --> is cut, up to the next heading or
**Question.**
"""

import copy
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from fingerprint import ROOT, is_colab
from nbformat.v4 import new_code_cell, new_markdown_cell
from practice_formulas import lift
from practice_modules import from_modules
from practice_stubs import Halves, default_names, split, stub

ID = re.compile(r"(?P<exercise>.+)-(?:answer|check)(?:-\d+)?$")
BADGE = re.compile(r"\n*\[!\[Open in Colab\].*")
CUT = re.compile(
    r"^(?:\*\*Answer\b[^*\n]*\*\*|<!-- answer -->).*?(?=^#{1,6} |^\*\*Question|\Z)", re.M | re.S
)
START = re.compile(r"\A(?:#.*\Z|.*?(?=^#{1,6} |\Z))", re.M | re.S)
SHOWS = re.compile(r"(h\.show_source\([^()]*\)\s*)+\Z")
PLACE = "**Your answer.** …"
KEEP_GOING = "raises-exception"  # Jupyter runs on after an error in a cell with this tag
INTRODUCTION = """

**Practice edition.** The answers are yours to give: in words where it reads *Your answer*, in code
where it reads *your turn*. The checks are as they were, and tell what is wrong. Cells that need an
answer which is not there yet name its exercise; `solutions.use("{example}")` fills that gap."""
SET_UP = """# @title Practice: where unsolved exercises and their solutions come from
import importlib.util
import subprocess
import sys
from pathlib import Path

folders = [f for f in (Path.cwd(), *Path.cwd().parents) if (f / "solutions/__init__.py").exists()]
if not folders and "google.colab" in sys.modules:
    project = Path(importlib.util.find_spec("helpers").origin).parent
    subprocess.run([sys.executable, project / "tools/practice.py"], check=True)
    folders = [project / "build/practice"]
sys.path[:0] = map(str, folders[:1])

from backstage.practice import your_turn  # noqa: F401

try:
    import solutions  # noqa: F401
except ImportError:
    print("There are no solutions here: an exercise has to be solved before others can use it.")"""
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["practice", KEEP_GOING]}


@dataclass
class Practice:
    """The two notebooks that a source gives, and the original answers by exercise."""

    plain: nbformat.NotebookNode
    with_hints: nbformat.NotebookNode
    answers: dict[str, list[str]] = field(default_factory=dict)


def exercise_of(cell: nbformat.NotebookNode) -> str:
    """The exercise that a marked cell belongs to, as in nanograd-c; "" for other cells."""
    found = ID.match(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
    return found["exercise"] if found else ""


def is_answer(cell: nbformat.NotebookNode) -> bool:
    """Whether a code cell is marked as an answer."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def make(source: nbformat.NotebookNode, folder: Path = ROOT) -> Practice:
    """Make the practice notebooks of a source; it stays as it is.

    Args:
        source: a notebook with marks.
        folder: where it lies, with modules of its own.
    """
    checked = {exercise_of(c) for c in source.cells if exercise_of(c) and not is_answer(c)}
    last = {exercise_of(c): c.id for c in source.cells if is_answer(c)}
    done = Practice(*(_empty(source) for _ in range(2)))
    exercises = [exercise_of(cell) for cell in source.cells if is_answer(cell)]
    for number, cell in enumerate(source.cells):
        if cell.cell_type == "markdown":
            _markdown(done, cell, exercises[0] if exercises and number == 0 else "")
        elif is_colab(cell):
            _both(done, copy.deepcopy(cell))
            _both(done, new_code_cell(SET_UP, id="practice", metadata=FOLDED))
        elif "answer" in cell.metadata.get("tags", []):
            done.with_hints.cells.append(_folded(cell, f"```python\n{cell.source}\n```"))
        elif is_answer(cell):
            checks = exercise_of(cell) not in checked and last[exercise_of(cell)] == cell.id
            _answer(done, cell, checks, [folder, ROOT])
        else:
            _both(done, _code(cell, cell.source))
    return done


def _empty(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    nb = nbformat.v4.new_notebook(metadata=copy.deepcopy(source.metadata))
    nb.metadata.pop("coursework", None)
    return nb


def _both(done: Practice, cell: nbformat.NotebookNode) -> None:
    for nb in (done.plain, done.with_hints):
        nb.cells.append(copy.deepcopy(cell))


def _code(
    cell: nbformat.NotebookNode, source: str, mark: dict | None = None, suffix: str = ""
) -> nbformat.NotebookNode:
    """A code cell without outputs that Jupyter runs on after, whatever it raises."""
    metadata = {k: v for k, v in cell.metadata.items() if k not in ("practice", "nbgrader")}
    metadata["tags"] = [*metadata.get("tags", []), KEEP_GOING]
    grader = mark or cell.metadata.get("nbgrader")
    if grader:
        metadata["nbgrader"] = dict(grader)
        metadata.pop("cellView", None)  # marked cells are there to be read
        metadata.pop("jupyter", None)
    for old, new in cell.metadata.get("practice", {}).get("reword", []):
        source = source.replace(old, new)
    return new_code_cell(source, id=cell.id + suffix, metadata=metadata)


def _folded(cell: nbformat.NotebookNode, text: str, title: str = "Answer") -> nbformat.NotebookNode:
    return new_markdown_cell(_details(text, title), id=f"{cell.id}-{title.lower()}")


def _details(text: str, title: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text.strip()}\n\n</details>"


def _markdown(done: Practice, cell: nbformat.NotebookNode, example: str) -> None:
    tagged = "answer" in cell.metadata.get("tags", [])
    plain = with_hints = cell.source
    if tagged:
        plain = START.sub("", plain, count=1)
        with_hints = START.sub(_fold, with_hints, count=1)
    plain = CUT.sub(f"{PLACE}\n\n", plain).strip()
    with_hints = CUT.sub(lambda found: f"{PLACE}\n\n{_fold(found)}", with_hints).strip()
    note = INTRODUCTION.format(example=example) if example else ""
    for nb, text in ((done.plain, plain), (done.with_hints, with_hints)):
        if text:
            nb.cells.append(new_markdown_cell(BADGE.sub("", text) + note, id=cell.id))


def _fold(found: re.Match) -> str:
    return _details(found[0], "Answer") + "\n\n" if found[0].strip() else ""


def _answer(done: Practice, cell: nbformat.NotebookNode, checks: bool, folders: list[Path]) -> None:
    """Put the stub of an answer, and what else stands in its cell, into both notebooks.

    What else stands there is the exercise's check if `checks`.
    """
    wish = cell.metadata.get("practice", {})
    exercise = exercise_of(cell)
    if "lift" in wish:
        halves = lift(cell.source, wish["lift"])
        names = default_names(halves.answer)
    else:
        shown = from_modules(wish["show"], folders) if "show" in wish else ""
        names = wish.get("names") or default_names(shown or cell.source)
        rest = "" if SHOWS.match(cell.source) else cell.source
        halves = Halves(shown, rest) if shown else split(cell.source, names)
    done.answers.setdefault(exercise, []).append(halves.answer)
    texts = {**wish.get("shapes", {}), **wish.get("docs", {})}
    _both(done, _code(cell, stub(halves.answer, names, exercise, texts)))
    if "hint" in wish:
        done.with_hints.cells.append(_folded(cell, wish["hint"], "Hint"))
    code = f"```python\n{halves.answer}\n```"
    done.with_hints.cells.append(_folded(cell, code, "Code"))
    if halves.rest:
        mark = _check_mark(cell) if checks else {}
        rest = _code(cell, halves.rest, mark, "-check")
        if not mark:
            rest.metadata.pop("nbgrader")
        _both(done, rest)


def _check_mark(cell: nbformat.NotebookNode) -> dict:
    mark = dict(cell.metadata.nbgrader)
    grade_id = re.sub(r"-answer(-\d+)?$", r"-check\1", mark["grade_id"])
    return (
        mark
        | {"grade": True, "solution": False, "locked": True, "points": 1}
        | {"grade_id": grade_id}
    )
