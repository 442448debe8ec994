"""Where data files lie, and how they are downloaded.

Data lie in the first of these places that has them: the folder that the caller or the environment
variable COURSEWORK_DATA names, the folder of the notebook, the user's cache, the internet. Without
any of them a stand-in takes their place: it is announced in one line and named by `data.label`.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import requests
from torch.utils.data import TensorDataset
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError, ReadTimeoutError

from backstage.files import write_whole
from backstage.settings import bars_hidden, print_once

CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deep-learning-coursework"
)
TIMEOUT = 6  # seconds without a byte before a download counts as failed
SLOWEST = 50_000  # bytes per second, on average over all but TIMEOUT seconds of a download
LONGEST = 1800  # seconds that a download may take
RETRIES = 1  # further attempts at an address that breaks off


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


def fetch(url: str) -> bytes:
    """Download a file into memory, with a progress bar.

    Raises:
        OSError: the server cannot be reached, does not have the file, breaks off, or is too slow.
    """
    for left in reversed(range(RETRIES + 1)):
        try:
            return _download(url)
        except (requests.Timeout, requests.HTTPError):
            raise  # the next address is asked sooner
        except requests.RequestException:
            if not left:
                raise
            time.sleep(1)


def _download(url: str) -> bytes:
    content = bytearray()
    as_it_is = {"Accept-Encoding": "identity"}  # a server must not unpack or pack a .gz file
    with requests.get(url, headers=as_it_is, stream=True, timeout=TIMEOUT) as answer:
        answer.raise_for_status()
        size = int(answer.headers.get("Content-Length", 0)) or None
        start = time.monotonic()
        with tqdm(total=size, unit="B", unit_scale=True, disable=bars_hidden()) as bar:
            while piece := _next_piece(answer):
                content += piece
                bar.update(len(piece))
                if time.monotonic() - start > min(TIMEOUT + len(content) / SLOWEST, LONGEST):
                    raise TimeoutError(f"{url} is too slow: {len(content):,} bytes were given up")
    return bytes(content)


def _next_piece(answer: requests.Response) -> bytes:
    """What has come of a file, without waiting for more; nothing at its end."""
    try:
        return answer.raw.read1(1 << 20)
    except ReadTimeoutError as e:
        raise requests.Timeout(e) from e
    except HTTPError as e:  # of urllib3, which is no OSError
        raise requests.ConnectionError(e) from e


def keep(content: bytes, path: Path) -> None:
    """Write a downloaded file into the cache; where that fails, one line tells why."""
    try:
        write_whole(path, content)
    except OSError as e:
        print_once(
            f"The cache {CACHE} cannot be written ({e.strerror or e}): what was downloaded is used "
            "all the same, but it is not there next time."
        )
