"""The frame: the notebook runner's bookkeeping."""

import os
import site
import subprocess
import sys
from pathlib import Path

import nbformat
import notebooks
import pytest


def notebook(code, prose="# A question"):
    cells = [
        nbformat.v4.new_markdown_cell(prose),
        nbformat.v4.new_code_cell("import sys", metadata={"tags": ["colab"]}),
    ]
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell(code)])


def test_a_notebook_depends_on_its_code_its_modules_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text("import b\n")
    (tmp_path / "b.py").write_text("x = 1\n")
    (tmp_path / "c.py").write_text("y = 1\n")
    path = tmp_path / "n.ipynb"
    before = notebooks.state(path, notebook("import a"))
    assert notebooks.state(path, notebook("import a", "# More prose")) == before
    assert notebooks.state(path, notebook("import a; 1")) != before
    (tmp_path / "c.py").write_text("y = 2\n")
    assert notebooks.state(path, notebook("import a")) == before, "c is not used"
    (tmp_path / "b.py").write_text("x = 2\n")
    assert notebooks.state(path, notebook("import a")) != before, "b is used by a"


def test_a_companions_packages_count_too(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    (tmp_path / "folder/models").mkdir(parents=True)
    (tmp_path / "folder/models/__init__.py").write_text("from .net import x\n")
    (tmp_path / "folder/models/net.py").write_text("x = 1\n")
    path = tmp_path / "folder/n.ipynb"
    before = notebooks.state(path, notebook("from models import x"))
    (tmp_path / "folder/models/net.py").write_text("x = 2\n")
    assert notebooks.state(path, notebook("from models import x")) != before


def test_data_count_only_for_notebooks_that_load_them(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    path, states = tmp_path / "n.ipynb", {}
    for size in (1, 2):
        (tmp_path / "images").write_bytes(bytes(size))
        for code in ("x = load_mnist(root)", "x = 1"):
            states[code, size] = notebooks.state(path, notebook(code))
    assert states["x = load_mnist(root)", 1] != states["x = load_mnist(root)", 2]
    assert states["x = 1", 1] == states["x = 1", 2]


def test_what_changed_is_run_once_and_stored_without_noise(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "BUILD", tmp_path / "build")
    path = tmp_path / "n.ipynb"
    nbformat.write(notebook("print(6 * 7)"), path)
    assert notebooks.execute(path, 0) > 0 and notebooks.execute(path, 0) is None
    notebooks.store()
    stored = notebooks.read(path)
    assert [c.execution_count for c in stored.cells[1:]] == [1, 2] and stored.cells[2].outputs[0].text == "42\n"
    assert stored.metadata.coursework.code_sha256 == notebooks.code_hash(stored)
    assert "language_info" not in stored.metadata and "execution" not in stored.cells[2].metadata
    once = path.read_bytes()
    (tmp_path / "build/n.ipynb").unlink()
    assert notebooks.execute(path, 0) > 0
    notebooks.store()
    assert path.read_bytes() == once, "a second run must store the same bytes"


def test_a_failing_cell_is_reported_and_not_taken_for_done(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "BUILD", tmp_path / "build")
    path = tmp_path / "n.ipynb"
    nbformat.write(notebook("1 / 0"), path)
    assert "ZeroDivisionError" in str(notebooks.execute(path, 0))
    assert isinstance(notebooks.execute(path, 0), Exception) and not (tmp_path / "build/n.ipynb").exists()


def test_the_long_notebooks_start_first():
    order = [p.stem for p in notebooks.notebooks()]
    assert order[: len(notebooks.LONG)] == list(notebooks.LONG) and len(set(order)) == len(order)


@pytest.mark.skipif(
    not Path(site.getsitepackages()[0], "coursework.pth").exists(), reason="not an environment made by make"
)
def test_helpers_are_found_from_any_working_directory(tmp_path):
    """As far as the environment is make's own: a notebook may be run from anywhere."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", "import helpers, imagedata, nanograd, sweeps"], cwd=tmp_path, env=env, check=True
    )
