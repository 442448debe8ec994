"""Image data: found, fetched or, as a last resort, made up and labelled. What `load_mnist` of helpers.py does.

Data lie in the first of these places that has them: the folder that the caller or the environment variable
COURSEWORK_DATA names, the user's cache, the places on the internet listed here. Without any of them a
stand-in takes their place: announced in one line, and named by `data.label`, which belongs in every figure.
"""

import gzip
import hashlib
import os
import socket
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
        parts = {k: TensorDataset(*(t[:n] for t in getattr(self, k).tensors)) for k, n in counts.items()}
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
