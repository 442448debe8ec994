"""What the notebooks write for the report: the same bytes each time, whole files, clear errors."""

import errno
import json
import math
import os
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
    h.save_numbers("bMore", Seeds=5)
    changed = json.loads((folder / "numbers.json").read_text())
    new = {"bSeeds": {"text": "4", "value": 4}, "bMoreSeeds": {"text": "5", "value": 5}}
    assert changed == record | new


@pytest.mark.parametrize(
    "prefix, numbers, words",
    [
        ("xor", {"Loss2": 1.0}, "all letters"),
        ("xor_", {"Loss": 1.0}, "a prefix is letters"),
        ("Xor", {"Loss": 1.0}, "the first a small one, not 'Xor'"),
        ("", {"Loss": 1.0}, "a prefix is letters"),
        ("xor", {"Loss": math.nan}, "xorLoss is nan: nothing to report"),
        ("xor", {"Good": 1, "Loss": (math.inf, ".2f")}, "xorLoss is inf"),
        ("xor", {"Data": "two\nlines"}, "xorData must be text on one line, not 'two.nlines'"),
        ("xor", {"Data": "a\u2028b"}, "one line"),
        ("xor", {"Data": "{a"}, "xorData needs a closing brace for each opening one, not '{a'"),
        ("xor", {"Data": "a\\"}, "closing brace"),
    ],
)
def test_bad_numbers_are_named_and_nothing_is_written(folder, prefix, numbers, words):
    with pytest.raises(ValueError, match=words):
        h.save_numbers(prefix, **numbers)
    assert not files(folder)


@pytest.mark.parametrize(
    "value, text, printed",
    [
        ((0.25, ".0%"), "25%", r"25\%"),
        ("50% of #1", "50% of #1", r"50\% of \#1"),
        (r"50\% of \#1", r"50\% of \#1", r"50\% of \#1"),
        (r"a\\%", r"a\\%", r"a\\\%"),
        (r"$10^{-4}$, \{", r"$10^{-4}$, \{", r"$10^{-4}$, \{"),
    ],
)
def test_percent_and_hash_signs_reach_latex_as_signs(folder, value, text, printed):
    h.save_numbers("x", A=value)
    assert json.loads((folder / "numbers.json").read_text())["xA"]["text"] == text
    assert (folder / "numbers.tex").read_text() == f"\\newcommand{{\\xA}}{{{printed}}}\n"
    if isinstance(value, str):
        h.save_table("t", [[value, "b"]])
        assert (folder / "tables/t.tex").read_text() == f"{printed} & b \\\\\n"


def test_a_cell_of_a_table_is_one_line(folder):
    with pytest.raises(ValueError, match="a cell of table t must be text on one line"):
        h.save_table("t", [["1", "2\n3"]])
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


BAD_NAMES = ["../../x", "/x", "a/b", "a\\b", "..\\x", "", "a\0b", "a\nb"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leads_out_of_its_folder_is_refused(folder, name):
    with pytest.raises(ValueError, match="a figure's name is that of one file, without /"):
        h.save_figure(a_figure(), name, alt="A line.")
    plt.close("all")
    with pytest.raises(ValueError, match="a table's name is that of one file"):
        h.save_table(name, [["1"]])
    with pytest.raises(ValueError, match="a listing's name is that of one file"):
        h.save_listing(name, "a = 1")
    with pytest.raises(ValueError, match="a checkpoint's name is that of one file"):
        h.checkpoint_path(name)
    assert not files(folder.parent)


@pytest.mark.parametrize("place", ["../../x", "/x", "companions/../.."])
def test_a_report_outside_the_project_is_refused(folder, place):
    with pytest.raises(ValueError, match="a folder to save to lies in"):
        h.report_to(place)
    assert h.report_folder() == folder


@pytest.mark.parametrize("moment", ["write", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, moment, code
):
    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    def write_half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        fail()

    path = h.write_whole(tmp_path / "new folder" / "x.txt", "old")
    if moment == "write":
        monkeypatch.setattr(type(path), "write_bytes", write_half)
    else:
        monkeypatch.setattr(os, "replace", fail)
    words = f"{os.strerror(code)}, on the disk /.*; the file is as it was before: '{path}'"
    with pytest.raises(OSError, match=words) as caught:
        h.write_whole(path, "new")
    assert caught.value.errno == code
    assert path.read_text() == "old" and list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev/full")
def test_a_disk_that_is_full_is_named_with_the_file(folder, monkeypatch):
    h.save_numbers("a", Old=1)
    before = files(folder)
    monkeypatch.setattr(type(folder), "write_bytes", lambda path, content: write_to_full(content))
    with pytest.raises(OSError, match="No space left on device, on the disk /.*numbers.json"):
        h.save_numbers("a", New=2)
    with pytest.raises(OSError, match="No space left on device, on the disk /.*a.pdf"):
        h.save_figure(a_figure(), "a", alt="A line.")
    plt.close("all")
    assert files(folder) == before


def write_to_full(content):
    with open("/dev/full", "wb") as file:
        file.write(content)


def test_a_companion_writes_to_its_own_folder():
    h.report_to("companions/elec576")
    assert h.report_folder() == report.BASE / "companions/elec576"


def test_a_quick_run_never_writes_over_a_real_result():
    code = "from backstage import report as r; print(r.report_folder().relative_to(r.ROOT))"
    for value, want in (("1", "build/quick/report"), ("0", "report")):
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=h.ROOT,
            env={**os.environ, "COURSEWORK_QUICK": value},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == want
