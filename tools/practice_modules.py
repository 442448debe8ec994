"""Answers that lie in a module: functions and methods, brought into a cell to be written there."""

import ast
import textwrap
from pathlib import Path


def from_modules(paths: list[str], folders: list[Path]) -> str:
    """Functions of a module as code of a cell, which puts them into their class or module.

    Args:
        paths: `module.function` or `module.Class.method`, all of one module.
        folders: where it may lie.
    """
    (module,) = {path.split(".")[0] for path in paths}
    file = next(f / f"{module}.py" for f in folders if (f / f"{module}.py").exists())
    text = file.read_text(encoding="utf-8")
    body = ast.parse(text).body
    chosen = [_find(body, path.split(".")[1:]) for path in paths]
    owners = [path.split(".")[-2] for path in paths]
    used = {n.id for node in chosen for n in ast.walk(node) if isinstance(n, ast.Name)}
    needed = (used & _brought(body) | set(owners)) - {module} - {node.name for node in chosen}
    parts = [_imports(module, owners, needed)]
    for owner, node in zip(owners, chosen):
        lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
        parts.append(textwrap.dedent("\n".join(lines)))
        parts.append(f"{owner}.{node.name} = {node.name}")
    return "\n\n\n".join(part for part in parts if part)


def _imports(module: str, owners: list[str], needed: set[str]) -> str:
    lines = [f"import {module}"] * (module in owners)
    lines += [f"from {module} import {', '.join(sorted(needed))}"] * bool(needed)
    return "\n".join(lines)


def _find(body: list[ast.stmt], names: list[str]) -> ast.FunctionDef:
    node = next(node for node in body if getattr(node, "name", "") == names[0])
    return node if len(names) == 1 else _find(node.body, names[1:])


def _brought(body: list[ast.stmt]) -> set[str]:
    """Names of a module that a cell can import from it: what it defines, or imports by name."""
    names = set()
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names
