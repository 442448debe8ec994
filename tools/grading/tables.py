"""The results of grading as tables, in Markdown or CSV."""

import csv
import io
import re
from collections.abc import Sequence

SHOWN = 300  # characters of a message
FORMULA = "=+-@\t\r"  # with one of these, a cell of a spreadsheet begins that computes something


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown whose texts are shown as they are."""
    lines = [[_shown(text) for text in row] for row in (header, *rows)]
    lines.insert(1, ["---"] * len(header))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _shown(text: object) -> str:
    text = " ".join(_whole(text).split()).replace("\\", "\\\\")
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([|`*_~\[\]$])", r"\\\1", text)


def as_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The same as CSV; a spreadsheet takes every text as a text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [_harmless(text) for text in row] for row in (header, *rows)
    )
    return out.getvalue()


def _harmless(text: object) -> str:
    text = " ".join(_whole(text).split())
    return f"'{text}" if text.startswith(tuple(FORMULA)) else text


def _whole(text: object) -> str:
    """The text as it can be written in UTF-8; names of files may hold what cannot."""
    return str(text).encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    """A text without colours, line breaks and other invisible signs, cut to a moderate length."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text[: 10 * SHOWN])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def number(points: float) -> str:
    """Points without needless decimals."""
    return f"{points:g}"
