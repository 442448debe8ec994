import unittest
import warnings

import numpy as np
from models._base_network import _baseNetwork


class TestLoss(unittest.TestCase):
    def setUp(self):
        self.net = _baseNetwork()

    def test_softmax_by_hand(self):
        p = self.net.softmax(np.log([[1.0, 2.0, 5.0], [4.0, 4.0, 8.0]]))
        np.testing.assert_allclose(p, [[1 / 8, 2 / 8, 5 / 8], [1 / 4, 1 / 4, 2 / 4]], rtol=1e-14)

    def test_softmax_of_large_scores_and_of_rows_far_apart(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            p = self.net.softmax(np.array([[1000.0, 1000.0], [-1000.0, -1001.0], [0.0, 1.0]]))
        s = 1 / (1 + np.e)
        np.testing.assert_allclose(p, [[0.5, 0.5], [1 - s, s], [s, 1 - s]], rtol=1e-12)

    def test_cross_entropy_is_the_mean_over_the_batch(self):
        p = np.array([[0.1, 0.9], [0.5, 0.5], [0.25, 0.75]])
        self.assertAlmostEqual(
            self.net.cross_entropy_loss(p, np.array([1, 0, 0])), -np.log(0.9 * 0.5 * 0.25) / 3, 14
        )

    def test_a_probability_of_0_gives_a_large_and_finite_loss(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss = self.net.cross_entropy_loss(np.array([[0.0, 1.0]]), np.array([0]))
        self.assertTrue(700 < loss < 720)

    def test_accuracy_is_a_fraction(self):
        p = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]])
        self.assertEqual(self.net.compute_accuracy(p, np.array([1, 0, 2, 2])), 0.75)
