"""Whether a file of X-rays and lung masks is what it should be; small slips are put right."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

PARTS = ("train", "val", "test")
KEYS = tuple(f"{letter}_{part}" for part in PARTS for letter in "xy")
TOLERANCE = 1.001e-3  # a value may be wrong by a thousandth, with something for rounding
SMALLEST = 16  # rows and columns
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def keys_of(path: Path) -> set[str] | None:
    """Name the arrays in an .npz file; None if it is none or cannot be read."""
    try:
        content = np.load(path)
        if not isinstance(content, np.lib.npyio.NpzFile):
            return None
        with content:
            return set(content.files)
    except UNREADABLE:
        return None


def read_arrays(path: Path, content: bytes | None = None) -> dict[str, np.ndarray]:
    """Read the six arrays of an .npz file, checked and put into one form.

    Values outside the allowed range by a thousandth at most are rounded and clipped, masks of 0
    and 255 become 0 and 1, and a missing channel axis is added; a printed line reports all of it.

    Args:
        path: of the file.
        content: what it holds, if it is not on disk.

    Returns:
        By key an array (n, rows, columns, 1), float32: x from 0 to 1, y of 0 and 1.

    Raises:
        ValueError: it tells which array is wrong, in what, and what is allowed.
    """
    name = path.name
    arrays = _load(path if content is None else io.BytesIO(content), name)
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}; needed are {', '.join(KEYS)}")
    arrays = {key: _shaped(arrays[key], f"{key} in {name}") for key in KEYS}
    _check_agreement(name, arrays)
    tidied = {key: _tidy(key, arrays[key], f"{key} in {name}") for key in KEYS}
    notes = [f"{key}: {tidy.note}" for key, tidy in tidied.items() if tidy.note]
    if notes:
        print(f"{name} was put right: {'; '.join(notes)}.")
    return {key: tidy.array for key, tidy in tidied.items()}


def _load(file: Path | io.BytesIO, name: str) -> dict[str, np.ndarray]:
    try:
        content = np.load(file, allow_pickle=False)
        if isinstance(content, np.ndarray):
            reason = f"it holds a single array {content.shape}, as in a .npy file"
        else:
            with content:
                return {key: content[key] for key in content.files if key in KEYS}
    except ValueError:  # its text would advise to load the file unsafely
        reason = "it is damaged, or holds something else than arrays of numbers"
    except UNREADABLE as e:
        reason = f"{type(e).__name__}: {e}"
    needed = f"needed are {', '.join(KEYS)}, by np.savez"
    raise ValueError(f"{name} cannot be read as .npz ({reason}); {needed}")


def _shaped(a: np.ndarray, what: str) -> np.ndarray:
    """Add the channel axis if it is missing; refuse anything but pictures."""
    grey = a[..., None] if a.ndim == 3 else a
    fits = grey.ndim == 4 and grey.shape[3] == 1 and len(grey) > 0
    if not fits or min(grey.shape[1:3]) < SMALLEST or a.dtype.kind not in "fuib":
        raise ValueError(
            f"{what} is {a.dtype} of shape {a.shape}; allowed are numbers of shape "
            f"(n, rows, columns, 1) or (n, rows, columns), n at least 1, rows and columns at "
            f"least {SMALLEST}"
        )
    if a.dtype.kind == "f" and not np.isfinite(a).all():
        bad = int((~np.isfinite(a)).sum())
        raise ValueError(f"{what} holds {bad} values that are NaN or infinite")
    return grey


def _check_agreement(name: str, arrays: dict[str, np.ndarray]) -> None:
    size = arrays["x_train"].shape[1:3]
    for key, a in arrays.items():
        images = len(arrays["x" + key[1:]])
        if a.shape[1:3] != size:
            found = f"{key} in {name} has images of {a.shape[1:3]}"
            raise ValueError(f"{found}, but x_train of {size}: all must agree")
        if len(a) != images:
            raise ValueError(f"{key} in {name} has {len(a)} masks for {images} images")


class _Tidy(NamedTuple):
    array: np.ndarray  # float32
    note: str  # what was put right; empty: nothing


def _tidy(key: str, a: np.ndarray, what: str) -> _Tidy:
    return _tidy_images(a, what) if key[0] == "x" else _tidy_masks(a, what)


def _tidy_images(x: np.ndarray, what: str) -> _Tidy:
    """Bring images to 0 to 1."""
    if x.dtype == np.uint8:
        return _Tidy(x.astype(np.float32) / 255, "")
    low = float(x.min())
    high = float(x.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        found = f"{what} ranges from {low:.4g} to {high:.4g}"
        raise ValueError(f"{found}; allowed are 0 to 1, or uint8 from 0 to 255")
    note = "values clipped to 0 to 1" if low < 0 or high > 1 else ""
    return _Tidy(np.clip(x.astype(np.float32), 0, 1), note)


def _tidy_masks(y: np.ndarray, what: str) -> _Tidy:
    """Bring masks to 0 and 1, and refuse masks that cannot be those of lungs."""
    note = ""
    if y.max() == 255 and np.isin(y, (0, 255)).all():
        y = y == 255
        note = "0 and 255 taken as 0 and 1"
    mask = np.clip(np.round(y.astype(np.float64)), 0, 1)
    off = np.abs(y - mask)
    if off.max() > TOLERANCE:
        other = np.unique(y[off > TOLERANCE])
        shown = ", ".join(f"{value:.4g}" for value in other[:3])
        raise ValueError(
            f"{what} is no binary mask: besides 0 and 1 it holds {len(other)} other values, such "
            f"as {shown}; allowed are 0 and 1, or 0 and 255"
        )
    _check_cover(mask, what)
    if off.max() > 0:
        note = "values rounded to 0 and 1"
    return _Tidy(mask.astype(np.float32), note)


def _check_cover(mask: np.ndarray, what: str) -> None:
    share = mask.mean()
    if share == 0:
        raise ValueError(f"{what} has no lung at all: every mask is empty, where 1 must mean lung")
    if share > 0.5:
        raise ValueError(
            f"{what} calls {share:.0%} of the pixels lung, where less than half are: are the masks "
            "inverted? 1 must mean lung"
        )
