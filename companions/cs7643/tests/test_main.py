import os
import tempfile
import unittest

import main
import numpy as np

HERE = os.path.dirname(os.path.abspath(main.__file__))


class TestMain(unittest.TestCase):
    def test_the_names_of_the_assignment_are_there(self):
        self.assertEqual(main.parser.parse_args(["--config", "a.yaml"]).config, "a.yaml")
        self.assertTrue(callable(main.run) and callable(main.main))

    def settings(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
            file.write(text)
        self.addCleanup(os.remove, file.name)
        return main.load_settings(file.name)

    def test_the_three_config_files_hold_the_defaults(self):
        for name, kind in (
            ("softmax", "SoftmaxRegression"),
            ("twolayer", "TwoLayerNet"),
            ("exp", "TwoLayerNet"),
        ):
            settings = main.load_settings(os.path.join(HERE, "configs", f"config_{name}.yaml"))
            self.assertEqual(type(main.build_model(settings)).__name__, kind)
            if name != "exp":  # that one is for experiments
                defaults = {**main.DEFAULTS["Train"], **main.DEFAULTS["Model"]}
                self.assertEqual(settings, {**defaults, "type": kind})

    def test_values_that_are_not_allowed_are_named(self):
        for text, said in (
            ("Train:\n  learning_rate: 1e-3\n", "learning_rate must be a number.*0.001"),
            (
                "Train:\n  learning_rat: 0.1\n",
                "Train.learning_rat is not known; allowed are .*learning_rate",
            ),
            ("Train:\n  reg: -1\n", "reg must be a finite number of 0 or more, not -1"),
            ("Train:\n  reg: .nan\n", "reg must be a finite number"),
            ("Train:\n  momentum: True\n", "momentum must be a finite number"),
            ("Train:\n  batch_size: 1.5\n", "batch_size must be a whole number"),
            ("Train:\n  epochs: True\n", "epochs must be a whole number"),
            ("Train:\n  debug: maybe\n", "debug"),
            ("Model:\n  type: ThreeLayerNet\n", "type must be SoftmaxRegression or TwoLayerNet"),
            ("Model: 3\n", "sections"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                self.settings(text)

    def test_fit_ends_with_the_best_epoch_and_repeats_itself(self):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 10, 250)
        X = rng.uniform(size=(250, 784)) * 0.5 + np.eye(784)[y] * 5
        settings = self.settings(
            "Train:\n  epochs: 5\n  learning_rate: 2.0\nModel:\n  hidden_size: 8\n"
        )
        seen, finals = [], []
        for _ in range(2):
            model = main.build_model(settings)
            rows = main.fit(
                model, (X[:200], y[:200]), (X[200:], y[200:]), settings, seed=3, log=seen.append
            )
            finals.append(model.weights["W1"])
            best = max(row["val/accuracy"] for row in rows)
            self.assertAlmostEqual(model.forward(X[200:], y[200:], mode="valid")[1], best, 12)
        self.assertEqual(seen[:5], seen[5:])
        self.assertEqual([row["epoch"] for row in rows], [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(*finals)
        other = main.build_model(settings)
        main.fit(other, (X[:200], y[:200]), (X[200:], y[200:]), settings, seed=4)
        self.assertFalse(
            np.array_equal(other.weights["W1"], finals[0]), "another seed, another shuffle"
        )

    def test_every_epoch_and_every_seed_has_its_own_shuffle(self):
        seeds = []

        def cut(data, label, batch_size, shuffle=False, seed=None):
            seeds.extend([seed] * shuffle)
            return main.generate_batched_data(data, label, batch_size, shuffle, seed)

        settings = self.settings("Train:\n  epochs: 3\nModel:\n  hidden_size: 2\n")
        X, y = np.zeros((5, 784)), np.arange(5)
        for seed in (0, 1):
            main.fit(main.build_model(settings), (X, y), (X, y), settings, seed, cut=cut)
        self.assertEqual(len(set(seeds)), 6)
