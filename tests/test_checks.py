"""What a training is given: right values pass, others are named before anything is lost."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import helpers as h

N = 12
X = torch.randn(N, 2, generator=torch.Generator().manual_seed(0))
Y = torch.arange(N) % 2
IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
MASKS = (IMAGES > 0.5).float()
ENDS = ((0, 9), (-1, 1), (7, 7))


class Files(Dataset):
    """A data set that does not lie in memory."""

    def __init__(self, y):
        self.y = y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return X[i], self.y[i]


class Stream(IterableDataset):
    def __iter__(self):
        return zip(X, Y.float())


class Moved(TensorDataset):
    """A data set whose tensors are not what it gives."""

    def __getitem__(self, i):
        return X[i] + 1, Y[i]


class Unused(h.Hook):
    """A hook that must not be reached."""

    def before_training(self, training):
        raise AssertionError("the training has begun")


def classifier():
    return nn.Sequential(nn.Linear(2, 3), nn.LogSoftmax(1))


def small_unet():
    return h.UNet(depth=1, base_width=2)


def own_loss(a, y):
    return F.binary_cross_entropy_with_logits(a, y)


def loader_of(y, x=X):
    return h.batches(TensorDataset(x, y), 5)


def fit(net, loader, loss, rate=0.1, epochs=2, hooks=()):
    return h.fit(net, loader, loss, torch.optim.SGD(net.parameters(), rate), epochs, hooks)


def spread(low, high):
    """Labels (N,) from low to high, integers."""
    return torch.linspace(low, high, N).round().long()


# ---- labels ----

WRONG = [
    *[(h.Net, h.binary_loss, spread(*ends).float(), "0 or 1") for ends in ENDS],
    (h.Net, h.binary_loss, Y, "loss_fn=binary_loss .* 0 or 1, of a float type, not int64 from 0"),
    (h.Net, h.binary_loss, Y / 255, "0 or 1"),
    (h.Net, nn.BCEWithLogitsLoss(), 7.0 * Y[:, None], "0 or 1"),
    (classifier, F.nll_loss, Y * 0 - 100, "class numbers .* from -100 to -100"),
    (classifier, F.nll_loss, Y - 1, "class numbers"),
    (classifier, F.nll_loss, Y.float(), "class numbers .* type int64, not float32"),
    (classifier, nn.CrossEntropyLoss(), Y - 100, "class numbers"),
    (classifier, partial(F.cross_entropy, label_smoothing=0.1), Y - 100, "class numbers"),
]


@pytest.mark.parametrize("make, loss, y, words", WRONG)
def test_wrong_labels_are_named_before_a_training_begins(make, loss, y, words):
    net = make()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=words):
        fit(net, loader_of(y), loss, hooks=[Unused()])
    with pytest.raises(ValueError, match=words):
        h.evaluate(net, loader_of(y), loss)
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())


@pytest.mark.parametrize("make, loss, y, words", WRONG)
def test_labels_that_do_not_lie_in_memory_are_checked_as_they_come(make, loss, y, words):
    for data in (Files(y), Subset(TensorDataset(X, y), range(N))):
        with pytest.raises(ValueError, match=words):
            fit(make(), DataLoader(data, N), loss)
        with pytest.raises(ValueError, match=words):
            h.evaluate(make(), DataLoader(data, N), loss)


@pytest.mark.parametrize("loss", [own_loss, F.mse_loss])
def test_masks_of_a_unet_are_from_0_to_1(loss):
    with pytest.raises(ValueError, match="masks from 0 to 1, .* from 0 to 255"):
        fit(small_unet(), loader_of(255 * MASKS, IMAGES), loss, hooks=[Unused()])
    for masks in (MASKS, 0.9 * MASKS):
        assert len(fit(small_unet(), loader_of(masks, IMAGES), loss)) == 2


def test_labels_for_validation_are_checked_before_the_first_epoch():
    rows = []
    hooks = [h.Log(rows.append), h.Validate(loader_of(2.0 * Y - 1))]
    with pytest.raises(ValueError, match="0 or 1, .* from -1 to 1"):
        fit(h.Net(), loader_of(Y.float()), h.binary_loss, hooks=hooks)
    assert rows == []


@pytest.mark.parametrize(
    "make, loss, y",
    [
        (h.Net, h.binary_loss, torch.ones(N)),
        (h.Net, nn.BCEWithLogitsLoss(), Y[:, None].float()),
        (h.Net, F.mse_loss, 9.0 * Y[:, None]),
        (classifier, F.nll_loss, Y),
        (classifier, F.nll_loss, Y.byte()),
        (classifier, nn.CrossEntropyLoss(), F.one_hot(Y, 3).float()),
    ],
)
def test_right_labels_pass(make, loss, y):
    assert math.isfinite(fit(make(), loader_of(y), loss)[-1]["train/loss"])


# ---- scores ----


@pytest.mark.parametrize(
    "score, words",
    [
        (h.binary_hits, r"not \(5, 5\) for labels \(5, 1\)"),
        (lambda logits, y: ((logits > 0) == (y > 0.5)).float().mean(), r"not \(\) for labels"),
    ],
)
def test_a_score_is_one_number_per_example(score, words):
    loader = loader_of(Y[:, None].float())
    with pytest.raises(ValueError, match=words):
        h.evaluate(h.Net(), loader, nn.BCEWithLogitsLoss(), score)


@pytest.mark.parametrize("left_out", [{"drop_last": True}, {"sampler": range(5)}])
def test_means_are_over_the_examples_that_a_loader_gives(left_out):
    torch.manual_seed(0)
    net = h.Net()
    seen = DataLoader(TensorDataset(X, Y.float()), 5, **left_out)
    examples = 5 * len(seen)
    whole = DataLoader(TensorDataset(X[:examples], Y[:examples].float()), 5)
    assert h.evaluate(net, seen) == h.evaluate(net, whole)
    assert fit(copy.deepcopy(net), seen, h.binary_loss) == fit(net, whole, h.binary_loss)


# ---- data sets ----


def test_a_part_of_a_data_set_in_memory_gives_batches():
    part = Subset(TensorDataset(X, Y), [7, 3, 5])
    inner = Subset(part, np.array([2, 0]))
    assert torch.equal(torch.cat([x for x, _ in h.batches(part, 2)]), X[[7, 3, 5]])
    assert torch.equal(torch.cat([x for x, _ in h.batches(inner, 2)]), X[[5, 7]])


@pytest.mark.parametrize("data", [Files(Y), Moved(X, Y), [X, Y], TensorDataset(X) + Files(Y)])
def test_data_that_do_not_lie_in_memory_need_another_loader(data):
    with pytest.raises(ValueError, match=f"not {type(data).__name__}; .*utils.data.DataLoader"):
        h.batches(data, 2)


def test_what_is_no_loader_and_no_list_of_hooks_is_named():
    data = TensorDataset(X, Y.float())
    for use in (h.evaluate, lambda net, data: fit(net, data, h.binary_loss)):
        with pytest.raises(ValueError, match=r"a DataLoader, .* batches\(.*not a TensorDataset"):
            use(h.Net(), data)
    with pytest.raises(ValueError, match=r"hooks must be a list, such as \[Log\(\.\.\.\)\]"):
        fit(h.Net(), loader_of(Y.float()), h.binary_loss, hooks=h.Log(print))


def test_a_network_without_parameters_is_named():
    with pytest.raises(ValueError, match="must have parameters, which Identity has not"):
        h.evaluate(nn.Identity(), loader_of(Y.float()))


def test_data_are_checked_in_their_own_precision(monkeypatch):
    """Apple's MPS has no float64."""
    asked = []
    plain = torch.Tensor.sum

    def noted(t, *args, **settings):
        asked.append(settings.get("dtype"))
        return plain(t, *args, **settings)

    monkeypatch.setattr(torch.Tensor, "sum", noted)
    loader_of(Y.float(), torch.full((N, 2), 3e38))  # finite, while their sum is not
    assert asked and torch.float64 not in asked


def test_any_data_set_trains_behind_a_data_loader():
    curves = []
    for data in (TensorDataset(X, Y.float()), Files(Y.float()), Stream()):
        torch.manual_seed(0)
        curves.append(fit(h.Net(), DataLoader(data, 5), h.binary_loss))
    assert curves[0] == curves[1] == curves[2]


def test_a_loader_without_batches_is_named():
    loader = DataLoader(TensorDataset(X, Y.float()), 50, drop_last=True)
    with pytest.raises(ValueError, match="the loader gives no batch"):
        fit(h.Net(), loader, h.binary_loss)


# ---- numbers ----


def test_numbers_of_numpy_are_numbers():
    data = TensorDataset(X, Y.float())
    plain = [y.tolist() for _, y in h.batches(data, 5, seed=3)]
    assert plain == [y.tolist() for _, y in h.batches(data, np.int64(5), seed=np.int64(3))]
    kinds = []

    class Kind(h.Hook):
        def before_training(self, training):
            kinds.append(type(training.epochs))  # it goes into checkpoints

    fit(h.Net(), h.batches(data, 5), h.binary_loss, epochs=np.int64(2), hooks=[Kind()])
    assert kinds == [int]
    assert isinstance(h.UNet(depth=np.int64(1)), h.UNet)


@pytest.mark.parametrize("value", [0, -3, 2.0, "2", None])
def test_numbers_that_count_are_whole_and_positive(value):
    data = TensorDataset(X, Y.float())
    with pytest.raises(ValueError, match="batch size must be a whole number of 1 or more"):
        h.batches(data, value)
    with pytest.raises(ValueError, match="epochs must be a whole number of 1 or more"):
        fit(h.Net(), h.batches(data, 5), h.binary_loss, epochs=value, hooks=[Unused()])


@pytest.mark.parametrize("seed", [-1, 1.5, "a"])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be a whole number of 0 or more"):
        h.batches(TensorDataset(X, Y), 5, seed)


def test_an_infinite_rate_is_refused():
    with pytest.raises(ValueError, match="rate must be finite, not inf"):
        fit(h.Net(), loader_of(Y.float()), h.binary_loss, math.inf, hooks=[Unused()])


# ---- a training that diverges ----


def test_a_training_that_diverges_says_so_once(capsys):
    rows = fit(h.Net(), loader_of(3 * X[:, :1]), F.mse_loss, 1e20, epochs=4)
    assert len(rows) == 4 and not math.isfinite(rows[-1]["train/loss"])
    printed = capsys.readouterr().out
    assert printed.startswith("the training diverged: train/loss is ") and printed.count("\n") == 1
    fit(h.Net(), loader_of(Y.float()), h.binary_loss)
    assert capsys.readouterr().out == ""
