"""What the notebooks write for the report: the same bytes each time, whole files, clear errors."""

import json
import math
import subprocess
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import helpers as h
from backstage import report


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Everything written goes to a folder of the test's own."""
    monkeypatch.setattr(report, "_folder", tmp_path / "report")
    return tmp_path / "report"


def files(folder):
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def a_figure():
    h.use_style()
    fig, ax = plt.subplots()
    ax.plot([0, 1], label="$x^2$")
    return fig


def test_figures_numbers_and_tables_are_the_same_bytes_twice(folder):
    seen = []
    for _ in range(2):
        h.save_figure(a_figure(), "a", alt="A rising line.")
        h.save_numbers("b", Loss=(0.12345, ".3f", 0.004), Seeds=3)
        h.save_numbers("a", Loss=2)
        h.save_table("t", [["1", "2"], None, ["3", "4"]])
        seen.append(files(folder))
    assert seen[0] == seen[1]
    assert seen[0]["t.tex"] == b"1 & 2 \\\\\n\\midrule\n3 & 4 \\\\\n"
    assert seen[0]["a.pdf"].startswith(b"%PDF") and not plt.get_fignums()


def test_numbers_stand_in_the_record_and_as_macros(folder):
    h.save_numbers("b", Loss=(0.12345678, ".3f", 0.004321), Data="MNIST", Seeds=3)
    h.save_numbers("a", Share=(np.float32(0.25), ".0%"))
    record = json.loads((folder / "numbers.json").read_text())
    assert record == {
        "aShare": {"text": "25%", "value": 0.25},
        "bData": {"text": "MNIST"},
        "bLoss": {"text": "0.123", "value": 0.123457, "spread": 0.00432},
        "bSeeds": {"text": "3", "value": 3},
    }
    assert list(record) == sorted(record)
    lines = (folder / "numbers.tex").read_text().splitlines()
    assert lines[2] == "\\newcommand{\\bLoss}{0.123}" and len(lines) == 4
    h.save_numbers("b", Seeds=4)
    changed = json.loads((folder / "numbers.json").read_text())
    assert changed == record | {"bSeeds": {"text": "4", "value": 4}}


@pytest.mark.parametrize(
    "prefix, numbers, words",
    [
        ("xor", {"Loss2": 1.0}, "all letters"),
        ("xor_", {"Loss": 1.0}, "all letters"),
        ("xor", {"Loss": math.nan}, "xorLoss is nan: nothing to report"),
        ("xor", {"Good": 1, "Loss": (math.inf, ".2f")}, "xorLoss is inf"),
    ],
)
def test_bad_numbers_are_named_and_nothing_is_written(folder, prefix, numbers, words):
    with pytest.raises(ValueError, match=words):
        h.save_numbers(prefix, **numbers)
    assert not files(folder)


def test_processes_that_save_at_once_lose_nothing(folder):
    code = (
        "import sys; from pathlib import Path; from backstage import report\n"
        "report._folder = Path(sys.argv[1])\n"
        "for i in range(20):\n"
        "    report.save_numbers(sys.argv[2], **{'abcdefghijklmnopqrst'[i]: i})\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    children = [subprocess.Popen([*command, name], cwd=h.ROOT) for name in ("x", "y")]
    assert [child.wait() for child in children] == [0, 0]
    assert len(json.loads((folder / "numbers.json").read_text())) == 40


def test_a_stand_in_is_labelled_on_the_figure(folder):
    fig = a_figure()
    h.save_figure(fig, "a", SimpleNamespace(label="stand-in for MNIST"), alt="A line.")
    assert fig.get_suptitle() == "stand-in for MNIST"
    fig = a_figure()
    h.show_figure(fig, SimpleNamespace(label=""), alt="A line.")
    assert fig.get_suptitle() == "" and not plt.get_fignums()


def test_a_figure_needs_its_alt_text():
    with pytest.raises(TypeError, match="alt"):
        h.save_figure(a_figure(), "a")
    plt.close("all")


def test_in_a_notebook_the_figure_and_its_alt_text_arrive(folder):
    import nbformat
    from nbclient import NotebookClient

    code = (
        f"import sys; sys.path.insert(0, {str(h.ROOT)!r})\n"
        "from backstage import report\n"
        "from matplotlib import pyplot as plt\n"
        "fig = plt.figure()\n"
        "report.show_figure(fig, alt='A \"rising\" line.')\n"
        "report.show_movie(b'GIF89a', alt='A \"moving\" line.')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3", timeout=600, startup_timeout=300).execute()
    outputs = [out for out in notebook.cells[0].outputs if out.output_type == "display_data"]
    picture, movie = outputs
    assert "image/png" in picture.data
    assert picture.metadata["image/png"]["alt"] == 'A "rising" line.'
    assert 'alt="A &quot;moving&quot; line."' in movie.data["text/html"]


def test_listings_are_cut_and_dedented(folder):
    def example():
        first = 1
        if first:
            second = 2
        return second

    h.save_listing("whole", example)
    h.save_listing("part", example, "if first", "second = 2")
    h.save_listing("text", "a = 1\nb = 2\n")
    found = files(folder)
    assert found["whole.py"].startswith(b"def example():\n    first = 1\n")
    assert found["part.py"] == b"if first:\n    second = 2\n"
    assert found["text.py"] == b"a = 1\nb = 2\n"
    with pytest.raises(ValueError, match="no lines from 'third' to ''.*listing part"):
        h.save_listing("part", example, "third")
    assert files(folder) == found


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def fail(*paths):
        raise OSError("disk full")

    path = h.write_whole(tmp_path / "new folder" / "x.txt", "old")
    monkeypatch.setattr(report.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        h.write_whole(path, "new")
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]


def test_a_companion_writes_to_its_own_folder():
    h.report_to("companions/elec576")
    assert h.report_folder() == report.BASE / "companions/elec576"


def test_a_quick_run_never_writes_over_a_real_result():
    code = "from backstage import report as r; print(r.report_folder().relative_to(r.ROOT))"
    for value, want in (("1", "build/quick/report"), ("0", "report")):
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=h.ROOT,
            env={**report.os.environ, "COURSEWORK_QUICK": value},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == want
