"""Run the notebooks that changed, and refresh what is stored in them.

python tools/notebooks.py run      execute what changed, two at a time, into build/notebooks/
python tools/notebooks.py store    the same, then put the outputs into the notebooks, without noise,
                                   and the numbers of the record into their prose and the README
python tools/notebooks.py prose    the last step alone
python tools/notebooks.py address  write the Colab cell and the list of the names from helpers, and
                                   copy the repository's address from pyproject.toml to where it is
                                   used; --to URL changes it first

Notebooks may be named after the command; without names, all of them are meant.
"""

import argparse
import os
import re
import sys
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import prose
from fingerprint import ROOT, code_hash, is_colab, read, state
from glossary import put_glossary
from joblib import cpu_count
from nbclient import NotebookClient
from nbstripout import strip_output
from tqdm import tqdm

BUILD = ROOT / "build/notebooks"
COLAB = ROOT / "tools/colab_cell.py"
COLAB_METADATA = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["colab"]}
GITHUB = "https://github.com/"
ADDRESS = re.compile(r"(?:github\.com|colab\.research\.google\.com/github)/([\w.-]+/[\w.-]+)")
QUIET = {
    # One thread each: two would wait for one another on small matrices.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # No progress bars and no warnings of the debugger in stored outputs.
    "TQDM_DISABLE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    # Memory that a training step frees stays with the process for the next step (glibc).
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    # Two notebooks at a time: each gets half of the cores for what it trains side by side.
    "LOKY_MAX_CPU_COUNT": str(max(1, cpu_count() // 2)),
}
LONG = ("x_ray_segmentation", "elec576", "CNNMNIST", "cs7643")
NOISE = ["metadata.language_info", "cell.metadata.execution"]


def notebooks() -> list[Path]:
    """All notebooks, the long ones first, so that both processors have work to the end."""
    paths = sorted([*ROOT.glob("*.ipynb"), *ROOT.glob("companions/*/*.ipynb")])
    return sorted(paths, key=lambda p: LONG.index(p.stem) if p.stem in LONG else len(LONG))


def record_of(path: Path) -> dict[str, dict]:
    """The numbers that a file's prose may quote: a companion's own, otherwise the report's."""
    return prose.read_record(ROOT / "report" if path.parent == ROOT else path.parent)


def execute(path: Path, position: int = 0) -> float | Exception | None:
    """Run one notebook into build/.

    Args:
        path: of the notebook.
        position: the line of its progress bar.

    Returns:
        Its time in seconds; None if nothing had changed; or the error.
    """
    nb = read(path)
    out = BUILD / path.name
    wanted = state(path, nb, ROOT)
    if out.exists() and read(out).metadata.get("coursework", {}).get("state") == wanted:
        return None
    bar = _bar(path.stem, len(nb.cells), position)
    start = time.perf_counter()
    try:
        _client(nb, path, bar).execute(env={**os.environ, **QUIET, "COURSEWORK_STATE": wanted})
    except Exception as error:  # a failing cell or a dead kernel; the other notebooks still run
        return error
    finally:
        bar.close()
    nb.metadata["coursework"] = {"state": wanted}
    BUILD.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, out)
    return time.perf_counter() - start


def _bar(name: str, cells: int, position: int) -> tqdm:
    pace = 0.5 if sys.stderr.isatty() else 20  # seconds between updates; a log file needs fewer
    return tqdm(total=cells, desc=name, unit="cell", position=position, mininterval=pace)


def _client(nb: nbformat.NotebookNode, path: Path, bar: tqdm) -> NotebookClient:
    return NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_complete=lambda **_: bar.update(),
    )


def run(paths: Sequence[Path]) -> bool:
    """Execute the notebooks that changed, two at a time; True when all went well."""
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(execute, paths, range(len(paths))))
    print("\nnotebook" + " " * 34 + "time")
    for path, result in zip(paths, results):
        print(f"{path.relative_to(ROOT)!s:40s}  {_outcome(result)}")
    failures = [result for result in results if isinstance(result, Exception)]
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr)
    return not failures


def _outcome(result: float | Exception | None) -> str:
    if result is None:
        return "unchanged"
    return "FAILED" if isinstance(result, Exception) else f"{result:.0f} s"


def store(paths: Sequence[Path]) -> None:
    """Put the outputs of build/ into the notebooks, without timings, widget ids and other noise."""
    for path in paths:
        nb = read(path)
        done = read(BUILD / path.name)  # the same code cells; prose may have changed since
        for cell, ran in zip(_code(nb), _code(done), strict=True):
            cell.outputs = ran.outputs
            cell.execution_count = ran.execution_count
            for output in cell.outputs:
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        nb = strip_output(nb, keep_output=True, keep_count=True, keep_id=True, extra_keys=NOISE)
        nb.metadata["coursework"] = {"code_sha256": code_hash(nb)}
        nbformat.write(nb, path)
        print(f"stored {path.relative_to(ROOT)} ({path.stat().st_size / 1e6:.1f} MB)")


def _code(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def fill_prose(paths: Sequence[Path]) -> None:
    """Write the record's numbers between the markers of the notebooks' prose and of the README."""
    for path in paths:
        nb = read(path)
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = prose.fill(cell.source, record_of(path))
        nbformat.write(nb, path)
    readme = ROOT / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        readme.write_text(prose.fill(text, record_of(readme)), encoding="utf-8")


def prose_problems(path: Path) -> list[str]:
    """What is wrong with the numbers in the prose of a notebook or a Markdown file."""
    texts = [path.read_text(encoding="utf-8")]
    if path.suffix == ".ipynb":
        texts = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    record = record_of(path)
    return [problem for text in texts for problem in prose.problems(text, record)]


def home() -> str:
    """The project's OWNER/NAME on GitHub, as pyproject.toml has it."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["urls"]["repository"].removeprefix(GITHUB)


def address(paths: Sequence[Path], to: str | None = None) -> None:
    """Write the repository's address, the Colab cell and the names from helpers to their places.

    Args:
        paths: the notebooks; each has the Colab cell as its second one, or gets it there.
        to: the new address, https://github.com/OWNER/NAME; None: that of pyproject.toml.
    """
    name = to.rstrip("/").removesuffix(".git").removeprefix(GITHUB) if to else home()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"the address has to look like {GITHUB}OWNER/NAME, not {to}")
    for path in [ROOT / "pyproject.toml", COLAB, ROOT / "README.md"]:
        path.write_text(_readdress(path.read_text(encoding="utf-8"), name), encoding="utf-8")
    for path in paths:
        nb = read(path)
        nb.cells[0].source = _readdress(nb.cells[0].source, name)
        if len(nb.cells) < 2 or not is_colab(nb.cells[1]):
            nb.cells.insert(1, nbformat.v4.new_code_cell(id="colab"))
        nb.cells[1].source = COLAB.read_text(encoding="utf-8").strip()
        nb.cells[1].metadata.clear()
        nb.cells[1].metadata.update(COLAB_METADATA)
        put_glossary(nb)
        nbformat.write(nb, path)


def _readdress(text: str, name: str) -> str:
    def changed(match: re.Match) -> str:
        return match[0].replace(match[1], name + ".git" * match[1].endswith(".git"))

    return ADDRESS.sub(changed, text)


def main() -> bool:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("what", choices=["run", "store", "prose", "address"])
    parser.add_argument("notebook", nargs="*", type=Path)
    parser.add_argument("--to", metavar="URL", help="the repository's new address")
    wish = parser.parse_args()
    paths = [path.resolve() for path in wish.notebook] or notebooks()
    if wish.what == "address":
        address(paths, wish.to)
        return True
    good = wish.what == "prose" or run(paths)
    if good and wish.what == "store":
        store(paths)
    if good and wish.what != "run":
        fill_prose(paths)
    return good


if __name__ == "__main__":
    sys.exit(not main())
