"""Mutation test: plausible mistakes, one at a time, in a copy; the unit tests must notice each."""

import importlib
import io
import os
import shutil
import sys
import tempfile
import unittest

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
MUTANTS = [  # what is wrong, file, right code, wrong code
    ("softmax overflows", BASE, "scores - np.max(scores, axis=-1, keepdims=True)", "scores"),
    ("one maximum for all rows", BASE, "np.max(scores, axis=-1, keepdims=True)", "np.max(scores)"),
    ("loss is a sum", BASE, "-np.mean(np.log", "-np.sum(np.log"),
    ("sigmoid overflows", BASE, "np.exp(-np.abs(X))\n", "np.exp(-X)\n        return 1 / (1 + e)\n"),
    ("derivative taken at the sigmoid's output", BASE, "s = self.sigmoid(x)\n", "s = x\n"),
    ("ReLU_dev is 1 at 0", BASE, "np.asarray(X) > 0", "np.asarray(X) >= 0"),
    (
        "ReLU_dev overwrites its argument",
        BASE,
        "return (np.asarray(X) > 0)",
        "X[...] = X > 0\n        return X",
    ),
    ("ReLU overwrites its argument", BASE, "np.maximum(X, 0)", "np.maximum(X, 0, out=X)"),
    ("gradient is a sum", BASE, "        error /= len(y)\n", ""),
    ("accuracy is a count", BASE, "np.mean(np.argmax", "np.sum(np.argmax"),
    ("no ReLU", SOFTMAX, "self.softmax(self.ReLU(z))", "self.softmax(z)"),
    ("no derivative of the ReLU", SOFTMAX, " * self.ReLU_dev(z)", ""),
    ("gradients accumulate", SOFTMAX, '["W1"] = X.T', '["W1"] += X.T'),
    ("gradients in validation mode", SOFTMAX, 'if mode == "train"', "if True"),
    ("gradients in validation mode", TWO_LAYER, 'if mode == "train"', "if True"),
    ("W1 accumulates", TWO_LAYER, "= X.T @ error1\n", '= self.gradients["W1"] + X.T @ error1\n'),
    (
        "b2 accumulates",
        TWO_LAYER,
        "error2.sum(axis=0)",
        'self.gradients["b2"] + error2.sum(axis=0)',
    ),
    ("no bias in layer 1", TWO_LAYER, "X @ W1 + b1", "X @ W1"),
    ("no bias in layer 2", TWO_LAYER, "a @ W2 + b2", "a @ W2"),
    ("bias added to the weights of layer 1", TWO_LAYER, "X @ W1 + b1", "X @ (W1 + b1)"),
    ("bias added to the weights of layer 2", TWO_LAYER, "a @ W2 + b2", "a @ (W2 + b2)"),
    (
        "seeded once only",
        TWO_LAYER,
        "            np.random.seed",
        "            layer == 1 and np.random.seed",
    ),
    ("biases do not start at zero", TWO_LAYER, "np.zeros(shape[1])", "0.001 * np.ones(shape[1])"),
    (
        "biases are regularised",
        "optimizer/_base_optimizer.py",
        'if name.startswith("W")',
        "if True",
    ),
    (
        "regularisation twice too strong",
        "optimizer/_base_optimizer.py",
        "self.reg * weight",
        "2 * self.reg * weight",
    ),
    ("no regularisation", "optimizer/sgd.py", "        self.apply_regularization(model)\n", ""),
    (
        "biases are never updated",
        "optimizer/sgd.py",
        "in model.weights:",
        "in ('W1', 'W2')[: len(model.weights)]:",
    ),
    ("pixels stay 0..255", "utils.py", "value / 255", "float(value)"),
    (
        "the split shuffles first",
        "utils.py",
        '_train.csv")\n',
        '_train.csv")\n    random.Random(0).shuffle(data)\n',
    ),
    (
        "the last batch is lost",
        "utils.py",
        "range(0, len(order), batch",
        "range(0, len(order) + 1 - batch_size, batch",
    ),
    ("the seed is ignored", "utils.py", "random.seed(seed)\n", "pass\n"),
    (
        "always the same shuffle",
        "utils.py",
        "if seed is not None:\n            random.seed(seed)",
        "random.seed(0)",
    ),
    (
        "labels are not shuffled along",
        "utils.py",
        "[label[rows] for rows",
        "[label[np.sort(rows)] for rows",
    ),
    (
        "images in 32 bits",
        "utils.py",
        "np.asarray(data, dtype=np.float64)",
        "np.asarray(data, dtype=np.float32)",
    ),
    ("accuracy not weighted by samples", "utils.py", "accuracy * len(y)", "accuracy * samples"),
    (
        "evaluation writes gradients",
        "utils.py",
        'model.forward(X, y, mode="valid")',
        "model.forward(X, y)",
    ),
    ("training without steps", "utils.py", "        optimizer.update(model)\n", ""),
    ("the last model instead of the best", "main.py", "if valid_accuracy > best", "if True"),
    ("the same batches in every epoch", "main.py", "1000 * seed + epoch", "seed"),
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
            for mistake, name, right, wrong in MUTANTS:
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    source = file.read()
                with self.subTest(mistake, file=name):
                    self.assertEqual(
                        source.count(right), 1, f"{right!r} must stand exactly once in {name}"
                    )
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(source.replace(right, wrong))
                    try:
                        self.assertTrue(
                            noticed(folder, name.split("/")[0]), f"no test fails although {mistake}"
                        )
                    finally:
                        with open(path, "w", encoding="utf-8") as file:
                            file.write(source)
