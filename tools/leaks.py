"""What nobody means to hand in: keys, and paths of somebody's computer."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import nbformat
from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

MACHINE_PATH = re.compile(r"(/(root|home|tmp|work|opt|Users)/|[A-Za-z]:\\{1,2}Users\\{1,2})[\w.-]*")
WANDB_KEY = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{40}(?![0-9a-fA-F])|wandb_v1_\w+")
CHECKSUM = re.compile("[0-9a-f]{64}|[0-9a-f]{16}")  # SHA-256, whole or its first digits
PICTURE = re.compile(r"data:image/[\w+]+;base64,[\w+/=]+")
BY_NAME = ("is_non_text_file", "is_lock_file", "is_swagger_file")  # names that are passed over
SHOWN = 4  # characters of a key in a message, and never more than a quarter of it


class Leak(NamedTuple):
    """Where something was found, and what it is, without showing a key whole."""

    text: int  # its number, from 1
    line: int  # of the text, from 1
    what: str


def leaks(texts: Sequence[str], suffix: str = ".txt") -> Iterator[Leak]:
    """Find what looks like a key or like a path of somebody's computer.

    Args:
        texts: to search.
        suffix: of the file that they are from: in YAML, for example, a password needs no quotes.
    """
    keys = [*_detected(texts, suffix), *_matches(WANDB_KEY, texts, _key)]
    yield from {(key.text, key.line): key for key in reversed(keys)}.values()  # one for each line
    yield from _matches(MACHINE_PATH, texts, _path)


def _matches(
    pattern: re.Pattern, texts: Sequence[str], described: Callable[[str], str]
) -> Iterator[Leak]:
    for number, text in enumerate(texts, 1):
        for match in pattern.finditer(text):
            yield Leak(number, text.count("\n", 0, match.start()) + 1, described(match[0]))


def _detected(texts: Sequence[str], suffix: str) -> Iterator[Leak]:
    """What detect-secrets finds; it reads files only, and on Windows not as UTF-8."""
    with TemporaryDirectory() as folder, default_settings() as settings:
        settings.disable_filters(*(f"detect_secrets.filters.heuristic.{name}" for name in BY_NAME))
        found = SecretsCollection(root=folder)
        for number, text in enumerate(texts, 1):
            name = f"{number}{suffix}"
            Path(folder, name).write_text(text, encoding="ascii", errors="backslashreplace")
            found.scan_file(name)
        for name, secret in found:
            key = secret.secret_value
            if secret.type == "Hex High Entropy String" and CHECKSUM.fullmatch(key):
                continue
            yield Leak(int(name.removesuffix(suffix)), secret.line_number, _key(key, secret.type))


def _path(path: str) -> str:
    return f"a machine's path: {path}"


def _key(key: str, kind: str = "W&B key") -> str:
    shown = key[: min(SHOWN, len(key) // 4)]
    return f"what looks like a key ({kind}{f', {shown}...' if shown else ''})"


def texts_of(nb: nbformat.NotebookNode) -> list[str]:
    """All text of a notebook: one string for each cell, and a last one for its metadata."""
    return ["\n".join(_strings(part)) for part in (*nb.cells, nb.metadata)]


def _strings(node: object) -> Iterator[str]:
    """Every text in a part of a notebook; pictures are left out."""
    if isinstance(node, str):
        yield PICTURE.sub("", node)
    elif isinstance(node, list):
        for part in node:
            yield from _strings(part)
    elif isinstance(node, dict):
        for key, part in node.items():
            if not key.startswith("image/") or key == "image/svg+xml":
                yield from _strings(part)


def text_of(path: Path) -> str | None:
    """Read a file as text; None if it is none."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # PowerShell writes UTF-16
        return content.decode("utf-16", errors="replace")
    return None if b"\0" in content else content.decode("utf-8", errors="replace")
