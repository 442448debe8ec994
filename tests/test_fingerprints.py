"""Marks of data and code: the same in every process, and another one after every change."""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset

import helpers as h
from backstage.fingerprints import fingerprint, readable

STRENGTH = 0.1
LIMITS = {"low", "middle", "high"}


def noisy(x, y, generator):
    return x + STRENGTH * torch.randn(x.shape, generator=generator), y


def louder(x, y, generator):
    return x + 0.5 * torch.randn(x.shape, generator=generator), y


def twice(x, y, generator):
    x, y = noisy(x, y, generator)
    return noisy(x, y, generator)


def within(word):
    return word in {"low", "middle", "high"} and word in LIMITS


def noise_of(strength):
    return lambda x, y, generator: (x + strength * torch.randn(x.shape, generator=generator), y)


class Noise:
    """A change that is an object, in a circle with itself."""

    def __init__(self, strength):
        self.strength = strength
        self.own = self

    def __call__(self, x, y, generator):
        return x + self.strength, y


def scaled(x, y, generator, factor=2):
    return factor * x, y


def changed(n, value):
    """A tensor (n,) of zeros, of which the one in the middle is the value."""
    t = torch.zeros(n)
    t[n // 2] = value
    return t


def rows(value):
    return TensorDataset(changed(4, value), torch.zeros(4))


DIFFERENT = {
    "numbers": (0.1, 0.2),
    "a middle of long tensors": (changed(5000, 0), changed(5000, 1)),
    "arrays": (np.arange(5000), np.arange(5000)[::-1]),
    "types of tensors": (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
    "arrays of objects": (np.array([1, "a"], object), np.array([1, "b"], object)),
    "functions": (noisy, louder),
    "values around a function": (noise_of(0.1), noise_of(0.2)),
    "attributes": (Noise(0.1), Noise(0.2)),
    "methods": (Noise(0.1).__call__, Noise(0.2).__call__),
    "arguments": (functools.partial(scaled, factor=2), functools.partial(scaled, factor=3)),
    "functions of libraries": (F.relu, F.gelu),
    "modules": (nn.Dropout(0.1), nn.Dropout(0.2)),
    "weights of a loss": (
        nn.CrossEntropyLoss(torch.tensor([1.0, 1.0])),
        nn.CrossEntropyLoss(torch.tensor([1.0, 2.0])),
    ),
    "loaders": (DataLoader(rows(0), 2), DataLoader(rows(1), 2)),
    "parts": (Subset(rows(0), [0, 1]), Subset(rows(0), [1, 2])),
    "recipes": (h.Recipe(3, 0.1), h.Recipe(3, 0.2)),
    "sets": ({1, 2}, {1, 3}),
}


@pytest.mark.parametrize("one, other", DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_has_another_mark(one, other):
    assert fingerprint(one) == fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: noise_of(0.1),
        lambda: Noise(0.1),
        lambda: functools.partial(scaled, factor=3),
        lambda: rows(1),
        lambda: DataLoader(rows(1), 2),
        lambda: nn.Dropout(0.1),
        lambda: h.Recipe(3, 0.1),
        lambda: {"b": [torch.ones(2)], "a": {3, "c"}},
    ],
)
def test_what_is_made_again_has_the_same_mark(make):
    assert fingerprint(make()) == fingerprint(make())


def test_the_order_of_a_dictionary_does_not_count():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_a_function_counts_with_what_it_uses(monkeypatch):
    before = [fingerprint(noisy), fingerprint(twice), fingerprint(louder)]
    monkeypatch.setitem(globals(), "STRENGTH", 0.2)
    after = [fingerprint(noisy), fingerprint(twice), fingerprint(louder)]
    assert [a == b for a, b in zip(before, after)] == [False, False, True]


def test_a_class_counts_with_its_code_and_its_constants():
    def made(code):
        scope = {"__name__": "__main__"}
        exec(code, scope)
        return scope["A"]()

    texts = [f"class A:\n b = {b}\n def f(self): return {f}" for b, f in ((1, 2), (1, 3), (2, 2))]
    assert len({fingerprint(made(text)) for text in texts}) == 3
    assert fingerprint(made(texts[0])) == fingerprint(made(texts[0]))


def test_marks_are_the_same_in_every_process():
    code = (
        "import test_fingerprints as t\n"
        "things = [t.noisy, t.twice, t.within, t.Noise(0.1), t.noise_of(0.1), t.LIMITS, t.F.relu]\n"
        "print([t.fingerprint(thing) for thing in things])"
    )
    found = set()
    for seed in ("1", "2"):
        path = os.pathsep.join([str(h.ROOT), os.path.dirname(__file__)])
        env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        found.add(subprocess.run(command, env=env, capture_output=True, check=True).stdout)
    here = [noisy, twice, within, Noise(0.1), noise_of(0.1), LIMITS, F.relu]
    assert found == {f"{[fingerprint(thing) for thing in here]}\n".encode()}


@pytest.mark.parametrize(
    "value, wanted",
    [
        (0.1, 0.1),
        (np.float64(0.1), 0.1),
        (torch.tensor(0.5), 0.5),
        (None, None),
        ((0.9, 0.999), [0.9, 0.999]),
        ([1, np.int64(2)], [1, 2]),
        (noisy, f"noisy {fingerprint(noisy)}"),
        (torch.zeros(3), f"Tensor {fingerprint(torch.zeros(3))}"),
    ],
)
def test_a_setting_is_plain_or_has_a_name_and_a_mark(value, wanted):
    found = readable(value)
    assert found == wanted and type(found) is type(wanted)
