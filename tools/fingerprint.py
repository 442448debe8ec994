"""Fingerprints of notebooks: what a notebook computes, and all that its results depend on."""

import ast
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from backstage.files import write_whole
from backstage.settings import is_set

ROOT = Path(__file__).resolve().parent.parent

FILES = {  # by the loader that a notebook calls, what it looks for in a folder
    "load_mnist": ("*-ubyte*", "*.idx*", "*/*-ubyte*", "*/*.idx*", "*/*/*-ubyte*", "*/*/*.idx*"),
    "load_lungs": ("*.npz", "*_sources.csv"),
}


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook in the current format."""
    return nbformat.read(path, as_version=4)


def write(nb: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    write_whole(path, nbformat.writes(nb) + "\n")


def is_colab(cell: nbformat.NotebookNode) -> bool:
    """Whether this is the cell that fetches the project on Colab."""
    return "colab" in cell.metadata.get("tags", [])


def code_cells(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The code cells that compute: all but the one that fetches the project on Colab."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and not is_colab(cell)]


def plain_code(source: str) -> str:
    """A cell's code as Python runs it: what only IPython understands becomes calls."""
    return TransformerManager().transform_cell(source)


def python(nb: nbformat.NotebookNode) -> str:
    """The code of all cells that compute, as Python."""
    return "\n".join(plain_code(cell.source) for cell in code_cells(nb))


def code_hash(nb: nbformat.NotebookNode) -> str:
    """Fingerprint of what a notebook computes; its prose and its outputs do not count."""
    return _hash("\0".join(cell.source for cell in code_cells(nb)))


def modules(path: Path, code: str, root: Path = ROOT) -> list[Path]:
    """The project's own files that code imports, directly or through one another.

    Args:
        path: of the notebook; modules are looked for beside it and in the project's root.
        code: Python, without the notebook's % and ! lines.
        root: the project's folder.
    """
    found = set()
    waiting = set(_files(code, "", [path.parent, root]))
    while waiting:
        file = waiting.pop()
        found.add(file.path)
        inside = _files(file.path.read_text(encoding="utf-8"), file.package, [path.parent, root])
        waiting |= {other for other in inside if other.path not in found}
    return sorted(found)


def state(path: Path, nb: nbformat.NotebookNode, root: Path = ROOT) -> str:
    """Fingerprint of what a notebook's results depend on: code, modules, settings, named data."""
    code = python(nb)
    parts = [code_hash(nb)]
    parts += [
        hashlib.sha256(module.read_bytes()).hexdigest() for module in modules(path, code, root)
    ]
    settings = [path.parent / name for name in re.findall(r"[\w./-]+\.yaml\b", code)]
    parts += [hashlib.sha256(each.read_bytes()).hexdigest() for each in settings if each.is_file()]
    if is_set("COURSEWORK_FRESH"):
        parts.append("computed without records")
    data = os.environ.get("COURSEWORK_DATA")
    if data and re.search(r"\bload_(mnist|lungs)\b", code):
        files = sorted(p for p in Path(data).rglob("*") if p.is_file())
        parts += [f"{p.name} {_version(p)}" for p in files]
    return _hash("\0".join(parts))


def data(nb: nbformat.NotebookNode, places: list[Path]) -> str:
    """Fingerprint of the data files that a notebook's loaders find there."""
    code = python(nb)
    patterns = [each for name in FILES if re.search(rf"\b{name}\b", code) for each in FILES[name]]
    found = {path for place in places for each in patterns for path in place.glob(each)}
    return _hash("\0".join(f"{p} {_version(p)}" for p in sorted(found) if p.is_file()))


def _version(path: Path) -> str:
    """A file's size and when it was last written: faster to know than its content."""
    return f"{path.stat().st_size} {path.stat().st_mtime_ns}"


class _File(NamedTuple):
    path: Path
    package: str  # that its relative imports start from


def _files(code: str, package: str, folders: list[Path]) -> Iterator[_File]:
    """The files of the modules that code imports itself, with those of the packages around them."""
    for name in _imported(code, package):
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            yield from _find(parts[:depth], folders)


def _find(parts: list[str], folders: list[Path]) -> Iterator[_File]:
    for folder in folders:
        place = folder.joinpath(*parts)
        if place.with_suffix(".py").is_file():
            yield _File(place.with_suffix(".py"), ".".join(parts[:-1]))
        elif (place / "__init__.py").is_file():
            yield _File(place / "__init__.py", ".".join(parts))
        else:
            continue
        return


def _imported(code: str, package: str) -> Iterator[str]:
    """Dotted names of all that code imports; what is imported from a package may be a module."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
