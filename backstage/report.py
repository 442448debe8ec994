"""The report's files: figures, numbers, tables and listings, written by the cell that found them.

A quick run writes below build/quick, so that it never replaces a real result.
"""

import base64
import html
import inspect
import io
import json
import math
import os
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from filelock import FileLock
from IPython import get_ipython
from IPython.display import HTML, Image, Markdown, display
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from backstage.files import file_name, write_whole
from backstage.movies import small_png
from backstage.settings import QUICK, ROOT
from backstage.style import RED

BASE = ROOT / "build/quick" if QUICK else ROOT
_folder = BASE / "report"


def report_folder() -> Path:
    """The folder that everything is saved to: the report's, or a companion's after `report_to`."""
    return _folder


def report_to(folder: str | Path) -> None:
    """Save what follows to another folder, named from the project's root.

    Raises:
        ValueError: the folder lies outside the project.
    """
    global _folder
    wanted = Path(os.path.normpath(BASE / folder))
    if not wanted.is_relative_to(BASE):
        raise ValueError(f"a folder to save to lies in {BASE}, not at {wanted}")
    _folder = wanted


def _place(what: str, name: str, suffix: str) -> Path:
    """The path of a figure, a table or a listing of that name."""
    return report_folder() / f"{what}s" / f"{file_name(what, name)}{suffix}"


def save_figure(fig: Figure, name: str, data: object = None, *, alt: str) -> None:
    """Write a figure as vector PDF, the same bytes each time, and show it in the notebook.

    Args:
        fig: the figure; closed afterwards.
        name: of the file, figures/name.pdf in the report's folder.
        data: what the figure shows; if it has a `label` (a stand-in), that is written above.
        alt: one sentence that says what there is to see, for readers who cannot see it.

    Raises:
        ValueError: a name that is not that of one file.
    """
    _label(fig, data)
    page = io.BytesIO()
    fig.savefig(page, format="pdf", metadata={"CreationDate": None})
    write_whole(_place("figure", name, ".pdf"), page.getvalue())
    show_figure(fig, alt=alt)


def show_figure(fig: Figure, data: object = None, *, alt: str) -> None:
    """Show a figure in the notebook and close it. Arguments as in save_figure."""
    _label(fig, data)
    if get_ipython() is not None:
        display(Image(small_png(fig, 150), metadata={"alt": alt}))
    plt.close(fig)


def show_movie(gif: bytes, *, alt: str) -> None:
    """Show an animated GIF in the notebook, also in what is exported from it."""
    code = base64.b64encode(gif).decode()
    text = html.escape(alt)
    display(HTML(f'<img alt="{text}" src="data:image/gif;base64,{code}">'))


def _label(fig: Figure, data: object) -> None:
    label = getattr(data, "label", "")
    if label:
        fig.suptitle(label, color=RED)


def save_numbers(prefix: str, **numbers: object) -> None:
    r"""Record numbers for the report and the notebooks' prose, also several notebooks at once.

    `save_numbers("lungs", Dice=(0.9561, ".3f", 0.004), Seeds=3)` defines the LaTeX macros
    \lungsDice, which prints 0.956, and \lungsSeeds. Markdown cells quote them as
    <!--lungsSeeds-->3<!--/-->.

    Args:
        prefix: letters, the first a small one, the same for all numbers of a part of the report.
        numbers: by name (letters only) a value, or (value, format), or (value, format, spread): how
            far another run's value may lie away. A text is LaTeX, its % and # without backslash.

    Raises:
        ValueError: a name not of letters, a value not finite, a text not one line of LaTeX.
    """
    if not re.fullmatch("[a-z][A-Za-z]*", prefix):
        raise ValueError(f"a prefix is letters, the first a small one, not {prefix!r}")
    entries = {prefix + name: _entry(prefix + name, number) for name, number in numbers.items()}
    path = report_folder() / "numbers.json"
    lock = ROOT / "build/numbers.lock"
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        record = dict(sorted((record | entries).items()))
        lines = [rf"\newcommand{{\{k}}}{{{_latex(k, v['text'])}}}" for k, v in record.items()]
        write_whole(path, json.dumps(record, indent=0, ensure_ascii=False) + "\n")
        write_whole(path.with_suffix(".tex"), "\n".join(lines) + "\n")


def _entry(name: str, number: object) -> dict:
    """One number of the record: how it is printed, its value and its spread."""
    if not re.fullmatch("[A-Za-z]+", name):
        raise ValueError(f"a number's name is all letters, not {name!r}")
    value, spec, spread = (*number, None)[:3] if isinstance(number, tuple) else (number, "", None)
    if isinstance(value, str):
        return {"text": format(value, spec)}
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}: nothing to report")
    entry = {"text": format(value, spec), "value": float(f"{value:.6g}")}
    if spread is not None:
        entry["spread"] = float(f"{spread:.3g}")
    return entry


def _latex(name: str, text: str) -> str:
    """A text as one line of LaTeX, in which % and # print themselves."""
    plain = re.sub(r"\\.", "", text)  # without \{, \% and the like
    if re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", text):
        raise ValueError(f"{name} must be text on one line, not {text!r}")
    if plain.count("{") != plain.count("}") or plain.endswith("\\"):
        raise ValueError(f"{name} needs a closing brace for each opening one, not {text!r}")
    return re.sub(r"\\.|[%#]", lambda found: "\\" * (found[0] in "%#") + found[0], text)


def save_table(name: str, rows: Sequence[Sequence[str] | None]) -> None:
    """Write rows of cells (None: a rule) as a LaTeX table's body, tables/name.tex.

    Raises:
        ValueError: a name that is not that of one file, or a cell that is not one line of LaTeX.
    """
    path = _place("table", name, ".tex")
    cell = partial(_latex, f"a cell of table {name}")
    pages = [" & ".join(cell(str(one)) for one in row or ()) for row in rows]
    lines = [r"\midrule" if row is None else rf"{page} \\" for row, page in zip(rows, pages)]
    write_whole(path, "\n".join(lines) + "\n")


def save_listing(name: str, thing: Callable | str, first: str = "", last: str = "") -> None:
    """Write source code for the report to show, listings/name.py.

    Args:
        name: of the file.
        thing: a function or class, or a text.
        first, last: words in the first and in the last line to keep; empty: no line is left out.

    Raises:
        ValueError: no line holds these words, or a name that is not that of one file.
    """
    source = thing if isinstance(thing, str) else inspect.getsource(thing)
    lines = source.rstrip().splitlines()
    starts = [i for i, line in enumerate(lines) if first in line]
    stops = [i for i, line in enumerate(lines) if starts and i >= starts[0] and last in line]
    if not stops:
        raise ValueError(f"no lines from {first!r} to {last!r} in the source for listing {name}")
    stop = stops[0] if last else len(lines) - 1
    text = textwrap.dedent("\n".join(lines[starts[0] : stop + 1]))
    write_whole(_place("listing", name, ".py"), text + "\n")


def say(text: str) -> None:
    """Show a one-line finding in the notebook as Markdown."""
    display(Markdown(text))


def show_source(*things: Callable) -> None:
    """Show the source of functions or classes in the notebook, with colours."""
    for thing in things:  # without the div, nbconvert would not export it in a fixed width
        code = inspect.getsource(thing).rstrip()
        say(f'<div style="font-family: monospace">\n\n```python\n{code}\n```\n\n</div>')
