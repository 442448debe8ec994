"""The loop and its hooks: what is promised for interrupted, resumed and watched trainings."""

import errno
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import helpers as h
from backstage import digit_finals
from backstage.fingerprints import fingerprint

EPOCHS = 6


def three_classes(n=64):
    """Points (n, 4) with one of three labels (n,), the same each time."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(n, 4, generator=generator)
    return TensorDataset(x, torch.randint(0, 3, (n,), generator=generator))


def first_rows(data, n):
    return TensorDataset(*(t[:n] for t in data.tensors))


def small_net(width=8, activation=nn.ReLU, dropout=0.2):
    """A network with batch norm and dropout, so with state and randomness everywhere."""
    return nn.Sequential(
        nn.Linear(4, width),
        nn.BatchNorm1d(width),
        activation(),
        nn.Dropout(dropout),
        nn.Linear(width, 3),
        nn.LogSoftmax(1),
    )


def noisy(x, y, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator), y


class Killed(Exception):
    pass


class Stop(h.Hook):
    """Raise an error at the end of one epoch."""

    def __init__(self, epoch=None, error=Killed):
        self.epoch = epoch
        self.error = error

    def after_epoch(self, training):
        if len(training.history) == self.epoch:
            raise self.error


def louder(x, y, generator):
    return x + 0.5 * torch.randn(x.shape, generator=generator), y


def doubled_loss(log_p, y):
    return 2 * F.nll_loss(log_p, y)


def one_cycle(optimizer, steps):
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=steps)


def falling(optimizer, steps):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)


def adamw(net, rate):
    return torch.optim.AdamW(net.parameters(), lr=rate)


def adamw_in_groups(net, rate):
    groups = [{"params": net[0].parameters()}, {"params": net[1:].parameters()}]
    return torch.optim.AdamW(groups, lr=rate)


def adamw_with_decay(net, rate):
    groups = [{"params": net[0].parameters(), "weight_decay": 0.5}]
    return torch.optim.AdamW([*groups, {"params": net[1:].parameters()}], lr=rate)


class Usual(NamedTuple):
    """What decides the training of the small network."""

    keep: str = ""  # score by which the best weights are kept; empty: the last ones
    epochs: int = EPOCHS
    width: int = 8
    activation: type = nn.ReLU
    dropout: float = 0.2
    rate: float = 0.02
    size: int = 8
    seed: int | None = 0  # of shuffling and augmentation
    first: int = 0  # seed of the initial weights
    schedule: Callable | None = one_cycle
    steps: int = EPOCHS * 8  # length of the schedule
    change: Callable = noisy
    loss: Callable = F.nll_loss
    shift: float = 0.0  # of the data
    val: int = 20  # points for validation
    optimizer: Callable = adamw
    frozen: bool = False  # the first layer


def state_of(net, optimizer, loader, hooks):
    """A mark of all that a checkpoint may change."""
    order = loader.sampler.generator
    inside = [net.state_dict(), optimizer.state_dict(), [hook.state() for hook in hooks]]
    return fingerprint([*inside, order and order.get_state(), torch.get_rng_state()])


def train(path, stop=None, rows=None, more=(), **changes):
    """Train the small network with every hook there is; gives the network."""
    s = Usual(**changes)
    torch.manual_seed(s.first)
    data = three_classes()
    data = TensorDataset(data.tensors[0] + s.shift, data.tensors[1])
    net = small_net(s.width, s.activation, s.dropout)
    net[0].requires_grad_(not s.frozen)
    optimizer = s.optimizer(net, s.rate)
    loader = h.batches(data, s.size, s.seed)
    hooks = [
        h.Validate(h.batches(first_rows(data, s.val), 20), F.nll_loss, h.class_hits),
        h.Augment(s.change),
        h.Log([].append if rows is None else rows.append),
        h.MixedPrecision(),
        *more,
    ]
    if s.schedule:
        hooks.insert(1, h.Schedule(s.schedule(optimizer, s.steps)))
    if s.keep:
        hooks.append(h.KeepBest(s.keep))
    hooks += [h.Checkpoint(path), Stop(stop)]
    before = state_of(net, optimizer, loader, hooks)
    try:
        h.fit(net, loader, s.loss, optimizer, s.epochs, hooks)
    except Killed:
        pass
    except ValueError:
        assert state_of(net, optimizer, loader, hooks) == before, "refused, but changed"
        raise
    return net


def same_state(a, b):
    pairs = zip(a.state_dict().values(), b.state_dict().values())
    return all(torch.equal(p, q) for p, q in pairs)


# ---- the loop ----


def test_the_loop_computes_what_the_plain_loop_computes():
    data = three_classes()
    torch.manual_seed(0)
    net = small_net()
    torch.manual_seed(0)
    plain = small_net()
    for module in (net[3], plain[3]):
        module.p = 0.0  # a DataLoader draws from the generator that dropout draws from
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(1)
    history = h.fit(net, h.batches(data, 10, seed=3), F.nll_loss, optimizer, 4)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(1)
    x, y = data.tensors
    for row in history:
        total = 0.0
        for rows in torch.randperm(64, generator=generator).split(10):
            loss = F.nll_loss(plain(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        assert row["train/loss"] == total / 64
    assert same_state(net, plain)


def test_the_loop_takes_any_data_loader():
    data = three_classes()
    torch.manual_seed(0)
    net = small_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    rows = h.fit(net, DataLoader(data, 16), F.nll_loss, optimizer, 2)
    assert [row["epoch"] for row in rows] == [1, 2]


def test_nan_that_slips_into_a_data_set_stops_fit_before_it_starts():
    data = h.NoisyXor(8, 0.1, np.random.default_rng(0))
    loader = h.batches(data, 4)
    net = h.Net()
    before = [p.clone() for p in net.parameters()]
    data.x[3, 1] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        h.fit(net, loader, h.binary_loss, torch.optim.Adam(net.parameters()), 1)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters()))


def test_a_mean_weighs_uneven_batches_by_size():
    data = three_classes()
    torch.manual_seed(0)
    net = small_net()
    whole = h.evaluate(net, h.batches(data, 64), F.nll_loss, h.class_hits)
    parts = h.evaluate(net, h.batches(data, 7), F.nll_loss, h.class_hits)
    assert math.isclose(whole.loss, parts.loss, rel_tol=1e-6) and whole.score == parts.score
    x, y = data.tensors
    assert whole.score == (net(x).argmax(1) == y).float().mean().item()
    assert torch.allclose(h.outputs(net, h.batches(data, 7)), net(x), atol=1e-6)


# ---- checkpoints ----


@pytest.mark.parametrize("keep", ["", "val/accuracy"])
@pytest.mark.parametrize("stop", [1, 4, 6])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path, capsys, keep, stop):
    curve = []
    whole = train(tmp_path / "a.pt", keep=keep, rows=curve)
    assert not (tmp_path / "a.pt").exists()
    train(tmp_path / "b.pt", stop, keep=keep)
    assert (tmp_path / "b.pt").exists()
    rows = []
    torch.manual_seed(99)
    resumed = train(tmp_path / "b.pt", keep=keep, rows=rows)
    assert f"resumed after epoch {stop} of 6" in capsys.readouterr().out
    assert rows == curve and [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert same_state(whole, resumed) and not (tmp_path / "b.pt").exists()


@pytest.mark.parametrize(
    "other, words",
    [
        ({"epochs": 9}, "other settings: epochs 6 there, 9 here"),
        ({"rate": 0.5}, "other settings: lr 0.02 there, 0.5 here"),
        ({"width": 9}, r"other parameters: 0.weight \(8, 4\) there, \(9, 4\) here"),
        (
            {"keep": "val/loss"},
            r"settings: hooks .*'Checkpoint', 'Stop'\] there, .*'KeepBest'",
        ),
        ({"size": 16}, "other settings: batches 8 there, 4 here; batch size 8 there, 16 here"),
        ({"seed": None}, "other settings: shuffled True there, False here"),
        ({"seed": 1}, "other settings: shuffling seed 0 there, 1 here; delete"),
        (
            {"first": 1},
            r"settings: seed 0 there, 1 here; initial weights \w{8} there, \w{8} here",
        ),
        ({"activation": nn.Tanh}, r"other settings: layers \w{8} there, \w{8} here; delete"),
        ({"dropout": 0.3}, r"other settings: layers \w{8} there, \w{8} here; delete"),
        ({"steps": 99}, r"other settings: Schedule total_steps 48 there, 99 here"),
        ({"schedule": falling}, "other settings: .*Schedule "),
        ({"schedule": None}, r"other settings: hooks \['Validate', 'Schedule'.* there, .* here"),
        (
            {"change": louder},
            r"Augment change noisy \w{8} there, louder \w{8} here; del",
        ),
        ({"loss": doubled_loss}, r"loss nll_loss \w{8} there, doubled_loss \w{8} here; delete"),
        ({"shift": 1.0}, r"other settings: data \w{8} there, \w{8} here"),
        ({"val": 30}, r"Validate loader DataLoader \w{8} there, DataLoader \w{8} here"),
        ({"optimizer": adamw_in_groups}, r"other settings: trained \[6\] there, \[2, 4\] here"),
        ({"frozen": True}, r"other settings: group 1 parameters \w{8} there, \w{8} here"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, other, words):
    path = tmp_path / "c.pt"
    train(path, stop=2)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=words):
        train(path, **other)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "there, here, words",
    [
        (
            {"schedule": None},
            {},
            r"hooks \['Validate', 'Augment'.* there, .*'Schedule'",
        ),
        ({"seed": None}, {"seed": 0}, "shuffled False there, True here"),
        ({"size": 33}, {"size": 34}, "settings: batch size 33 there, 34 here"),
        (
            {"keep": "val/loss"},
            {"keep": "val/accuracy"},
            r"KeepBest score val/loss there",
        ),
        (
            {"schedule": falling},
            {"schedule": falling, "steps": 99},
            r"Schedule lr_lambdas \['falling.<locals>.<lambda> \w{8}'\] there",
        ),
        (
            {"optimizer": adamw_in_groups},
            {"optimizer": adamw_with_decay},
            "group 1 weight_decay None there, 0.5 here",
        ),
    ],
)
def test_a_checkpoint_is_compared_with_what_wrote_it(tmp_path, there, here, words):
    path = tmp_path / "c.pt"
    train(path, stop=2, **there)
    with pytest.raises(ValueError, match=words):
        train(path, **here)


def rewritten(path, change):
    """Change what a checkpoint holds."""
    torch.save(change(torch.load(path, weights_only=True)), path)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda saved: saved["net"], "cannot be read .it is no checkpoint of a training: it lacks"),
        (lambda saved: {"net": saved["net"]}, "cannot be read .* lacks cuda, history, hooks, opti"),
        (lambda saved: saved["history"], "cannot be read .it is no checkpoint of a training"),
        (lambda saved: torch.zeros(2), "cannot be read .it is no checkpoint of a training"),
        (lambda saved: {**saved, "net": 3}, "cannot be read .AttributeError"),
        (lambda saved: {**saved, "optimizer": {}}, "cannot be taken up .KeyError"),
        (lambda saved: {**saved, "hooks": saved["hooks"][:3]}, "cannot be taken up .ValueError"),
        (lambda saved: {**saved, "hooks": [None] * 7}, "cannot be taken up .TypeError"),
        (lambda saved: {**saved, "order": None}, "cannot be taken up .AttributeError"),
        (lambda saved: {**saved, "random": torch.zeros(3)}, "cannot be taken up .TypeError"),
        (lambda saved: {**saved, "history": "six rows"}, "cannot be taken up .ValueError"),
    ],
)
def test_a_file_that_is_no_whole_checkpoint_changes_nothing(tmp_path, change, words):
    path = tmp_path / "c.pt"
    train(path, stop=2)
    rewritten(path, change)
    with pytest.raises(ValueError, match=f"c.pt {words}.*; delete it to start anew"):
        train(path)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="is a folder; name a file"):
        train(tmp_path)


def test_weights_that_are_nan_are_announced(tmp_path, capsys):
    path = tmp_path / "c.pt"
    train(path, stop=2)
    train(path, stop=3)
    assert capsys.readouterr().out == "resumed after epoch 2 of 6\n"
    rewritten(path, lambda saved: saved["net"]["0.weight"].fill_(math.nan) is None or saved)
    train(path)
    printed = "resumed after epoch 3 of 6; the weights hold NaN or infinity: it had diverged\n"
    assert capsys.readouterr().out.startswith(printed)  # then, that the training diverged


class NumpyRow(h.Hook):
    def after_epoch(self, training):
        training.history[-1]["share"] = np.float32(0.5)


def test_numpy_numbers_are_read_again(tmp_path, capsys):
    path = tmp_path / "c.pt"
    train(path, stop=2, more=[NumpyRow()], rate=np.float64(0.02))
    rows = []
    train(path, rows=rows, more=[NumpyRow()], rate=np.float64(0.02))
    assert "resumed after epoch 2 of 6" in capsys.readouterr().out
    assert [row["share"] for row in rows] == [0.5] * 6


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_cannot_be_written_to_does_not_end_a_training(
    tmp_path, monkeypatch, capsys, code
):
    def fail(path, content):
        if path.name.startswith(".c.pt"):
            path.touch()
            raise OSError(code, os.strerror(code))
        return write(path, content)

    write = Path.write_bytes
    whole = train(tmp_path / "whole.pt")
    monkeypatch.setattr(Path, "write_bytes", fail)
    net = train(tmp_path / "c.pt")
    assert same_state(whole, net) and not list(tmp_path.iterdir())
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.startswith("no checkpoint after epoch 1, the training goes on: ")
    assert os.strerror(code) in printed and "c.pt" in printed


def test_a_checkpoint_that_cannot_be_removed_does_not_end_a_training(tmp_path, monkeypatch, capsys):
    def fail(path, missing_ok=False):
        if path.name == "c.pt":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "unlink", fail)
    train(tmp_path / "c.pt")
    printed = capsys.readouterr().out
    assert printed.startswith("the training has finished, its checkpoint stays: ")
    monkeypatch.undo()
    train(tmp_path / "c.pt")
    assert capsys.readouterr().out == "resumed after epoch 6 of 6\n"
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    (tmp_path / ".c.pt.123.part").write_bytes(b"half")
    (tmp_path / ".other.pt.123.part").write_bytes(b"half")
    train(tmp_path / "c.pt")
    assert [path.name for path in tmp_path.iterdir()] == [".other.pt.123.part"]


def test_a_refused_checkpoint_changes_nothing(tmp_path):
    path = tmp_path / "d.pt"
    train(path, stop=2)
    net = small_net(9)
    before = {name: t.clone() for name, t in net.state_dict().items()}
    random = torch.get_rng_state()
    loader = h.batches(three_classes(), 8, 1)
    order = loader.sampler.generator.get_state()
    optimizer = torch.optim.AdamW(net.parameters())
    with pytest.raises(ValueError, match="delete it to start anew"):
        h.fit(net, loader, F.nll_loss, optimizer, 6, [h.Checkpoint(path)])
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())
    assert not optimizer.state and torch.equal(random, torch.get_rng_state())
    assert torch.equal(order, loader.sampler.generator.get_state())


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "e.pt"
    train(path, stop=2)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"e.pt cannot be read .*delete it to start anew"):
        train(path)
    torch.save({"something": "else"}, path)
    with pytest.raises(ValueError, match=r"e.pt cannot be read .*delete it to start anew"):
        train(path)


def test_each_setting_has_a_checkpoint_of_its_own():
    paths = [h.checkpoint_path("net", rate=rate, seed=0) for rate in (0.1, 0.2, 0.1)]
    assert paths[0] == paths[2] != paths[1]
    assert h.checkpoint_path("net", seed=0, rate=0.1) == paths[0]
    longs = [torch.zeros(5000), torch.ones(5000), torch.zeros(5000)]
    longs[1][:1000] = longs[1][-1000:] = 0  # the same as printed
    paths = [h.checkpoint_path("net", weights=weights) for weights in longs]
    assert paths[0] == paths[2] != paths[1]


def long_training(path, write):
    """60 epochs, as a process of its own can run them."""
    torch.manual_seed(0)
    net = small_net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
    hooks = [h.Checkpoint(path), h.Log(write)]
    h.fit(net, h.batches(three_classes(), 8, 0), F.nll_loss, optimizer, 60, hooks)


PROGRAM = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_training
test_training.long_training({path!r}, lambda row: print(row["epoch"], flush=True))
"""


def test_a_killed_process_resumes_with_the_same_curve(tmp_path, capsys):
    path = tmp_path / "killed.pt"
    tests = str(Path(__file__).parent)
    code = PROGRAM.format(root=str(h.ROOT), tests=tests, path=str(path))
    command = [sys.executable, "-c", code]
    env = {**os.environ, "TQDM_DISABLE": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as child:
        for line in child.stdout:
            if line == "20\n":
                child.send_signal(signal.SIGKILL)
                break
    assert path.exists(), "killed too late: nothing to resume"
    whole = []
    resumed = []
    long_training(tmp_path / "whole.pt", whole.append)
    long_training(path, resumed.append)
    assert int(capsys.readouterr().out.split()[3]) >= 20
    assert resumed == whole and len(whole) == 60


# ---- Ctrl-C ----


def interrupted(hooks, epochs=9):
    """Train XOR for some epochs; gives the rows, and whether the network has moved."""
    rng = h.seed_everything(1)
    loader = h.batches(h.NoisyXor(40, 0.1, rng), 20)
    net = h.Net()
    before = net.model[0].weight.clone()
    optimizer = torch.optim.Adam(net.parameters(), 0.05)
    history = h.fit(net, loader, h.binary_loss, optimizer, epochs, hooks)
    return history, not torch.equal(before, net.model[0].weight)


def test_an_interrupt_keeps_what_was_learnt(capsys):
    class CtrlC(h.Hook):
        def after_step(self, training):
            if len(training.history) == 3:
                raise KeyboardInterrupt

    rows = []
    history, moved = interrupted([h.Log(rows.append), CtrlC()])
    assert moved and rows == history and len(history) == 3
    printed = capsys.readouterr().out
    assert printed == "stopped by hand after 3 of 9 epochs; what was learnt is kept\n"


def test_an_interrupt_among_the_hooks_leaves_no_unfinished_row(capsys):
    def write(row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    history, moved = interrupted([Stop(3, KeyboardInterrupt), h.Log(write)])
    assert moved and [row["epoch"] for row in history] == [1, 2]
    history, _ = interrupted([h.Log(write)])
    assert [row["epoch"] for row in history] == [1, 2]
    assert capsys.readouterr().out.count("after 2 of 9 epochs; what was learnt is kept") == 2


def test_an_interrupted_training_keeps_its_checkpoint(tmp_path):
    path = tmp_path / "f.pt"
    history, _ = interrupted([h.Checkpoint(path), Stop(3, KeyboardInterrupt)])
    assert path.exists()
    history, _ = interrupted([h.Checkpoint(path), Stop()])
    assert len(history) == 9 and not path.exists()


@pytest.mark.parametrize("fresh", [False, True])
def test_the_same_network_goes_on_after_an_interrupt(tmp_path, capsys, fresh):
    """The cell that trains is run again, the one that made the network (and the rest) is not."""

    class CtrlC(h.Hook):
        def after_step(self, training):
            if pressed and len(training.history) == 3:
                pressed.pop()
                raise KeyboardInterrupt

    def again(net, tools, path):
        if not tools or fresh:
            optimizer = adamw(net, 0.02)
            cycle = h.Schedule(one_cycle(optimizer, 48))
            tools[:] = [optimizer, cycle, h.batches(three_classes(), 8, 0)]
        optimizer, cycle, loader = tools
        hooks = [cycle, CtrlC(), h.Checkpoint(path)]
        return h.fit(net, loader, F.nll_loss, optimizer, 6, hooks)

    ends = []
    for pressed in ([], [True]):
        torch.manual_seed(0)
        net = small_net()
        tools = []
        path = tmp_path / f"{len(pressed)}.pt"
        if pressed:
            assert len(again(net, tools, path)) == 3
        ends.append((net, again(net, tools, path)))
    assert "resumed after epoch 3 of 6" in capsys.readouterr().out
    assert same_state(ends[0][0], ends[1][0]) and ends[0][1] == ends[1][1]


# ---- the other hooks ----


def test_log_writes_each_row_once_with_what_hooks_before_it_added():
    rng = h.seed_everything(1)
    train_loader = h.batches(h.NoisyXor(200, 0.1, rng), 20, seed=0)
    val_loader = h.batches(h.NoisyXor(200, 0.1, rng), 200)
    net = h.Net((2, 4, 1))
    optimizer = torch.optim.Adam(net.parameters(), 0.05)
    rows = []
    hooks = [h.Validate(val_loader), h.Log(rows.append)]
    history = h.fit(net, train_loader, h.binary_loss, optimizer, 30, hooks)
    assert rows == history and [row["epoch"] for row in rows] == list(range(1, 31))
    assert set(rows[0]) == {"epoch", "train/loss", "val/loss", "val/accuracy"}
    assert rows[-1]["val/loss"] < 0.1 < rows[0]["val/loss"] and rows[-1]["val/accuracy"] > 0.98


class Score(h.Hook):
    """Give the epochs these scores, and remember their weights."""

    def __init__(self, *scores, name="score"):
        self.scores = scores
        self.name = name
        self.seen = []

    def after_epoch(self, training):
        training.history[-1][self.name] = self.scores[len(training.history) - 1]
        self.seen.append(training.net.model[0].weight.clone())
        self.net = training.net


def test_the_weights_of_the_best_epoch_are_kept_the_last_of_equals():
    score = Score(1, 3, 2, 3, 0)
    history, _ = interrupted([score, h.KeepBest("score")], epochs=5)
    assert len(history) == 5 and torch.equal(score.net.model[0].weight, score.seen[3])


def test_of_a_loss_the_lowest_is_the_best():
    score = Score(3, 1, 2, name="val/loss")
    interrupted([score, h.KeepBest("val/loss")], epochs=3)
    assert torch.equal(score.net.model[0].weight, score.seen[1])


def test_a_score_that_no_hook_before_has_added_is_named():
    with pytest.raises(ValueError, match="no 'score' in the row, which has epoch, train/loss"):
        interrupted([h.KeepBest("score"), Score(1, 2)], epochs=2)


def test_the_best_epoch_may_lie_before_an_interruption(tmp_path):
    def hooks(score, stop):
        return [score, h.KeepBest("score"), h.Checkpoint(tmp_path / "h.pt"), Stop(stop)]

    first = Score(1, 3, 2, 0, 0)
    with pytest.raises(Killed):
        interrupted(hooks(first, 3), epochs=5)
    second = Score(1, 3, 2, 0, 0)
    interrupted(hooks(second, None), epochs=5)
    assert len(second.seen) == 2 and torch.equal(second.net.model[0].weight, first.seen[1])


def test_mixed_precision_does_nothing_on_a_cpu(tmp_path):
    data = three_classes()
    states = []
    for hooks in ([], [h.MixedPrecision()]):
        torch.manual_seed(0)
        net = small_net()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        h.fit(net, h.batches(data, 8, 0), F.nll_loss, optimizer, 2, hooks)
        assert "forward" not in vars(net)
        states.append(net)
    assert same_state(*states)


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_mixed_precision_gives_the_forward_pass_back(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    net = small_net()
    training = SimpleNamespace(net=net, device=torch.device("cuda"))
    hook = h.MixedPrecision()
    hook.before_training(training)
    assert "forward" in vars(net) and net(torch.zeros(2, 4)).dtype == torch.float32
    hook.after_training(training)
    assert "forward" not in vars(net)


@pytest.mark.parametrize("moment", ["before_training", "after_step"])
def test_hooks_are_told_of_the_end_also_after_an_error(moment):
    class Fails(h.Hook):
        pass

    class Tidy(h.Hook):
        ended = 0

        def after_training(self, training):
            self.ended += 1
            assert not training.finished

    def fail(self, training):
        raise RuntimeError("out of memory")

    setattr(Fails, moment, fail)
    tidy = Tidy()
    with pytest.raises(RuntimeError, match="out of memory"):
        interrupted([tidy, Fails()])
    assert tidy.ended == 1


@pytest.mark.parametrize("scores, best", [((math.nan, 0.9, 0.5), 1), ((0.5, math.nan, 0.1), 0)])
def test_a_score_that_is_no_number_is_never_the_best(scores, best):
    score = Score(*scores)
    interrupted([score, h.KeepBest("score")], epochs=3)
    assert torch.equal(score.net.model[0].weight, score.seen[best])


# ---- final networks that are kept ----


@pytest.fixture
def finals(tmp_path, monkeypatch):
    """Trains one network, or reads it; the folder that it is kept in, and how often it trained."""
    monkeypatch.setattr(digit_finals, "ROOT", tmp_path)
    trained = []

    def train():
        trained.append(True)
        return [digit_finals.Trained(nn.Linear(2, 1), [{"epoch": 1}])]

    def get():
        (one,) = digit_finals.saved_or_trained("a", lambda: nn.Linear(2, 1), "settings", train)
        return one

    return SimpleNamespace(get=get, trained=trained, folder=tmp_path / "build/finals")


OTHER_FILES = [{"x": 1}, 5, [None], [{"net": {}, "rows": []}], [{"net": 5}], [{1: 2}]]


@pytest.mark.parametrize("content", OTHER_FILES, ids=str)
def test_kept_networks_that_cannot_be_read_are_trained_anew(finals, capsys, content):
    first = finals.get()
    assert same_state(finals.get().net, first.net) and len(finals.trained) == 1
    (path,) = finals.folder.iterdir()
    torch.save(content, path)
    assert finals.get().rows == first.rows and len(finals.trained) == 2
    assert "cannot be read" in capsys.readouterr().out


def test_kept_networks_are_trained_anew_on_request(finals, monkeypatch):
    finals.get()
    monkeypatch.setenv("COURSEWORK_FRESH", "1")
    finals.get()
    assert len(finals.trained) == 2


def test_networks_that_cannot_be_kept_are_given_all_the_same(finals, capsys):
    finals.folder.parent.mkdir()
    finals.folder.write_text("a file where the folder should be")
    assert finals.get().rows == [{"epoch": 1}]
    assert "the networks are not kept, the notebook goes on" in capsys.readouterr().out
