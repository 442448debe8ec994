"""Where the project lies, whether this is a quick run, and whether progress bars are shown."""

import functools
import os
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from tqdm.auto import tqdm

T = TypeVar("T")
_levels: list[str] = []  # how far the loops are that run now, the outermost first


def is_set(variable: str) -> bool:
    """Whether an environment variable is set, and not to 0."""
    return os.environ.get(variable, "0") not in ("", "0")


CODE_FOLDER = Path(__file__).resolve().parent.parent  # that of helpers.py
# The project's folder; the notebook's where pip has installed the code without it.
ROOT = CODE_FOLDER if (CODE_FOLDER / "pyproject.toml").is_file() else Path.cwd()
QUICK = is_set("COURSEWORK_QUICK")  # fewer repeats, same code path


def quick(full: T, short: T) -> T:
    """Choose between the value of a real run and that of a quick one (COURSEWORK_QUICK=1)."""
    return short if QUICK else full


def bars_hidden() -> bool:
    """Whether TQDM_DISABLE=1 asks for no progress bars, also in notebooks."""
    return is_set("TQDM_DISABLE")


@functools.cache
def print_once(line: str) -> None:
    """Print a line unless this process has printed it before."""
    print(line)


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """Walk through items behind a progress bar that disappears at the end.

    Where bars are hidden and COURSEWORK_PROGRESS names a file, the file holds how far one is: the
    notebook runner shows it.
    """
    place = os.environ.get("COURSEWORK_PROGRESS")
    if place and bars_hidden():
        return _reported(items, description, total, Path(place))
    return tqdm(items, description, total, leave=False, disable=bars_hidden())


def _reported(items: Iterable[T], description: str, total: int | None, place: Path) -> Iterator[T]:
    level = len(_levels)
    whole = total or (len(items) if isinstance(items, Sized) else "?")
    try:
        for done, item in enumerate(items):
            _levels[level:] = [f"{description} {done}/{whole}"]
            place.write_text(", ".join(_levels), encoding="utf-8")
            yield item
    finally:  # also after an error or a break in the loop
        del _levels[level:]
