"""The two digit networks, and trainings that are interrupted, in small."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import helpers as h
from backstage import mnist, sources

@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No data folder, an empty cache and no network: the stand-in takes MNIST's place."""
    monkeypatch.delenv("COURSEWORK_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(mnist, "MIRRORS", ())


# ---- networks ----


def test_the_networks_print_and_count_as_in_the_assignment():
    assert str(h.digit_mlp()) == textwrap.dedent("""\
        Net(
          (main): Sequential(
            (0): Linear(in_features=784, out_features=128, bias=True)
            (1): ReLU()
            (2): Linear(in_features=128, out_features=64, bias=True)
            (3): ReLU()
            (4): Linear(in_features=64, out_features=10, bias=True)
            (5): LogSoftmax(dim=1)
          )
        )""")
    assert str(h.digit_cnn()) == textwrap.dedent("""\
        Net(
          (main): Sequential(
            (0): Conv2d(1, 16, kernel_size=(3, 3), stride=(1, 1))
            (1): ReLU()
            (2): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
            (3): Conv2d(16, 32, kernel_size=(3, 3), stride=(1, 1))
            (4): ReLU()
            (5): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
            (6): Flatten(start_dim=1, end_dim=-1)
            (7): Linear(in_features=800, out_features=10, bias=True)
            (8): LogSoftmax(dim=1)
          )
        )""")
    assert h.count_parameters(h.digit_mlp()) == 109386 and h.count_parameters(h.digit_cnn()) == 12810


@pytest.mark.parametrize("make", [h.digit_mlp, h.digit_cnn])
def test_a_digit_network_computes_what_its_printed_layers_compute(make):
    torch.manual_seed(0)
    net, x = make(), torch.randn(5, 1, 28, 28)
    want = net.main(x if make is h.digit_cnn else x.flatten(1))
    assert torch.allclose(net(x), want, atol=1e-6)
    assert torch.allclose(net(x).exp().sum(1), torch.ones(5), atol=1e-5)


# ---- training ----


def parts(seed=0, n=64):
    """Loaders of a small problem of three classes, with a network that has dropout: chance everywhere."""
    rng = torch.Generator().manual_seed(5)
    x, y = torch.randn(n, 4, generator=rng), torch.randint(0, 3, (n,), generator=rng)
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3), nn.LogSoftmax(1)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
    train, val = h.batches(TensorDataset(x, y), 8, seed), h.batches(TensorDataset(x[:20], y[:20]), 20)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=6 * len(train))
    return net, train, val, optimizer, schedule


def noisy(x, y, chance):
    return x + 0.1 * torch.randn(x.shape, generator=chance), y


class Killed(Exception):
    pass


def train(path, stop=None, keep="last", epochs=6):
    def log(row):
        rows.append(row)
        if row["epoch"] == stop:
            raise Killed

    rows = []
    net, *loaders, optimizer, schedule = parts()
    try:
        h.fit(net, *loaders, optimizer, epochs, log, h.CLASSES, schedule, noisy, path, keep)
    except Killed:
        pass
    return net, rows


@pytest.mark.parametrize("keep", ["last", "best"])
def test_an_interrupted_training_resumes_and_ends_like_an_uninterrupted_one(tmp_path, capsys, keep):
    whole, curve = train(tmp_path / "a.pt", keep=keep)
    assert not (tmp_path / "a.pt").exists()
    train(tmp_path / "b.pt", stop=4, keep=keep)
    assert (tmp_path / "b.pt").exists()
    resumed, rows = train(tmp_path / "b.pt", keep=keep)
    assert "resumed after epoch 4 of 6" in capsys.readouterr().out
    assert rows == curve and [r["epoch"] for r in rows] == [1, 2, 3, 4, 5, 6]
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values()))


def test_best_is_the_epoch_with_the_highest_validation_score(tmp_path):
    net, rows = train(None, keep="best")
    _, _, val, *_ = parts()
    assert h.evaluate(net, val, h.CLASSES)[1] == max(r["val/accuracy"] for r in rows)


def test_a_checkpoint_of_another_network_or_other_settings_is_refused(tmp_path):
    path = tmp_path / "c.pt"
    train(path, stop=2)
    with pytest.raises(ValueError, match="other settings: epochs 6 there, 9 here"):
        train(path, epochs=9)
    net, *loaders, optimizer, schedule = parts()
    other = nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 3), nn.LogSoftmax(1))
    before = {k: v.clone() for k, v in other.state_dict().items()}
    with pytest.raises(ValueError, match=r"other parameters: 0.weight \(8, 4\) there, \(9, 4\) here"):
        h.fit(other, *loaders, torch.optim.AdamW(other.parameters(), lr=0.02), 6, task=h.CLASSES, checkpoint=path)
    assert all(torch.equal(before[k], v) for k, v in other.state_dict().items())
    with pytest.raises(ValueError, match="other settings: lr 0.02 there, 0.5 here"):
        h.fit(net, *loaders, torch.optim.AdamW(net.parameters(), lr=0.5), 6, task=h.CLASSES, checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read"):
        h.fit(net, *loaders, optimizer, 6, task=h.CLASSES, scheduler=schedule, checkpoint=path)


def long_training(path, log):
    h.fit(*parts()[:4], 60, task=h.CLASSES, checkpoint=path, log=log)


PROGRAM = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_mnist
test_mnist.long_training({path!r}, lambda row: print(row["epoch"], flush=True))
"""


def test_a_killed_process_resumes_with_the_same_curve(tmp_path, capsys):
    path, whole, resumed = tmp_path / "killed.pt", [], []
    code = PROGRAM.format(root=str(h.ROOT), tests=str(Path(__file__).parent), path=str(path))
    env = {**os.environ, "TQDM_DISABLE": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env) as child:
        for line in child.stdout:
            if line == "20\n":
                child.send_signal(signal.SIGKILL)
                break
    assert path.exists(), "killed too late: nothing to resume"
    long_training(tmp_path / "whole.pt", whole.append)
    long_training(path, resumed.append)
    assert int(capsys.readouterr().out.split()[3]) >= 20
    assert resumed == whole and len(whole) == 60


# ---- several trainings side by side ----


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(h, "cpu_count", lambda: 2)
    monkeypatch.setattr(h, "pick_device", lambda: torch.device("cpu"))


def test_jobs_side_by_side_give_what_they_give_one_after_the_other(two_cores, monkeypatch, capsys, tmp_path):
    @dataclass
    class Settings:  # one that no other process can import, as in a notebook
        epochs: int = 3

    def job(seed, s):
        (tmp_path / str(os.getpid())).touch()
        net, *loaders, optimizer, schedule = parts(seed)
        rows = h.fit(net, *loaders, optimizer, s.epochs, task=h.CLASSES, scheduler=schedule, augment=noisy)
        print("seed", seed, torch.get_num_threads())
        return net, rows, s

    torch.set_num_threads(1)
    jobs = [{"seed": seed, "s": Settings()} for seed in range(5)]
    side_by_side = h.in_parallel(job, jobs, "networks")
    assert capsys.readouterr().out == "".join(f"seed {seed} 1\n" for seed in range(5))
    elsewhere = {path.name for path in tmp_path.iterdir()}
    assert elsewhere and str(os.getpid()) not in elsewhere
    monkeypatch.setattr(h, "cpu_count", lambda: 1)
    for (net, rows, s), (same, same_rows, _) in zip(side_by_side, h.in_parallel(job, jobs, "networks")):
        assert rows == same_rows and s == Settings()
        assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), same.state_dict().values()))
    assert str(os.getpid()) in {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("how", ["raises", "dies"])
def test_a_job_that_fails_is_heard_of_and_stops_the_others(two_cores, how):
    def job(i):
        if i == 0 and how == "raises":
            raise ValueError("no such rate")
        if i == 0:
            os._exit(9)  # as when memory runs out
        time.sleep(60)

    start = time.monotonic()
    expected = pytest.raises(ValueError, match="no such rate") if how == "raises" else pytest.raises(BrokenProcessPool)
    with expected:
        h.in_parallel(job, [{"i": 0}, {"i": 1}, {"i": 2}], "networks")
    assert time.monotonic() - start < 50 and not multiprocessing.active_children()


STOPPED = """
import os, sys, time
sys.path.insert(0, {root!r})
import helpers as h
h.cpu_count = lambda: 2
def job(i):
    open({folder!r} + f"/{{os.getpid()}}", "w").close()
    time.sleep(60)
try:
    h.in_parallel(job, [{{"i": i}} for i in range(4)], "networks")
except KeyboardInterrupt:
    print("stopped")
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how, said", [(signal.SIGINT, "stopped\n"), (signal.SIGKILL, "")])
def test_jobs_end_with_the_program_that_started_them(tmp_path, how, said):
    env = {**os.environ, "TQDM_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
    code = STOPPED.format(root=str(h.ROOT), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env) as child:
        while len(pids := [int(p.name) for p in tmp_path.iterdir()]) < 2 and child.poll() is None:
            time.sleep(0.1)
        child.send_signal(how)
        assert child.communicate(timeout=30)[0] == said
    assert len(pids) == 2 and len(list(tmp_path.iterdir())) == 2
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in pids)


def test_the_score_of_a_task_is_per_example_and_uneven_batches_weigh_by_size():
    net, train, *_ = parts()
    x, y = train.dataset.tensors
    one, many = (h.evaluate(net, h.batches(train.dataset, size), h.CLASSES) for size in (64, 7))
    assert math.isclose(one[0], many[0], rel_tol=1e-6) and one[1] == many[1]
    assert one[1] == (net(x).argmax(1) == y).float().mean().item()
    assert torch.equal(h.outputs(net, h.batches(train.dataset, 7)).argmax(1), net(x).argmax(1))


# ---- augmentation and calibration ----


def test_random_affine_moves_each_image_within_its_limits_and_fills_in_background():
    x = torch.full((200, 1, 28, 28), -0.4)
    x[:, :, 13:15, 13:15] = 2.0

    def move(seed, **limits):
        all_off = {"degrees": 0, "scale": 0, "shift": 0, "shear": 0}
        return h.random_affine(x, torch.Generator().manual_seed(seed), **{**all_off, **limits})

    assert torch.allclose(move(0), x, atol=1e-5)
    a, b, c = move(1, shift=3, degrees=9), move(1, shift=3, degrees=9), move(2, shift=3, degrees=9)
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a[0], a[1])
    assert a.min() >= -0.4 - 1e-5 and a.max() <= 2 + 1e-5
    ink = (move(3, shift=3) + 0.4).squeeze(1)
    pixel = torch.arange(28.0)
    row, column = (((ink.sum(d) * pixel).sum(1) / ink.sum((1, 2))) - 13.5 for d in (2, 1))
    for moved in (row, column):
        assert 2.7 < moved.abs().max() <= 3.001 and abs(moved.mean()) < 0.5


def test_random_affine_turns_scales_and_slants_about_the_middle():
    x = torch.zeros(400, 1, 41, 41)
    x[:, :, 20, 20], x[:, :, 20, 32] = 1.0, 1.0  # the middle, and a point 12 to its right
    chance = torch.Generator().manual_seed(0)
    for limits, far in (({"degrees": 30}, 12 * math.sin(math.radians(30))), ({"scale": 0.2}, 0.2 * 12)):
        y = h.random_affine(x, chance, **{"degrees": 0, "scale": 0, "shift": 0, "shear": 0, **limits})[:, 0]
        assert (y[:, 20, 20] > 0.9).all()
        y[:, 18:23, 18:23] = 0
        at = torch.stack(
            [(y * g).sum((1, 2)) / y.sum((1, 2)) for g in torch.meshgrid(*2 * [torch.arange(41.0)], indexing="ij")]
        )
        gone = (at - torch.tensor([[20.0], [32.0]])).norm(dim=0) if "scale" in limits else (at[0] - 20).abs()
        assert 0.85 * far < gone.max() < 1.1 * far + 0.2, (limits, gone.max())


def test_reliability_counts_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.45, 0.55]])
    sure, right, count, ece = h.reliability(p.log(), torch.tensor([0, 1, 1, 1]), np.array([0, 0.5, 0.7, 1]))
    assert count.tolist() == [0, 2, 2] and np.isnan(sure[0])
    assert np.allclose(sure[1:], [0.575, 0.85]) and np.allclose(right[1:], [1, 0.5])
    assert math.isclose(ece, (2 * 0.425 + 2 * 0.35) / 4, rel_tol=1e-5)


def test_intervals_take_arrays_and_hold_their_share():
    low, high = h.share_interval(np.array([0, 5, 10]), np.array([10, 10, 10]))
    assert low[0] == 0 and high[2] == 1 and (low < high).all()


def test_the_digit_recipe_learns_and_follows_its_schedule(offline):
    data = mnist.load_mnist().first(600)
    torch.manual_seed(0)
    rows = h.fit_digits(h.digit_cnn(), data, 3, 0.01, decay=0.05)
    assert rows[-1]["val/accuracy"] > 0.8 and rows[-1]["learning_rate"] < 1e-3 * 0.01 < rows[0]["learning_rate"]


def test_weight_decay_of_the_digit_recipe_shrinks_weights(offline):
    data, size = mnist.load_mnist().first(600), []
    for decay in (0.0, 20.0):
        torch.manual_seed(0)
        net = h.digit_cnn()
        h.fit_digits(net, data, 3, 0.01, decay=decay)
        size.append(net.main[3].weight.norm().item())
    assert size[1] < 0.9 * size[0]
