"""The two digit networks, their fast form, their recipe, and augmentation."""

import copy
import math
import textwrap

import pytest
import torch
from torch.nn import functional as F

import helpers as h
from backstage import mnist, sources


@pytest.fixture
def digits(monkeypatch, tmp_path):
    """600 digits of the stand-in: no data folder, an empty cache and no network."""
    monkeypatch.delenv("COURSEWORK_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(mnist, "MIRRORS", ())
    return h.load_mnist().first(600)


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
    assert h.count_parameters(h.digit_mlp()) == 109386
    assert h.count_parameters(h.digit_cnn()) == 12810


@pytest.mark.parametrize("make", [h.digit_mlp, h.digit_cnn])
def test_the_printed_layers_are_those_that_compute(make):
    torch.manual_seed(0)
    net = make()
    called = []
    for name, layer in net.main.named_children():
        layer.register_forward_hook(lambda *args, name=name: called.append(name))
    x = torch.randn(5, 1, 28, 28)
    out = net(x)
    assert called == [str(i) for i in range(len(net.main))]
    want = x.flatten(1) if make is h.digit_mlp else x
    for layer in net.main:
        want = layer(want)
    assert torch.equal(out, want)
    assert torch.allclose(out.exp().sum(1), torch.ones(5), atol=1e-5)


@pytest.mark.parametrize("make", [h.digit_mlp, h.digit_cnn, lambda: h.digit_cnn((4, 7))])
def test_the_faster_form_is_the_same_function_with_the_same_gradients(make):
    torch.manual_seed(0)
    net = make()
    plain = copy.deepcopy(net)
    fast = h.faster(net)
    x = torch.randn(64, 1, 28, 28)
    y = torch.randint(0, 10, (64,))
    out = fast(x)
    want = plain(x)
    assert torch.allclose(out, want, atol=1e-5)
    F.nll_loss(out, y).backward()
    F.nll_loss(want, y).backward()
    for p, q in zip(net.parameters(), plain.parameters()):
        assert torch.allclose(p.grad, q.grad, atol=1e-6), f"{(p.grad - q.grad).abs().max():.1e}"


def test_the_faster_form_reads_only_what_the_printed_layers_read():
    torch.manual_seed(0)
    x = torch.randn(3, 1, 28, 28, requires_grad=True)
    h.digit_cnn()(x).sum().backward()
    assert not x.grad[..., 26:, :].any() and not x.grad[..., 26:].any()
    assert x.grad[..., :26, :26].abs().amax((0, 1)).min() > 0


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 28, 28), (28, 28)])
def test_the_faster_form_takes_no_other_images(shape):
    with pytest.raises(ValueError, match=r"takes images \(b, 1, 28, 28\), not"):
        h.faster(h.digit_cnn())(torch.zeros(shape))


@pytest.mark.parametrize("trained", ["net", "fast"])
def test_training_one_form_trains_the_other(trained):
    torch.manual_seed(0)
    net = h.digit_cnn()
    fast = h.faster(net)
    x = torch.randn(8, 1, 28, 28)
    before = net(x).detach()
    this, other = (net, fast) if trained == "net" else (fast, net)
    optimizer = torch.optim.SGD(this.parameters(), lr=0.1)
    F.nll_loss(this(x), torch.arange(8)).backward()
    optimizer.step()
    assert not torch.allclose(before, other(x), atol=1e-3)
    assert torch.allclose(this(x), other(x), atol=1e-5)
    pairs = list(zip(net.parameters(), fast.parameters()))
    assert len(pairs) == 6 and all(p is q for p, q in pairs)


# ---- the recipe ----


def test_the_recipe_learns_and_follows_its_schedule(digits):
    torch.manual_seed(0)
    recipe = h.Recipe(epochs=3, rate=0.01, weight_decay=0.05, one_cycle=True, augment=True)
    rows = h.fit_digits(h.digit_cnn(), digits, recipe)
    rates = [row["learning_rate"] for row in rows]
    assert rows[-1]["val/accuracy"] > 0.8
    assert rates[-1] < 1e-3 * 0.01 < rates[0] and max(rates) <= 0.01


def test_without_one_cycle_the_rate_is_constant(digits):
    net = h.digit_mlp()
    rows = h.fit_digits(net, digits, h.Recipe(epochs=1, rate=0.01))
    assert "learning_rate" not in rows[0]
    assert set(rows[0]) == {"epoch", "train/loss", "val/loss", "val/accuracy"}


@pytest.mark.parametrize("one_cycle", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
def test_nesterov_is_used_only_where_asked(digits, monkeypatch, one_cycle, nesterov):
    made = []

    class Recorded(torch.optim.SGD):
        def __init__(self, *args, **settings):
            super().__init__(*args, **settings)
            made.append(self.defaults)

    monkeypatch.setattr(torch.optim, "SGD", Recorded)
    recipe = h.Recipe(epochs=1, rate=0.01, nesterov=nesterov, one_cycle=one_cycle)
    h.fit_digits(h.digit_mlp(), digits.first(64), recipe)
    assert [(d["nesterov"], d["momentum"]) for d in made] == [(nesterov, 0.9)]


def test_weight_decay_shrinks_weights(digits):
    sizes = []
    for decay in (0.0, 20.0):
        torch.manual_seed(0)
        net = h.digit_cnn()
        recipe = h.Recipe(epochs=3, rate=0.01, weight_decay=decay, one_cycle=True, augment=True)
        h.fit_digits(net, digits, recipe)
        sizes.append(net.main[3].weight.norm().item())
    assert sizes[1] < 0.9 * sizes[0]


def test_the_same_seed_trains_the_same_network_and_another_shuffles_anew(digits):
    curves = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        recipe = h.Recipe(epochs=1, rate=0.01, augment=True)
        curves.append(h.fit_digits(h.digit_mlp(), digits, recipe, seed))
    assert curves[0] == curves[1] != curves[2]


# ---- augmentation ----

ALL_OFF = {"degrees": 0, "scale": 0, "shift": 0, "shear": 0}


def test_random_affine_moves_each_image_within_its_limits_and_fills_in_background():
    x = torch.full((200, 1, 28, 28), -0.4)
    x[:, :, 13:15, 13:15] = 2.0

    def move(seed, **limits):
        return h.random_affine(x, torch.Generator().manual_seed(seed), **{**ALL_OFF, **limits})

    assert torch.allclose(move(0), x, atol=1e-5)
    a = move(1, shift=3, degrees=9)
    assert torch.equal(a, move(1, shift=3, degrees=9)) and not torch.equal(a[0], a[1])
    assert not torch.equal(a, move(2, shift=3, degrees=9))
    assert a.min() >= -0.4 - 1e-5 and a.max() <= 2 + 1e-5
    ink = (move(3, shift=3) + 0.4).squeeze(1)
    for direction in (1, 2):
        centre = (ink.sum(direction) * torch.arange(28.0)).sum(1) / ink.sum((1, 2))
        moved = centre - 13.5
        assert 2.7 < moved.abs().max() <= 3.001 and abs(moved.mean()) < 0.5


@pytest.mark.parametrize(
    "limits, far",
    [({"degrees": 30}, 12 * math.sin(math.radians(30))), ({"scale": 0.2}, 0.2 * 12)],
)
def test_random_affine_turns_and_scales_about_the_middle(limits, far):
    x = torch.zeros(400, 1, 41, 41)
    x[:, :, 20, 20] = 1.0  # the middle
    x[:, :, 20, 32] = 1.0  # a point 12 to its right
    y = h.random_affine(x, torch.Generator().manual_seed(0), **{**ALL_OFF, **limits})[:, 0]
    assert (y[:, 20, 20] > 0.9).all()
    y[:, 18:23, 18:23] = 0
    pixel = torch.arange(41.0)
    row = (y.sum(2) * pixel).sum(1) / y.sum((1, 2))
    column = (y.sum(1) * pixel).sum(1) / y.sum((1, 2))
    moved = torch.hypot(row - 20, column - 32) if "scale" in limits else (row - 20).abs()
    assert 0.85 * far < moved.max() < 1.1 * far + 0.2


def test_random_affine_slants():
    x = torch.zeros(400, 1, 41, 41)
    x[:, :, 30, 20] = 1.0  # a point 10 below the middle
    y = h.random_affine(x, torch.Generator().manual_seed(0), **{**ALL_OFF, "shear": 0.3})[:, 0]
    pixel = torch.arange(41.0)
    row = (y.sum(2) * pixel).sum(1) / y.sum((1, 2))
    column = (y.sum(1) * pixel).sum(1) / y.sum((1, 2))
    assert (row - 30).abs().max() < 0.1 and 2.6 < (column - 20).abs().max() < 3.2
