import os
import tempfile
import unittest

import numpy as np
from models import SoftmaxRegression, TwoLayerNet
from optimizer import SGD
from utils import evaluate, plot_curves, train


def filled(model, seed=0):
    """The model with random weights and gradients, and copies of both."""
    rng = np.random.default_rng(seed)
    for values in (model.weights, model.gradients):
        for name in values:
            values[name] = rng.normal(size=values[name].shape)
    return model, *(
        {n: v.copy() for n, v in values.items()} for values in (model.weights, model.gradients)
    )


class TestTraining(unittest.TestCase):
    def test_regularisation_is_for_weights_and_not_for_biases(self):
        model, weights, gradients = filled(TwoLayerNet(6, 3, hidden_size=4))
        SGD(learning_rate=0.1, reg=0.3).apply_regularization(model)
        for name, g in gradients.items():
            np.testing.assert_allclose(
                model.gradients[name], g + 0.3 * weights[name] * (name[0] == "W"), rtol=1e-15
            )
            np.testing.assert_array_equal(model.weights[name], weights[name])

    def test_update_regularises_once_and_moves_every_key(self):
        for make in (SoftmaxRegression(6, 3), TwoLayerNet(6, 3, hidden_size=4)):
            model, weights, gradients = filled(make)
            SGD(learning_rate=0.1, reg=0.3).update(model)
            for name, w in weights.items():
                want = w - 0.1 * (gradients[name] + 0.3 * w * (name[0] == "W"))
                np.testing.assert_allclose(model.weights[name], want, rtol=1e-14)

    def test_defaults_and_refused_values(self):
        optimizer = SGD()
        self.assertEqual((optimizer.learning_rate, optimizer.reg), (1e-4, 1e-3))
        for bad in ({"learning_rate": -0.1}, {"learning_rate": float("nan")}, {"reg": "1e-3"}):
            with self.assertRaisesRegex(ValueError, next(iter(bad))):
                SGD(**bad)

    def batches(self):
        rng = np.random.default_rng(1)
        X, y = rng.uniform(size=(10, 6)), rng.integers(0, 3, 10)
        return [X[:8], X[8:]], [y[:8], y[8:]]

    def test_train_means_batch_losses_and_weighs_accuracy_by_samples(self):
        X, y = self.batches()
        model, twin = (filled(TwoLayerNet(6, 3, hidden_size=4))[0] for _ in range(2))
        optimizer, losses, accuracies = SGD(0.1, 0.01), [], []
        for a, b in zip(X, y):
            loss, accuracy = twin.forward(a, b)
            optimizer.update(twin)
            losses, accuracies = [*losses, loss], [*accuracies, accuracy]
        epoch_loss, epoch_accuracy = train(0, X, y, model, SGD(0.1, 0.01))
        self.assertAlmostEqual(epoch_loss, np.mean(losses), 14)
        self.assertNotEqual(*accuracies, "else the test could not tell the two means apart")
        self.assertAlmostEqual(epoch_accuracy, (8 * accuracies[0] + 2 * accuracies[1]) / 10, 14)
        for name, w in twin.weights.items():
            np.testing.assert_array_equal(model.weights[name], w)

    def test_evaluate_gives_the_same_kind_of_numbers_and_changes_nothing(self):
        X, y = self.batches()
        model, weights, gradients = filled(TwoLayerNet(6, 3, hidden_size=4))
        want = [model.forward(a, b, mode="valid") for a, b in zip(X, y)]
        loss, accuracy = evaluate(X, y, model)
        self.assertAlmostEqual(loss, (want[0][0] + want[1][0]) / 2, 14)
        self.assertAlmostEqual(accuracy, (8 * want[0][1] + 2 * want[1][1]) / 10, 14)
        for name in weights:
            np.testing.assert_array_equal(model.weights[name], weights[name])
            np.testing.assert_array_equal(model.gradients[name], gradients[name])

    def test_a_loss_that_is_not_finite_stops_training_before_its_step(self):
        X, y = self.batches()
        X[1][0, 0] = np.nan
        for debug in (True, False):
            model = TwoLayerNet(6, 3, hidden_size=4)
            with self.assertRaisesRegex(FloatingPointError, "epoch 3: the loss of batch 1"):
                train(3, X, y, model, SGD(), debug)
            self.assertTrue(all(np.isfinite(w).all() for w in model.weights.values()))
            with self.assertRaisesRegex(FloatingPointError, "evaluation: the loss of batch 1"):
                evaluate(X, y, model, debug)

    def test_no_batches_are_refused(self):
        with self.assertRaisesRegex(ValueError, "batches"):
            evaluate([], [], TwoLayerNet(6, 3, hidden_size=4))

    def test_training_learns_a_small_set_by_heart(self):
        X, y = self.batches()
        model = TwoLayerNet(6, 3, hidden_size=32)
        for epoch in range(4000):
            loss, accuracy = train(epoch, X, y, model, SGD(1.0, 0.0))
            if accuracy == 1:
                break
        self.assertEqual(evaluate(X, y, model)[1], 1.0)

    def test_curves_are_saved_and_nothing_is_shown(self):
        home = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                self.assertIsNone(plot_curves([2, 1], [0.1, 0.6], [2.1, 1.2], [0.1, 0.5]))
                names = ["accuracy_curves.png", "loss_curves.png"]
                self.assertEqual(sorted(os.listdir()), names)
                for name in names:
                    with open(name, "rb") as file:
                        self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
                with self.assertRaisesRegex(ValueError, "equally long"):
                    plot_curves([2, 1], [0.1], [2, 1], [0.1, 0.2])
            finally:
                os.chdir(home)
