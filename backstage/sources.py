"""Where data files lie, and how they are downloaded.

Data lie in the first of these places that has them: the folder that the caller or the environment
variable COURSEWORK_DATA names, the folder of the notebook, the user's cache, the internet. Without
any of them a stand-in takes their place: it is announced in one line and named by `data.label`.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pooch
from torch.utils.data import TensorDataset

from backstage.settings import bars_hidden

CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deep-learning-coursework"
)
TIMEOUT = 10  # seconds without a byte before a download counts as failed
RETRIES = 1  # further attempts at each address


@dataclass(frozen=True)
class ImageData:
    """Three parts of a data set in memory, and where they are from.

    Attributes:
        train: images (n, 1, rows, columns), float32, and their targets, to learn from.
        val: likewise, to choose settings by.
        test: likewise, to evaluate at the end.
        source: one sentence that tells what the data are and under which licence they stand.
        label: what figures must say of stand-in data; empty for the real ones.
        mean: of the training images before they were normalised, with black at 0 and white at 1.
        std: standard deviation of the same.
    """

    train: TensorDataset
    val: TensorDataset
    test: TensorDataset
    source: str
    label: str = ""
    mean: float = 0.0
    std: float = 1.0

    def first(
        self, train: int | None, val: int | None = None, test: int | None = None
    ) -> "ImageData":
        """Keep only so many examples of each part (None: all)."""
        counts = {"train": train, "val": val, "test": test}
        parts = {name: _first(getattr(self, name), n) for name, n in counts.items()}
        return replace(self, **parts)


def _first(part: TensorDataset, n: int | None) -> TensorDataset:
    if n is None:
        return part
    # copies, so that a few images are not sent to other processes with all the others
    return TensorDataset(*(tensor[:n].clone() for tensor in part.tensors))


def folders(root: str | Path | None) -> list[Path]:
    """List the folders to look in, in order.

    Args:
        root: the only folder to look in; None: the folder that COURSEWORK_DATA names, the current
            working directory (the notebook's folder), and the cache.

    Raises:
        ValueError: root is no folder.
    """
    if root is None:
        named = os.environ.get("COURSEWORK_DATA")
        return [*([Path(named)] if named else []), Path.cwd(), CACHE]
    if not Path(root).is_dir():
        raise ValueError(f"there is no folder {root}")
    return [Path(root)]


def fetch(url: str, path: Path) -> None:
    """Download url to path with a progress bar, whole or not at all, unless path exists already.

    Raises:
        OSError: the server cannot be reached, or it does not have the file.
    """
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(
        path.parent,
        base_url="",
        registry={path.name: None},  # what is inside is checked by the reader of each data set
        urls={path.name: url},
        retry_if_failed=RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=not bars_hidden(), timeout=TIMEOUT)
    store.fetch(path.name, downloader=downloader)
