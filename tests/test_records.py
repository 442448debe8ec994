"""Records of long comparisons: read while nothing changed, computed anew after every change."""

import errno
import json
import re
import shutil
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from backstage import records


@dataclass(frozen=True)
class Settings:
    rate: float


class Other(Settings):
    pass


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Records in empty folders, in full form; how often something was computed."""
    for name in ("NEW", "KEPT"):
        monkeypatch.setattr(records, name, tmp_path / name)
    monkeypatch.setattr(records, "QUICK", False)
    monkeypatch.setattr(records, "_quick_results", {})
    monkeypatch.delenv("COURSEWORK_FRESH", raising=False)
    counted = []

    def each_result(function, jobs, description):
        for job in jobs:
            counted.append(job)
            yield function(**job)

    monkeypatch.setattr(records, "each_result", each_result)
    return counted


def thirds(a):
    return {"share": np.float32(a / 3), "pair": (a, 2 * a / 3), 0.5: [float("nan")]}


def arrays(a):
    return np.arange(a), torch.ones(2) * 2 / 3, np.ones(2, np.float32)


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


def third_or_interrupted(a):
    if interrupted and a == 2:
        raise KeyboardInterrupt
    return a / 3


interrupted = []


def test_an_interrupted_comparison_goes_on_where_it_stopped(calls):
    interrupted.append(True)
    with pytest.raises(KeyboardInterrupt):
        records.recorded("thirds", third_or_interrupted, JOBS, "numbers")
    interrupted.clear()
    calls.clear()
    found = records.recorded("thirds", third_or_interrupted, JOBS, "numbers")
    assert calls == JOBS[1:]
    assert found == [0.333333, 0.666667]


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


def test_a_damaged_record_is_named_once_and_computed_again(calls, tmp_path, capsys):
    records.recorded("damaged", thirds, JOBS, "numbers")
    (tmp_path / "NEW").rename(tmp_path / "KEPT")
    (path,) = (tmp_path / "KEPT").iterdir()
    path.write_text(path.read_text()[:20])
    capsys.readouterr()
    records.recorded("damaged", thirds, JOBS, "numbers")
    assert calls == 2 * JOBS
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"the record {path.name} is damaged: what it held is computed anew"
    assert len(said) == 2


def test_two_that_add_to_a_record_at_once_lose_nothing(calls):
    def add(first):
        records._kept_one_by_one("r.json", [(str(first + i), i) for i in range(25)])

    threads = [threading.Thread(target=add, args=[100 * number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((records.NEW / "r.json").read_text())) == 100


def test_all_is_computed_anew_on_request(calls, monkeypatch):
    records.recorded("thirds", thirds, JOBS, "numbers")
    monkeypatch.setenv("COURSEWORK_FRESH", "1")
    records.recorded("thirds", thirds, JOBS, "numbers")
    assert calls == 2 * JOBS


def test_a_quick_run_computes_a_job_once(calls, monkeypatch):
    monkeypatch.setattr(records, "QUICK", True)
    first = records.recorded("thirds", thirds, JOBS, "numbers")
    again = records.recorded("thirds", thirds, [*JOBS, {"a": 3}], "numbers")
    assert calls == [*JOBS, {"a": 3}]
    assert repr(again[:2]) == repr(first)


def test_a_quick_run_computes_anew_what_a_change_may_concern(calls, monkeypatch):
    monkeypatch.setattr(records, "QUICK", True)
    for mark in ("before", "after"):
        monkeypatch.setattr(records, "source_mark", lambda function, mark=mark: mark)
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


def test_settings_that_differ_are_different_jobs():
    jobs = [1, 1.5, 1000001, 1000002, True, None, "1", (1,), {"a": 1}, {"a": 2}]
    jobs += [Settings(1), Settings(2), Other(1), np.array([0, 3]), np.array([1, 2]), np.arange(3)]
    assert len({records.describe(job) for job in jobs}) == len(jobs)
    assert records.describe({"rate": 0.1}) == records.describe({"rate": 0.1 + 1e-12})


@pytest.mark.parametrize("thing", [len, lambda x: x, torch.ones(2), np.ones(2), object()])
def test_what_cannot_be_told_apart_is_refused_as_a_job(calls, thing):
    with pytest.raises(TypeError, match="a job may hold"):
        records.recorded("thirds", thirds, [{"a": thing}], "numbers")
    assert not calls


def test_arrays_come_back_as_lists(calls):
    (found,) = records.recorded("arrays", arrays, [{"a": 2}], "numbers")
    assert found == [[0, 1], [0.666667, 0.666667], [1.0, 1.0]]


def test_a_fresh_run_keeps_what_two_calls_computed(calls, monkeypatch):
    monkeypatch.setenv("COURSEWORK_FRESH", "1")
    records.recorded("thirds", thirds, JOBS, "numbers")
    records.recorded("thirds", thirds, [{"a": 3}], "numbers")
    monkeypatch.delenv("COURSEWORK_FRESH")
    records.recorded("thirds", thirds, [*JOBS, {"a": 3}], "numbers")
    assert calls == [*JOBS, {"a": 3}]


@pytest.mark.parametrize("other", [0.1 + 1e-7, np.float32(0.1)])
def test_jobs_that_a_record_cannot_tell_apart_are_refused(calls, other):
    with pytest.raises(ValueError, match="two jobs differ, but not in the six digits"):
        records.recorded("thirds", thirds, [{"a": Settings(0.1)}, {"a": Settings(other)}], "rates")
    assert not calls
    assert len(records.recorded("thirds", thirds, [{"a": 0.1}, {"a": 0.1}, {"a": 1}], "rates")) == 3


def test_a_full_disk_neither_ends_a_comparison_nor_loses_its_results(calls, monkeypatch, capsys):
    wanted = records.recorded("thirds", thirds, JOBS, "numbers")
    capsys.readouterr()
    for folder in (records.NEW, records.KEPT):
        shutil.rmtree(folder, ignore_errors=True)

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(records, "write_whole", full)
    assert repr(records.recorded("thirds", thirds, JOBS, "numbers")) == repr(wanted)
    (said,) = capsys.readouterr().out.splitlines()
    assert re.search("cannot be written, the comparison goes on: .*No space left", said)
