"""Run the notebooks that changed, and refresh their stored outputs.

python tools/notebooks.py run      execute what changed, two at a time, into build/notebooks/
python tools/notebooks.py store    the same, then put the outputs into the notebooks, without noise
python tools/notebooks.py address  copy the repository's address from pyproject.toml to where it is used
"""

import argparse
import hashlib
import os
import re
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from joblib import cpu_count
from nbclient import NotebookClient
from nbstripout import strip_output
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/notebooks"
ADDRESS = r"(?<=github\.com/)[\w.-]+/[\w.-]+|(?<=colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+"
# One thread each: two would wait for one another on small matrices. No progress bars in stored outputs.
QUIET = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
# Memory that a training step frees stays with the process for the next step (glibc): a tenth faster.
QUIET |= {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(4 << 30)}
# Two notebooks at a time: each gets half of the cores for what it trains side by side.
QUIET["LOKY_MAX_CPU_COUNT"] = str(max(1, cpu_count() // 2))
LONG = ("x_ray_segmentation", "elec576", "CNNMNIST", "cs7643")


def notebooks():
    """All notebooks of the project, the long ones first, so that both processors have work to the end."""
    paths = sorted([*ROOT.glob("*.ipynb"), *ROOT.glob("companions/*/*.ipynb")])
    return sorted(paths, key=lambda p: LONG.index(p.stem) if p.stem in LONG else len(LONG))


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(nb):
    """The code cells that compute: all but the one that fetches the project on Colab."""
    return [c for c in nb.cells if c.cell_type == "code" and "colab" not in c.metadata.get("tags", [])]


def code_hash(nb):
    """Fingerprint of what a notebook computes; its prose and its outputs do not count."""
    return hashlib.sha256("\0".join(c.source for c in code_cells(nb)).encode()).hexdigest()


def modules(path, code):
    """The files of the project's own modules and packages that code imports, directly or through one another."""
    here = {p.stem: [p] for folder in (path.parent, ROOT) for p in folder.glob("*.py")}
    here |= {p.parent.name: list(p.parent.glob("*.py")) for p in path.parent.glob("*/__init__.py")}
    found, todo = {}, [code]
    while todo:
        for name in re.findall(r"^\s*(?:import|from)\s+(\w+)", todo.pop(), re.M):
            if name in here and name not in found:
                found[name] = here[name]
                todo += [p.read_text(encoding="utf-8") for p in here[name]]
    return sorted(p for files in found.values() for p in files)


def state(path, nb):
    """Fingerprint of all that a notebook's results depend on: its code, the project's modules it uses, its data."""
    code = "\n".join(c.source for c in code_cells(nb))
    parts = [code_hash(nb), *(hashlib.sha256(p.read_bytes()).hexdigest() for p in modules(path, code))]
    data = os.environ.get("COURSEWORK_DATA")
    if data and re.search(r"\bload_(mnist|lungs)\b", code):
        parts += [f"{p.name} {p.stat().st_size}" for p in sorted(Path(data).rglob("*")) if p.is_file()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def execute(path, position):
    """Run one notebook into build/; gives its seconds, None if nothing had changed, or the error."""
    nb, out = read(path), BUILD / path.name
    wanted = state(path, nb)
    if out.exists() and read(out).metadata.get("coursework", {}).get("state") == wanted:
        return None
    pace = 0.5 if sys.stderr.isatty() else 20  # seconds between updates; a log file needs fewer
    bar = tqdm(total=len(nb.cells), desc=path.stem, unit="cell", position=position, mininterval=pace)
    start = time.perf_counter()
    client = NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_complete=lambda **_: bar.update(),
    )
    try:
        client.execute(env={**os.environ, **QUIET, "COURSEWORK_STATE": wanted})
    except Exception as e:  # a failing cell or a dead kernel; the other notebooks still run
        return e
    finally:
        bar.close()
    nb.metadata["coursework"] = {"state": wanted}
    BUILD.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, out)
    return time.perf_counter() - start


def run():
    """Execute every notebook that changed, two at a time; gives True when all went well."""
    paths = notebooks()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(execute, paths, range(len(paths))))
    print("\nnotebook" + " " * 34 + "time")
    for path, result in zip(paths, results):
        said = "unchanged" if result is None else "FAILED" if isinstance(result, Exception) else f"{result:.0f} s"
        print(f"{path.relative_to(ROOT)!s:40s}  {said}")
    failures = [r for r in results if isinstance(r, Exception)]
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr)
    return not failures


def store():
    """Put the outputs of build/ into the notebooks, with counters, without timings, widget ids and other noise."""
    for path in notebooks():
        nb, done = read(path), read(BUILD / path.name)  # the same code cells; prose may have changed since
        pairs = zip(*([c for c in n.cells if c.cell_type == "code"] for n in (nb, done)), strict=True)
        for cell, ran in pairs:
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
            for output in cell.outputs:
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        noise = ["metadata.language_info", "cell.metadata.execution"]
        nb = strip_output(nb, keep_output=True, keep_count=True, keep_id=True, extra_keys=noise)
        nb.metadata["coursework"] = {"code_sha256": code_hash(nb)}
        nbformat.write(nb, path)
        print(f"stored {path.relative_to(ROOT)} ({path.stat().st_size / 1e6:.1f} MB)")


def address():
    """Write pyproject's repository address into the README and the opening cells of every notebook."""
    with open(ROOT / "pyproject.toml", "rb") as f:
        home = tomllib.load(f)["project"]["urls"]["repository"].removeprefix("https://github.com/")
    for path in [ROOT / "README.md", *notebooks()]:
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(ADDRESS, lambda m: home + ".git" * m[0].endswith(".git"), text), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "store", "address"])
    what = parser.parse_args().what
    if what == "address":
        address()
    else:
        good = run()
        if good and what == "store":
            store()
        sys.exit(not good)
