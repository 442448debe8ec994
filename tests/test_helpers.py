"""helpers.py and side_by_side.py against known answers.

Loops judge the fast versions, quadrature and PyTorch judge the formulas.
"""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import helpers as h
import side_by_side

# ---- data ----


def test_the_same_seed_gives_the_same_points():
    a = h.NoisyXor(50, 0.2, np.random.default_rng(1))
    b = h.NoisyXor(50, 0.2, np.random.default_rng(1))
    c = h.NoisyXor(50, 0.2, np.random.default_rng(2))
    assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and not torch.equal(a.x, c.x)


def test_a_seed_sets_both_generators():
    first = h.seed_everything(3).random(), torch.rand(3)
    second = h.seed_everything(3).random(), torch.rand(3)
    assert first[0] == second[0] and torch.equal(first[1], second[1])


def test_noiseless_points_are_the_four_corners_with_xor_labels():
    points = h.xor_points(4000, 0.0, np.random.default_rng(0))
    corner, counts = torch.unique(points.x, dim=0, return_counts=True)
    assert corner.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert torch.equal(points.y, (points.x[:, 0] != points.x[:, 1]).float())
    assert (counts - 1000).abs().max() < 4 * math.sqrt(4000 * 3 / 16)


def test_noise_is_the_standard_deviation_around_a_corner():
    points = h.xor_points(20000, 0.1, np.random.default_rng(0))
    assert abs((points.x - points.x.round()).std() - 0.1) < 0.002


def test_many_data_sets_at_once_are_different_and_shaped_network_last():
    points = h.xor_points(30, 0.1, np.random.default_rng(0), 4)
    assert points.x.shape == (2, 30, 4) and points.y.shape == (30, 4)
    assert not torch.equal(points.x[..., 0], points.x[..., 1])


# best possible test loss [nats], computed independently by two-dimensional quadrature
@pytest.mark.parametrize(
    "noise, loss, accuracy",
    [
        (0.10, 0.0000, 1.0000),
        (0.15, 0.0025, 0.9991),
        (0.20, 0.0338, 0.9877),
        (0.25, 0.1142, 0.9555),
        (0.30, 0.2187, 0.9090),
        (0.40, 0.4032, 0.8110),
        (0.50, 0.5196, 0.7330),
    ],
)
def test_bayes_limits(noise, loss, accuracy):
    found = h.xor_bayes_limit(noise)
    assert np.allclose((found.loss, found.accuracy), (loss, accuracy), atol=5.1e-5)


def test_the_grid_of_the_bayes_limit_errs_by_less_than_is_stated():
    e = np.linspace(-9, 9, 1201)
    weight = np.exp(-(e**2) / 2)
    weight /= weight.sum()
    for noise in (0.02, 0.05, 0.1, 0.12, 0.126, 0.137, 0.2, 0.3, 0.5, 1, 2, 3):
        logit = h.xor_bayes_logit(noise * e[:, None], noise * e[None, :], noise)
        fine = weight @ np.logaddexp(0, logit) @ weight
        assert abs(h.xor_bayes_limit(noise).loss - fine) < 1e-11, f"at noise {noise}"


def test_bayes_logit_is_the_log_ratio_of_the_mixture_densities():
    x1, x2 = np.random.default_rng(0).normal(0.5, 1, (2, 200))
    noise = 0.4

    def density(m1, m2):
        return np.exp(-((x1 - m1) ** 2 + (x2 - m2) ** 2) / (2 * noise**2))

    direct = np.log((density(0, 1) + density(1, 0)) / (density(0, 0) + density(1, 1)))
    assert np.allclose(h.xor_bayes_logit(x1, x2, noise), direct, atol=1e-9)
    assert np.isfinite(h.xor_bayes_logit(50.0, -50.0, 0.05))


def test_batches_index_whole_batches_and_shuffle_by_seed():
    data = h.NoisyXor(10, 0.1, np.random.default_rng(0))
    assert [len(y) for _, y in h.batches(data, 4)] == [4, 4, 2]
    assert torch.equal(torch.cat([x for x, _ in h.batches(data, 4)]), data.x)
    first = torch.cat([x for x, _ in h.batches(data, 4, seed=1)])
    loader = h.batches(data, 4, seed=1)
    again = torch.cat([x for x, _ in loader])
    next_epoch = torch.cat([x for x, _ in loader])
    assert torch.equal(first, again) and sorted(first.tolist()) == sorted(data.x.tolist())
    assert not torch.equal(again, next_epoch), "a new order each epoch"


# ---- networks ----


def test_net_prints_as_in_the_assignment():
    assert str(h.Net((2, 3, 1))) == (
        "Net(\n"
        "  (model): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): Tanh()\n"
        "    (2): Linear(in_features=3, out_features=1, bias=True)\n"
        "    (3): Identity()\n"
        "  )\n"
        ")"
    )
    assert h.count_parameters(h.Net((2, 3, 1))) == 13


@pytest.mark.parametrize("activation", h.ACTIVATIONS)
def test_a_stack_computes_what_its_networks_compute(activation):
    stack = side_by_side.NetStack((2, 3, 2, 1), 5, np.random.default_rng(0), activation)
    x = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    for r in range(5):
        assert torch.allclose(stack.logits(x)[:, r], stack.net(r)(x[..., r].T)[:, 0], atol=1e-6)


def test_a_stack_starts_like_nn_linear():
    stack = side_by_side.NetStack((2, 4, 1), 4000, np.random.default_rng(0))
    for w, b, fan in zip(stack.weights, stack.biases, (2, 4)):
        for t in (w, b):
            assert t.abs().max() <= 1 / math.sqrt(fan)
            assert abs(t.std() * math.sqrt(3 * fan) - 1) < 0.05


# ---- many at once ----


def plain_loop(net, points, orders, optimizer, batch):
    """Autograd and an optimiser of torch, a network by itself; gives the last epoch's mean loss."""
    for order in orders:
        total = 0.0
        for rows in torch.from_numpy(order).split(batch):
            loss = h.binary_loss(net(points.x[rows]), points.y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
    return total / len(points.y)


@pytest.mark.parametrize("sizes", [(2, 1), (2, 1, 1), (2, 3, 1), (2, 3, 3, 3, 1), (2, 5, 2, 1)])
@pytest.mark.parametrize("activation", h.ACTIVATIONS)
def test_many_at_once_equal_the_plain_loop(sizes, activation):
    rng = np.random.default_rng(3)
    stack = side_by_side.NetStack(sizes, 3, rng, activation)
    data = h.xor_points(70, 0.3, rng, 3)  # 70 is no multiple of 32
    nets = [stack.net(r) for r in range(3)]
    orders = list(side_by_side.shuffles(70, 3, 30, rng))
    rates = [1e-3, 5e-4, 2e-3]
    last = side_by_side.fit_many(stack, data, data, orders, rates, 32)[-1]
    for r, net in enumerate(nets):
        points = h.Points(data.x[..., r].T, data.y[:, r])
        own_orders = [order[:, r].copy() for order in orders]
        optimizer = torch.optim.Adam(net.parameters(), lr=rates[r])
        loss = plain_loop(net, points, own_orders, optimizer, 32)
        for a, b in zip(net.parameters(), stack.net(r).parameters()):
            assert torch.allclose(a, b, atol=1e-5), f"{(a - b).abs().max():.1e}"
        found = h.evaluate(net, h.batches(TensorDataset(*points), 70))
        assert abs(last["train/loss"][r] - loss) < 1e-4
        assert abs(last["val/loss"][r] - found.loss) < 1e-4
        assert abs(last["val/accuracy"][r] - found.score) < 0.02


def test_many_at_once_take_the_steps_of_torch_sgd():
    rng = np.random.default_rng(3)
    stack = side_by_side.NetStack((2, 3, 1), 2, rng)
    data = h.xor_points(70, 0.3, rng, 2)
    nets = [stack.net(r) for r in range(2)]
    orders = list(side_by_side.shuffles(70, 2, 20, rng))
    rates = [0.1, 0.03]
    side_by_side.fit_many(stack, data, data, orders, rates, 32, optimizer="SGD")
    for r, net in enumerate(nets):
        points = h.Points(data.x[..., r].T, data.y[:, r])
        optimizer = torch.optim.SGD(net.parameters(), lr=rates[r], momentum=0.9)
        plain_loop(net, points, [order[:, r].copy() for order in orders], optimizer, 32)
        for a, b in zip(net.parameters(), stack.net(r).parameters()):
            assert torch.allclose(a, b, atol=1e-5), f"{(a - b).abs().max():.1e}"


def test_each_network_has_an_order_of_its_own_in_every_epoch():
    orders = list(side_by_side.shuffles(20, 3, 4, np.random.default_rng(0)))
    assert len(orders) == 4 and orders[0].shape == (20, 3)
    columns = [tuple(order[:, r]) for order in orders for r in range(3)]
    assert len(set(columns)) == 12 and all(sorted(c) == list(range(20)) for c in columns)


def test_an_interrupt_keeps_what_many_have_learnt(capsys):
    def log(row):
        if row["epoch"] == 4:
            raise KeyboardInterrupt

    rng = np.random.default_rng(0)
    stack = side_by_side.NetStack((2, 2, 1), 2, rng)
    before = stack.theta.clone()
    points = h.xor_points(40, 0.1, rng, 2)
    orders = side_by_side.shuffles(40, 2, 9, rng)
    assert len(side_by_side.fit_many(stack, points, points, orders, log=log)) == 4
    assert not torch.equal(before, stack.theta)
    assert "stopped by hand after 4 epochs" in capsys.readouterr().out


# ---- bad input: a clear error before any training ----

POINTS = h.xor_points(8, 0.1, np.random.default_rng(0), 2)


def rng():
    return np.random.default_rng(0)


def many(train=POINTS, val=POINTS, kind=side_by_side.NetStack, orders=None, **settings):
    stack = kind((2, 1), 2, rng())
    orders = orders or side_by_side.shuffles(8, 2, 3, rng())
    return side_by_side.fit_many(stack, train, val, orders, **settings)


def with_nan():
    return TensorDataset(torch.tensor([[0.0, math.nan]]), torch.ones(1))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: h.xor_points(8, -0.1, rng()), "noise must be"),
        (lambda: h.xor_points(8, math.nan, rng()), "noise must be"),
        (lambda: h.xor_points(0, 0.1, rng()), "at least one point"),
        (lambda: h.xor_points(8, 0.1, rng(), 0), "at least one point"),
        (lambda: h.xor_bayes_limit(0), "positive and finite, not 0"),
        (lambda: h.xor_bayes_limit(math.inf), "positive and finite, not inf"),
        (lambda: h.xor_bayes_logit(0.5, 0.5, 0), "positive and finite, not 0"),
        (lambda: h.Net((2, 0, 1)), "whole number of 1 or more, not 0"),
        (lambda: h.Net((2, 3.0, 1)), "whole number of 1 or more, not 3.0"),
        (lambda: h.Net((2, 3)), "sizes must be"),
        (lambda: h.Net((2, 3, 1), "tanhh"), "one of tanh, relu, sigmoid"),
        (lambda: h.UNet(depth=0), "whole number of 1 or more"),
        (lambda: side_by_side.NetStack((2, -1, 1), 4, rng()), "1 or more, not -1"),
        (lambda: side_by_side.NetStack((2, 1), 0, rng()), "networks must be .* not 0"),
        (lambda: h.batches(with_nan(), 1), "1 of 2 values that are NaN"),
        (lambda: h.batches(TensorDataset(torch.empty(0, 2), torch.empty(0)), 1), "empty"),
        (lambda: many(batch=0), "batch must be"),
        (lambda: many(batch=2.5), "batch must be a whole number of 1 or more, not 2.5"),
        (lambda: many(rate=0), "rate must be positive"),
        (lambda: many(optimizer="Adagrad"), "optimizer must be one of Adam, SGD"),
        (lambda: many(rate=[0.1, math.inf]), "rate must be positive and finite"),
        (lambda: list(side_by_side.shuffles(8, 2, 0, rng())), "epochs must be"),
        (lambda: many(orders=[np.arange(8)]), r"orders .* \(8, 2\) or \(8, 1\), not \(8,\)"),
        (lambda: many(orders=[np.zeros((7, 2), int)]), r"orders .*, not \(7, 2\)"),
        (lambda: many(h.Points(POINTS.x / 0, POINTS.y)), "NaN"),
        (lambda: many(h.Points(POINTS.x[:1], POINTS.y)), r"need x \(2, n, R\) .* not \(1, 8, 2\)"),
        (lambda: many(h.Points(POINTS.x, POINTS.y[:, 0])), r"and y \(n, R\) .* and \(8,\)"),
        (lambda: many(h.Points(POINTS.x[:, :7], POINTS.y)), r"not \(2, 7, 2\) and \(8, 2\)"),
        (lambda: many(h.Points(POINTS.x, 2 * POINTS.y - 1)), "0 or 1, .* from -1 to 1"),
        (lambda: many(h.Points(POINTS.x, 0 * POINTS.y + 7)), "0 or 1, .* from 7 to 7"),
        (lambda: many(val=h.Points(POINTS.x, 9 * POINTS.y)), "0 or 1, .* from 0 to 9"),
        (lambda: h.seed_everything(-1), "seed must be"),
        (lambda: h.seed_everything(1.5), "seed must be a whole number of 0 or more, not 1.5"),
        (lambda: h.seed_everything("1"), "seed must be a whole number of 0 or more, not '1'"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_stack_with_another_loss_takes_any_labels():
    class Squared(side_by_side.NetStack):
        binary = False

        def backpropagate(self, z, y):
            f = z[-1][0]
            super().backpropagate(z, f.sigmoid() - (f - y))

    points = h.Points(POINTS.x, POINTS.y + 0.1)
    assert len(many(points, points, Squared)) == 3


def test_many_that_diverge_are_counted(capsys):
    rows = many(rate=[0.01, 1e38])
    assert np.isfinite(rows[-1]["train/loss"]).tolist() == [True, False]
    assert capsys.readouterr().out.startswith("1 of 2 trainings diverged")
    many()
    assert capsys.readouterr().out == ""


def test_importing_helpers_does_nothing():
    code = (
        "import json, random, torch\n"
        "before = torch.get_rng_state(), random.getstate()\n"
        "import helpers, matplotlib\n"
        "same = torch.equal(before[0], torch.get_rng_state()) and before[1] == random.getstate()\n"
        "size = matplotlib.rcParams['font.size']\n"
        "print(json.dumps([same, size, torch.cuda.is_initialized()]))\n"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=h.ROOT, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == [True, 10.0, False] and run.stderr == ""
