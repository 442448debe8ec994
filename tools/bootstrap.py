"""Fetch the project on Colab: the first cell of each notebook fetches this file and calls `main`.

Nothing of the project is there yet, so this file imports none of it.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote
from urllib.request import urlopen

HOME = Path("/content/coursework")
PART = HOME.with_suffix(".part")  # becomes HOME when it is seen to be the project
SESSIONS = "http://172.28.0.12:9000/api/sessions"  # Colab's own server, which knows the notebook
TRIES = 3  # uploads


def main(homes: Sequence[str]) -> None:
    """Fetch the project, install it, make it importable, and go to the notebook's folder.

    Args:
        homes: OWNER/NAME on GitHub; the first that has the project is taken, unless the project
            or its zip is here already.

    Raises:
        SystemExit: the project is not to be had; a sentence says what to do.
    """
    root = project_in(HOME) or unpack_one(Path.cwd().glob("*.zip")) or clone(homes) or ask()
    if not _succeeds(sys.executable, "-m", "pip", "install", "-q", "-e", root):
        print("pip could not install all libraries: run this cell again if one is missing below.")
    sys.path[:0] = map(str, [root, *root.glob("companions/*")])
    os.chdir(notebook_folder(root))


def project_in(folder: Path) -> Path | None:
    """The project's folder in a folder; None if it is not there."""
    found = [path.parent for path in folder.rglob("helpers.py")]
    whole = [path for path in found if (path / "backstage").is_dir()]
    return min(whole, key=lambda path: len(path.parts), default=None)


def clone(homes: Sequence[str]) -> Path | None:
    """Fetch the project with git from the first address that has it; None if none has."""
    for home in homes:
        shutil.rmtree(PART, ignore_errors=True)
        if _succeeds("git", "clone", "--depth=1", f"https://github.com/{home}.git", PART):
            if project_in(PART):
                return _keep()
    print(f"The project cannot be fetched from github.com/{homes[0]}: please upload its zip.")
    return None


def ask() -> Path:
    """Ask for the project's zip, and again if it is something else."""
    from google.colab import files

    for _ in range(TRIES):
        names = list(files.upload())
        try:
            return unpack(names[0] if names else None)
        except ValueError as e:
            print(f"{e}: please upload the project's zip.")
    sys.exit(
        f"The project's zip did not come in {TRIES} uploads: download it (on GitHub: Code, then "
        "Download ZIP) and run this cell again."
    )


def unpack_one(zips: Iterable[Path]) -> Path | None:
    """Unpack the first zip that holds the project; None if none does."""
    for path in zips:
        with suppress(ValueError):
            return unpack(path)
    return None


def unpack(path: str | Path | None) -> Path:
    """Unpack the project's zip.

    Raises:
        ValueError: it is something else; the error says what.
    """
    if path is None:
        raise ValueError("Nothing was uploaded")
    shutil.rmtree(PART, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as z:
            if any(Path(name).name == "helpers.py" for name in z.namelist()):
                z.extractall(PART)
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error):
        raise ValueError(f"{path} is not a zip, or a damaged one") from None
    if not project_in(PART):
        raise ValueError(f"{path} has no helpers.py with the folder backstage beside it")
    return _keep()


def _keep() -> Path:
    shutil.rmtree(HOME, ignore_errors=True)
    PART.rename(HOME)
    return project_in(HOME)


def notebook_folder(root: Path) -> Path:
    """The folder of the notebook that is open; the project's own if Colab does not tell."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        with urlopen(SESSIONS, timeout=5) as answer:
            name = unquote(json.load(answer)[0]["name"]).removeprefix("Copy of ")
        found = [path.parent for path in root.rglob("*.ipynb") if path.name == name]
        return min(found, default=root)
    return root


def _succeeds(*command: str | Path) -> bool:
    """Run a command without a word; git does not ask for a password."""
    env = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.run(command, env=env, capture_output=True).returncode == 0
    except OSError:  # there is no such command
        return False
