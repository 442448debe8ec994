"""The records of long comparisons: which of them stored notebooks name, and those kept for them."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from fingerprint import ROOT, code_cells, read

from backstage.files import write_whole

NAMED = re.compile(r"results in the record ([^/\\\s]+\.json)")


def names(notebook: Path) -> set[str]:
    """The records that a notebook's stored outputs name."""
    outputs = (output for cell in code_cells(read(notebook)) for output in cell.outputs)
    return set(NAMED.findall("".join(output.get("text", "") for output in outputs)))


def keep(notebooks: Sequence[Path], root: Path = ROOT) -> None:
    """Add what build/records has of the named records to records/; remove what none names."""
    wanted = set().union(*map(names, notebooks))
    folder = root / "records"
    folder.mkdir(exist_ok=True)
    for name in sorted(wanted):
        new = root / "build/records" / name
        if new.exists():
            results = _read(folder / name) | _read(new)
            write_whole(folder / name, json.dumps(results) + "\n")
    for path in sorted(folder.glob("*.json")):
        if path.name not in wanted:
            path.unlink()
            print(f"removed the record {path.name}: no notebook's stored outputs name it")


def _read(path: Path) -> dict[str, object]:
    """A record's results; none if it is not there, or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
