"""make grade FILE=...: run filled-in practice notebooks, and list which exercises are solved.

FILE is a notebook, or a folder with one for each student. The checks are those of the practice
edition (`make practice`), whatever was changed in the submission. Every submission runs in a
process of its own that has limits and, where Linux allows it, neither network nor other files;
grading/sandbox.py tells what this isolation is and is not, and a line below the table whether it
was in force.

The exit status is 0 when grading worked, whatever the marks, and 2 when it could not begin.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from fingerprint import ROOT
from grading.marks import Released, released_in, task
from grading.points import Graded, marks_of
from grading.sandbox import Limits, Sandbox
from grading.tables import as_csv, markdown, number, one_line
from tqdm import tqdm

EDITION = ROOT / "build/practice"
AT_ONCE = 2  # submissions
CHECKPOINTS = ".ipynb_checkpoints"  # the folder in which Jupyter keeps copies


def grade(path: Path, name: str, released: list[Released], sandbox: Sandbox) -> Graded:
    """Grade one submission; what is wrong with it does not get out of here."""
    try:
        return _graded(path, name, released, sandbox)
    except Exception as error:  # the row states it, and the others are graded
        why = one_line(f"{type(error).__name__}: {error}")
        return Graded(name, problem=f"It could not be graded: {why}.")


def _graded(path: Path, name: str, released: list[Released], sandbox: Sandbox) -> Graded:
    try:
        wish = task(path, released)
    except ValueError as error:
        return Graded(name, problem=str(error))
    place = wish.released.place.parent
    cells = [{"source": cell.source, "kind": cell.kind} for cell in wish.cells]
    results, why = sandbox.run(cells, place.as_posix())
    problem = f"Its process failed: {one_line(why)}." if why else ""
    return Graded(name, wish.released.path.stem, marks_of(wish, results), problem)


def table(graded: list[Graded], single: bool) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the exercises of a single submission, otherwise a row for each."""
    if not single:
        rows = [[g.name, g.notebook, *_sum(g), _remarks(g)] for g in graded]
        return ["submission", "notebook", "points", "of", "not passed"], rows
    (one,) = graded
    rows = [
        [m.exercise, "yes" if m.passed else "no", m.message, number(m.points), number(m.most)]
        for m in one.marks
    ]
    rows.append(["total", "", one.problem, *_sum(one)])
    return ["exercise", "passed", "message", "points", "of"], rows


def _sum(graded: Graded) -> list[str]:
    return [number(graded.points), number(graded.most) if graded.marks else ""]


def _remarks(graded: Graded) -> str:
    failed = [f"{m.exercise}: {m.message}" for m in graded.marks if not m.passed]
    return "; ".join(filter(None, [graded.problem, *failed]))


def submissions(path: Path) -> dict[str, Path]:
    """Names and paths of the notebooks to be graded, sorted by name.

    Raises:
        ValueError: there are none.
    """
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise ValueError(f"There is no file or folder {path}.")
    found = [p for p in path.rglob("*.ipynb") if p.is_file() and p.parent.name != CHECKPOINTS]
    if not found:
        raise ValueError(f"There is no notebook in {path}.")
    names = {p.relative_to(path).with_suffix("").as_posix(): p for p in found}
    return dict(sorted(names.items()))


def grade_all(
    paths: dict[str, Path], released: list[Released], sandbox: Sandbox, at_once: int = AT_ONCE
) -> Iterator[Graded]:
    """Grade several submissions at a time; they come in the order in which they are done."""
    with ThreadPoolExecutor(at_once) as pool:
        jobs = [pool.submit(grade, p, name, released, sandbox) for name, p in paths.items()]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:  # Ctrl-C
            pool.shutdown(wait=False, cancel_futures=True)
            sandbox.stop()
            raise


def options() -> argparse.ArgumentParser:
    """What may stand on the command line."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("file", type=Path, help="a notebook, or a folder of them")
    parser.add_argument("--out", type=Path, help="a file for the table, .md or .csv")
    parser.add_argument("--edition", type=Path, default=EDITION, help="the practice edition")
    parser.add_argument("--seconds", type=int, default=60, help="for each cell (60)")
    parser.add_argument("--memory", type=int, default=4000, help="MB for a submission (4000)")
    parser.add_argument("--jobs", type=int, default=AT_ONCE, help="submissions at a time (2)")
    return parser


def main() -> int:
    """Do what the command line asks for.

    Returns:
        The exit status: 0, or 130 after Ctrl-C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end what runs
    try:
        _command()
    except KeyboardInterrupt:
        print("Stopped; no table was written.", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def _command() -> None:
    """Grade what the command line names, print the table, and write it if a file is named."""
    parser = options()
    wish = parser.parse_args()
    if min(wish.seconds, wish.memory, wish.jobs) < 1:
        parser.error("seconds, memory and jobs are whole numbers from 1 on")
    if wish.out and wish.out.suffix not in (".md", ".csv"):
        parser.error(f"the table is written to a file that ends in .md or .csv, not to {wish.out}")
    if wish.out and not wish.out.parent.is_dir():
        parser.error(f"there is no folder {wish.out.parent} for the table")
    try:
        paths = submissions(wish.file)
        released = released_in(wish.edition)
    except ValueError as error:
        parser.error(str(error))
    limits = Limits(wish.seconds, 4 * wish.seconds, 30 * wish.seconds, wish.memory)
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(wish.edition, limits, Path(folder))
        done = grade_all(paths, released, sandbox, wish.jobs)
        graded = sorted(tqdm(done, "graded", len(paths), unit="notebook"), key=lambda g: g.name)
    header, rows = table(graded, single=wish.file.is_file())
    shown = f"{markdown(header, rows)}\n{sandbox.note}"
    print(shown)
    if wish.out:
        text = as_csv(header, rows) if wish.out.suffix == ".csv" else f"{shown}\n"
        wish.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
