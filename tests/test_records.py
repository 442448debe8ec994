"""Records of long comparisons: read while nothing changed, computed anew after every change."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import helpers as h
from backstage import records
from backstage.source_marks import describe, source_mark

ROOT = Path(h.__file__).parent
RATE = 0.1
CHANGES = {"none": (), "twice": (max,)}
IMAGES = TensorDataset(torch.arange(12.0).reshape(3, 4))


def loss(x):
    return x * RATE


class Model:
    """A class with a property that reads a number of the module."""

    scale = 2

    @property
    def rate(self):
        return RATE


CUTS = {"low": lambda x: x + 1, "high": lambda x: x + 2}


def of_lambdas(a):
    return CUTS["high"](a)


def of_number(a):
    return loss(a)


@torch.no_grad()
def wrapped(x):
    return loss(x) + 1


def of_wrapped(a):
    return wrapped(a)


def of_class(a):
    return Model().rate * a


def of_module(a):
    return h.xor_points(a, 0.1, np.random.default_rng(0))


def of_data(a):
    return IMAGES.tensors[0] * a


def of_table(a):
    return CHANGES[a]


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Records in empty folders, in full form; how often something was computed."""
    for name in ("NEW", "KEPT"):
        monkeypatch.setattr(records, name, tmp_path / name)
    monkeypatch.setattr(records, "QUICK", False)
    monkeypatch.delenv("COURSEWORK_FRESH", raising=False)
    counted = []

    def in_parallel(function, jobs, description):
        counted.extend(jobs)
        return [function(**job) for job in jobs]

    monkeypatch.setattr(records, "in_parallel", in_parallel)
    return counted


def thirds(a):
    return {"share": np.float32(a / 3), "pair": (a, 2 * a / 3), 0.5: [math_nan]}


math_nan = float("nan")
JOBS = [{"a": 1}, {"a": 2}]


def test_a_record_is_read_and_gives_what_was_computed(calls, capsys):
    first = records.recorded("thirds", thirds, JOBS, "numbers")
    said = capsys.readouterr().out
    again = records.recorded("thirds", thirds, JOBS, "numbers")
    assert calls == JOBS
    assert repr(first) == repr(again)
    assert first[0]["share"] == 0.333333 and first[0]["pair"] == [1, 0.666667]
    assert list(first[0]) == ["share", "pair", "0.5"]
    assert capsys.readouterr().out == said
    assert re.fullmatch(r"2 results in the record thirds-[0-9a-f]{8}\.json\n", said)


def test_only_jobs_that_a_record_lacks_are_computed(calls):
    records.recorded("thirds", thirds, JOBS, "numbers")
    found = records.recorded("thirds", thirds, [{"a": 3}, {"a": 1}], "numbers")
    assert calls == [*JOBS, {"a": 3}]
    assert [one["pair"][0] for one in found] == [3, 1]


def test_the_projects_record_is_used_and_not_written_to(calls, tmp_path):
    records.recorded("thirds", thirds, JOBS, "numbers")
    (tmp_path / "NEW").rename(tmp_path / "KEPT")
    (kept,) = (tmp_path / "KEPT").iterdir()
    before = kept.read_bytes()
    records.recorded("thirds", thirds, [*JOBS, {"a": 3}], "numbers")
    assert calls == [*JOBS, {"a": 3}]
    assert kept.read_bytes() == before
    assert (tmp_path / "NEW" / kept.name).exists()


def test_a_damaged_record_is_computed_again(calls, tmp_path):
    records.recorded("thirds", thirds, JOBS, "numbers")
    (path,) = (tmp_path / "NEW").iterdir()
    path.write_text(path.read_text()[:20])
    records.recorded("thirds", thirds, JOBS, "numbers")
    assert calls == 2 * JOBS


def test_all_is_computed_anew_on_request(calls, monkeypatch):
    records.recorded("thirds", thirds, JOBS, "numbers")
    monkeypatch.setenv("COURSEWORK_FRESH", "1")
    records.recorded("thirds", thirds, JOBS, "numbers")
    assert calls == 2 * JOBS


def test_a_quick_run_neither_reads_nor_writes(calls, tmp_path, monkeypatch):
    full = records.recorded("thirds", thirds, JOBS, "numbers")
    monkeypatch.setattr(records, "QUICK", True)
    quick = records.recorded("thirds", thirds, [*JOBS, {"a": 3}], "numbers")
    assert repr(quick[:2]) == repr(full)
    assert calls == [*JOBS, *JOBS, {"a": 3}]
    assert len(list((tmp_path / "NEW").iterdir())) == 1


def test_a_name_stays_in_its_folder(calls):
    with pytest.raises(ValueError, match="record"):
        records.recorded("../thirds", thirds, JOBS, "numbers")
    assert not calls


@pytest.mark.parametrize(
    "function, name, value",
    [
        (of_number, "RATE", 0.2),
        (of_class, "RATE", 0.2),
        (of_number, "loss", lambda x: x),
        (of_wrapped, "RATE", 0.2),
        (of_lambdas, "CUTS", {"low": lambda x: x + 1, "high": lambda x: x + 3}),
        (of_data, "IMAGES", TensorDataset(torch.arange(12.0).reshape(4, 3))),
        (of_data, "IMAGES", TensorDataset(torch.arange(12.0).reshape(3, 4) + 1)),
        (of_table, "CHANGES", {"none": (), "twice": (min,)}),
    ],
)
def test_what_a_function_uses_is_part_of_its_mark(function, name, value, monkeypatch):
    before = source_mark(function)
    monkeypatch.setitem(globals(), name, value)
    assert source_mark(function) != before
    monkeypatch.undo()
    assert source_mark(function) == before


def test_what_is_reached_through_a_module_is_part_of_the_mark(monkeypatch):
    before = source_mark(of_module)
    monkeypatch.setattr(h, "xor_points", loss)
    assert source_mark(of_module) != before


SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from backstage.source_marks import source_mark
import helpers as h
{code}
print(source_mark(f))
"""
PLAIN = "def f(a):\n    return h.fit, a + 1\n"
TALKING = (
    'def f(a):\n    """Add one.\n\n    To a.\n    """\n    # a comment\n    return h.fit, a + 1\n'
)
CHANGED = PLAIN.replace("+ 1", "+ 2")


def test_a_mark_depends_on_code_but_not_on_its_folder_or_its_comments(tmp_path):
    marks = []
    for number, code in enumerate((PLAIN, TALKING, CHANGED)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT.format(root=str(ROOT), code=code))
        done = subprocess.run(
            [sys.executable, folder / "script.py"], capture_output=True, text=True, check=True
        )
        marks.append(done.stdout)
    assert marks[0] == marks[1] != marks[2]


def test_last_digits_do_not_count_in_a_description():
    x = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert describe(x) == describe(x * (1 + 1e-6)) != describe(x * 1.1)
    assert describe({"rate": 0.1}) == describe({"rate": 0.1 + 1e-12}) != describe({"rate": 0.11})
    assert describe(np.array(["a", "b"])) != describe(np.array(["a", "c"]))
