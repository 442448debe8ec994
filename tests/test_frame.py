"""The frame: the notebook runner's bookkeeping, and the installation."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import count
import fingerprint
import kept_records
import nbformat
import notebooks
import pytest
import submission

from backstage import processes, settings

ROOT = fingerprint.ROOT
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "IPython": "ipython"}


def notebook(code, prose="# A question"):
    cells = [
        nbformat.v4.new_markdown_cell(prose),
        nbformat.v4.new_code_cell("import sys", metadata={"tags": ["colab"]}),
        nbformat.v4.new_code_cell(code),
    ]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project that the notebook runner takes for its own."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "BUILD", tmp_path / "build")
    return tmp_path


def write(folder, **files):
    for name, text in files.items():
        path = folder / (name.replace("__init__", "dunder").replace("_", "/") + ".py")
        path = Path(str(path).replace("dunder", "__init__"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def state(project, code, prose="# A question"):
    return fingerprint.state(project / "n.ipynb", notebook(code, prose), project)


def test_a_notebook_depends_on_its_code_its_modules_and_nothing_else(tmp_path):
    write(tmp_path, a="import b\n", b="x = 1\n", c="y = 1\n")
    before = state(tmp_path, "import a")
    assert state(tmp_path, "import a", "# More prose") == before
    assert state(tmp_path, "import a; 1") != before
    write(tmp_path, c="y = 2\n")
    assert state(tmp_path, "import a") == before, "c is not used"
    write(tmp_path, b="x = 2\n")
    assert state(tmp_path, "import a") != before, "b is used by a"


@pytest.mark.parametrize(
    "line",
    [
        "import pack.one",
        "from pack import one",
        "from pack.one import x",
        "from pack import (\n    one,\n)",
    ],
)
def test_the_modules_of_a_package_count_one_by_one(tmp_path, line):
    write(tmp_path, pack___init__="", pack_one="from . import two\n", pack_two="", pack_three="")
    write(tmp_path, helpers=f"{line}\n")
    before = state(tmp_path, "%matplotlib inline\nimport helpers as h")
    write(tmp_path, pack_three="x = 2\n")
    assert state(tmp_path, "%matplotlib inline\nimport helpers as h") == before, "not used"
    for used in ("pack_two", "pack_one", "pack___init__"):
        write(tmp_path, **{used: "from . import two\nx = 2\n"})
        after = state(tmp_path, "%matplotlib inline\nimport helpers as h")
        assert after != before, used
        before = after


def test_a_companions_modules_count_too(tmp_path):
    write(tmp_path / "folder", models___init__="from .net import x\n", models_net="x = 1\n")
    path = tmp_path / "folder/n.ipynb"
    before = fingerprint.state(path, notebook("from models import x"), tmp_path)
    write(tmp_path / "folder", models_net="x = 2\n")
    assert fingerprint.state(path, notebook("from models import x"), tmp_path) != before


def test_every_notebook_depends_on_what_helpers_pass_on():
    for path in notebooks.notebooks():
        code = fingerprint.python(fingerprint.read(path))
        used = {p.relative_to(ROOT).as_posix() for p in fingerprint.modules(path, code)}
        assert {"helpers.py", "backstage/report.py", "backstage/settings.py"} <= used, path


def test_data_count_only_for_notebooks_that_load_them(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    states = {}
    for size in (1, 2):
        (tmp_path / "images").write_bytes(bytes(size))
        for code in ("x = load_mnist(root)", "x = 1"):
            states[code, size] = state(tmp_path, code)
    assert states["x = load_mnist(root)", 1] != states["x = load_mnist(root)", 2]
    assert states["x = 1", 1] == states["x = 1", 2]


def test_data_of_the_same_size_but_written_later_are_others(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    code = "x = load_lungs(root)"
    found = set()
    for second in (1, 2):
        (tmp_path / "lungs.npz").write_bytes(b"a")
        os.utime(tmp_path / "lungs.npz", (second, second))
        found |= {state(tmp_path, code), fingerprint.data(notebook(code), [tmp_path])}
    assert len(found) == 4


def test_what_changed_is_run_once_and_stored_without_noise(project, capsys):
    path = project / "n.ipynb"
    nbformat.write(notebook("print(6 * 7)"), path)
    assert notebooks.run([path])
    assert re.search(r"\d\d:\d\d:\d\d  n.ipynb +\d+ s\n", capsys.readouterr().out)
    assert notebooks.run([path])
    assert "unchanged" in capsys.readouterr().out
    notebooks.store([path])
    stored = fingerprint.read(path)
    assert [c.execution_count for c in stored.cells[1:]] == [1, 2]
    assert stored.cells[2].outputs[0].text == "42\n"
    assert stored.metadata.coursework.code_sha256 == fingerprint.code_hash(stored)
    assert "language_info" not in stored.metadata
    assert "execution" not in stored.cells[2].metadata
    once = path.read_bytes()
    (project / "build/n.ipynb").unlink()
    assert notebooks.run([path])
    notebooks.store([path])
    assert path.read_bytes() == once, "a second run must store the same bytes"


def test_a_failing_cell_is_reported_and_not_taken_for_done(project, capsys):
    path = project / "n.ipynb"
    nbformat.write(notebook("1 / 0"), path)
    assert not notebooks.run([path])
    printed = capsys.readouterr()
    assert "FAILED" in printed.out
    assert "ZeroDivisionError" in printed.err
    assert not (project / "build/n.ipynb").exists()


def test_a_cell_that_is_no_python_fails_its_own_notebook_only(project, capsys):
    paths = [project / "bad.ipynb", project / "good.ipynb"]
    for path, code in zip(paths, ("x = = 1", "x = 1")):
        nbformat.write(notebook(code), path)
    assert not notebooks.run(paths)
    printed = capsys.readouterr()
    assert re.search(r"bad.ipynb +FAILED\n", printed.out)
    assert re.search(r"good.ipynb +\d+ s\n", printed.out)
    assert re.search(r"bad.ipynb:(.|\n)*x = = 1", printed.err)


def test_a_damaged_result_counts_as_not_done(project):
    path = project / "n.ipynb"
    nbformat.write(notebook("1"), path)
    (project / "build").mkdir()
    (project / "build/n.ipynb").write_text(path.read_text()[:100])
    assert not notebooks._is_done(path, quick=False)


def test_a_notebook_that_cannot_be_written_stays_as_it_was(project, monkeypatch):
    path = project / "n.ipynb"
    nbformat.write(notebook("1"), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="the file is as it was before"):
        notebooks.fill_prose([path])
    assert path.read_bytes() == before


def broken(part, path):
    raise OSError("no space left")


def test_the_quick_form_is_run_apart_from_the_full_one(project):
    path = project / "n.ipynb"
    nbformat.write(notebook("import os\nprint(os.environ['COURSEWORK_QUICK'])"), path)
    assert notebooks.run([path], quick=True)
    shown = fingerprint.read(project / "build/quick/n.ipynb").cells[2].outputs[0].text
    assert shown == "1\n"
    assert not (project / "build/n.ipynb").exists()
    assert not notebooks._is_done(path, quick=False)


def test_what_a_quick_run_gives_is_never_stored(monkeypatch, capsys):
    monkeypatch.setenv("COURSEWORK_QUICK", "1")
    monkeypatch.setattr(sys, "argv", ["notebooks.py", "store"])
    with pytest.raises(SystemExit):
        notebooks.main()
    assert "stored outputs are those of full runs" in capsys.readouterr().err


def finished(order):
    """When each notebook is done, in minutes, on two processors that take them in this order."""
    free = [0.0, 0.0]
    done = {}
    for path in order:
        start = min(free)
        done[path.stem] = start + notebooks._minutes(path)
        free[free.index(start)] = done[path.stem]
    return done


def test_short_notebooks_start_early_and_the_total_hardly_grows():
    paths = notebooks.notebooks()
    assert set(notebooks.MINUTES) <= {path.stem for path in paths}
    done = sorted(finished(notebooks.in_order(paths)).values())
    least = sum(map(notebooks._minutes, paths)) / 2
    assert len(done) == len(paths) == len(set(paths))
    assert done[-1] < 1.05 * least
    assert done[2] < 0.1 * least, "the first results come soon"
    assert done[len(paths) // 2 - 1] < 0.4 * least, "half of them before half of the time"


@pytest.mark.parametrize("count", [1, 3])
def test_a_notebook_gets_all_cores_when_it_is_the_only_one_left(project, monkeypatch, count):
    at_start = []
    at_end = []

    def executed(path, quick, cores, running):
        monkeypatch.setenv("COURSEWORK_CORES", str(cores))
        at_start.append(processes._cores())
        limit = time.monotonic() + 30
        while path == paths[-1] and processes._cores() < 6 and time.monotonic() < limit:
            time.sleep(0.05)
        at_end.append(processes._cores())
        return 1.0

    monkeypatch.setattr(notebooks, "execute", executed)
    monkeypatch.setattr(notebooks, "cpu_count", lambda: 6)
    paths = [project / f"{number}.ipynb" for number in range(count)]
    for path in paths:
        nbformat.write(notebook("1"), path)
    assert notebooks.run(paths)
    assert at_start[:2] == ([6] if count == 1 else [3, 3])
    assert at_end[-1] == 6


@pytest.mark.parametrize("name", ["cs7643", "cs7643.ipynb", "companions/cs7643/cs7643.ipynb"])
def test_a_notebook_is_found_by_its_name(monkeypatch, name):
    monkeypatch.chdir(ROOT)
    assert notebooks.named(name) == ROOT / "companions/cs7643/cs7643.ipynb"


def test_a_name_that_no_notebook_has_is_refused_with_those_that_there_are(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["notebooks.py", "run", "XOR"])
    with pytest.raises(SystemExit) as stop:
        notebooks.main()
    assert stop.value.code == 2
    assert re.search("no notebook XOR; .*XOR_NNsandbox", capsys.readouterr().err)


# A cell that waits, and one that does not even listen to Ctrl-C.
WAITING = "import os, pathlib, time\npathlib.Path('{name}').write_text(str(os.getpid()))\n"
SLEEPING = WAITING + "time.sleep(600)"
DEAF = (
    WAITING
    + "while True:\n    try:\n        time.sleep(600)\n    except BaseException:\n        pass"
)
RUNNER = """
import pathlib, sys, notebooks
notebooks.ROOT = pathlib.Path.cwd()
notebooks.BUILD = notebooks.ROOT / "build"
sys.exit(notebooks.main())
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals as Unix has them")
def test_ctrl_c_stops_the_kernels_at_once_with_one_line(tmp_path):
    for name, code in (("a", SLEEPING), ("b", DEAF), ("c", SLEEPING)):
        nbformat.write(notebook(code.format(name=name)), tmp_path / f"{name}.ipynb")
    command = [sys.executable, "-c", RUNNER, "run"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tools")])}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    pids = [tmp_path / "a", tmp_path / "b"]
    try:
        while not all(path.exists() and path.read_text() for path in pids):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)  # an impatient second one
        printed = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130, printed
    assert printed.splitlines()[-1].startswith("Stopped.")
    assert "Traceback" not in printed
    assert not any(is_alive(int(path.read_text())) for path in pids)
    assert not (tmp_path / "c").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals as Unix has them")
def test_ctrl_c_during_the_imports_ends_the_runner_without_a_traceback(tmp_path):
    slow = "import time\nprint('importing', flush=True)\ntime.sleep(60)"
    (tmp_path / "nbformat.py").write_text(slow)
    process = subprocess.Popen(
        [sys.executable, "tools/notebooks.py", "run"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        printed = process.communicate(timeout=20)[0]
    finally:
        process.kill()
    assert (process.returncode, printed) == (130, "")


def is_installed():
    try:
        metadata.distribution("deep-learning-coursework")
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.skipif(not is_installed(), reason="the project is not installed")
def test_the_projects_modules_are_found_from_any_working_directory(tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    code = "import helpers, nanograd, side_by_side; from backstage import report"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)


def sources():
    """The code of each module and each notebook, by path."""
    for path in submission.sources():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py" and not name.startswith("report/"):
            yield name, path.read_text(encoding="utf-8")
        elif path.suffix == ".ipynb":
            yield name, fingerprint.python(fingerprint.read(path))


def imported(source):
    """Top-level names of all that is imported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def listed(*files):
    lines = [line for file in files for line in (ROOT / file).read_text().splitlines()]
    return {re.match(r"[\w-]+", line)[0].lower() for line in lines if re.match(r"\w", line)}


def test_every_library_that_is_imported_is_listed():
    own = {p.stem for p in ROOT.rglob("*.py") if ".venv" not in p.parts}
    own |= {p.parent.name for p in ROOT.rglob("*.py") if ".venv" not in p.parts}
    for name, source in sources():
        files = ["requirements.txt"]
        files += ["requirements-dicom.txt"] * (name == "backstage/xray_files.py")
        files += ["requirements-dev.txt"] * name.startswith(("tests/", "tools/", "benchmarks/"))
        libraries = set(imported(source)) - set(sys.stdlib_module_names) - own - {"google"}
        wanted = {DISTRIBUTIONS.get(library, library.replace("_", "-")) for library in libraries}
        assert wanted <= listed(*files), f"{name} imports what {files} do not list"


def test_every_library_has_a_version_with_which_it_was_tried():
    assert listed("requirements.txt", "requirements-dev.txt") <= listed("constraints.txt")


def test_plot_lines_and_functions_are_counted():
    drawing = "import matplotlib.pyplot as plt\nx = 1\nfig, ax = plt.subplots()\nfor a in x:\n"
    drawing += "    ax.plot(\n        x,\n    )\n    # nothing\n    y = a.sum(axis=0)\n"
    assert count.plot_lines(drawing) == {3, 5, 6, 7}
    assert count.code_lines(drawing) == {1, 2, 3, 4, 5, 6, 7, 9}
    module = 'def f():\n    """Two\n    lines."""\n\n    import own\n    return own\n'
    assert count.functions(module) == [count.Function("f", 6, 3)]
    assert count.hidden_imports(module, ["own"]) == 1


def test_the_runner_shows_how_far_a_long_cell_is(project, monkeypatch):
    shown = []
    monkeypatch.setattr(notebooks, "PACE", 0.05)
    monkeypatch.setattr(notebooks.tqdm, "set_postfix_str", lambda bar, text: shown.append(text))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code = """
import time
from backstage.settings import progress

for seed in progress(range(2), "seeds"):
    for epoch in progress(range(3), "epochs"):
        time.sleep(0.2)
"""
    path = project / "long.ipynb"
    nbformat.write(notebook(code), path)
    took = notebooks.execute(path)
    assert isinstance(took, float), took
    assert "seeds 1/2, epochs 2/3" in shown


MAGIC = "%%bash\nif true; then\n  echo $(( 7 % 3 ))\nfi"
SIGNS = "import a\ny = (10\n% 7)\nh.track?\n!ls"


def test_cells_for_ipython_and_lines_that_look_like_it_can_be_read(tmp_path):
    write(tmp_path, a="x = 1\n")
    cells = [nbformat.v4.new_code_cell(code) for code in (MAGIC, SIGNS)]
    nb = nbformat.v4.new_notebook(cells=cells)
    before = fingerprint.state(tmp_path / "n.ipynb", nb, tmp_path)
    write(tmp_path, a="x = 2\n")
    assert fingerprint.state(tmp_path / "n.ipynb", nb, tmp_path) != before
    nbformat.write(nb, tmp_path / "n.ipynb")
    assert count.notebook_row(tmp_path / "n.ipynb").startswith("n ")
    assert ast.unparse(ast.parse(count.plain_code(SIGNS))).startswith("import a\ny = 10 % 7\n")


def test_a_file_of_settings_that_a_notebook_names_counts(tmp_path):
    (tmp_path / "configs").mkdir()
    states = set()
    for text in ("rate: 1", "rate: 2"):
        (tmp_path / "configs/a.yaml").write_text(text)
        states.add(state(tmp_path, "load(HERE / 'configs/a.yaml')"))
    assert len(states) == 2


def test_data_that_come_later_are_noticed_and_data_that_a_run_fetched_are_not(project, monkeypatch):
    cache = project / "cache"
    cache.mkdir()
    monkeypatch.delenv("COURSEWORK_DATA", raising=False)
    monkeypatch.setattr(notebooks.sources, "CACHE", cache)
    path = project / "n.ipynb"
    fetch = f"import pathlib; pathlib.Path({str(cache / 'train-idx1-ubyte.gz')!r}).write_text('a')"
    nbformat.write(notebook(f"load_mnist = 1\n{fetch}"), path)
    assert notebooks.run([path])
    assert notebooks._is_done(path, quick=False)
    (cache / "others.npz").touch()
    assert notebooks._is_done(path, quick=False), "X-rays are no digits"
    (project / "mnist").mkdir()
    (project / "mnist/t10k-images-idx3-ubyte").touch()
    assert not notebooks._is_done(path, quick=False)


def test_results_of_both_records_are_kept_and_removed_ones_named(tmp_path, capsys):
    line = nbformat.v4.new_output("stream", text="2 results in the record r-1.json")
    cell = nbformat.v4.new_code_cell("1", outputs=[line])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "n.ipynb")
    for folder, results in (("records", {"a": 1, "b": 2}), ("build/records", {"a": 1, "c": 3})):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "r-1.json").write_text(json.dumps(results))
    (tmp_path / "records/old-2.json").write_text("{}")
    kept_records.keep([tmp_path / "n.ipynb"], tmp_path)
    (path,) = (tmp_path / "records").iterdir()
    assert json.loads(path.read_text()) == {"a": 1, "b": 2, "c": 3}
    assert capsys.readouterr().out.startswith("removed the record old-2.json")
    path.write_text('{"a": 1, "b"')  # damaged
    kept_records.keep([tmp_path / "n.ipynb"], tmp_path)
    assert json.loads(path.read_text()) == {"a": 1, "c": 3}


def test_a_loop_that_is_left_early_is_no_longer_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setenv("COURSEWORK_PROGRESS", str(tmp_path / "progress"))
    for _ in settings.progress(range(3), "seeds"):
        break
    assert not settings._levels
