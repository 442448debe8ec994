"""The layout of a notebook: short cells and lines, prose in between, folded cells with a title."""

import re
from collections.abc import Iterator
from itertools import groupby

import nbformat
from fingerprint import code_cells, is_colab

TITLE = re.compile(r"# ?@title \S")  # the formatter writes the space
WIDTH = 100  # columns
RUN = 2  # code cells without prose in between
STORED = "Numbers in the text are those of the stored run"


def layout_problems(nb: nbformat.NotebookNode, limit: int) -> Iterator[str]:
    """What makes a notebook hard to read, one sentence each.

    Args:
        nb: as it is stored.
        limit: lines that a code cell may have.
    """
    if STORED not in nb.cells[0].source:
        yield f'its first cell does not say "{STORED}"'
    for cell in code_cells(nb):
        yield from _cell_problems(cell, limit)
    for run in runs(nb):
        if len(run) > RUN:
            yield f"{len(run)} code cells in a row, from {_name(run[0])}"
    for cell in nb.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            yield from _folding_problems(cell)


def runs(nb: nbformat.NotebookNode) -> list[list[nbformat.NotebookNode]]:
    """The code cells between two pieces of prose; the Colab cell does not count."""
    cells = [cell for cell in nb.cells if not is_colab(cell)]
    groups = groupby(cells, key=lambda cell: cell.cell_type == "code")
    return [list(group) for code, group in groups if code]


def _cell_problems(cell: nbformat.NotebookNode, limit: int) -> Iterator[str]:
    lines = cell.source.splitlines()
    if len(lines) > limit:
        yield f"{len(lines)} lines, more than {limit}, in {_name(cell)}"
    for line in lines:
        if len(line) > WIDTH:
            yield f"a line of {len(line)} columns in {_name(cell)}: {line.strip()[:50]}"
    for output in cell.outputs:
        if "image/png" in output.get("data", {}) and not _alternative_text(output).strip():
            yield f"a figure without alternative text in {_name(cell)}"
        for image in re.findall(r"<img\b[^>]*", output.get("data", {}).get("text/html", "")):
            if not re.search(r'\balt="[^"]', image):
                yield f"an image without alternative text in {_name(cell)}"


def _alternative_text(output: nbformat.NotebookNode) -> str:
    return output.get("metadata", {}).get("image/png", {}).get("alt", "")


def _folding_problems(cell: nbformat.NotebookNode) -> Iterator[str]:
    if cell.metadata.get("cellView") != "form":
        yield f'a folded cell is not folded on Colab (cellView: "form"): {_name(cell)}'
    if not TITLE.match(cell.source):
        yield f"a folded cell does not begin with # @title: {_name(cell)}"


def _name(cell: nbformat.NotebookNode) -> str:
    lines = cell.source.splitlines() or [""]
    return f"{cell.get('id', 'a cell')} ({lines[0][:50]})"
