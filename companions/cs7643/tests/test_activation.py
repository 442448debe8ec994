import unittest
import warnings

import numpy as np
from models._base_network import _baseNetwork


class TestActivation(unittest.TestCase):
    def setUp(self):
        self.net = _baseNetwork()
        self.x = np.array([[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]])

    def test_sigmoid_and_its_derivative_at_the_pre_activation(self):
        want = 1 / (1 + np.exp(-self.x))
        np.testing.assert_allclose(self.net.sigmoid(self.x), want, rtol=1e-15)
        np.testing.assert_allclose(self.net.sigmoid_dev(self.x), want * (1 - want), rtol=1e-14)
        nudge = (self.net.sigmoid(self.x + 1e-5) - self.net.sigmoid(self.x - 1e-5)) / 2e-5
        np.testing.assert_allclose(self.net.sigmoid_dev(self.x), nudge, rtol=1e-8)

    def test_sigmoid_far_out_neither_warns_nor_overflows(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(self.net.sigmoid(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1])

    def test_relu_and_its_derivative_which_is_0_at_0(self):
        np.testing.assert_array_equal(self.net.ReLU(self.x), [[0, 0, 0], [0.5, 1, 3]])
        np.testing.assert_array_equal(self.net.ReLU_dev(self.x), [[0, 0, 0], [1, 1, 1]])

    def test_arguments_stay_as_they_are_and_results_are_float64(self):
        for function in (
            self.net.sigmoid,
            self.net.sigmoid_dev,
            self.net.ReLU,
            self.net.ReLU_dev,
            self.net.softmax,
        ):
            before = self.x.copy()
            self.assertEqual(function(self.x).dtype, np.float64)
            np.testing.assert_array_equal(
                self.x, before, err_msg=f"{function.__name__} overwrites its argument"
            )
        self.assertEqual(self.net.ReLU_dev(np.array([-1, 2])).dtype, np.float64)
