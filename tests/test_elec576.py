"""The ELEC 576 companion: backpropagation in NumPy, the observed network, its write-up."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

FOLDER = Path(__file__).resolve().parent.parent / "companions/elec576"
sys.path.insert(0, str(FOLDER))

import board_pictures
import boards
import dcn_mnist as dcn
import monitor
import n_layer_neural_network
import pack
import step_sizes
from descent import fit_fast, fit_together
from n_layer_neural_network import DeepNeuralNetwork
from three_layer_neural_network import NeuralNetwork, generate_data, plot_decision_boundary

from backstage.sources import ImageData

X, y = generate_data()
NAMES = ("Tanh", "sigmoid", "RELU")  # in any case


# ---- backpropagation in NumPy ----------------------------------------------------------------


def in_order(network, X, y):
    """backprop's gradients with the penalty's, over N, in the order of `parameters`."""
    network.feedforward(X, network.activate)
    grads = network.backprop(X, y)
    dW, db = grads if len(grads) == 2 else (grads[:2], grads[2:])
    pairs = zip(dW, db, network.parameters)
    return [g / len(X) for w, b, (W, _) in pairs for g in (w + network.reg_lambda * W, b)]


def flat_parameters(network):
    return [p for pair in network.parameters for p in pair]


def measured_slope(network, p, i, X, y, step=1e-5):
    here = p[i]
    p[i] = here + step
    up = network.calculate_loss(X, y)
    p[i] = here - step
    down = network.calculate_loss(X, y)
    p[i] = here
    return (up - down) / (2 * step)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(2, 3, 2), (2, 2), (3, 4, 5, 3)])
def test_gradients_are_the_measured_slopes_of_the_loss(sizes, name):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, sizes[0]))
    y = rng.integers(0, sizes[-1], 30)
    kinds = [DeepNeuralNetwork(sizes, name, reg_lambda=2.0, seed=2)]
    if len(sizes) == 3:
        kinds.append(NeuralNetwork(*sizes, name, reg_lambda=2.0, seed=2))
    for network in kinds:
        for _, b in network.parameters:
            b += rng.normal(size=b.shape)  # at b = 0 a ReLU can stand on its kink
        for p, g in zip(flat_parameters(network), in_order(network, X, y)):
            for i in np.ndindex(p.shape):
                assert abs(measured_slope(network, p, i, X, y) - g[i]) < 1e-8


@pytest.mark.parametrize("name, first", [*zip(NAMES, (0.432387, 0.628571, 0.560274))])
def test_first_pass_is_the_assignments(name, first):
    network = NeuralNetwork(2, 3, 2, name)
    assert abs(network.fit_model(X, y, num_passes=1, print_loss=False)[0] - first) < 1e-6


def test_losses_are_printed_every_thousand_passes(capsys):
    losses = NeuralNetwork(2, 3, 2).fit_model(X, y, num_passes=2001)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in said] == ["0:", "1000:", "2000:"] and len(losses) == 3
    assert losses[-1] < 0.08


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(2, 2), (2, 3, 2), (2, 5, 4, 3)])
def test_the_fast_training_is_the_plain_one(sizes, name):
    labels = (X[:, 0] * 2).astype(int) % sizes[-1]
    fast, plain = (DeepNeuralNetwork(sizes, name, 0.3, seed=1) for _ in range(2))
    found = fit_fast(fast, X, labels, 0.002, 50, every=7)
    wanted = plain.fit_model(X, labels, 0.002, 50, print_loss=False, every=7)
    assert len(found) == 8 and np.allclose(found, wanted, rtol=0, atol=1e-9)
    for p, q in zip(flat_parameters(fast), flat_parameters(plain)):
        assert np.allclose(p, q, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_networks_trained_together_are_those_trained_alone(name):
    epsilons = (0.001, 0.002, 0.005)
    penalties = (0, 0.3, 2)
    pairs = [[DeepNeuralNetwork([2, 4, 3, 2], name, p) for p in penalties] for _ in range(2)]
    together = fit_together(pairs[0], X, y, epsilons, 40, every=9)
    alone = [fit_fast(network, X, y, e, 40, every=9) for network, e in zip(pairs[1], epsilons)]
    assert together.shape == (3, 5) and np.allclose(together, alone, rtol=0, atol=1e-12)
    for one, other in zip(*pairs):
        for p, q in zip(flat_parameters(one), flat_parameters(other)):
            assert np.allclose(p, q, rtol=0, atol=1e-12)


@pytest.mark.parametrize("network", [NeuralNetwork(2, 3, 2), DeepNeuralNetwork([2, 3, 3, 2])])
def test_fit_model_walks_along_what_backprop_gives(network, monkeypatch):
    slopes = in_order(network, X, y)
    wanted = [p - 0.01 * len(X) * g for p, g in zip(flat_parameters(network), slopes)]
    network.fit_model(X, y, 0.01, 1, print_loss=False)
    for p, q in zip(flat_parameters(network), wanted):
        assert np.allclose(p, q, rtol=0, atol=1e-13)

    def refuse(*args):
        raise RuntimeError("backprop was called")

    monkeypatch.setattr(network, "backprop", refuse)
    with pytest.raises(RuntimeError, match="backprop was called"):
        network.fit_model(X, y, 0.01, 1, print_loss=False)


def test_a_layer_takes_the_networks_gradient_backward(monkeypatch):
    called = []
    plain = n_layer_neural_network.Layer.backprop

    def spy(layer, error):
        called.append(layer)
        return plain(layer, error)

    monkeypatch.setattr(n_layer_neural_network.Layer, "backprop", spy)
    network = DeepNeuralNetwork([2, 4, 3, 2])
    network.fit_model(X, y, num_passes=1, print_loss=False)
    assert called == network.layers[::-1]


def test_the_activation_function_that_is_passed_is_the_one_that_is_used():
    three, deep = NeuralNetwork(2, 3, 2, "tanh"), DeepNeuralNetwork([2, 3, 2], "tanh")
    as_relu = DeepNeuralNetwork([2, 3, 2], "relu")

    def relu(z):
        return np.maximum(z, 0)

    assert np.array_equal(deep.feedforward(X, relu), three.feedforward(X, relu))
    assert np.array_equal(deep.feedforward(X, relu), as_relu.feedforward(X))
    assert np.array_equal(deep.feedforward(X), deep.feedforward(X, np.tanh))


def test_backprop_refuses_the_slope_of_another_activation_function():
    network = DeepNeuralNetwork([2, 4, 3, 2], "tanh")
    network.feedforward(X, lambda z: np.maximum(z, 0))
    with pytest.raises(ValueError, match="own activation"):
        network.backprop(X, y)
    network.feedforward(X)
    wanted = network.backprop(X, y)
    network.feedforward(X, lambda z: network.actFun(z, "Tanh"))  # the same under another name
    for found, gradients in zip(network.backprop(X, y), wanted):
        assert all(np.array_equal(g, w) for g, w in zip(found, gradients))


@pytest.mark.parametrize("name", NAMES)
def test_two_three_two_is_the_three_layer_network(name):
    three = NeuralNetwork(2, 3, 2, name, seed=5)
    deep = DeepNeuralNetwork([2, 3, 2], name, seed=5)
    how = {"num_passes": 200, "print_loss": False, "every": 20}
    assert three.fit_model(X, y, **how) == deep.fit_model(X, y, **how)
    assert np.array_equal(three.predict(X), deep.predict(X))


def test_every_layer_is_penalised():
    free, bound = (DeepNeuralNetwork([2, 4, 3, 2], reg_lambda=lam) for lam in (0, 2))
    squares = sum((W**2).sum() for W, _ in bound.parameters)
    penalty = bound.calculate_loss(X, y) - free.calculate_loss(X, y)
    assert np.isclose(penalty, squares / len(X), rtol=1e-10)


@pytest.mark.parametrize("network", [NeuralNetwork(2, 3, 2), DeepNeuralNetwork([2, 3, 3, 2])])
def test_backprop_leaves_the_probabilities_alone(network):
    network.feedforward(X, network.activate)
    probs = network.probs.copy()
    network.backprop(X, y)
    assert np.array_equal(network.probs, probs) and np.allclose(probs.sum(1), 1)


def test_a_sure_mistake_has_a_finite_loss():
    network = NeuralNetwork(2, 3, 2)
    network.b2[:] = [[5000, -5000]]
    assert 1000 < network.calculate_loss(X, y) < np.inf


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("fit", [DeepNeuralNetwork.fit_model, fit_fast])
def test_divergence_is_reported(fit):
    with pytest.raises(FloatingPointError, match="epsilon = 1e\\+200"):
        fit(DeepNeuralNetwork([2, 5, 5, 2], "relu"), X, y, 1e200, 50, every=1)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: NeuralNetwork(2, 3, 2, "swish"), "Tanh, Sigmoid or ReLU"),
        (lambda: NeuralNetwork(2, 3, 2).actFun(0.0, "linear"), "Tanh, Sigmoid or ReLU"),
        (lambda: NeuralNetwork(2, 0, 2), "layer sizes"),
        (lambda: DeepNeuralNetwork([2]), "layer sizes"),
        (lambda: DeepNeuralNetwork([2, 3, 1]), "2 classes"),
        (lambda: DeepNeuralNetwork([2, 3, 2], reg_lambda=-1), "reg_lambda"),
        (lambda: DeepNeuralNetwork([2, 3, 2], gain=0), "gain"),
        (lambda: NeuralNetwork(2, 3, 2).fit_model(X, y, epsilon=0), "epsilon"),
        (lambda: NeuralNetwork(2, 3, 2).fit_model(X, y, num_passes=0), "num_passes"),
        (lambda: fit_fast(NeuralNetwork(2, 3, 2), X, y, every=0), "every"),
        (lambda: fit_together([NeuralNetwork(2, 3, 2), NeuralNetwork(2, 4, 2)], X, y), "one shape"),
        (lambda: fit_together([NeuralNetwork(2, 3, 2)], X, y, [0.1, 0.1]), "one for each of the 1"),
        (lambda: NeuralNetwork(3, 3, 2).fit_model(X, y), r"need X \(n, 3\)"),
        (lambda: NeuralNetwork(2, 3, 2).fit_model(X, y + 1), "from 0 to 1"),
        (lambda: NeuralNetwork(2, 3, 2).fit_model(X, y.astype(float)), "whole numbers"),
        (lambda: NeuralNetwork(2, 3, 2).calculate_loss(np.full_like(X, np.nan), y), "NaN"),
    ],
)
def test_bad_input_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_boundary_is_drawn_for_any_number_of_classes():
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    labels = np.arange(len(X)) % 3
    plot_decision_boundary(lambda p: (p[:, 0] > 0).astype(int), X, labels, ax)
    assert len(ax.collections) == 3 and len(ax.images) == 1
    assert ax.get_aspect() == 1, "a circle must look like one"
    plt.close(fig)


# ---- the observed network --------------------------------------------------------------------


def noise(n, seed):
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.normal(size=(n, 1, 28, 28))).float()
    return TensorDataset(images, torch.from_numpy(rng.integers(0, 10, n)))


DATA = ImageData(noise(60, 0), noise(20, 1), noise(20, 2), "noise")
SHORT = dcn.Settings(batch=10)


def test_parameters_are_counted_with_and_without_padding():
    kinds = [dcn.Settings(), dcn.Settings(padding=2), dcn.Settings(width=8)]
    counts = [sum(p.numel() for p in dcn.DCN(kind).parameters()) for kind in kinds]
    quarter = 8 * 26 + 16 * 201 + 256 * 257 + 10 * 257
    assert counts == [1_111_946, 3_274_634, quarter]


@pytest.mark.parametrize("activation", dcn.ACTIVATIONS)
def test_pooling_first_is_the_same_function(activation):
    net = dcn.DCN(dcn.Settings(activation, width=4)).eval()
    x = DATA.train.tensors[0][:5]
    assert not net.pool_first, "the order of the assignment is the usual one"
    as_printed = net(x)
    net.pool_first = True
    assert torch.allclose(net(x), as_printed, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("init, std", [("xavier", 1 / 32), ("he", 2**0.5 / 32), ("normal", 0.01)])
def test_first_weights(init, std):
    net = dcn.DCN(dcn.Settings(init=init))
    assert abs(net.fc1.weight.std().item() / std - 1) < 0.01 and not net.fc1.bias.any()


def test_description_agrees_with_numpy():
    t = torch.randn(4, 5, 6)
    found = monitor.describe(t, bins=7)
    a = t.numpy()
    for name, value in found.numbers.items():
        assert np.isclose(value, getattr(a, name)(), atol=1e-6)
    assert np.array_equal(found.counts, np.histogram(a, np.array(found.edges))[0])
    assert sum(found.counts) == 120


@pytest.mark.parametrize(
    "name, like, shift", [("centred", "sigmoid", -0.5), ("raised", "tanh", 0.5)]
)
def test_the_controls_change_one_thing(name, like, shift):
    z = torch.linspace(-3, 3, 13)
    control, original = (dcn.ACTIVATIONS[kind]() for kind in (name, like))
    assert torch.allclose(control(z), original(z) + shift)


# ---- step sizes ------------------------------------------------------------------------------


def test_the_scan_goes_on_until_the_best_step_lies_inside(monkeypatch):
    best_step = 0.0001
    tried = []

    def train(settings, data, evaluate_test):
        tried.append((settings.rate, settings.seed, settings.train_images))
        loss = abs(np.log(settings.rate / best_step)) if settings.rate < 0.01 else np.nan
        return dcn.Trained(None, [{"val/loss": loss}])

    monkeypatch.setattr(step_sizes, "train", train)
    losses = step_sizes.scan(step_sizes.NARROW, DATA)
    assert list(losses) == [0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01]
    assert step_sizes.best(losses) == best_step
    assert set(tried) == {(rate, seed, 30) for rate in losses for seed in step_sizes.SCAN_SEEDS}


def test_the_next_step_outside_is_tried():
    assert step_sizes.beyond({0.001: [2, 2], 0.003: [1, 1], 0.01: [2, 2]}) == []
    assert step_sizes.beyond({0.001: [1, 1], 0.003: [2, 2]}) == [0.0003]
    assert step_sizes.beyond({0.001: [2, 2], 0.003: [1, 1]}) == [0.01]


# ---- the board -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_description_of_constant_and_broken_tensors(value):
    found = monitor.describe(torch.full((3, 3), value))
    assert sum(found.counts) == 9 and len(found.edges) == len(found.counts) + 1
    assert np.isclose(found.numbers["mean"], value, equal_nan=True)


TERMS = {"weight": 4, "bias": 4, "net input": 4, "activation": 3, "pooled": 2}


def test_the_board_holds_what_the_assignment_lists(tmp_path):
    dcn.train(SHORT, DATA, tmp_path, every=3)
    board = boards.read_board(tmp_path)
    for term, count in TERMS.items():
        assert sum(tag.endswith(f"/{term}") for tag in board.histograms) == count
        for what in ("min", "max", "mean", "std"):
            assert sum(tag.endswith(f" {term}/{what}") for tag in board.scalars) == count
    assert len(board.histograms) == 17
    for written in board.histograms.values():
        assert [histogram.step for histogram in written] == [0, 3], "iteration 0 is there too"
    shapes = {"conv1/activation": 32 * 24**2, "conv1/pooled": 32 * 12**2, "fc1/activation": 1024}
    for name, count in shapes.items():
        first = board.histograms[name][0]
        assert first.counts.sum() == 10 * count, f"{name}: outputs for one batch of 10"
        assert first.edges[0] == 0, f"{name}: outputs of a ReLU"


def test_iteration_0_shows_the_first_weights(tmp_path):
    dcn.train(SHORT, DATA, tmp_path, every=3)
    board = boards.read_board(tmp_path)
    dcn.h.seed_everything(SHORT.seed)
    for name, p in dcn.DCN(SHORT).named_parameters():
        layer, kind = name.split(".")
        first = board.scalars[f"{layer} {kind}/std"].values[0]
        assert np.isclose(first, p.std(correction=0).item(), rtol=1e-5, atol=1e-12), name


def test_observed_iterations_pool_last_whatever_the_others_do(tmp_path):
    seen = []
    for first in (False, True):
        settings = dcn.Settings(batch=10, width=4, pool_first=first)
        net = dcn.train(settings, DATA, tmp_path, every=6).net
        assert net.pool_first == first, "observation must leave the network as it was"
        seen.append(boards.read_board(tmp_path).histograms["conv1/activation"][0].counts)
    assert seen[0].sum() == 10 * 4 * 24**2 and np.array_equal(*seen)


def test_a_coarser_histogram_holds_the_same_values():
    fine = boards.Histogram(7, np.arange(9.0), np.array([1, 2, 0, 4, 5, 1, 0, 3]))
    coarse = board_pictures.coarser(fine, 4)
    assert coarse.step == 7 and list(coarse.edges) == [0, 4, 8] and list(coarse.counts) == [7, 9]


def test_the_board_holds_losses_and_errors(tmp_path):
    trained = dcn.train(SHORT, DATA, tmp_path, every=3)
    row = trained.rows[0]
    scalars = boards.read_board(tmp_path).scalars
    loss = scalars["loss/training"]
    assert list(loss.steps) == [0, 1, 2, 3, 4, 5]
    assert np.isclose(loss.values.mean(), row["train/loss"], rtol=1e-5)
    for part, key in (("validation", "val"), ("test", "test")):
        error = scalars[f"error/{part}"]
        assert list(error.steps) == [6]
        assert np.isclose(error.values[0], 1 - row[f"{key}/accuracy"])
    images, labels = DATA.test.tensors
    hits = trained.net.eval()(images).argmax(1) == labels
    assert np.isclose(row["test/accuracy"], hits.float().mean().item())


def test_observation_changes_nothing(tmp_path):
    watched, alone = (dcn.train(SHORT, DATA, board, 2) for board in (tmp_path, None))
    assert watched.rows == alone.rows
    pairs = zip(watched.net.parameters(), alone.net.parameters())
    assert all(torch.equal(p, q) for p, q in pairs)
    left = [*watched.net._forward_hooks, *watched.net.conv1._forward_hooks]
    assert not left, "hooks must not outlive the training"


def test_hooks_do_not_outlive_a_training_that_fails(tmp_path):
    criterion = nn.CrossEntropyLoss()
    net = dcn.DCN(dcn.Settings(width=4))
    unknown = TensorDataset(DATA.train.tensors[0][:5], torch.full((5,), 99))  # no such class
    loader = dcn.h.batches(unknown, 5)
    board = monitor.Monitor(criterion, tmp_path)
    with pytest.raises(IndexError):
        dcn.h.fit(net, loader, criterion, torch.optim.SGD(net.parameters()), 1, [board])
    assert not [*net._forward_hooks, *net.conv1._forward_hooks, *criterion._forward_hooks]


def test_a_board_shows_one_training(tmp_path):
    for seed in (0, 1):
        dcn.train(dcn.Settings(batch=20, seed=seed), DATA, tmp_path / "board", 1)
    assert len(boards.read_board(tmp_path / "board").scalars["loss/training"].steps) == 3


@pytest.mark.parametrize("optimizer", dcn.OPTIMIZERS)
@pytest.mark.parametrize("schedule", dcn.SCHEDULES)
def test_every_optimiser_trains_under_every_schedule(optimizer, schedule):
    settings = dcn.Settings(optimizer=optimizer, schedule=schedule, batch=30, train_images=30)
    row = dcn.train(settings, DATA, evaluate_test=False).rows[0]
    assert np.isfinite(row["train/loss"]) and "test/accuracy" not in row


@pytest.mark.parametrize(
    "what, said",
    [
        ({"activation": "swish"}, "relu, leaky, tanh, sigmoid, maxout"),
        ({"init": "zero"}, "xavier, he, normal"),
        ({"optimizer": "lion"}, "sgd, momentum"),
        ({"schedule": "cosine"}, "constant, onecycle"),
        ({"rate": 0.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"epochs": 0}, "epochs"),
        ({"batch": 2.5}, "batch"),
        ({"dropout": 1.0}, "dropout"),
        ({"width": 0}, "width"),
        ({"train_images": 0}, "train_images"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_settings_are_refused(what, said):
    with pytest.raises(ValueError, match=said):
        dcn.Settings(**what)


def test_too_many_images_and_empty_boards_are_refused(tmp_path):
    with pytest.raises(ValueError, match="60 training images, not 61"):
        dcn.train(dcn.Settings(train_images=61), DATA)
    with pytest.raises(ValueError, match="no TensorBoard events"):
        boards.read_board(tmp_path)
    with pytest.raises(ValueError, match="every"):
        monitor.Monitor(nn.CrossEntropyLoss(), tmp_path, 0)


def test_command_line_says_what_it_takes_and_refuses_the_rest(capsys):
    order = dcn.parse(["--activation", "tanh", "--init", "xavier", "--optimizer", "sgd"])
    assert order.settings == dcn.Settings("tanh", "xavier", "sgd")
    assert order.settings.rate == dcn.OPTIMIZERS["sgd"].rate
    assert order.name == f"tanh-xavier-sgd-{order.settings.rate:g}-seed0"
    assert (order.every, order.no_board) == (100, False)
    long = dcn.parse(["--pool-first", "--width", "8", "--train-images", "50", "--rate", "0.2"])
    assert long.settings == dcn.Settings(pool_first=True, width=8, train_images=50, rate=0.2)
    with pytest.raises(SystemExit) as stop:
        dcn.parse(["--optimizer", "lion"])
    assert stop.value.code == 2 and "must be one of sgd, momentum" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        dcn.parse(["--help"])
    said = capsys.readouterr().out
    for word in [*dcn.Settings.__dataclass_fields__, "name", "every", "no-board"]:
        word = word.replace("_", "-")
        assert f"--{word}" in said


def test_command_line_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(dcn.h, "load_mnist", lambda: DATA)
    monkeypatch.setattr(dcn, "BOARDS", dcn.h.ROOT / "build/tests/boards")
    dcn.main(["--train-images", "50", "--epochs", "2", "--every", "1", "--name", "by hand"])
    said = capsys.readouterr().out
    assert "epoch 2: loss" in said and "tensorboard --logdir build/tests/boards" in said
    scalars = boards.read_board(dcn.BOARDS / "by hand").scalars
    assert len(scalars["loss/training"].steps) == 2


def test_the_deep_script_refuses_bad_sizes(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["n_layer_neural_network.py", "2", "0", "2"])
    with pytest.raises(SystemExit) as stop:
        n_layer_neural_network.main()
    assert stop.value.code == 2 and "layer sizes must be" in capsys.readouterr().err


# ---- what is handed in -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handed in")
    with zipfile.ZipFile(pack.write(folder, "netid")) as z:
        z.extractall(folder / "somewhere")
    return folder / "somewhere"


def run_alone(folder, *words):
    """A script of the zip, in an interpreter that finds nothing else of the project."""
    others = "'site-packages' in p or not p.startswith(sys.argv[1])"
    block = f"import sys; sys.path = [p for p in sys.path if {others}]"
    start = f"{block}; sys.meta_path = [f for f in sys.meta_path if '__editable__' not in repr(f)]"
    start += "; import runpy; sys.argv = sys.argv[2:]; sys.path.insert(0, '.')"
    start += "; runpy.run_path(sys.argv[0], run_name='__main__')"
    root = str(FOLDER.parent.parent)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    words = [sys.executable, "-c", start, root, *words]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("script", ["dcn_mnist.py", "n_layer_neural_network.py"])
def test_a_script_of_the_zip_runs_anywhere(unpacked, script):
    done = run_alone(unpacked, script, "--help")
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr


def test_the_zip_is_named_as_asked_and_holds_the_code(tmp_path):
    path = pack.write(tmp_path, "abc1")
    with zipfile.ZipFile(path) as z:
        names = set(z.namelist())
    assert path.name == "abc1-assignment1.zip"
    scripts = {file.name for file in FOLDER.glob("*.py")} - {"pack.py"}
    others = {"helpers.py", "backstage/hooks.py", "requirements.txt", "README.md"}
    assert scripts | others <= names
    assert not [name for name in names if name.endswith((".pdf", ".pyc"))]


def test_the_zip_needs_a_name(tmp_path):
    with pytest.raises(ValueError, match="letters and digits"):
        pack.write(tmp_path, "../x")


# ---- the write-up ----------------------------------------------------------------------------

TEX, NUMBERS = ((FOLDER / name).read_text() for name in ("writeup.tex", "numbers.tex"))
DEFINED = re.findall(r"\\newcommand\{\\([A-Za-z]+)\}", NUMBERS)


def test_every_number_is_used_and_every_macro_defined():
    assert len(set(DEFINED)) == len(DEFINED)
    used = set(re.findall(r"\\(elec[A-Z][A-Za-z]*)", TEX))
    assert used == set(DEFINED), used ^ set(DEFINED)


@pytest.mark.parametrize(
    "command, kind", [("includegraphics", "figures/*"), ("tablebody", "tables/*")]
)
def test_every_figure_and_table_is_shown_and_exists(command, kind):
    shown = re.findall(rf"\\{command}(?:\[[^]]*\])?\{{([^}}#]+)\}}", TEX)
    files = [f"{p.parent.name}/{p.name}" for p in FOLDER.glob(kind)]
    made = {name.removesuffix(".pdf").removesuffix(".tex") for name in files}
    assert set(shown) == made, set(shown) ^ made


def test_every_float_is_referred_to():
    floats = r"\\begin\{(?:figure|table)\}(.*?)\\end\{(?:figure|table)\}"
    for body in re.findall(floats, TEX, re.S):
        label = re.search(r"\\label\{([^}#]+)\}", body)
        assert "\\caption{" in body and label and f"\\autoref{{{label[1]}}}" in TEX, body[:80]
