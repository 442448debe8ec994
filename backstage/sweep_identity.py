"""What a sweep's training is made of: its code, and all that it takes from around it, as marks.

A sweep's stored trials belong to one training.
"""

from collections.abc import Callable, Mapping
from types import FunctionType

from backstage.fingerprints import fingerprint, used_by

_as_found: dict[tuple[str, str], str] = {}  # a mark that a sweep left behind: the one before it


def inputs(train: Callable) -> dict[str, str]:
    """Mark a training: its code, and what it uses by name.

    What the training itself changed in an earlier sweep of this process, such as a list of its
    calls, counts as it was before.

    Returns:
        A mark for each name that the training uses, and one for the rest of it.
    """
    return {name: _as_found.get((name, mark), mark) for name, mark in _inputs(train).items()}


def remember(before: Mapping[str, str], train: Callable) -> None:
    """Note what a training has changed around itself since `before`, a result of `inputs`."""
    for name, mark in _inputs(train).items():
        if mark != before.get(name, mark):
            _as_found[name, mark] = before[name]


def _inputs(train: Callable) -> dict[str, str]:
    if not isinstance(train, FunctionType):
        return {"train": fingerprint(train)}
    used = {name: fingerprint(value) for name, value in used_by(train).items()}
    return {"code of train": fingerprint(train.__code__), **used}
