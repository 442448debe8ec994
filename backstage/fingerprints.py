"""Short marks of data, functions and objects: the same in every process until the thing changes."""

import dis
import functools
import hashlib
import re
import sys
import sysconfig
from collections.abc import Mapping
from types import CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset

LIBRARY = re.compile(rf"^{re.escape(sysconfig.get_path('stdlib'))}|[/\\](site|dist)-packages[/\\]")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
PLAIN = bool | int | float | complex | str | bytes | None


def fingerprint(thing: object) -> str:
    """Eight hexadecimal digits that stand for a thing and for all that decides what it does.

    A function counts with its code, its defaults, what it takes from around it and the functions
    that it calls; an object with its class and its attributes; a tensor with its numbers. Functions
    and classes of an installed library, and modules, count by their names.
    """
    return _mark(thing, {})[:8]


def readable(value: object) -> object:
    """A setting as it is kept and printed: a plain value itself, all else by name and mark."""
    if isinstance(value, np.generic | torch.Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, list | tuple) and len(value) < 10:
        return [readable(item) for item in value]
    return f"{getattr(value, '__qualname__', type(value).__name__)} {fingerprint(value)}"


def layers(net: nn.Module) -> list:
    """What a network is built of, without its weights."""
    found = []
    for name, module in net.named_modules():
        attributes = {k: v for k, v in vars(module).items() if k[0] != "_" and k != "training"}
        plain = {k: v for k, v in attributes.items() if isinstance(v, PLAIN | tuple)}
        found.append((name, type(module), plain))
    return found


def _mark(thing: object, done: dict) -> str:
    """The hash of a thing; `done` holds those of all things met so far, as some are in a circle."""
    key = id(thing)
    if key not in done:
        done[key] = (thing, "the thing itself")  # if it is met again inside
        text = f"{type(thing).__qualname__} {_content(thing, done)}"
        done[key] = (thing, hashlib.sha256(text.encode()).hexdigest())
    return done[key][1]


def _content(thing: object, done: dict) -> str:
    if isinstance(thing, torch.Tensor):
        numbers = thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return f"{thing.dtype} {tuple(thing.shape)} {hashlib.sha256(numbers).hexdigest()}"
    if isinstance(thing, np.ndarray) and not thing.dtype.hasobject:
        return f"{thing.dtype} {thing.shape} {hashlib.sha256(thing.tobytes()).hexdigest()}"
    if isinstance(thing, Mapping):
        return " ".join(f"{key!r} {_mark(thing[key], done)}" for key in sorted(thing, key=repr))
    if isinstance(thing, set | frozenset):
        return " ".join(sorted(map(fingerprint, thing)))
    parts = None if isinstance(thing, PLAIN | ModuleType) else _parts(thing)
    if parts is None:
        return ADDRESS.sub("", repr(thing))
    return " ".join(_mark(part, done) for part in parts)


def _parts(thing: object) -> list | tuple | None:
    """What a thing is made of; None for what counts as it is printed."""
    if isinstance(thing, list | tuple):
        return thing
    if isinstance(thing, functools.partial):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, MethodType):
        return [thing.__func__, thing.__self__]
    if isinstance(thing, staticmethod | classmethod):
        return [thing.__func__]
    if isinstance(thing, property):
        return [thing.fget, thing.fset]
    if isinstance(thing, CodeType):
        return [thing.co_code, thing.co_names, thing.co_consts]
    if isinstance(thing, FunctionType | type):
        inside = getattr(thing, "__wrapped__", None)
        return _code(thing) if _is_own(thing) else [thing.__module__, thing.__qualname__, inside]
    if isinstance(thing, DataLoader):
        return [thing.batch_size, type(thing.sampler), thing.dataset]
    if isinstance(thing, Dataset):  # of others than these, the type and the length are known
        known = ("tensors", "dataset", "indices")
        return [len(thing), *(getattr(thing, name, None) for name in known)]
    if isinstance(thing, nn.Module):
        return [layers(thing), thing.state_dict()]
    if isinstance(thing, LRScheduler) or _is_own(type(thing)):
        attributes = getattr(thing, "__dict__", {})
        return [type(thing), {k: v for k, v in attributes.items() if k != "optimizer"}]
    return _pickled(thing)


def _pickled(thing: object) -> list | None:
    """What pickle would keep of a library's object; None if it cannot be taken apart."""
    try:
        pieces = thing.__reduce_ex__(4)
    except Exception:  # an open file, a lock, a generator: libraries raise various errors
        return None
    if isinstance(pieces, str):
        return [pieces]
    return [*pieces[:3], *([*more] for more in pieces[3:5] if more is not None)]


def _code(thing: FunctionType | type) -> list:
    """What one of the project's or the user's functions or classes does."""
    if isinstance(thing, FunctionType):
        return [thing.__code__, used_by(thing)]
    named = vars(thing).items()
    own = {k: v for k, v in named if isinstance(v, FunctionType) or not k.startswith("__")}
    return [thing.__qualname__, thing.__bases__, own]


def used_by(function: FunctionType) -> dict[str, object]:
    """The values that a function takes from around it: globals, closure and defaults, by name."""
    around = function.__globals__
    used = {name: around[name] for name in _global_names(function.__code__) if name in around}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            used[name] = cell.cell_contents
        except ValueError:  # not yet defined
            used[name] = None
    return used | {"its defaults": [function.__defaults__, function.__kwdefaults__]}


def _global_names(code: CodeType) -> set[str]:
    """The names that code takes from its module, also in the functions inside it."""
    reads = ("LOAD_GLOBAL", "LOAD_NAME")
    found = {step.argval for step in dis.get_instructions(code) if step.opname in reads}
    inside = (_global_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return found.union(*inside)


def _is_own(thing: FunctionType | type) -> bool:
    """Whether it is defined in the project, a notebook or a script, not in a library."""
    if isinstance(thing, FunctionType):
        return not LIBRARY.search(thing.__code__.co_filename)
    if thing.__module__ in ("__main__", "__mp_main__"):
        return True
    path = getattr(sys.modules.get(thing.__module__), "__file__", None)
    return path is not None and not LIBRARY.search(path)
