"""Jobs side by side: the same results, heard failures, and processes that end with the program."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from backstage import processes, records
from backstage.settings import ROOT


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(processes, "_workers", lambda jobs: min(2, jobs))


def training(seed, epochs):
    """A small training with dropout and batch norm; gives the network and the losses."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
    x = torch.randn(64, 4)
    y = torch.randint(0, 3, (64,))
    losses = []
    for _ in range(epochs):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return net, losses


def test_jobs_side_by_side_give_what_they_give_one_after_the_other(
    two_cores, monkeypatch, capsys, tmp_path
):
    @dataclass
    class Settings:  # one that no other process can import, as in a notebook
        epochs: int = 3

    def job(seed, settings):
        (tmp_path / str(os.getpid())).touch()
        net, losses = training(seed, settings.epochs)
        print("seed", seed, torch.get_num_threads())
        return net, losses, settings

    torch.set_num_threads(1)
    jobs = [{"seed": seed, "settings": Settings()} for seed in range(5)]
    together = processes.in_parallel(job, jobs, "networks")
    assert capsys.readouterr().out == "".join(f"seed {seed} 1\n" for seed in range(5))
    elsewhere = {path.name for path in tmp_path.iterdir()}
    assert elsewhere
    assert str(os.getpid()) not in elsewhere
    monkeypatch.setattr(processes, "_workers", lambda jobs: 1)
    alone = processes.in_parallel(job, jobs, "networks")
    assert str(os.getpid()) in {path.name for path in tmp_path.iterdir()}
    for (net, losses, settings), (same, same_losses, _) in zip(together, alone):
        assert losses == same_losses
        assert settings == Settings()
        states = zip(net.state_dict().values(), same.state_dict().values())
        assert all(torch.equal(a, b) for a, b in states)


def test_there_are_never_more_processes_than_jobs_or_cores(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(processes, "cpu_count", lambda: 3)
    assert [processes._workers(jobs) for jobs in (0, 1, 2, 9)] == [0, 1, 2, 3]
    monkeypatch.setattr(processes, "cpu_count", lambda: 64)
    assert processes._workers(9) == 4
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert processes._workers(9) == 1


def test_no_jobs_give_no_results(two_cores):
    assert processes.in_parallel(training, [], "networks") == []


@pytest.mark.parametrize(
    "how, expected, words",
    [("raises", ValueError, "no such rate"), ("dies", BrokenProcessPool, "")],
)
def test_a_job_that_fails_is_heard_of_and_stops_the_others(two_cores, how, expected, words):
    def job(i):
        if i == 0 and how == "raises":
            raise ValueError("no such rate")
        if i == 0:
            os._exit(9)  # as when memory runs out
        time.sleep(60)

    start = time.monotonic()
    with pytest.raises(expected, match=words or None):
        processes.in_parallel(job, [{"i": 0}, {"i": 1}, {"i": 2}], "networks")
    assert time.monotonic() - start < 50
    assert not multiprocessing.active_children()


def test_processes_of_others_go_on_when_a_job_fails(two_cores):
    def job(i):
        raise ValueError("no such rate")

    other = processes._fresh_processes().Process(target=time.sleep, args=(60,))
    other.start()
    with pytest.raises(ValueError, match="no such rate"):
        processes.in_parallel(job, [{"i": 0}, {"i": 1}], "networks")
    other.join(timeout=2)
    assert other.is_alive()
    other.terminate()
    other.join()


def no_result_of_a_record(i):
    time.sleep(20 * i)
    return {1}


def test_no_process_outlives_a_result_that_cannot_be_kept(two_cores):
    jobs = [{"i": 0}, {"i": 1}, {"i": 2}]
    with pytest.raises(TypeError, match="set is not JSON") as error:  # kept, as a notebook does
        records.recorded("sets", no_result_of_a_record, jobs, "sets")
    assert error and not multiprocessing.active_children()


STOPPED = """
import os, signal, time
from backstage import processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
processes.cpu_count = lambda: 2
def job(i):
    open({folder!r} + f"/{{os.getpid()}}", "w").close()
    time.sleep(60)
try:
    processes.in_parallel(job, [{{"i": i}} for i in range(4)], "networks")
except KeyboardInterrupt:
    print("stopped")
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how, printed", [(signal.SIGINT, "stopped\n"), (signal.SIGKILL, "")])
def test_jobs_end_with_the_program_that_started_them(tmp_path, how, printed):
    more = {"TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STOPPED.format(folder=str(tmp_path))]
    pids = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | more
    ) as child:
        while len(pids) < 2 and child.poll() is None:
            time.sleep(0.1)
            pids = [int(path.name) for path in tmp_path.iterdir()]
        child.send_signal(how)
        assert child.communicate(timeout=30)[0] == printed
    assert len(pids) == 2
    assert len(list(tmp_path.iterdir())) == 2
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in pids)


def test_a_job_in_this_process_has_one_thread_which_is_taken_back(monkeypatch):
    monkeypatch.setattr(processes, "_workers", lambda jobs: 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for threads in processes.each_result(torch.get_num_threads, [{}, {}], "jobs"):
            assert (threads, torch.get_num_threads()) == (1, 2)
    finally:
        torch.set_num_threads(before)
