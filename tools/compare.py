"""Compare the numbers of the latest full run with the stored ones.

python tools/compare.py             what notebooks wrote last, against the last commit
python tools/compare.py OLD NEW     two folders, each a copy of the project or of its report/ and
                                    companions/

A number may differ by its stated spread (of the two records' the larger one): that is what the cell
which saved it says another run may differ by. A number without a spread has to print the same text.
Whatever differs is listed with the sentences that quote it. The exit status is 1 if a number lies
outside its spread or has disappeared.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import prose
from fingerprint import ROOT, read

OUTSIDE = "outside its spread"
GONE = "no longer there"
UNSTATED = "differs, no spread stated"
NEW = "new"
INSIDE = "within its spread"
ORDER = (OUTSIDE, GONE, UNSTATED, NEW, INSIDE)
FAILURES = (OUTSIDE, GONE)

Record = dict[str, dict]


@dataclass(frozen=True)
class Difference:
    """A number that two runs print differently.

    Attributes:
        folder: whose record it is in, report or companions/NAME.
        name: of the number.
        old: how it was printed.
        new: how it is printed now.
        verdict: one of ORDER.
        spread: by how much two runs may differ, in the number's units; None if nothing says.
        size: by how much they do; None for a text.
    """

    folder: str
    name: str
    old: str
    new: str
    verdict: str
    spread: float | None = None
    size: float | None = None


def stored_records(root: Path = ROOT) -> dict[str, Record]:
    """The records of the last commit, by folder."""
    asked = ["git", "-C", str(root), "ls-tree", "-r", "--name-only", "HEAD", "report", "companions"]
    listing = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    paths = [Path(line) for line in listing.splitlines() if Path(line).name == "numbers.json"]
    found = {}
    for path in paths:
        show = ["git", "-C", str(root), "show", f"HEAD:./{path.as_posix()}"]
        text = subprocess.run(show, capture_output=True, check=True).stdout
        found[path.parent.as_posix()] = json.loads(text)
    return found


def records_in(root: Path) -> dict[str, Record]:
    """The records that lie in a copy of the project, by folder."""
    paths = [root / "report/numbers.json", *sorted(root.glob("companions/*/numbers.json"))]
    return {
        path.parent.relative_to(root).as_posix(): prose.read_record(path.parent)
        for path in paths
        if path.exists()
    }


def differences(old: dict[str, Record], new: dict[str, Record]) -> list[Difference]:
    """All numbers that are not printed alike in two runs, the worst first."""
    found = []
    for folder in sorted(old.keys() | new.keys()):
        before = old.get(folder, {})
        after = new.get(folder, {})
        for name in sorted(before.keys() | after.keys()):
            difference = _compare(folder, name, before.get(name), after.get(name))
            found += [difference] if difference else []
    return sorted(found, key=lambda d: (ORDER.index(d.verdict), d.folder, d.name))


def _compare(folder: str, name: str, old: dict | None, new: dict | None) -> Difference | None:
    if old is None:
        return Difference(folder, name, "-", new["text"], NEW)
    if new is None:
        return Difference(folder, name, old["text"], "-", GONE)
    size = abs(new["value"] - old["value"]) if "value" in old and "value" in new else None
    spreads = [entry["spread"] for entry in (old, new) if "spread" in entry]
    if size is None or not spreads:
        if old["text"] == new["text"]:
            return None
        return Difference(folder, name, old["text"], new["text"], UNSTATED, None, size)
    if size > max(spreads):
        verdict = OUTSIDE
    elif old["text"] == new["text"]:
        return None
    else:
        verdict = INSIDE
    return Difference(folder, name, old["text"], new["text"], verdict, max(spreads), size)


def sentences(difference: Difference, root: Path = ROOT) -> list[str]:
    """The sentences of notebooks, README, report and write-ups that quote a number.

    Returns:
        FILE: sentence, without the markers of other numbers.
    """
    found = []
    for path in _pages(root, difference.folder):
        quote = f"<!--{difference.name}-->"
        if path.suffix == ".tex":
            quote = rf"\\{difference.name}(?![A-Za-z])"
        for text in _texts(path):
            for sentence in _split(text):
                if re.search(quote, sentence):
                    found.append(f"{path.relative_to(root).as_posix()}: {_readable(sentence)}")
    return found


def _pages(root: Path, folder: str) -> list[Path]:
    own = root / folder
    pages = [*own.glob("*.tex"), *own.glob("sections/*.tex"), *own.glob("*.ipynb")]
    if folder == "report":
        pages += [*root.glob("*.ipynb"), *root.glob("*.md")]
    return sorted(page for page in pages if page.name != "numbers.tex")


def _texts(path: Path) -> list[str]:
    if path.suffix == ".ipynb":
        return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    return [path.read_text(encoding="utf-8")]


def _split(text: str) -> Iterator[str]:
    """Sentences; a row of a table and an item of a list end one too."""
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.|\\item) ?)|\\\\\n", text):
        yield from re.split(r"(?<=[.!?:])\s+(?=[^a-z\s])", block)


def _readable(sentence: str) -> str:
    return " ".join(prose.STRAY.sub("", sentence).split())


def report(found: list[Difference], root: Path = ROOT) -> str:
    """What differs and who says so, to be read."""
    lines = []
    for verdict in ORDER:
        group = [difference for difference in found if difference.verdict == verdict]
        lines += [f"\n{verdict}: {len(group)}"] if group else []
        for difference in group:
            lines += _entry(difference, root)
    return "\n".join(lines).strip() or "All numbers are the same."


def _entry(difference: Difference, root: Path) -> list[str]:
    line = f"  {difference.folder} {difference.name}: {difference.old} -> {difference.new}"
    if difference.spread is not None:
        line += f"   (differ by {difference.size:.3g}, spread {difference.spread:.3g})"
    return [line, *(f"      {sentence}" for sentence in sentences(difference, root))]


def main() -> int:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("folder", nargs="*", type=Path, help="OLD NEW")
    folders = parser.parse_args().folder
    if len(folders) not in (0, 2):
        parser.error(f"either no folder or two are needed, not {len(folders)}")
    try:
        old = records_in(folders[0]) if folders else stored_records()
    except (OSError, subprocess.CalledProcessError):
        parser.error("git has no commit of this folder: name two folders to compare, OLD NEW")
    new = records_in(folders[1]) if folders else records_in(ROOT)
    for what, records in (("stored", old), ("new", new)):
        if not records:
            print(f"There are no {what} numbers: no numbers.json.", file=sys.stderr)
            return 2
    found = differences(old, new)
    print(f"{sum(map(len, new.values()))} numbers compared.", report(found), sep="\n")
    return int(any(difference.verdict in FAILURES for difference in found))


if __name__ == "__main__":
    sys.exit(main())
