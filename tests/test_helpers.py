"""helpers.py against known answers: loops judge the fast versions, quadrature and PyTorch judge the formulas."""

import json
import math

import matplotlib
import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import helpers as h
import tracking

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def own_report(monkeypatch, tmp_path):
    """Everything written goes to a folder of the test's own."""
    monkeypatch.setattr(h, "REPORT", tmp_path / "report")
    monkeypatch.setattr(tracking, "RUNS", tmp_path / "runs")
    return tmp_path


# ---- data ----


def test_the_same_seed_gives_the_same_points():
    a, b, c = (h.NoisyXor(50, 0.2, np.random.default_rng(s)) for s in (1, 1, 2))
    assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and not torch.equal(a.x, c.x)


def test_noiseless_points_are_the_four_corners_with_xor_labels():
    x, y = h.xor_points(4000, 0.0, np.random.default_rng(0))
    corner, counts = torch.unique(x, dim=0, return_counts=True)
    assert corner.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert torch.equal(y, (x[:, 0] != x[:, 1]).float())
    assert (counts - 1000).abs().max() < 4 * math.sqrt(4000 * 3 / 16)


def test_many_data_sets_at_once_are_different_and_shaped_network_last():
    x, y = h.xor_points(30, 0.1, np.random.default_rng(0), 4)
    assert x.shape == (2, 30, 4) and y.shape == (30, 4) and not torch.equal(x[..., 0], x[..., 1])


# best possible test loss [nats], computed independently by two-dimensional quadrature
@pytest.mark.parametrize("noise, loss, accuracy", [
    (0.10, 0.0000, 1.0000), (0.15, 0.0025, 0.9991), (0.20, 0.0338, 0.9877), (0.25, 0.1142, 0.9555),
    (0.30, 0.2187, 0.9090), (0.40, 0.4032, 0.8110), (0.50, 0.5196, 0.7330),
])  # fmt: skip
def test_bayes_limits(noise, loss, accuracy):
    assert np.allclose(h.xor_bayes_limit(noise), (loss, accuracy), atol=5.1e-5)


def test_bayes_logit_is_the_log_ratio_of_the_mixture_densities():
    x1, x2 = np.random.default_rng(0).normal(0.5, 1, (2, 200))
    s = 0.4

    def density(m1, m2):
        return np.exp(-((x1 - m1) ** 2 + (x2 - m2) ** 2) / (2 * s**2))

    direct = np.log((density(0, 1) + density(1, 0)) / (density(0, 0) + density(1, 1)))
    assert np.allclose(h.xor_bayes_logit(x1, x2, s), direct, atol=1e-9)
    assert np.isfinite(h.xor_bayes_logit(50.0, -50.0, 0.05))


def test_batches_index_whole_batches_and_shuffle_by_seed():
    data = h.NoisyXor(10, 0.1, np.random.default_rng(0))
    sizes = [len(y) for _, y in h.batches(data, 4)]
    assert sizes == [4, 4, 2]
    first, second = (torch.cat([y for _, y in h.batches(data, 4, seed=s)]) for s in (1, 1))
    assert torch.equal(first, second) and sorted(first) == sorted(data.y)
    loader = h.batches(data, 4, seed=1)
    assert not torch.equal(torch.cat([x for x, _ in loader]), torch.cat([x for x, _ in loader])), (
        "a new order each epoch"
    )


# ---- models ----


def test_net_prints_as_in_the_assignment():
    assert str(h.Net((2, 3, 1))) == (
        "Net(\n  (model): Sequential(\n    (0): Linear(in_features=2, out_features=3, bias=True)\n    (1): Tanh()\n"
        "    (2): Linear(in_features=3, out_features=1, bias=True)\n    (3): Identity()\n  )\n)"
    )
    assert h.count_parameters(h.Net((2, 3, 1))) == 13


@pytest.mark.parametrize("activation", h.ACTIVATIONS)
def test_a_stack_computes_what_its_networks_compute(activation):
    stack = h.NetStack((2, 3, 2, 1), 5, np.random.default_rng(0), activation)
    x = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    for r in range(5):
        assert torch.allclose(stack.logits(x)[:, r], stack.net(r)(x[..., r].T)[:, 0], atol=1e-6)


def test_a_stack_starts_like_nn_linear():
    stack = h.NetStack((2, 4, 1), 4000, np.random.default_rng(0))
    for w, b, fan in zip(stack.weights, stack.biases, (2, 4)):
        for t in (w, b):
            assert t.abs().max() <= 1 / math.sqrt(fan) and abs(t.std() * math.sqrt(3 * fan) - 1) < 0.05


# ---- training ----


@pytest.mark.parametrize("sizes", [(2, 1), (2, 1, 1), (2, 3, 1), (2, 3, 3, 3, 1), (2, 5, 2, 1)])
@pytest.mark.parametrize("activation", h.ACTIVATIONS)
def test_many_at_once_equal_the_plain_loop(sizes, activation):
    """The loop of PyTorch's autograd and Adam judges the batched gradients, from the same start and batches."""
    rng = np.random.default_rng(3)
    stack, networks, n = h.NetStack(sizes, 3, rng, activation), 3, 70  # 70 is no multiple of 32
    x, y = h.xor_points(n, 0.3, rng, networks)
    nets = [stack.net(r) for r in range(networks)]
    orders = [rng.permuted(np.arange(n)[:, None].repeat(networks, 1), axis=0) for _ in range(30)]
    rates = [1e-3, 5e-4, 2e-3]
    history = h.fit_many(stack, (x, y), (x, y), rng, rates, 32, 30, orders=orders)
    for r, net in enumerate(nets):
        optimizer = torch.optim.Adam(net.parameters(), lr=rates[r])
        for order in orders:
            seen = 0.0
            for rows in torch.from_numpy(order[:, r].copy()).split(32):
                loss = F.binary_cross_entropy_with_logits(net(x[:, rows, r].T).squeeze(1), y[rows, r])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                seen += loss.item() * len(rows) / n
        for a, b in zip(net.parameters(), stack.net(r).parameters()):
            assert torch.allclose(a, b, atol=1e-5), f"{(a - b).abs().max():.1e}"
        val_loss, accuracy = h.evaluate(net, h.batches(TensorDataset(x[..., r].T, y[:, r]), n))
        assert abs(history[-1]["train/loss"][r] - seen) < 1e-4
        assert (
            abs(history[-1]["val/loss"][r] - val_loss) < 1e-4 and abs(history[-1]["val/accuracy"][r] - accuracy) < 0.02
        )


def test_the_plain_loop_learns_and_logs_every_epoch():
    rng = h.seed_everything(1)
    train, val = (h.batches(h.NoisyXor(200, 0.1, rng), 20, seed=0) for _ in range(2))
    net, rows = h.Net((2, 4, 1)), []
    history = h.fit(net, train, val, torch.optim.Adam(net.parameters(), 0.05), 30, rows.append)
    assert rows == history and [row["epoch"] for row in history] == list(range(1, 31))
    assert set(history[0]) == {"epoch", "train/loss", "val/loss", "val/accuracy"}
    assert history[-1]["val/loss"] < 0.1 < history[0]["val/loss"] and history[-1]["val/accuracy"] > 0.98


def stop_at(epoch):
    def log(row):
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return log


def test_an_interrupt_keeps_what_was_learnt(capsys):
    rng = h.seed_everything(1)
    data = h.batches(h.NoisyXor(40, 0.1, rng), 20)
    net = h.Net()
    before = net.model[0].weight.clone()
    history = h.fit(net, data, data, torch.optim.Adam(net.parameters(), 0.05), 9, stop_at(3))
    assert len(history) == 3 and not torch.equal(before, net.model[0].weight)
    stack = h.NetStack((2, 2, 1), 2, rng)
    points = h.xor_points(40, 0.1, rng, 2)
    assert len(h.fit_many(stack, points, points, rng, epochs=9, log=stop_at(4))) == 4
    assert capsys.readouterr().out.count("what was learnt is kept") == 2


# ---- bad input: a clear error before any training ----

POINTS = h.xor_points(8, 0.1, np.random.default_rng(0), 2)


def many(train=POINTS, **settings):
    rng = np.random.default_rng(0)
    return h.fit_many(h.NetStack((2, 1), 2, rng), train, POINTS, rng, **settings)


@pytest.mark.parametrize("call, words", [
    (lambda: h.xor_points(8, -0.1, np.random.default_rng(0)), "noise must be"),
    (lambda: h.xor_points(8, math.nan, np.random.default_rng(0)), "noise must be"),
    (lambda: h.xor_points(0, 0.1, np.random.default_rng(0)), "at least one point"),
    (lambda: h.xor_bayes_limit(0), "positive"),
    (lambda: h.Net((2, 0, 1)), "each 1 or more"),
    (lambda: h.Net((2, 3)), "sizes must be"),
    (lambda: h.Net((2, 3, 1), "tanhh"), "one of tanh, relu, sigmoid"),
    (lambda: h.NetStack((2, -1, 1), 4, np.random.default_rng(0)), "each 1 or more"),
    (lambda: h.NetStack((2, 1), 0, np.random.default_rng(0)), "at least one network"),
    (lambda: h.batches(h.NoisyXor(8, 0.1, np.random.default_rng(0)), 0), "batch size"),
    (lambda: h.batches(TensorDataset(torch.tensor([[0.0, math.nan]]), torch.ones(1)), 1), "1 values that are NaN"),
    (lambda: h.batches(TensorDataset(torch.empty(0, 2), torch.empty(0)), 1), "empty"),
    (lambda: many(batch=0), "batch >= 1"),
    (lambda: many(rate=0), "rate > 0"),
    (lambda: many((POINTS[0] / 0, POINTS[1])), "NaN"),
    (lambda: h.seed_everything(-1), "seed must be"),
    (lambda: h.save_number("xor2", 1.0), "all letters"),
    (lambda: h.save_number("xorLoss", math.nan), "nothing to report"),
])  # fmt: skip
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_nan_that_slips_into_a_data_set_stops_fit_before_it_starts():
    data = h.NoisyXor(8, 0.1, np.random.default_rng(0))
    loader, net = h.batches(data, 4), h.Net()
    data.x[3, 1] = math.nan
    before = [p.clone() for p in net.parameters()]
    with pytest.raises(ValueError, match="NaN"):
        h.fit(net, loader, loader, torch.optim.Adam(net.parameters()), 1)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters()))


# ---- tracking ----


def test_without_a_key_runs_are_kept_offline_and_training_rows_arrive(monkeypatch, capsys):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")
    with h.track("a run", {"seed": 0}, "a-group") as run:
        run.log({"epoch": 1, "train/loss": 0.5, "val/loss": np.array([0.25, 0.75])})
    assert run.mode == "offline" and run.trouble is None
    assert list((tracking.RUNS / "a-group/wandb").glob("offline-run-*"))
    assert "wandb sync" in capsys.readouterr().out


def test_tracking_trouble_never_reaches_the_training(capsys):
    class Broken:
        def log(self, row):
            raise OSError("disk full")

    tracker = tracking.Tracker(Broken(), "offline")
    tracker.log({"epoch": 1})
    tracker.log({"epoch": 2})
    assert capsys.readouterr().out.count("disk full") == 1


# ---- figures and numbers ----


def test_figures_and_numbers_are_the_same_bytes_twice(own_report):
    import matplotlib.pyplot as plt

    h.use_style()
    seen = []
    for _ in range(2):
        fig, ax = plt.subplots()
        ax.plot([0, 1], label="$x^2$")
        h.save_figure(fig, "a")
        h.save_number("bLoss", 0.12345, ".3f")
        h.save_number("aLoss", 2)
        h.save_table("t", [["1", "2"], None, ["3", "4"]])
        seen.append({p.name: p.read_bytes() for p in own_report.rglob("*") if p.is_file()})
        plt.close(fig)
    assert seen[0] == seen[1]
    assert seen[0]["numbers.tex"] == b"\\newcommand{\\aLoss}{2}\n\\newcommand{\\bLoss}{0.123}\n"
    assert seen[0]["t.tex"] == b"1 & 2 \\\\\n\\midrule\n3 & 4 \\\\\n"
    assert seen[0]["a.pdf"].startswith(b"%PDF")


def test_a_write_that_fails_leaves_the_old_file(own_report, monkeypatch):
    path = h.write_whole(own_report / "x.txt", "old")
    monkeypatch.setattr(h.os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        h.write_whole(path, "new")
    assert path.read_text() == "old"


def test_wilson_intervals_against_published_values():
    low, high = h.share_interval(np.array([81, 0]), 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert np.allclose((low[0], high[0]), (0.2553, 0.3662), atol=5e-5) and low[1] == pytest.approx(0, abs=1e-12)


def test_boundaries_are_drawn_where_the_network_changes_sign():
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    view = h.XorView(ax, *h.xor_points(10, 0.1, np.random.default_rng(0)))
    w1, b1, w2, b2 = (
        np.array([[1.0, 2.0], [-1.0, 1.0]]),
        np.array([-1.0, 0.2]),
        np.array([[2.0, -1.0]]),
        np.array([0.3]),
    )
    view.show(w1, b1, w2, b2)
    for line, w, b in zip(view.lines, w1, b1):
        assert np.abs(line.get_xydata() @ w + b).max() < 1e-9
    curve = view.curve.get_xydata()
    curve = curve[np.isfinite(curve).all(1)]
    assert len(curve) > 10 and np.abs(np.tanh(curve @ w1.T + b1) @ w2[0] + b2).max() < 0.01
    plt.close(fig)


def test_importing_helpers_does_nothing():
    import subprocess
    import sys

    code = (
        "import torch, random; a = torch.get_rng_state().sum(), random.getstate(); import helpers, matplotlib, json; "
    )
    code += "b = torch.get_rng_state().sum(), random.getstate(); "
    code += "print(json.dumps([bool(a == b), matplotlib.rcParams['font.size'], torch.cuda.is_initialized()]))"
    out = subprocess.run([sys.executable, "-c", code], cwd=h.ROOT, capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == [True, 10.0, False] and out.stderr == ""
