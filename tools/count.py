"""Count what makes the project easy or hard to read: python tools/count.py [FOLDER]

A plot line is a line of a statement that names plt, fig, ax, axs, axes or a name that begins with
fig_ or ax_, in any place but an import; of a compound statement (for, with, def) only the header
counts. Blank lines and comments are no lines of code. The Colab cell is left out everywhere.

A name h.x is shown if a cell passes it to show_source, explained if prose names it in `code`.
"""

import argparse
import ast
import re
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from fingerprint import ROOT, code_cells, plain_code, read
from layout import runs

PLOT = re.compile(r"\b(?:plt|figs?|axs?|axes|(?:fig|ax)_\w+)\b(?!=)")
LONG_CELL = 25  # lines
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Function:
    """A function or method: its name and its lines, whole and without docstring and blank lines."""

    name: str
    whole: int
    code: int


def functions(source: str) -> list[Function]:
    """All functions and methods of a module, those inside others too."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTION):
            lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
            code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
            found.append(Function(node.name, len(lines), len(code) - _docstring_lines(node)))
    return found


def _docstring_lines(node: ast.AST) -> int:
    doc = ast.get_docstring(node, clean=False)
    return sum(bool(line.strip()) for line in doc.splitlines()) if doc else 0


def top_level_names(source: str) -> list[str]:
    """Functions and classes that a module defines itself."""
    kinds = (*FUNCTION, ast.ClassDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds)]


def hidden_imports(source: str, own: Iterable[str]) -> int:
    """Imports of the project's own modules that stand inside a function."""
    count = 0
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, FUNCTION):
            for node in ast.walk(function):
                module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [module]
                count += sum(bool(name) and name.split(".")[0] in own for name in names)
    return count


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code."""
    lines = enumerate(source.splitlines(), 1)
    return {i for i, line in lines if line.strip() and not line.strip().startswith("#")}


def plot_lines(source: str) -> set[int]:
    """Numbers of the lines that draw, as defined above."""
    lines = source.splitlines()
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            span = range(node.lineno, max(last, node.lineno) + 1)
            if PLOT.search("\n".join(lines[i - 1] for i in span)):
                found |= set(span)
    return found & code_lines(source)


def notebook_row(path: Path) -> str:
    """One line of the table of notebooks."""
    nb = read(path)
    cells = [cell.source for cell in code_cells(nb)]
    sources = [plain_code(cell) for cell in cells]
    total = sum(len(code_lines(source)) for source in sources)
    plots = sum(len(plot_lines(source)) for source in sources)
    names = sorted(set(re.findall(r"\bh\.([A-Za-z_]\w*)", "\n".join(sources))))
    counts = [
        sum(len(cell.splitlines()) > LONG_CELL for cell in cells),
        sum(len(run) > 2 for run in runs(nb)),
        sum(len(line) > 100 for cell in cells for line in cell.splitlines()),
        f"{100 * plots / max(1, total):.0f} %",
        len(names),
        sum(name not in introduced(nb) for name in names),
    ]
    return f"{path.stem:34s}" + "".join(f"{count!s:>9s}" for count in counts)


def introduced(nb: nbformat.NotebookNode) -> set[str]:
    """Names that prose mentions in `code`, or whose source a cell shows."""
    prose = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in code_cells(nb))
    spans = re.findall(r"```.*?```|`[^`\n]+`", prose, re.S)
    spans += re.findall(r"show_source\(([^()]*)\)", code)
    return {word for span in spans for word in re.findall(r"\w+", span)}


def module_rows(folder: Path) -> Iterator[str]:
    """Lines about the project's modules."""
    paths = [*sorted(folder.glob("*.py")), *sorted(folder.glob("backstage/*.py"))]
    own = {path.stem for path in paths if path.parent == folder} | {"backstage"}
    for path in paths:
        source = path.read_text(encoding="utf-8")
        found = functions(source)
        row = f"{path.relative_to(folder).as_posix():34s}{len(source.splitlines()):9d}"
        row += f"{len(top_level_names(source)):9d}{hidden_imports(source, own):9d}"
        if found:
            longest = max(found, key=lambda f: f.code)
            row += f"{statistics.median(f.code for f in found):9g}{longest.code:9d}"
            row += f"{statistics.median(f.whole for f in found):9g}"
            row += f"{max(f.whole for f in found):9d}  {longest.name}"
        yield row


def main() -> None:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT)
    folder = parser.parse_args().folder
    print("Modules. names: functions and classes at the top; hidden: own modules imported inside")
    print("functions; median and longest function: code alone, then with docstring and blank lines")
    headings = ("lines", "names", "hidden", "median", "longest", "median", "longest")
    print(f"{'':34s}" + "".join(f"{heading:>9s}" for heading in headings))
    print("\n".join(module_rows(folder)))
    print(
        f"\nNotebooks. long: cells over {LONG_CELL} lines; runs: of three or more code cells; wide:"
    )
    print("lines over 100 columns; plots: share of plot lines; h.*: names used; unsaid: of these,")
    print("neither shown nor explained in the notebook")
    headings = ("long", "runs", "wide", "plots", "h.*", "unsaid")
    print(f"{'':34s}" + "".join(f"{heading:>9s}" for heading in headings))
    for path in [*sorted(folder.glob("*.ipynb")), *sorted(folder.glob("companions/*/*.ipynb"))]:
        print(notebook_row(path))


if __name__ == "__main__":
    main()
