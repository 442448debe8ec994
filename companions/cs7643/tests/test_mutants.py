"""Mutation test: plausible mistakes, one at a time, in a copy; the unit tests must notice each."""

import importlib
import io
import os
import shutil
import sys
import tempfile
import unittest
from typing import NamedTuple

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES = {  # which unit tests look at which code
    "main.py": ["main"],
    "models": ["activation", "loss", "network"],
    "optimizer": ["training"],
    "utils.py": ["loading", "training"],
}
BASE = "models/_base_network.py"
SOFTMAX = "models/softmax_regression.py"
TWO_LAYER = "models/two_layer_nn.py"
OPTIMIZER = "optimizer/_base_optimizer.py"
SGD = "optimizer/sgd.py"
UTILS = "utils.py"
MAIN = "main.py"


class Mistake(NamedTuple):
    """What somebody could do wrong: in this file, the wrong text in place of the right one."""

    what: str
    file: str
    right: str
    wrong: str


MISTAKES = [
    Mistake(
        "softmax overflows",
        BASE,
        right="scores - np.max(scores, axis=-1, keepdims=True)",
        wrong="scores",
    ),
    Mistake(
        "one maximum for all rows",
        BASE,
        right="np.max(scores, axis=-1, keepdims=True)",
        wrong="np.max(scores)",
    ),
    Mistake(
        "loss is a sum",
        BASE,
        right="-np.mean(np.log",
        wrong="-np.sum(np.log",
    ),
    Mistake(
        "sigmoid overflows",
        BASE,
        right="np.exp(-np.abs(X))\n",
        wrong="np.exp(-X)\n        return 1 / (1 + e)\n",
    ),
    Mistake(
        "derivative taken at the sigmoid's output",
        BASE,
        right="s = self.sigmoid(x)\n",
        wrong="s = x\n",
    ),
    Mistake(
        "ReLU_dev is 1 at 0",
        BASE,
        right="np.asarray(X) > 0",
        wrong="np.asarray(X) >= 0",
    ),
    Mistake(
        "ReLU_dev overwrites its argument",
        BASE,
        right="return (np.asarray(X) > 0)",
        wrong="X[...] = X > 0\n        return X",
    ),
    Mistake(
        "ReLU overwrites its argument",
        BASE,
        right="np.maximum(X, 0)",
        wrong="np.maximum(X, 0, out=X)",
    ),
    Mistake(
        "gradient is a sum",
        BASE,
        right="        error /= len(y)\n",
        wrong="",
    ),
    Mistake(
        "accuracy is a count",
        BASE,
        right="np.mean(np.argmax",
        wrong="np.sum(np.argmax",
    ),
    Mistake(
        "no ReLU",
        SOFTMAX,
        right="self.softmax(self.ReLU(z))",
        wrong="self.softmax(z)",
    ),
    Mistake(
        "no derivative of the ReLU",
        SOFTMAX,
        right=" * self.ReLU_dev(z)",
        wrong="",
    ),
    Mistake(
        "gradients accumulate",
        SOFTMAX,
        right='["W1"] = X.T',
        wrong='["W1"] += X.T',
    ),
    Mistake(
        "gradients in validation mode",
        SOFTMAX,
        right='if mode == "train"',
        wrong="if True",
    ),
    Mistake(
        "gradients in validation mode",
        TWO_LAYER,
        right='if mode == "train"',
        wrong="if True",
    ),
    Mistake(
        "W1 accumulates",
        TWO_LAYER,
        right="= X.T @ error1\n",
        wrong='= self.gradients["W1"] + X.T @ error1\n',
    ),
    Mistake(
        "b2 accumulates",
        TWO_LAYER,
        right="error2.sum(axis=0)",
        wrong='self.gradients["b2"] + error2.sum(axis=0)',
    ),
    Mistake(
        "no bias in layer 1",
        TWO_LAYER,
        right="X @ W1 + b1",
        wrong="X @ W1",
    ),
    Mistake(
        "no bias in layer 2",
        TWO_LAYER,
        right="a @ W2 + b2",
        wrong="a @ W2",
    ),
    Mistake(
        "bias added to the weights of layer 1",
        TWO_LAYER,
        right="X @ W1 + b1",
        wrong="X @ (W1 + b1)",
    ),
    Mistake(
        "bias added to the weights of layer 2",
        TWO_LAYER,
        right="a @ W2 + b2",
        wrong="a @ (W2 + b2)",
    ),
    Mistake(
        "seeded once only",
        TWO_LAYER,
        right="            np.random.seed",
        wrong="            layer == 1 and np.random.seed",
    ),
    Mistake(
        "biases do not start at zero",
        TWO_LAYER,
        right="np.zeros(shape[1])",
        wrong="0.001 * np.ones(shape[1])",
    ),
    Mistake(
        "biases are regularised",
        OPTIMIZER,
        right='if name.startswith("W")',
        wrong="if True",
    ),
    Mistake(
        "regularisation twice too strong",
        OPTIMIZER,
        right="self.reg * weight",
        wrong="2 * self.reg * weight",
    ),
    Mistake(
        "no regularisation",
        SGD,
        right="        self.apply_regularization(model)\n",
        wrong="",
    ),
    Mistake(
        "biases are never updated",
        SGD,
        right="in model.weights:",
        wrong="in ('W1', 'W2')[: len(model.weights)]:",
    ),
    Mistake(
        "pixels stay 0..255",
        UTILS,
        right="k / 255 for",
        wrong="float(k) for",
    ),
    Mistake(
        "the split shuffles first",
        UTILS,
        right='_train.csv", 60_000)\n',
        wrong='_train.csv", 60_000)\n    random.Random(0).shuffle(data)\n',
    ),
    Mistake(
        "the last batch is lost",
        UTILS,
        right="range(0, len(data), batch",
        wrong="range(0, len(data) + 1 - batch_size, batch",
    ),
    Mistake(
        "the seed is ignored",
        UTILS,
        right="random.seed(seed)\n",
        wrong="pass\n",
    ),
    Mistake(
        "always the same shuffle",
        UTILS,
        right="if seed:\n        random.seed(seed)",
        wrong="random.seed(0)",
    ),
    Mistake(
        "0 is a seed",
        UTILS,
        right="if seed:",
        wrong="if seed is not None:",
    ),
    Mistake(
        "labels are not shuffled along",
        UTILS,
        right="label = label[order]",
        wrong="label = label[sorted(order)]",
    ),
    Mistake(
        "images in 32 bits",
        UTILS,
        right="np.asarray(data, dtype=np.float64)",
        wrong="np.asarray(data, dtype=np.float32)",
    ),
    Mistake(
        "accuracy not weighted by samples",
        UTILS,
        right="accuracy * len(y)",
        wrong="accuracy * samples",
    ),
    Mistake(
        "evaluation writes gradients",
        UTILS,
        right='model.forward(X, y, mode="valid")',
        wrong="model.forward(X, y)",
    ),
    Mistake(
        "training without steps",
        UTILS,
        right="optimizer.update(model)\n",
        wrong="pass\n",
    ),
    Mistake(
        "a step along a gradient that is not a number",
        UTILS,
        right="        if np.isfinite(loss):\n",
        wrong="        if True:\n",
    ),
    Mistake(
        "a loss that is not a number passes",
        UTILS,
        right="if not np.isfinite(loss):",
        wrong="if False:",
    ),
    Mistake(
        "the last model instead of the best",
        MAIN,
        right="if valid_accuracy > best",
        wrong="if True",
    ),
    Mistake(
        "the best weights are not copied",
        MAIN,
        right="copy.deepcopy(model.weights)",
        wrong="model.weights",
    ),
    Mistake(
        "the same batches in every epoch",
        MAIN,
        right="1000 * seed + epoch",
        wrong="seed",
    ),
]


def noticed(folder, code):
    """Names of the unit tests of `code` that fail in folder.

    All modules are imported afresh and forgotten afterwards.
    """
    ours = {"main", "models", "optimizer", "tests", "utils"}

    def forget():
        return {
            name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in ours
        }

    kept = forget()
    path = sys.path[:]
    quiet = sys.dont_write_bytecode
    sys.path.insert(0, folder)
    # A changed file of the same second and size would be taken for the cached one.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        suite = unittest.defaultTestLoader.loadTestsFromNames(
            [f"tests.test_{name}" for name in SUITES[code]]
        )
        result = unittest.TextTestRunner(stream=io.StringIO(), failfast=True).run(suite)
        return [str(test) for test, _ in result.failures + result.errors]
    finally:
        forget()
        sys.modules.update(kept)
        sys.path[:] = path
        sys.dont_write_bytecode = quiet


class TestMutants(unittest.TestCase):
    def test_every_mistake_is_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            for part in ("main.py", "utils.py"):
                shutil.copy(os.path.join(HERE, part), folder)
            for part in ("configs", "models", "optimizer", "tests"):
                skip = shutil.ignore_patterns("__pycache__")
                shutil.copytree(os.path.join(HERE, part), os.path.join(folder, part), ignore=skip)
            for code in SUITES:
                self.assertEqual(noticed(folder, code), [], "the code as it is passes")
            for what, name, right, wrong in MISTAKES:
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    source = file.read()
                with self.subTest(what, file=name):
                    self.assertEqual(
                        source.count(right), 1, f"{right!r} must stand exactly once in {name}"
                    )
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(source.replace(right, wrong))
                    try:
                        self.assertTrue(
                            noticed(folder, name.split("/")[0]), f"no test fails although {what}"
                        )
                    finally:
                        with open(path, "w", encoding="utf-8") as file:
                            file.write(source)
