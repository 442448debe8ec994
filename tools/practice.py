"""make practice: the notebooks without their answers, for students, in build/practice.

    build/practice/              the notebooks with stubs, and the modules that they need
    build/practice/with_hints/   the same with hints and answers, folded, behind each exercise
    build/practice/solutions/    the answers as code, for `solutions.use("nanograd-c")`

The marks in the source notebooks are the single truth; practice_cells.py tells what they mean.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import practice_solutions
from fingerprint import ROOT, read, write
from practice_cells import Practice, make

BUILD = ROOT / "build/practice"
NOTEBOOKS = ("*.ipynb", "companions/*/*.ipynb")
COPIED = ("*.py", "backstage/*.*", "pyproject.toml", "requirements*.txt", "constraints.txt")
COMPANIONS = ("*.py", "models/*.py", "optimizer/*.py", "configs/*.yaml")


def build(folder: Path = BUILD) -> dict[str, Practice]:
    """Write the practice edition anew.

    Returns:
        What was made of each notebook, by its path in the project.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for path in found(*COPIED, *(f"companions/*/{pattern}" for pattern in COMPANIONS)):
        _place(folder / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    made = {}
    for path in found(*NOTEBOOKS):
        name = path.relative_to(ROOT).as_posix()
        made[name] = make(read(path), path.parent)
        write(made[name].plain, folder / name)
        write(made[name].with_hints, folder / "with_hints" / name)
    _write_solutions(folder / "solutions", made)
    page = ROOT / "PRACTICE.md"
    if page.exists():
        (folder / "README.md").write_bytes(page.read_bytes())
    return made


def found(*patterns: str) -> Iterator[Path]:
    """The project's files that fit one of the patterns."""
    for pattern in patterns:
        yield from sorted(ROOT.glob(pattern))


def _place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_solutions(folder: Path, made: dict[str, Practice]) -> None:
    main = Path(practice_solutions.__file__).read_text(encoding="utf-8")
    _place(folder / "__init__.py").write_text(main, encoding="utf-8")
    for name, practice in made.items():
        if not practice.answers:
            continue
        (module,) = {exercise.partition("-")[0] for exercise in practice.answers}
        lines = [f'"""Answers of {name}."""', "", "ANSWERS = {"]
        lines += [f"    {exercise!r}: {codes!r}," for exercise, codes in practice.answers.items()]
        text = "\n".join([*lines, "}", ""])
        (folder / f"{module}.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    made = build()
    for name, practice in made.items():
        print(f"{len(practice.answers):3d} exercises  {name}")
    print(f"{sum(len(p.answers) for p in made.values()):3d} in all, in {BUILD.relative_to(ROOT)}")
