"""Pack the code that the assignment wants handed in, with all that it needs to run anywhere.

    python companions/elec576/pack.py abc1      writes build/submission/abc1-assignment1.zip

Unpack it, `pip install -r requirements.txt`, and run any script in the folder. The PDF is handed in
beside it.
"""

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent


def files() -> Iterator[tuple[Path, str]]:
    """Every file of the zip, and its name there: the scripts beside what they import."""
    for path in sorted([*FOLDER.glob("*.py"), *FOLDER.glob("*.ipynb"), FOLDER / "README.md"]):
        if path != Path(__file__).resolve():
            yield path, path.name
    for path in (ROOT / "helpers.py", ROOT / "requirements.txt"):
        yield path, path.name
    for path in sorted((ROOT / "backstage").glob("*.py")):
        yield path, f"backstage/{path.name}"
    for path in sorted((ROOT / "records").glob("elec-*.json")):
        yield path, f"records/{path.name}"
    yield ROOT / "benchmarks/elec576_speed.txt", "benchmarks/elec576_speed.txt"  # the notebook's


def write(folder: Path, netid: str) -> Path:
    """Write the zip into a folder, and give its path.

    Raises:
        ValueError: netid is no name for a file.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+", netid):
        raise ValueError(f"netid must be letters and digits, not {netid!r}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{netid}-assignment1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for file, name in files():
            z.write(file, name)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python pack.py NETID")
    print(write(ROOT / "build/submission", sys.argv[1]).relative_to(ROOT))
