"""Chest X-rays with lung masks: found, fetched or, as a last resort, drawn and labelled."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import TensorDataset

from backstage import sources
from backstage.lung_checks import KEYS, PARTS, keys_of, read_arrays
from backstage.phantoms import chest_phantoms
from backstage.settings import quick
from backstage.sources import ImageData

JSRT = "https://sid.erda.dk/share_redirect/gCTc6o3KAh"  # the course's file, 81 MB
COURSE_FILE = "lung_field_dataset.npz"
STORED_FILE = "lung_xray_256.npz"  # the X-rays of the stored run
KNOWN = {  # file: what it is, with licence and reference; the first is taken where both lie
    COURSE_FILE: "JSRT radiographs (Shiraishi et al. 2000) with the SCR lung masks (van Ginneken "
    "et al. 2006); for teaching and research, as the course hands them out",
    STORED_FILE: "chest X-rays of the COVID-19 Image Data Collection (Cohen et al. 2020), lung "
    "masks of V7 Labs; CC BY-NC-SA 4.0: not for commercial use, attribution to each X-ray's page",
}
UNKNOWN = "X-rays of unknown origin; see to the licence yourself"
OTHERS = "THE TEXT'S NUMBERS SPEAK OF OTHER X-RAYS"
COLUMNS = ("split", "index", "patient_group", "source_url", "image_licence")


@dataclass(frozen=True, kw_only=True)
class LungData(ImageData):
    """Images (n, 1, rows, columns) from 0 to 1 and masks of the same shape, 0 or 1 (lung).

    Attributes:
        patients: by part an array (n,) of names, one per image; None where they are not known.
        credits: by part a list of "page of origin, licence", one per image; empty strings where
            they are not known.
        views: by part an array (n,) of PA, AP or AP Supine; None where they are not known.
    """

    patients: dict[str, np.ndarray] | None
    credits: dict[str, list[str]]
    views: dict[str, np.ndarray] | None = None


def load_lungs(root: str | Path | None = None, seed: int = 0) -> LungData:
    """Load chest X-rays with lung masks, in the parts (train, val, test) of their file.

    Args:
        root: an .npz of arrays x_train, y_train, x_val, y_val, x_test, y_test, each (n, rows,
            columns, 1) or (n, rows, columns), or its folder. None: the folder that
            COURSEWORK_DATA names, else the notebook's, else the cache, else a download from the
            course's link.
        seed: of the chest phantoms that take their place without data and network; these are
            announced in one line and have a `label`.

    Returns:
        Images (n, 1, rows, columns), 0 to 1, and masks alike, 1 = lung; source and licence; and
        each X-ray's patient, view and credit where name_sources.csv lies beside name.npz.

    Raises:
        ValueError: a key, shape, range or mask is wrong, or root has no such file.
    """
    path = Path(root) if root is not None and Path(root).is_file() else None
    path = path or _find_lungs(sources.folders(root))
    if path is None and root is not None:
        raise ValueError(f"no .npz file with the arrays {', '.join(KEYS)} in {root}")
    if path is not None:
        try:
            return _read_lungs(path)
        except ValueError as e:
            if root is not None or path != sources.CACHE / COURSE_FILE:
                raise
            print(f"{e}: to be fetched again")
    return _download() or _drawn(seed)


def _download() -> LungData | None:
    """Fetch the course's file; None, and a line that says why, if that fails."""
    path = sources.CACHE / COURSE_FILE
    try:
        content = sources.fetch(JSRT)
        data = _read_lungs(path, content)
    except OSError:
        print(f"NO X-RAYS HERE, AND NONE FROM THE NETWORK: chest phantoms stand in. {OTHERS}.")
    except ValueError as e:
        print(f"THE COURSE'S LINK GAVE NOTHING USABLE ({e}): chest phantoms stand in. {OTHERS}.")
    else:
        sources.keep(content, path)
        return data
    return None


def _drawn(seed: int) -> LungData:
    counts = dict(zip(PARTS, quick((70, 12, 28), (24, 6, 8))))
    rng = np.random.default_rng(seed)
    parts = {part: chest_phantoms(n, rng) for part, n in counts.items()}
    return LungData(
        **{part: _as_dataset(drawn.x, drawn.y) for part, drawn in parts.items()},
        source="chest phantoms, drawn by code: no patient, no hospital, no licence needed",
        label="chest phantoms, drawn by code",
        patients={part: np.array([f"{part} {i}" for i in range(n)]) for part, n in counts.items()},
        credits={part: ["phantom"] * n for part, n in counts.items()},
    )


def _find_lungs(places: list[Path]) -> Path | None:
    """Find the first lung file: in each place a known name, then any .npz with all the arrays."""
    for place in places:
        known = [place / name for name in KNOWN if (place / name).exists()]
        if len(known) == 2:
            print(f"Both {COURSE_FILE} and {STORED_FILE} lie in {place}: the course's is taken.")
        if known:
            return known[0]  # also if it is damaged: to be complained about, not passed over
        for path in sorted(place.glob("*.npz")):
            if set(KEYS) <= (keys_of(path) or set()):
                return path
    return None


def _read_lungs(path: Path, content: bytes | None = None) -> LungData:
    """Read a file of six arrays, and the table name_sources.csv beside it if there is one."""
    arrays = read_arrays(path, content)
    counts = {part: len(arrays[f"x_{part}"]) for part in PARTS}
    table = path.with_name(f"{path.stem}_sources.csv")
    if table.exists():
        origins = _read_sources(table, counts)
    else:
        origins = _Origins(None, {part: [""] * n for part, n in counts.items()}, None)
    if path.name != STORED_FILE:
        print(f"{OTHERS}: {STORED_FILE}, not {path.name}.")
    return LungData(
        **{part: _as_dataset(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in PARTS},
        source=f"{path.name}: {KNOWN.get(path.name, UNKNOWN)}",
        **origins._asdict(),
    )


class _Origins(NamedTuple):
    patients: dict[str, np.ndarray] | None
    credits: dict[str, list[str]]
    views: dict[str, np.ndarray] | None


def _read_sources(path: Path, counts: dict[str, int]) -> _Origins:
    """Read what is known of each image, in the order of the arrays."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        found = list(reader)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"{path.name} lacks the columns {', '.join(missing)}")
    rows = {(row["split"], row["index"]): row for row in found}
    wanted = {part: [(part, str(i)) for i in range(n)] for part, n in counts.items()}
    images = sum(counts.values())
    if len(found) != images or set(rows) != {key for keys in wanted.values() for key in keys}:
        counted = f"{path.name} has {len(found)} rows, the arrays {images} images"
        raise ValueError(f"{counted}: there must be one row for each")
    ordered = {part: [rows[key] for key in keys] for part, keys in wanted.items()}
    credit = "{source_url}, {image_licence}".format
    credits = {part: [credit(**row) for row in chosen] for part, chosen in ordered.items()}
    views = _column(ordered, "view") if "view" in reader.fieldnames else None
    return _Origins(_column(ordered, "patient_group"), credits, views)


def _column(ordered: dict[str, list[dict]], name: str) -> dict[str, np.ndarray]:
    return {part: np.array([row[name] for row in chosen]) for part, chosen in ordered.items()}


def _as_dataset(x: np.ndarray, y: np.ndarray) -> TensorDataset:
    """Turn arrays (n, rows, columns, 1) into tensors (n, 1, rows, columns), float32."""
    tensors = (torch.from_numpy(np.moveaxis(a, 3, 1).astype(np.float32)) for a in (x, y))
    return TensorDataset(*tensors)


class Fold(NamedTuple):
    """Numbers of the images to train on and of those held out, rising."""

    train: np.ndarray
    held_out: np.ndarray


def patient_folds(patients: np.ndarray, k: int, seed: int) -> list[Fold]:
    """Share images among k folds, all of a patient's images in the same one.

    Args:
        patients: (n,) the patient of each image.
        k: number of folds, from 2 to the number of patients.
        seed: of the shares.

    Raises:
        ValueError: k is not in that range.
    """
    from sklearn.model_selection import GroupKFold

    folds = GroupKFold(k, shuffle=True, random_state=seed)
    return [Fold(train, held) for train, held in folds.split(patients, groups=patients)]
