"""Run the notebooks that changed, and refresh what is stored in them.

python tools/notebooks.py run      execute what changed, two at a time, into build/notebooks/
python tools/notebooks.py quick    the same in the quick form, into build/notebooks/quick/
python tools/notebooks.py store    the same, then put the outputs into the notebooks, without noise,
                                   the records that they name into records/, and the numbers into
                                   their prose and the pages
python tools/notebooks.py prose    the last step alone
python tools/notebooks.py address  write the Colab cell, the list of the names from helpers and the
                                   repository's address, which is that of git's remote origin; --to
                                   URL gives another

Notebooks may be named after the command, as in `run XOR_NNsandbox`; without names, all of them
are meant.
"""

import argparse
import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import interrupt  # noqa: F401
import kept_records
import nbformat
import pages
import prose
from fingerprint import ROOT, code_hash, data, is_colab, read, state, write
from glossary import put_glossary
from joblib import cpu_count
from nbclient import NotebookClient
from nbstripout import strip_output
from tqdm import tqdm

from backstage import sources
from backstage.files import write_whole
from backstage.settings import is_set

BUILD = ROOT / "build/notebooks"
COLAB = ROOT / "tools/colab_cell.py"
COLAB_METADATA = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["colab"]}
REPOSITORY = r"[\w.-]+/[\w.-]+"  # OWNER/NAME
ON_GITHUB = re.compile(
    rf"(?:(?:https|ssh|git)://)?(?:[^@/]+@)?github\.com[/:]({REPOSITORY}?)(?:\.git)?/?"
)
BADGE = re.compile(rf"(colab\.research\.google\.com/github/){REPOSITORY}")
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
}
AT_ONCE = 2  # notebooks
PACE = 1 if sys.stderr.isatty() else 20  # seconds between updates of a bar; fewer in a log file
MINUTES = {  # about, on one core; what is not listed takes less than one
    "x_ray_segmentation": 10,
    "CNNMNIST": 9.5,
    "cs7643": 8.5,
    "elec576": 6.5,
    "feedforwardAssignment": 4.5,
    "feedForwardMNIST": 2.5,
    "DL_AutoDiff_Nanograd": 1.5,
}
SHORT = 3  # minutes
NOISE = ["metadata.language_info", "cell.metadata.execution"]


def notebooks() -> list[Path]:
    """All notebooks, those of the report first."""
    return [*sorted(ROOT.glob("*.ipynb")), *sorted(ROOT.glob("companions/*/*.ipynb"))]


def named(name: str) -> Path:
    """The notebook of that name, with or without its folder and its ending.

    Raises:
        ValueError: there is none; the error lists those that there are.
    """
    for path in notebooks():
        if name in (path.stem, path.name) or Path(name).resolve() == path:
            return path
    stems = ", ".join(path.stem for path in notebooks())
    raise ValueError(f"there is no notebook {name}; there are {stems}")


def in_order(paths: Sequence[Path]) -> list[Path]:
    """The order in which notebooks start.

    The longest starts at once, so that nothing waits for it at the end. Beside it run the short
    ones, the shortest first, so that results appear early. The other long ones come
    last, the longest first, so that both processors have work to the end.
    """
    short = sorted((path for path in paths if _minutes(path) <= SHORT), key=_minutes)
    long = sorted((path for path in paths if path not in short), key=_minutes, reverse=True)
    return long[:1] + short + long[1:]


def _minutes(path: Path) -> float:
    return MINUTES.get(path.stem, 0.5)


def record_of(path: Path) -> dict[str, dict]:
    """The numbers that a file's prose may quote: a companion's own, otherwise the report's."""
    return prose.read_record(ROOT / "report" if path.parent == ROOT else path.parent)


class Running:
    """The notebooks that run now. Their kernels do not get Ctrl-C; this hands it on."""

    def __init__(self) -> None:
        self.stopped = False
        self._tasks = set()

    def note(self, **_: object) -> None:
        """Remember the task that executes a notebook; called by it as each cell starts."""
        self._tasks.add(asyncio.current_task())
        if self.stopped:
            raise asyncio.CancelledError

    def stop(self) -> None:
        """End every task: nbclient then interrupts its kernel, and kills it seconds later."""
        self.stopped = True
        for task in list(self._tasks):
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended by itself
                task.get_loop().call_soon_threadsafe(task.cancel)


def _place(path: Path, quick: bool) -> Path:
    """Where an executed notebook is put."""
    return BUILD / "quick" / path.name if quick else BUILD / path.name


def _is_done(path: Path, quick: bool) -> bool:
    """Whether a notebook was executed since anything it depends on changed."""
    nb = read(path)
    try:
        wanted = {"state": state(path, nb, ROOT), "data": _data(path, nb)}
        return read(_place(path, quick)).metadata.get("coursework") == wanted
    except (FileNotFoundError, ValueError, SyntaxError):
        return False  # never executed, damaged, or not Python, which executing it will report


def _data(path: Path, nb: nbformat.NotebookNode) -> str:
    """Fingerprint of the data files that lie where a notebook looks for them."""
    *named, _, cache = sources.folders(None)  # in their middle the folder of this program
    return data(nb, [*named, path.parent, cache])


def execute(
    path: Path, quick: bool = False, cores: Path | None = None, running: Running | None = None
) -> float | Exception:
    """Run one notebook into build/.

    Args:
        path: of the notebook.
        quick: whether in its quick form.
        cores: a file that says how many cores it may use, at any time; without one it gets all.
        running: where it can be stopped.

    Returns:
        Its time in seconds; or the error.
    """
    nb = read(path)
    try:
        wanted = state(path, nb, ROOT)
    except SyntaxError as error:  # before any cell has taken its time
        return error
    env = _environment(wanted, quick)
    if cores:
        env["COURSEWORK_CORES"] = str(cores)
    start = time.perf_counter()
    with _bar(path.stem, len(nb.cells)) as bar, _followed(bar) as place:
        try:
            client = _client(nb, path, bar, running or Running())
            asyncio.run(client.async_execute(env=env | {"COURSEWORK_PROGRESS": place}))
        except Exception as error:  # a failing cell or a dead kernel; the other notebooks still run
            return error
    # The data as they are now: the notebook may have been the one that fetched them.
    nb.metadata["coursework"] = {"state": wanted, "data": _data(path, nb)}
    write(nb, _place(path, quick))
    return time.perf_counter() - start


def _environment(wanted: str, quick: bool) -> dict[str, str]:
    own = {
        "COURSEWORK_STATE": f"quick{wanted}" if quick else wanted,
        "COURSEWORK_QUICK": str(int(quick)),
    }
    offline = {"WANDB_MODE": "offline"} if quick else {}
    return {**offline, **os.environ, **QUIET, **own}


def _bar(name: str, cells: int) -> tqdm:
    return tqdm(total=cells, desc=name, unit="cell", leave=False, mininterval=PACE)


@contextlib.contextmanager
def _followed(bar: tqdm) -> Iterator[str]:
    """Show behind a bar what the kernel writes into the file, whose name this gives."""
    ended = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "progress"
        place.touch()

        def follow() -> None:
            while not ended.wait(PACE):
                bar.set_postfix_str(place.read_text(encoding="utf-8"))

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield str(place)
        finally:
            ended.set()
            thread.join()


def _client(nb: nbformat.NotebookNode, path: Path, bar: tqdm, running: Running) -> NotebookClient:
    return NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=50"],
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=running.note,
        on_cell_complete=lambda **_: bar.update(),
    )


def run(paths: Sequence[Path], quick: bool = False) -> bool:
    """Execute the notebooks that changed, two at a time; True when all went well.

    Raises:
        KeyboardInterrupt: Ctrl-C; the kernels have been stopped.
    """
    waiting = in_order([path for path in paths if not _is_done(path, quick)])
    for path in paths:
        if path not in waiting:
            _tell(path, "unchanged")
    running = Running()
    pool = ThreadPoolExecutor(AT_ONCE)
    with tempfile.TemporaryDirectory() as folder:
        cores = Path(folder) / "cores"
        _share_cores(cores, len(waiting))
        jobs = [pool.submit(_run_one, path, quick, cores, running) for path in waiting]
        try:
            while left := wait(jobs, timeout=1).not_done:
                _share_cores(cores, len(left))
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # once is enough
            running.stop()
            pool.shutdown(cancel_futures=True)
            raise
    results = {path: job.result() for path, job in zip(waiting, jobs)}
    failures = {path: each for path, each in results.items() if isinstance(each, Exception)}
    for path, failure in failures.items():
        text = "".join(traceback.format_exception_only(failure))
        print(f"\n{path.name}: {text}", file=sys.stderr)
    return not failures


def _share_cores(place: Path, left: int) -> None:
    """Write how many cores each notebook may use: the last one that is left gets all."""
    at_once = min(AT_ONCE, max(1, left))
    write_whole(place, str(max(1, cpu_count() // at_once)))


def _run_one(path: Path, quick: bool, cores: Path, running: Running) -> float | Exception:
    result = execute(path, quick, cores, running)
    if not running.stopped:
        _tell(path, "FAILED" if isinstance(result, Exception) else f"{result:.0f} s")
    return result


def _tell(path: Path, outcome: str) -> None:
    """Print a line, with the time of day, between the progress bars."""
    with tqdm.external_write_mode():
        name = path.relative_to(ROOT).as_posix()
        print(f"{time.strftime('%H:%M:%S')}  {name:40s}  {outcome}", flush=True)


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
        write(nb, path)
        print(f"stored {path.relative_to(ROOT)} ({path.stat().st_size / 1e6:.1f} MB)")


def _code(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def fill_prose(paths: Sequence[Path]) -> None:
    """Write the record's numbers between the markers of the notebooks' prose."""
    for path in paths:
        nb = read(path)
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = prose.fill(cell.source, record_of(path))
        write(nb, path)


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
        return repository(tomllib.load(file)["project"]["urls"]["repository"])


def repository(address: str) -> str:
    """OWNER/NAME of an address on GitHub, in any of the forms that git takes.

    Raises:
        ValueError: it is none; the error says how it has to look.
    """
    if found := ON_GITHUB.fullmatch(address):
        return found[1]
    raise ValueError(f"the address has to look like https://github.com/OWNER/NAME, not {address}")


def origin() -> str | None:
    """OWNER/NAME of git's remote origin; None if it is not on GitHub, or this is no repository."""
    if not (ROOT / ".git").exists():  # git would take that of a folder above
        return None
    ask = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    with contextlib.suppress(OSError, ValueError):
        return repository(subprocess.run(ask, capture_output=True, text=True).stdout.strip())
    return None


def address(paths: Sequence[Path], to: str | None = None) -> None:
    """Write the repository's address, the Colab cell and the names from helpers to their places.

    Args:
        paths: the notebooks; each has the Colab cell as its second one, or gets it there.
        to: the address, https://github.com/OWNER/NAME; None: that of git's remote origin, and if
            that is not on GitHub, the address stays as it is and one sentence says so.
    """
    old = home()
    found = repository(to) if to else origin()
    new = found or old
    if not found:
        print(f"The address stays {old}: git has no origin on GitHub, and TO=... was not given.")
    for path in [ROOT / "pyproject.toml", COLAB, ROOT / "README.md"]:
        text = path.read_text(encoding="utf-8")
        write_whole(path, text.replace(old, new))
    for path in paths:
        nb = read(path)
        nb.cells[0].source = BADGE.sub(rf"\g<1>{new}", nb.cells[0].source)
        if len(nb.cells) < 2 or not is_colab(nb.cells[1]):
            nb.cells.insert(1, nbformat.v4.new_code_cell(id="colab"))
        nb.cells[1].source = COLAB.read_text(encoding="utf-8").strip()
        nb.cells[1].metadata.clear()
        nb.cells[1].metadata.update(COLAB_METADATA)
        put_glossary(nb)
        write(nb, path)


def main() -> int:
    """Do what the command line asks for.

    Returns:
        The exit status: 0, 1 if a notebook failed, or 130 after Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the slow imports are over
    try:
        return int(not _command())
    except KeyboardInterrupt:
        print("Stopped. What was done before is in build/notebooks.", file=sys.stderr)
        return 128 + signal.SIGINT


def _command() -> bool:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("what", choices=["run", "quick", "store", "prose", "address"])
    parser.add_argument("notebook", nargs="*")
    parser.add_argument("--to", metavar="URL", help="the repository's new address")
    wish = parser.parse_args()
    quick = wish.what == "quick" or is_set("COURSEWORK_QUICK")
    if quick and wish.what == "store":
        parser.error("stored outputs are those of full runs: take COURSEWORK_QUICK away first")
    try:
        paths = [named(name) for name in wish.notebook] or notebooks()
    except ValueError as e:
        parser.error(str(e))
    if wish.what == "address":
        try:
            address(paths, wish.to)
        except ValueError as e:
            parser.error(str(e))
        return True
    if wish.what != "prose" and not run(paths, quick):
        return False
    if wish.what == "store":
        store(paths)
        kept_records.keep(notebooks())
    if wish.what in ("store", "prose"):
        fill_prose(paths)
        pages.fill()
    return True


if __name__ == "__main__":
    sys.exit(main())
