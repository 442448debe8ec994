"""Files that are written whole, and names that stay in the folder they are meant for."""

import contextlib
import glob
import os
import re
from pathlib import Path


def file_name(what: str, name: str) -> str:
    """Give a name back if it is that of one file, so that it leads out of no folder.

    Args:
        what: is named, such as "figure", for the error.
        name: without its ending.

    Raises:
        ValueError: the name is empty or holds a slash, a backslash or a control character.
    """
    if not re.fullmatch(r"[^/\\\x00-\x1f\x7f]+", str(name)):
        raise ValueError(f"a {what}'s name is that of one file, without / and \\, not {name!r}")
    return name


def write_whole(path: str | Path, content: str | bytes) -> Path:
    """Write a file so that a reader finds the old one or the new one, never half of one.

    Raises:
        OSError: the disk is full or cannot be written to; a file that was there stays as it was.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    except OSError as e:
        disk = next(filter(os.path.ismount, path.absolute().parents), path.anchor)
        reason = f"{e.strerror or e}, on the disk {disk}; the file is as it was before"
        raise OSError(e.errno, reason, str(path)) from None
    finally:
        with contextlib.suppress(OSError):  # the error above says more
            part.unlink(missing_ok=True)
    return path


def remove_parts(path: Path) -> None:
    """Remove what processes that were killed while they wrote a file left beside it."""
    with contextlib.suppress(OSError):  # a disk that cannot be written to: they do no harm
        for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            part.unlink(missing_ok=True)
