"""The folded list near the top of a notebook: what the names from helpers do that it uses.

Each line is the first line of a docstring, so that list and code cannot drift apart.
"""

import inspect
import re

import nbformat
from fingerprint import code_cells

import helpers

ID = "names-from-helpers"
OPENING = """<details><summary>What the names from <code>helpers</code> do</summary>

`import helpers as h` brings what several notebooks share. In Jupyter, `h.track?` shows the whole
description of a name, and `h.track??` its code.
"""
CLOSING = "\n</details>"
CONSTANTS = "\nConstants (colours, widths, folders, whether this is the quick form): `{}`."


def names_used(nb: nbformat.NotebookNode) -> list[str]:
    """The names x that a notebook's code uses as h.x."""
    code = "\n".join(cell.source for cell in code_cells(nb))
    return sorted(set(re.findall(r"\bh\.([A-Za-z_]\w*)", code)), key=str.lower)


def glossary(nb: nbformat.NotebookNode) -> str:
    """The list as Markdown."""
    lines = []
    constants = []
    for name in names_used(nb):
        thing = getattr(helpers, name)
        if callable(thing):
            lines.append(f"* `h.{name}`: {inspect.getdoc(thing).splitlines()[0]}")
        else:
            constants.append(f"h.{name}")
    rest = CONSTANTS.format("`, `".join(constants)) if constants else ""
    return "\n".join([OPENING, *lines, rest, CLOSING])


def put_glossary(nb: nbformat.NotebookNode) -> None:
    """Write the list below the cell that imports helpers, if there is one, in place of an older."""
    nb.cells = [cell for cell in nb.cells if cell.get("id") != ID]
    for i, cell in enumerate(nb.cells):
        if "import helpers as h" in cell.source:
            nb.cells.insert(i + 1, nbformat.v4.new_markdown_cell(glossary(nb), id=ID))
            return
