"""MNIST's handwritten digits, or scikit-learn's small ones in their place."""

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from backstage import sources
from backstage.sources import ImageData

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
UPSAMPLED_TESTS = 400  # of the stand-in's images, for testing
HELD_OUT = 5000  # of the 60,000 training images, for validation
SOURCE = "MNIST (LeCun, Cortes and Burges; CC BY-SA 3.0)"
STAND_IN = "stand-in for MNIST: 1,797 digits of 8 x 8, upsampled"
STAND_IN_SOURCE = (
    "scikit-learn's digits (UCI, test part of Alpaydin and Kaynak 1998; CC BY 4.0), "
    "upsampled to 28 x 28"
)
FOLDERS = ("mnist", "", "MNIST/raw", "raw", "MNIST")  # the third is torchvision's


class IdxFile(NamedTuple):
    """What one of MNIST's files must hold: an array of this shape, in bytes of this SHA-256."""

    shape: tuple[int, ...]
    sha256: str  # of the unpacked file: mirrors pack the same file differently


FILES = {
    "train-images-idx3-ubyte": IdxFile(
        (60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": IdxFile(
        (60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": IdxFile(
        (10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": IdxFile(
        (10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}


class _Digits(NamedTuple):
    """Images (n, 28, 28) and labels (n,) of two parts, uint8."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_mnist(root: str | Path | None = None, seed: int = 0) -> ImageData:
    """Load MNIST into memory, with 55,000 / 5,000 / 10,000 images to train on, validate and test.

    Args:
        root: a folder with the four IDX files, packed or not, in itself, in mnist/ or in
            torchvision's MNIST/raw/; Kaggle's names with a dot are taken too. None: the folder
            that COURSEWORK_DATA names, else the notebook's, else the cache, else a download with
            checked SHA-256.
        seed: of the split into training and validation images.

    Returns:
        x (n, 1, 28, 28), normalised with the mean and the standard deviation of the training
        images, and y (n,), int64. Without data and network an upsampled stand-in, announced in
        one line and with a `label`.

    Raises:
        ValueError: a file is damaged, or root is given and has no MNIST.
    """
    rng = np.random.default_rng(seed)
    try:
        digits = _find_mnist(root)
    except FileNotFoundError as e:  # anything else is no lack of data
        if root is not None:
            raise ValueError(f"no MNIST: {e}") from None
        print(
            "NO MNIST HERE, AND NONE FROM THE NETWORK: scikit-learn's 8 x 8 digits, upsampled to "
            "28 x 28, stand in. The text's numbers speak of MNIST."
        )
        digits = _upsampled_digits(rng)
        return _split(digits, 200, rng, STAND_IN_SOURCE, STAND_IN)
    return _split(digits, HELD_OUT, rng, SOURCE)


def _split(
    digits: _Digits, held_out: int, rng: np.random.Generator, source: str, label: str = ""
) -> ImageData:
    order = rng.permutation(len(digits.y))
    kept = order[held_out:]
    held = order[:held_out]
    mean = digits.x[kept].mean()
    std = digits.x[kept].std()

    def part(x: np.ndarray, y: np.ndarray) -> TensorDataset:
        images = (torch.from_numpy(x).float() - mean) / std
        return TensorDataset(images[:, None], torch.from_numpy(y.astype(np.int64)))

    return ImageData(
        train=part(digits.x[kept], digits.y[kept]),
        val=part(digits.x[held], digits.y[held]),
        test=part(digits.x_test, digits.y_test),
        source=source,
        label=label,
        mean=float(mean / 255),
        std=float(std / 255),
    )


def _find_mnist(root: str | Path | None) -> _Digits:
    places = sources.folders(root)
    return _Digits(*(_find_file(name, places, download=root is None) for name in FILES))


def _find_file(name: str, places: list[Path], download: bool) -> np.ndarray:
    """Read one file from the first place that has it, or from the first mirror that gives it."""
    dotted = name.replace("-idx", ".idx")  # as 7-zip and Kaggle have it
    inside = (f"{name}/{name}", f"{name}/{dotted}")  # unpacked into a folder each
    for place in places:
        for folder in FOLDERS:
            for file in (f"{name}.gz", name, f"{dotted}.gz", dotted, *inside):
                found = _read_if_whole(place / folder / file, name, place)
                if found is not None:
                    return found
    missing = f"{name} is in none of {', '.join(map(str, places))}"
    if not download:
        raise FileNotFoundError(missing)
    return _download(name, missing)


def _read_if_whole(path: Path, name: str, place: Path) -> np.ndarray | None:
    """Read a file if it exists; a damaged one in the cache is passed over, elsewhere refused."""
    if not path.is_file():
        return None
    try:
        return _read_idx(path.read_bytes(), path.name, name)
    except (OSError, ValueError) as e:
        if place != sources.CACHE:
            message = f"{e}, in {path.parent}: replace it, or take the file away"
            raise ValueError(message) from None
        print(f"{e}: to be fetched again")
        return None


def _download(name: str, missing: str) -> np.ndarray:
    trouble = [missing]
    for mirror in MIRRORS:
        try:
            content = sources.fetch(f"{mirror}{name}.gz")
            found = _read_idx(content, f"{name}.gz", name)
        except OSError as e:
            trouble.append(f"{mirror}: {type(e).__name__}")
        except ValueError as e:
            trouble.append(f"{mirror}: {e}")
        else:
            sources.keep(content, sources.CACHE / "mnist" / f"{name}.gz")
            return found
    raise FileNotFoundError("; ".join(trouble))


def _read_idx(content: bytes, file: str, name: str) -> np.ndarray:
    """Read one file, packed or not; ValueError unless it is, byte by byte, the one of that name."""
    wanted = FILES[name]
    try:
        if content.startswith(b"\x1f\x8b"):  # packed, whatever it is called
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as e:
        raise ValueError(f"{file} cannot be unpacked ({e})") from None
    if hashlib.sha256(content).hexdigest() != wanted.sha256:
        found = f"SHA-256 differs ({len(content):,} bytes unpacked)"
        raise ValueError(f"{file} is not MNIST's {name}: {found}")
    header = 4 + 4 * len(wanted.shape)  # bytes
    return np.frombuffer(bytearray(content), np.uint8, offset=header).reshape(wanted.shape)


def _upsampled_digits(rng: np.random.Generator) -> _Digits:
    """Bring scikit-learn's digits into MNIST's form."""
    from sklearn.datasets import load_digits

    small, y = load_digits(return_X_y=True)
    small = torch.from_numpy(small).float().view(-1, 1, 8, 8) * (255 / 16)
    large = F.interpolate(small, (24, 24), mode="bilinear")
    x = F.pad(large, (2, 2, 2, 2))[:, 0].round().byte().numpy()  # MNIST has such a margin too
    y = y.astype(np.uint8)
    order = rng.permutation(len(y))
    train = order[UPSAMPLED_TESTS:]
    test = order[:UPSAMPLED_TESTS]
    return _Digits(x[train], y[train], x[test], y[test])
