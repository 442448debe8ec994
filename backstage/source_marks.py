"""A short mark of what a function does, from its text: the same on every computer.

`fingerprints` marks the same things exactly, for the one computer on which a training goes on. The
marks here belong to results that travel with the project. They must not depend on the version of
Python, the folder or the last digit of a number, so code counts by its text, without docstrings and
lines of comment, and a tensor by its shape and its mean.
"""

import ast
import hashlib
import inspect
import numbers
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np
import torch
from torch.utils.data import TensorDataset

from backstage.fingerprints import used_by
from backstage.settings import CODE_FOLDER

# What only reports on a training: a change there leaves its results as they are.
REPORTING = ("files", "plots", "processes", "report", "settings", "style", "tracked_values")
REPORTING += ("checkpoints", "tracker", "tracking", "wandb_server", "records", "source_marks")
SILENT = {f"backstage.{name}" for name in REPORTING}


def source_mark(function: FunctionType) -> str:
    """Eight hexadecimal digits for a function and all of the project's code and data that it uses.

    Followed are functions and classes of notebooks and of the project, also where they are reached
    through a module, as in h.fit. Functions and classes of an installed library count by name.
    """
    pieces = {}
    _collect(function, pieces)
    text = "\n".join(f"{name}\n{pieces[name]}" for name in sorted(pieces))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def describe(value: object) -> str:
    """A value as text: numbers to six digits, arrays as shape and mean, objects by their fields."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_):
        return f"{value:.6g}"
    if isinstance(value, str | bytes | bool | np.bool_ | None):
        return repr(value)
    if isinstance(value, torch.Tensor):
        return _describe_array(value.detach().cpu().numpy())
    if isinstance(value, np.ndarray):
        return _describe_array(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{describe(k)}: {describe(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(describe, value))})"
    if isinstance(value, TensorDataset):
        return describe(value.tensors)
    if is_dataclass(value) and not isinstance(value, type):
        return describe({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, partial):
        return describe((value.func, value.args, value.keywords))
    return getattr(value, "__qualname__", type(value).__qualname__)


def _describe_array(array: np.ndarray) -> str:
    if array.dtype.kind not in "biufc":
        return f"{array.shape} {hashlib.sha256(repr(array.tolist()).encode()).hexdigest()[:8]}"
    return f"{array.shape} {array.mean():.3g}" if array.size else f"{array.shape}"


def _collect(thing: object, pieces: dict[str, str]) -> None:
    """Note the text of a function, class or value, and of all that it leads to."""
    for part in _inside(thing):
        if not _is_own(part):
            continue
        name = f"{part.__module__}.{part.__qualname__}"
        if "<" in name:  # a lambda, or a function in a function: others have the same name
            name += _text(part)
        if name in pieces:
            continue
        pieces[name] = ""  # noted first, as functions may use one another
        if isinstance(part, FunctionType):
            text = _text(part)
            if not text:  # written by a library, such as a dataclass's __init__
                del pieces[name]
                continue
            used = used_by(part)
            for value in [*used.values(), *_through_modules(part.__code__, used)]:
                _collect(value, pieces)
            values = {k: v for k, v in sorted(used.items()) if not isinstance(v, ModuleType)}
            pieces[name] = f"{text}\n{describe(values)}"
        else:
            members = {k: v for k, v in vars(part).items() if not k.startswith("__")}
            for value in [*part.__bases__, *vars(part).values()]:
                _collect(_behind(value), pieces)
            pieces[name] = f"{ {k: describe(v) for k, v in members.items()} }"


def _behind(member: object) -> object:
    """The function behind a property, a static or a class method; anything else as it is."""
    return getattr(member, "fget", None) or getattr(member, "__func__", member)


def _inside(thing: object) -> Iterator[object]:
    """The functions and classes in a value: itself, its type, or those in its parts."""
    thing = inspect.unwrap(thing) if callable(thing) else thing  # behind @torch.no_grad() and such
    if isinstance(thing, FunctionType | type):
        yield thing
    elif isinstance(thing, Mapping):
        yield from (part for value in thing.values() for part in _inside(value))
    elif isinstance(thing, list | tuple):
        yield type(thing)
        yield from (part for value in thing for part in _inside(value))
    elif isinstance(thing, partial):
        yield from _inside((thing.func, *thing.args, thing.keywords))
    elif not isinstance(thing, ModuleType):
        yield type(thing)


def _through_modules(code: CodeType, used: Mapping[str, object]) -> Iterator[object]:
    """What code may take from the project's modules that it uses, such as h.fit."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= set(constant.co_names)
    for module in used.values():
        if isinstance(module, ModuleType) and _is_in_project(getattr(module, "__file__", None)):
            yield from (getattr(module, name) for name in sorted(names) if hasattr(module, name))


def _is_own(part: object) -> bool:
    if part.__module__ in SILENT:
        return False
    if part.__module__ in ("__main__", "__mp_main__"):
        return True
    try:
        return _is_in_project(inspect.getfile(part))
    except (TypeError, OSError):  # built in
        return False


def _is_in_project(file: str | None) -> bool:
    if file is None:
        return False
    place = Path(file).resolve()
    return place.is_relative_to(CODE_FOLDER) and "site-packages" not in place.parts


def _text(function: FunctionType) -> str:
    """A function's text without docstrings, lines of comment and indentation; "" if none exists."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source)
    except (OSError, SyntaxError):
        return ""
    lines = source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            docstring = node.body[0]
            lines[docstring.lineno - 1 : docstring.end_lineno] = [""] * (
                docstring.end_lineno - docstring.lineno + 1
            )
    kept = (line.strip() for line in lines)
    return "\n".join(line for line in kept if line and not line.startswith("#"))
