"""What a training is made of: its code, and all that it takes from around it, as digests.

A sweep's stored trials belong to one training. Digests are the same in every process and after a
restart; comments and line numbers are left out. A library's functions count by their names alone,
and so do modules.
"""

import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch

LIBRARIES = tuple(sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib"))
PRIMITIVE = (type(None), bool, int, float, complex, str, bytes, type(...))
_as_found: dict[tuple[str, str], str] = {}  # a digest that a sweep left behind: the one before it


def inputs(train: Callable) -> dict[str, str]:
    """Digest a training: its code, and what it uses by name.

    What the training itself changed in an earlier sweep of this process, such as a list of its
    calls, counts as it was before.

    Returns:
        A digest for each name that the training uses, and one for the rest of it.
    """
    return {name: _as_found.get((name, digest), digest) for name, digest in _inputs(train).items()}


def remember(before: Mapping[str, str], train: Callable) -> None:
    """Note what a training has changed around itself since `before`, a result of `inputs`."""
    for name, digest in _inputs(train).items():
        if digest != before.get(name, digest):
            _as_found[name, digest] = before[name]


def _inputs(train: Callable) -> dict[str, str]:
    digest = _Digest()
    if not isinstance(train, FunctionType):
        return {"train": digest(train)}
    used = {name: digest(value) for name, value in _used(train).items()}
    return {"code of train": digest(train.__code__), **used}


def _used(function: FunctionType) -> dict[str, object]:
    """The values that a function takes from around it: closure, globals and defaults."""
    names = sorted(_global_names(function.__code__))
    used = {name: function.__globals__[name] for name in names if name in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            used[name] = cell.cell_contents
        except ValueError:  # not yet defined
            used[name] = None
    return used | {"its defaults": [function.__defaults__, function.__kwdefaults__]}


def _global_names(code: CodeType) -> set[str]:
    """The global names that code reads, functions inside it included."""
    steps = dis.get_instructions(code)
    names = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _global_names(constant)
    return names


class _Digest:
    """Digests of anything; a digest depends on contents, not on where they lie in memory."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[object, str]] = {}  # things are kept, so that no id comes twice

    def __call__(self, thing: object) -> str:
        if isinstance(thing, PRIMITIVE):
            return f"{type(thing).__name__} {thing!r}"
        if id(thing) not in self._done:
            self._done[id(thing)] = (thing, "a cycle")
            try:
                parts = self._parts(thing)
            except Exception:  # cannot be taken apart: an open file, a lock, a generator
                parts = []
            text = repr([_name(type(thing)), parts])
            self._done[id(thing)] = (thing, hashlib.sha256(text.encode()).hexdigest())
        return self._done[id(thing)][1]

    def _parts(self, thing: object) -> object:
        """What makes this thing what it is, as text and lists of text."""
        if isinstance(thing, torch.Tensor):
            wide = thing.detach().cpu()
            thing = (wide.float() if wide.dtype == torch.bfloat16 else wide).numpy()
        if isinstance(thing, np.ndarray):
            content = self(thing.tolist()) if thing.dtype == object else _sum(thing.tobytes())
            return [str(thing.dtype), thing.shape, content]
        if isinstance(thing, list | tuple):
            return [self(each) for each in thing]
        if isinstance(thing, set | frozenset):
            return sorted(self(each) for each in thing)
        if isinstance(thing, Mapping):
            return sorted([self(key), self(value)] for key, value in thing.items())
        if isinstance(thing, CodeType):
            constants = [self(constant) for constant in thing.co_consts]
            return [thing.co_code.hex(), thing.co_names, thing.co_freevars, constants]
        if isinstance(thing, ModuleType) or _of_library(thing):
            return _name(thing)
        if isinstance(thing, FunctionType):
            return [self(thing.__code__), self(_used(thing))]
        return self._other_parts(thing)

    def _other_parts(self, thing: object) -> object:
        if isinstance(thing, type):
            return [_name(thing), [self(base) for base in thing.__bases__], self(_body(thing))]
        if isinstance(thing, MethodType):
            return [self(thing.__func__), self(thing.__self__)]
        if isinstance(thing, staticmethod | classmethod):
            return self(thing.__func__)
        if isinstance(thing, property):
            return [self(thing.fget), self(thing.fset)]
        if isinstance(thing, functools.partial):
            return [self(thing.func), self(thing.args), self(thing.keywords)]
        if hasattr(thing, "__wrapped__"):  # such as a function with a cache
            return self(thing.__wrapped__)
        pieces = thing.__reduce_ex__(4)  # as pickle takes it apart
        if isinstance(pieces, str):
            return pieces
        rest = [list(piece) if piece is not None else None for piece in pieces[3:5]]
        return [self(type(thing)), self(list(pieces[:3])), self(rest)]


def _body(kind: type) -> dict[str, object]:
    """What a class defines: its methods and values, without what Python adds."""
    own = {}
    for name, value in vars(kind).items():
        if isinstance(value, FunctionType) or not name.startswith("__"):
            own[name] = value
    return own


def _of_library(thing: object) -> bool:
    """Whether a function or class belongs to Python or to an installed package."""
    if not isinstance(thing, FunctionType | type):
        return inspect.isbuiltin(thing)
    if isinstance(thing, FunctionType):
        file = thing.__code__.co_filename
    else:
        module = sys.modules.get(thing.__module__)
        if module is None or module.__name__ == "__main__":
            return False
        file = getattr(module, "__file__", None) or "<frozen built in>"
    return file.startswith((*LIBRARIES, "<frozen")) or "site-packages" in file


def _name(thing: object) -> str:
    module = getattr(thing, "__module__", "")
    return f"{module}.{getattr(thing, '__qualname__', getattr(thing, '__name__', ''))}"


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
