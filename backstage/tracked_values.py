"""Settings, rows and pictures in a form that W&B can store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from backstage.wandb_server import wandb


class Table(NamedTuple):
    """A table for `Tracker.show`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def as_config(config: object) -> dict[str, object]:
    """Turn settings of any kind into a dict with text as keys; no settings are an empty dict."""
    if config is None:
        return {}
    plain = _plain(config)
    return plain if isinstance(plain, dict) else {"config": plain}


def _plain(value: object) -> object:
    """A setting as JSON knows it: numbers and text, lists and dicts of them, else its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # arrays, tensors and NumPy numbers
        return _plain(value.tolist())
    return value if isinstance(value, str | int | float | None) else str(value)


def as_row_value(value: object) -> object:
    """An array's mean; the text of an array that has none, such as one of dates."""
    if not isinstance(value, np.ndarray):
        return value
    if value.size and (np.issubdtype(value.dtype, np.number) or value.dtype == bool):
        return float(np.mean(value.real))
    return str(value)


def as_media(thing: Figure | str | Path | Table) -> object:
    """W&B's own type for a figure, the path of a GIF, or a table."""
    if isinstance(thing, tuple):
        columns, rows = thing
        return wandb.Table(columns=list(columns), data=[list(row) for row in rows])
    if isinstance(thing, str | Path):
        return wandb.Video(str(thing), format="gif")
    return wandb.Image(thing)
