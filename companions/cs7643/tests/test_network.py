import unittest

import numpy as np
from models import SoftmaxRegression, TwoLayerNet
from models._base_network import _baseNetwork


def golden_batch():
    i, j = np.arange(64)[:, None], np.arange(784)
    return ((784 * i + j) * 37 % 256) / 255, 7 * np.arange(64) % 10


def slope(model, X, y, name, where, step=1e-5):
    """Central difference of the loss in one weight."""
    values, here = [], model.weights[name][where]
    for moved in (here + step, here - step):
        model.weights[name][where] = moved
        values.append(model.forward(X, y, mode="valid")[0])
    model.weights[name][where] = here
    return (values[0] - values[1]) / (2 * step)


class TestNetwork(unittest.TestCase):
    def setUp(self):
        self.X, self.y = golden_batch()

    def absolute_sums(self, model, **want):
        for name, value in want.items():
            np.testing.assert_allclose(
                np.abs(model.gradients[name]).sum(), value, rtol=1e-10, err_msg=name
            )

    def test_shapes_and_start(self):
        for model, shapes in (
            (SoftmaxRegression(), {"W1": (784, 10)}),
            (
                TwoLayerNet(hidden_size=32),
                {"W1": (784, 32), "b1": (32,), "W2": (32, 10), "b2": (10,)},
            ),
        ):
            self.assertEqual({name: w.shape for name, w in model.weights.items()}, shapes)
            self.assertEqual({name: g.shape for name, g in model.gradients.items()}, shapes)
            self.assertTrue(all(w.dtype == np.float64 for w in model.weights.values()))
            self.assertTrue(all(not g.any() for g in model.gradients.values()))
            for name, shape in shapes.items():
                want = 0.001 * np.random.RandomState(1024).randn(*shape) if name[0] == "W" else 0  # noqa: NPY002
                np.testing.assert_array_equal(model.weights[name], np.broadcast_to(want, shape))

    def test_weight_init_puts_the_start_back(self):
        for model in (SoftmaxRegression(), TwoLayerNet(hidden_size=32)):
            start = {name: w.copy() for name, w in model.weights.items()}
            model.forward(self.X, self.y)
            for w in model.weights.values():
                w += 1
            model._weight_init()
            for name, w in start.items():
                np.testing.assert_array_equal(model.weights[name], w)
                self.assertFalse(model.gradients[name].any())
        _baseNetwork()._weight_init()

    def test_golden_softmax_regression(self):
        model = SoftmaxRegression()
        loss, accuracy = model.forward(self.X, self.y)
        self.assertAlmostEqual(loss, 2.3032828980862146, 14)
        self.assertEqual(accuracy, 7 / 64)
        self.assertAlmostEqual(model.gradients["W1"].sum(), 6.02247154969, 10)
        self.absolute_sums(model, W1=42.5783972288)

    def test_golden_two_layer_net(self):
        model = TwoLayerNet(hidden_size=128)
        loss, accuracy = model.forward(self.X, self.y)
        self.assertAlmostEqual(loss, 2.302732227850026, 14)
        self.assertEqual(accuracy, 6 / 64)
        self.absolute_sums(
            model, W1=0.518731917916, b1=0.000611623076488, W2=4.90861429872, b2=0.0767378446278
        )

    def test_golden_two_layer_net_with_biases(self):
        model = TwoLayerNet(hidden_size=128)
        model.weights["b1"] = np.linspace(-1, 1, 128)
        model.weights["b2"] = np.linspace(-0.5, 0.5, 10)
        self.assertAlmostEqual(model.forward(self.X, self.y)[0], 2.3643016062869897, 14)
        self.absolute_sums(
            model, W1=1.13081068996, b1=0.00274772711365, W2=19.5331349987, b2=0.305328836711
        )

    def test_gradients_agree_with_central_differences(self):
        rng = np.random.default_rng(0)
        X, y = rng.uniform(size=(7, 12)), rng.integers(0, 4, 7)
        for model in (SoftmaxRegression(12, 4), TwoLayerNet(12, 4, hidden_size=5)):
            for name, w in model.weights.items():
                model.weights[name] = rng.normal(size=w.shape)
            model.forward(X, y)
            for name, w in model.weights.items():
                for where in np.ndindex(w.shape):
                    self.assertAlmostEqual(
                        model.gradients[name][where], slope(model, X, y, name, where), 8
                    )

    def test_a_second_batch_overwrites_the_gradients(self):
        for make in (SoftmaxRegression, TwoLayerNet):
            model, fresh = make(), make()
            model.forward(self.X[:32], self.y[:32])
            model.forward(self.X[32:], self.y[32:])
            fresh.forward(self.X[32:], self.y[32:])
            for name, g in fresh.gradients.items():
                np.testing.assert_array_equal(model.gradients[name], g)

    def test_validation_leaves_weights_and_gradients_alone(self):
        for model in (SoftmaxRegression(), TwoLayerNet()):
            before = {name: w.copy() for name, w in model.weights.items()}
            loss = model.forward(self.X, self.y, mode="valid")
            self.assertTrue(all(not g.any() for g in model.gradients.values()))
            self.assertEqual(loss, model.forward(self.X, self.y))
            for name, w in before.items():
                np.testing.assert_array_equal(model.weights[name], w)

    def test_a_class_whose_logits_are_negative_gets_no_gradient(self):
        model = SoftmaxRegression()
        model.weights["W1"][:, 3], model.weights["W1"][:, 4] = -0.01, 0.01
        model.forward(self.X, self.y)
        self.assertFalse(model.gradients["W1"][:, 3].any())
        self.assertTrue(model.gradients["W1"][:, 4].any())

    def test_bad_batches_and_sizes_are_refused(self):
        for model in (SoftmaxRegression(), TwoLayerNet()):
            for X, y, said in (
                (self.X[:, :-1], self.y, "784"),
                (self.X[:0], self.y[:0], "N > 0"),
                (self.X, self.y[:-1], "64 whole numbers"),
                (self.X, self.y / 2, "whole numbers"),
                (self.X, self.y - 1, "0 to 9, not -1"),
                (self.X, self.y + 1, "0 to 9, not 1 to 10"),
            ):
                with self.assertRaisesRegex(ValueError, said):
                    model.forward(X, y)
        with self.assertRaisesRegex(ValueError, "hidden_size"):
            TwoLayerNet(hidden_size=0)
        with self.assertRaisesRegex(ValueError, "num_classes"):
            SoftmaxRegression(num_classes=2.5)
