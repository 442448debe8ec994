"""Image data: found, fetched or, as a last resort, made up and labelled. What `load_mnist` of helpers.py does.

Data lie in the first of these places that has them: the folder that the caller or the environment variable
COURSEWORK_DATA names, the user's cache, the places on the internet listed here. Without any of them a
stand-in takes their place: announced in one line, and named by `data.label`, which belongs in every figure.
"""

import csv
import gzip
import hashlib
import os
import socket
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import helpers as h

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deep-learning-coursework"


@dataclass(frozen=True)
class ImageData:
    """Three parts of a data set in memory, and where they are from.

    train, val, test  TensorDatasets of images (n, 1, rows, columns), float32, and their targets
    source            one sentence: what it is, where it lies, licence
    label             what figures must say of stand-in data; empty for the real ones
    mean, deviation   of the training images before they were normalised
    """

    train: TensorDataset
    val: TensorDataset
    test: TensorDataset
    source: str
    label: str = ""
    mean: float = 0.0
    deviation: float = 1.0

    def first(self, train, val=None, test=None):
        """The same with only so many examples of each part (None: all)."""
        counts = {"train": train, "val": val, "test": test}
        parts = {
            k: getattr(self, k) if n is None else TensorDataset(*(t[:n].clone() for t in getattr(self, k).tensors))
            for k, n in counts.items()  # copies, so that a few images are not sent around with all the others
        }
        return replace(self, **parts)


def folders(root):
    """Where to look, in order: root alone if given; else COURSEWORK_DATA if set, and the cache."""
    if root is not None:
        if not Path(root).is_dir():
            raise ValueError(f"there is no folder {root}")
        return [Path(root)]
    given = os.environ.get("COURSEWORK_DATA")
    return [*([Path(given)] if given else []), CACHE]


def fetch(url, path, timeout=10):
    """Download url to path, with a progress bar, whole or not at all.

    raises  OSError if the server is not reached or does not have it
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout)
    try:
        torch.hub.download_url_to_file(url, str(path), progress=not h.hidden())
    finally:
        socket.setdefaulttimeout(before)


# ---- MNIST -----------------------------------------------------------------------------------

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
HELD_OUT = 5000  # of the 60,000 training images, for validation
MNIST = {  # name: (shape, SHA-256 of the unpacked file; the packing of a .gz may differ)
    "train-images-idx3-ubyte": ((60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": ((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": ((10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": ((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def read_idx(path, name):
    """One of MNIST's files, packed or not, as an array of uint8.

    raises  ValueError if it is not, byte by byte, the file of that name
    """
    shape, digest = MNIST[name]
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as e:
        raise ValueError(f"{path.name} cannot be unpacked ({e})") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path.name} is not MNIST's {name}: SHA-256 differs ({len(content):,} bytes unpacked)")
    return np.frombuffer(bytearray(content), np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def find_idx(name, places, download):
    """Read one file from the first place that has it whole; a damaged one in the cache is deleted and fetched anew.

    raises  ValueError for a damaged file elsewhere, which is not ours to delete; OSError if it is nowhere
    """
    for place in places:
        for path in (place / "mnist" / f"{name}.gz", place / f"{name}.gz", place / "mnist" / name, place / name):
            if path.exists():
                try:
                    return read_idx(path, name)
                except ValueError as e:
                    if place != CACHE:
                        raise ValueError(f"{e}, in {place}: replace it, or take the folder away") from None
                    print(f"{e}: deleted, to be fetched again")
                    path.unlink()
    trouble, path = [], CACHE / "mnist" / f"{name}.gz"
    for mirror in MIRRORS if download else ():
        try:
            fetch(f"{mirror}{name}.gz", path)
            return read_idx(path, name)
        except OSError as e:
            trouble.append(f"{mirror}: {type(e).__name__}")
        except ValueError as e:
            trouble.append(f"{mirror}: {e}")
            path.unlink()
    raise FileNotFoundError("; ".join([f"{name} is in none of {', '.join(map(str, places))}", *trouble]))


def mnist(root, seed):
    """See helpers.load_mnist."""
    rng, places, label = np.random.default_rng(seed), folders(root), ""
    try:
        x, y, x_test, y_test = (find_idx(name, places, download=root is None) for name in MNIST)
        source = "MNIST (LeCun, Cortes and Burges; CC BY-SA 3.0)"
        held_out = HELD_OUT
    except OSError as e:
        if root is not None:
            raise ValueError(f"no MNIST: {e}") from None
        label = "stand-in for MNIST: 1,797 digits of 8 x 8, upsampled"
        print("NO MNIST HERE, AND NONE FROM THE NETWORK: scikit-learn's 8 x 8 digits, upsampled to 28 x 28, stand in.")
        x, y, x_test, y_test = upsampled_digits(rng)
        source = "scikit-learn's digits (UCI, test part of Alpaydin and Kaynak 1998; CC BY 4.0), upsampled to 28 x 28"
        held_out = 200
    order = rng.permutation(len(y))
    mean, deviation = x[order[held_out:]].mean(), x[order[held_out:]].std()

    def part(x, y):
        images = (torch.from_numpy(x).float() - mean) / deviation
        return TensorDataset(images[:, None], torch.from_numpy(y.astype(np.int64)))

    train, val = (part(x[i], y[i]) for i in (order[held_out:], order[:held_out]))
    return ImageData(train, val, part(x_test, y_test), source, label, mean / 255, deviation / 255)


def upsampled_digits(rng, tested=400):
    """scikit-learn's digits in MNIST's form: images (n, 28, 28) and labels (n,), uint8, to train on and to test on."""
    from sklearn.datasets import load_digits

    small, y = load_digits(return_X_y=True)
    small = torch.from_numpy(small).float().view(-1, 1, 8, 8) * (255 / 16)
    large = F.interpolate(small, (24, 24), mode="bilinear")  # and a margin of 2, as MNIST has one
    x = F.pad(large, (2, 2, 2, 2))[:, 0].round().byte().numpy()
    order = rng.permutation(len(y))
    train, test = order[tested:], order[:tested]
    return x[train], y[train].astype(np.uint8), x[test], y[test].astype(np.uint8)


# ---- lungs -----------------------------------------------------------------------------------

JSRT = "https://sid.erda.dk/share_redirect/gCTc6o3KAh"  # the course's lung_field_dataset.npz, 81 MB
PARTS = ("train", "val", "test")
KEYS = tuple(f"{a}_{part}" for part in PARTS for a in "xy")
KNOWN = {  # file: what it is, with licence and reference
    "lung_xray_256.npz": "chest X-rays of the COVID-19 Image Data Collection (Cohen et al. 2020), lung masks of "
    "V7 Labs; CC BY-NC-SA 4.0: not for commercial use, attribution to each film's page",
    "lung_field_dataset.npz": "JSRT radiographs (Shiraishi et al. 2000) with the SCR lung masks (van Ginneken et al. "
    "2006); for teaching and research, as the course hands them out",
}


@dataclass(frozen=True, kw_only=True)
class LungData(ImageData):
    """Images (n, 1, rows, columns) from 0 to 1 and masks of the same shape, 0 or 1 (lung).

    patients  {part: array (n,) of names, one per image}; None where they are not known
    credits   {part: list of "page of origin, licence", one per image}; empty strings where not known
    """

    patients: dict | None
    credits: dict


def lungs(root, seed, count=None):
    """See helpers.load_lungs."""
    if root is not None and Path(root).is_file():
        return read_lungs(Path(root))
    places = folders(root)
    if (path := find_lungs(places)) is not None:
        return read_lungs(path)
    if root is not None:
        raise ValueError(f"no .npz file with the arrays {', '.join(KEYS)} in {root}")
    path = CACHE / "lung_field_dataset.npz"
    try:
        fetch(JSRT, path)
        return read_lungs(path)
    except OSError:
        print("NO X-RAYS HERE, AND NONE FROM THE NETWORK: chest phantoms, drawn by code, take their place.")
    except ValueError as e:
        path.unlink()
        print(f"WHAT THE COURSE'S LINK GAVE IS NOT USABLE ({e}): chest phantoms, drawn by code, take its place.")
    rng, size = np.random.default_rng(seed), 128
    count = count or dict(zip(PARTS, h.quick((70, 12, 28), (24, 6, 8))))
    parts = {part: chest_phantoms(n, rng, size) for part, n in count.items()}
    return LungData(
        *(as_dataset(*parts[part]) for part in PARTS),
        source="chest phantoms, drawn by code: no patient, no hospital, no licence needed",
        label="chest phantoms, drawn by code",
        patients={part: np.array([f"{part} {i}" for i in range(n)]) for part, n in count.items()},
        credits={part: ["phantom"] * n for part, n in count.items()},
    )


def find_lungs(places):
    """The first lung file: in each place those of KNOWN, then any other .npz that has all the arrays; None if none."""
    for place in places:
        named = [place / name for name in KNOWN if (place / name).exists()]
        for path in [*named, *sorted(place.glob("*.npz"))]:
            try:
                with np.load(path) as arrays:
                    if path in named or set(KEYS) <= set(arrays.files):
                        return path
            except (OSError, ValueError, EOFError, zipfile.BadZipFile):
                if path in named:
                    return path  # to be complained about, not passed over
    return None


def read_lungs(path):
    """Read a file of six arrays, and the sources table beside it if there is one (name_sources.csv).

    raises  ValueError that says which array is wrong, in what, and what is allowed
    """
    try:
        with np.load(path) as content:
            arrays = {key: content[key] for key in content.files if key in KEYS}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as e:
        raise ValueError(f"{path.name} cannot be read as .npz ({type(e).__name__}: {e})") from None
    check_lungs(path.name, arrays)
    parts = {part: (arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in PARTS}
    patients, credits = None, {part: [""] * len(x) for part, (x, _) in parts.items()}
    table = path.with_name(f"{path.stem}_sources.csv")
    if table.exists():
        patients, credits = read_sources(table, {part: len(x) for part, (x, _) in parts.items()})
    return LungData(
        *(as_dataset(*parts[part]) for part in PARTS),
        source=f"{path.name}: {KNOWN.get(path.name, 'films of unknown origin; see to the licence yourself')}",
        patients=patients,
        credits=credits,
    )


def check_lungs(name, arrays):
    """Raise ValueError unless arrays has the six of KEYS, (n, rows, columns, 1), x from 0 to 1 and y of 0 and 1."""
    if missing := [key for key in KEYS if key not in arrays]:
        raise ValueError(f"{name} lacks {', '.join(missing)}; needed are {', '.join(KEYS)}")
    size = arrays["x_train"].shape[1:]
    for key in KEYS:
        a, what = arrays[key], f"{key} in {name}"
        if a.ndim != 4 or a.shape[3] != 1 or len(a) == 0 or min(a.shape[1:3]) < 16 or a.dtype.kind not in "fuib":
            raise ValueError(
                f"{what} is {a.dtype} of shape {a.shape}; allowed are numbers of shape (n, rows, columns, 1), "
                "n at least 1, rows and columns at least 16"
            )
        if a.shape[1:] != size:
            raise ValueError(f"{what} has images of shape {a.shape[1:]}, but x_train of {size}: all must agree")
        if len(a) != len(arrays["x" + key[1:]]):
            raise ValueError(f"{what} has {len(a)} masks for {len(arrays['x' + key[1:]])} images")
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            raise ValueError(f"{what} holds {int((~np.isfinite(a)).sum())} values that are NaN or infinite")
        if key[0] == "x" and a.dtype != np.uint8 and not (a.min() >= 0 and a.max() <= 1):
            raise ValueError(f"{what} ranges from {a.min():.4g} to {a.max():.4g}; allowed are 0 to 1, or uint8")
        if key[0] == "y" and not np.isin(a, (0, 1)).all():
            other = np.unique(a[~np.isin(a, (0, 1))])
            raise ValueError(f"{what} is no binary mask: besides 0 and 1 it holds {len(other)} other values, "
                             f"such as {', '.join(f'{v:.4g}' for v in other[:3])}")  # fmt: skip


def read_sources(path, count):
    """Patients and credits of each image from a sources table, in the order of the arrays.

    raises  ValueError if the table does not have one row for each image
    """
    with open(path, newline="", encoding="utf-8") as f:
        rows = {(r["split"], int(r["index"])): r for r in csv.DictReader(f)}
    wanted = [(part, i) for part, n in count.items() for i in range(n)]
    if set(rows) != set(wanted):
        raise ValueError(
            f"{path.name} has {len(rows)} rows, the arrays {len(wanted)} images: there must be one row for each"
        )
    patients = {part: np.array([rows[part, i]["patient_group"] for i in range(n)]) for part, n in count.items()}
    credit = "{source_url}, {image_licence}".format
    return patients, {part: [credit(**rows[part, i]) for i in range(n)] for part, n in count.items()}


def as_dataset(x, y):
    """Arrays (n, rows, columns, 1) as tensors (n, 1, rows, columns), float32, images from 0 to 1."""
    images = torch.from_numpy(np.moveaxis(x, 3, 1).astype(np.float32) / (255 if x.dtype == np.uint8 else 1))
    return TensorDataset(images, torch.from_numpy(np.moveaxis(y, 3, 1).astype(np.float32)))


def chest_phantoms(n, rng, size=128):
    """Draw n films that look like chests from afar: x (n, size, size, 1) from 0 to 1, y with the lungs as 1.

    Trunk, lungs, heart, diaphragm and bones vary in size and place; so do exposure, tilt, black borders, shadows in the
    lungs and noise. As in the masks of lung_xray_256.npz, the lung behind the heart counts as lung.
    """
    pixels = (np.arange(size) + 0.5) / size * 2 - 1
    films = [phantom(*np.meshgrid(pixels, pixels), rng) for _ in range(n)]
    x, y = (np.stack(a)[..., None] for a in zip(*films))
    return x.astype(np.float32), y.astype(np.uint8)


def phantom(u, v, rng):
    """One film and its mask on pixel centres u (to the right) and v (down), both from -1 to 1."""
    tilt, zoom = rng.normal(0, 0.05), rng.uniform(0.8, 1.15)
    film = (np.abs(u) < rng.uniform(0.85, 1.1)) & (np.abs(v) < rng.uniform(0.85, 1.1))  # outside: a black border
    u, v = u - rng.normal(0, 0.06), v - rng.normal(0, 0.06)
    u, v = (u * np.cos(tilt) + v * np.sin(tilt)) / zoom, (v * np.cos(tilt) - u * np.sin(tilt)) / zoom

    def blob(x0, y0, rx, ry, power=2.0):  # 1 inside, 0 outside, with a soft rim
        r = (np.abs((u - x0) / rx) ** power + np.abs((v - y0) / ry) ** power) ** (1 / power)
        return 1 / (1 + np.exp(np.clip((r - 1) * 25, -50, 50)))

    trunk = blob(0, 0.5, rng.uniform(0.85, 1), 1.3, 3.5) + 0.6 * blob(0, -0.9, 0.25, 0.4)
    dome = rng.uniform(0.35, 0.6)  # height of the diaphragm
    lung, mask = np.zeros_like(u), np.zeros_like(u, bool)
    for side in (-1, 1):
        x0, wide, top = side * rng.uniform(0.4, 0.46), rng.uniform(0.27, 0.36), rng.uniform(-0.8, -0.65)
        base = dome + 0.06 * side + 0.8 * (u - 0.9 * x0) ** 2  # falls off to the sides
        shape = blob(x0, dome, wide, dome - top, 2.3) / (1 + np.exp(np.clip((v - base) * 40, -50, 50)))
        lung, mask = lung + shape, mask | (shape > 0.5)
    ribs = sum(np.exp(-(((v - (k - 4) * 0.17 - 0.25 * u**2 + 0.12 * np.abs(u)) / 0.022) ** 2)) for k in range(10))
    bones = 0.10 * rng.uniform(0.4, 1.4) * ribs * trunk + 0.25 * np.exp(-((u / 0.07) ** 2))
    for side in (-1, 1):
        bones = bones + 0.15 * np.exp(-(((v + 0.75 - 0.25 * (u - side * 0.4) * side) / 0.035) ** 2)) * (side * u > 0.05)
    heart = blob(rng.uniform(0.08, 0.16), dome - 0.22, rng.uniform(0.24, 0.34), rng.uniform(0.24, 0.32))
    shadows = sum(
        rng.uniform(0, 0.3) * np.exp(-((u - rng.uniform(-0.6, 0.6)) ** 2 + (v - rng.uniform(-0.3, 0.5)) ** 2) / 0.03)
        for _ in range(rng.integers(0, 5))
    )
    x = (
        0.62 * np.clip(trunk, 0, 1)
        - rng.uniform(0.3, 0.45) * lung
        + (0.22 * heart + shadows) * (0.3 + 0.7 * lung)
        + bones
    )
    x = np.clip(x + rng.uniform(-0.08, 0.08) + rng.normal(0, 0.1) * v, 1e-3, 1) ** np.exp(rng.normal(0, 0.25))
    x = x + rng.normal(0, rng.uniform(0.01, 0.04), u.shape)
    return np.clip(x, 0, 1) * film, mask & film


def margins(rows, columns):
    """Black pixels to add at left, right, top and bottom so that a film becomes square."""
    wide, high = max(rows - columns, 0), max(columns - rows, 0)
    return wide // 2, wide - wide // 2, high // 2, high - high // 2


def to_square(films, size):
    """Films (n, c, rows, columns) padded with black to squares and resized to (n, c, size, size)."""
    films = F.pad(films, margins(*films.shape[2:]))
    shrink = size < films.shape[3]
    return F.interpolate(films, (size, size), mode="area" if shrink else "bilinear")


def from_square(films, shape):
    """The inverse, for logits: (n, c, size, size) -> (n, c, rows, columns), resized bilinearly and cropped."""
    (rows, columns), side = shape, max(shape)
    left, _, top, _ = margins(rows, columns)
    return F.interpolate(films, (side, side), mode="bilinear")[..., top : top + rows, left : left + columns]


def as_grey(image):
    """A film given as array, PIL image or path, as float tensor (rows, columns): luminance of colours, without alpha.

    Unsigned integers of 8 or 16 bits are scaled to 0 to 1; other numbers stay as they are.

    raises  ValueError for anything else, an empty image, or values that are not finite
    """
    from PIL import Image, ImageOps

    if isinstance(image, str | Path):
        try:
            with Image.open(image) as picture:
                image = ImageOps.exif_transpose(picture)
        except (OSError, ValueError) as e:
            raise ValueError(f"{image} cannot be read as a picture ({type(e).__name__})") from None
    if isinstance(image, Image.Image):
        image = image if image.mode in ("L", "I", "I;16", "F") else image.convert("RGB")
    grey = np.asarray(image)
    if grey.dtype.kind not in "fuib" or grey.ndim not in (2, 3) or (grey.ndim == 3 and grey.shape[2] not in (1, 3, 4)):
        raise ValueError(
            f"an image is numbers of shape (rows, columns) or (rows, columns, 1, 3 or 4), not {grey.dtype} {grey.shape}"
        )
    full = {"|u1": 255, "<u2": 65535}.get(grey.dtype.str, 1)
    if grey.ndim == 3:
        grey = grey[..., 0] if grey.shape[2] == 1 else grey[..., :3] @ np.array([0.299, 0.587, 0.114])
    if grey.size == 0 or not np.isfinite(grey).all():
        raise ValueError(f"the image is empty or holds NaN or infinity: shape {grey.shape}")
    return torch.from_numpy(grey.astype(np.float32) / full)
