"""The frame: the notebook runner's bookkeeping, the installation, the cell for Colab."""

import ast
import os
import re
import subprocess
import sys
import types
import zipfile
from importlib import metadata
from pathlib import Path

import count
import fingerprint
import nbformat
import notebooks
import pytest
import submission

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
        code = "\n".join(cell.source for cell in fingerprint.code_cells(fingerprint.read(path)))
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


def test_what_changed_is_run_once_and_stored_without_noise(project):
    path = project / "n.ipynb"
    nbformat.write(notebook("print(6 * 7)"), path)
    assert notebooks.execute(path) > 0
    assert notebooks.execute(path) is None
    notebooks.store([path])
    stored = fingerprint.read(path)
    assert [c.execution_count for c in stored.cells[1:]] == [1, 2]
    assert stored.cells[2].outputs[0].text == "42\n"
    assert stored.metadata.coursework.code_sha256 == fingerprint.code_hash(stored)
    assert "language_info" not in stored.metadata
    assert "execution" not in stored.cells[2].metadata
    once = path.read_bytes()
    (project / "build/n.ipynb").unlink()
    assert notebooks.execute(path) > 0
    notebooks.store([path])
    assert path.read_bytes() == once, "a second run must store the same bytes"


def test_a_failing_cell_is_reported_and_not_taken_for_done(project):
    path = project / "n.ipynb"
    nbformat.write(notebook("1 / 0"), path)
    assert "ZeroDivisionError" in str(notebooks.execute(path))
    assert isinstance(notebooks.execute(path), Exception)
    assert not (project / "build/n.ipynb").exists()


def test_the_long_notebooks_start_first():
    order = [p.stem for p in notebooks.notebooks()]
    assert order[: len(notebooks.LONG)] == list(notebooks.LONG)
    assert len(set(order)) == len(order)


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
            cells = fingerprint.code_cells(fingerprint.read(path))
            yield name, count.plain_code("\n".join(cell.source for cell in cells))


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
        wanted = {DISTRIBUTIONS.get(library, library) for library in libraries}
        assert wanted <= listed(*files), f"{name} imports what {files} do not list"


def test_every_library_has_a_version_with_which_it_was_tried():
    assert listed("requirements.txt", "requirements-dev.txt") <= listed("constraints.txt")


# The cell for Colab.

CELL = notebooks.COLAB.read_text(encoding="utf-8")


def test_the_colab_cell_does_nothing_elsewhere():
    before = sys.path[:]
    names = {}
    exec(CELL, names)
    assert set(names) <= {"sys", "__builtins__"}
    assert sys.path == before


@pytest.fixture
def colab(tmp_path, monkeypatch):
    """A stand-in for Colab: commands are noted, git clone fails or makes a project, zips wait."""
    google = types.ModuleType("google")
    google.colab = types.ModuleType("google.colab")
    google.colab.files = types.SimpleNamespace(upload=lambda: {str(tmp_path / "up.zip"): b""})
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", google.colab)
    monkeypatch.setattr(sys, "path", sys.path[:])
    with zipfile.ZipFile(tmp_path / "up.zip", "w") as z:
        z.writestr("project/helpers.py", "")
        z.writestr("project/companions/one/main.py", "")

    def run_cell(network):
        commands = []

        def noted(command, check=False):
            commands.append([str(part) for part in command])
            if command[0] == "git" and network:
                (tmp_path / "content/coursework/companions/one").mkdir(parents=True)
                (tmp_path / "content/coursework/helpers.py").touch()
            return subprocess.CompletedProcess(command, command[0] == "git" and not network)

        monkeypatch.setattr(subprocess, "run", noted)
        exec(CELL.replace("/content", str(tmp_path / "content")), {})
        return commands

    return run_cell


@pytest.mark.parametrize("network", [True, False])
def test_on_colab_the_project_is_fetched_installed_and_importable(colab, tmp_path, network):
    home = tmp_path / "content/coursework"
    place = home if network else home / "project"
    clone, install = colab(network)
    assert clone[:2] == ["git", "clone"]
    assert install[1:] == ["-m", "pip", "install", "-q", "-e", str(place)]
    assert sys.path[:2] == [str(place), str(place / "companions/one")]
    assert [command[0] for command in colab(network)] == [sys.executable], "fetched once"


def test_address_writes_the_cell_and_the_address_everywhere(project, monkeypatch):
    for name in ("pyproject.toml", "README.md", "tools/colab_cell.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(notebooks, "COLAB", project / "tools/colab_cell.py")
    badge = "# A\n[b](https://colab.research.google.com/github/a/b/blob/main/n.ipynb)"
    path = project / "n.ipynb"
    nb = notebook("1", badge)
    del nb.cells[1]
    nbformat.write(nb, path)
    notebooks.address([path], "https://github.com/me/mine")
    assert notebooks.home() == "me/mine"
    nb = fingerprint.read(path)
    assert "github/me/mine/blob/main/n.ipynb" in nb.cells[0].source
    assert 'address = "https://github.com/me/mine.git"' in nb.cells[1].source
    assert nb.cells[1].metadata == notebooks.COLAB_METADATA
    assert [cell.cell_type for cell in nb.cells] == ["markdown", "code", "code"]
    once = path.read_bytes()
    notebooks.address([path])
    assert path.read_bytes() == once
    with pytest.raises(ValueError, match="OWNER/NAME"):
        notebooks.address([path], "mine")


def test_plot_lines_and_functions_are_counted():
    drawing = "import matplotlib.pyplot as plt\nx = 1\nfig, ax = plt.subplots()\nfor a in x:\n"
    drawing += "    ax.plot(\n        x,\n    )\n    # nothing\n    y = a.sum(axis=0)\n"
    assert count.plot_lines(drawing) == {3, 5, 6, 7}
    assert count.code_lines(drawing) == {1, 2, 3, 4, 5, 6, 7, 9}
    module = 'def f():\n    """Two\n    lines."""\n\n    import own\n    return own\n'
    assert count.functions(module) == [count.Function("f", 6, 3)]
    assert count.hidden_imports(module, ["own"]) == 1
