import contextlib
import io
import os
import random
import tempfile
import unittest

import numpy as np
import utils


class TestLoading(unittest.TestCase):
    """CSV files of a few images, written here; and their batches."""

    def setUp(self):
        home, folder = os.getcwd(), tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, home)
        os.chdir(folder.name)
        os.mkdir("data")
        rng = np.random.default_rng(0)
        self.pixels = rng.integers(0, 256, (50, 784))
        self.pixels[0, :2] = 0, 255
        self.labels = rng.integers(0, 10, 50)
        self.write("data/mnist_train.csv")
        self.write("data/mnist_test.csv", 7)

    def write(self, path, count=None):
        rows = np.column_stack([self.labels, self.pixels])[:count]
        np.savetxt(path, rows, fmt="%d", delimiter=",")

    def test_pixels_are_divided_by_255_and_labels_are_ints(self):
        data, labels = utils.load_csv("data/mnist_train.csv")
        self.assertEqual((type(data), type(data[0]), type(data[0][0])), (list, list, float))
        self.assertEqual((type(labels), type(labels[0])), (list, int))
        self.assertEqual((data[0][:2], labels), ([0.0, 1.0], self.labels.tolist()))
        np.testing.assert_allclose(data, self.pixels / 255, rtol=1e-15)

    def loaded(self, load):
        """What load() gives, and what it prints."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = load()
        return result, printed.getvalue()

    def test_the_split_is_80_to_20_in_the_order_of_the_file(self):
        parts, _ = self.loaded(utils.load_mnist_trainval)
        self.assertEqual([len(part) for part in parts], [40, 40, 10, 10])
        train_data, train_label, val_data, val_label = parts
        self.assertEqual(train_label + val_label, self.labels.tolist())
        np.testing.assert_array_equal(train_data + val_data, self.pixels / 255)

    def test_the_test_set_is_read_from_its_own_file(self):
        (data, label), _ = self.loaded(utils.load_mnist_test)
        self.assertEqual((len(data), label), (7, self.labels[:7].tolist()))

    def test_a_file_with_fewer_images_than_mnist_is_reported_and_a_full_one_is_not(self):
        _, printed = self.loaded(utils.load_mnist_trainval)
        self.assertIn("mnist_train.csv holds 50 images; the full set has 60,000", printed)
        _, printed = self.loaded(utils.load_mnist_test)
        self.assertIn("mnist_test.csv holds 7 images; the full set has 10,000", printed)
        _, printed = self.loaded(lambda: utils._load_all("data/mnist_test.csv", 7))
        self.assertEqual(printed, "")

    def test_what_is_not_such_a_file_is_refused_with_its_line(self):
        good = ",".join(["3"] * 785)
        for text, said in (
            (f"{good}\n3,4\n", "line 2: .* not label '3' and 1 values"),
            (f"{good[:-1]}256\n", r"line 1: .* wrong: \['256'\]"),
            (f"{good[:-1]}-1\n", r"line 1: .* wrong: \['-1'\]"),
            (f"{good[:-1]}0.5\n", r"line 1: .* wrong: \['0.5'\]"),
            (f"10{good[1:]}\n", "line 1: .* label of 0..9 .* not label '10'"),
            (f"label,{good[2:]}\n", "line 1: .* not label 'label'"),
            (f"{good}\n\n", "line 2"),
            ("", "is empty"),
        ):
            with open("data/bad.csv", "w") as file:
                file.write(text)
            with self.assertRaisesRegex(ValueError, said):
                utils.load_csv("data/bad.csv")
        with self.assertRaisesRegex(FileNotFoundError, "get_data.sh"):
            utils.load_csv("data/none.csv")

    def test_batches_keep_order_pairs_and_the_last_shorter_one(self):
        data, label = (self.pixels / 255).tolist(), self.labels.tolist()
        X, y = utils.generate_batched_data(data, label, batch_size=16)
        self.assertEqual([x.shape for x in X], [(16, 784)] * 3 + [(2, 784)])
        self.assertEqual([t.shape for t in y], [(16,)] * 3 + [(2,)])
        self.assertTrue(
            all(x.dtype == np.float64 for x in X) and all(t.dtype == np.int64 for t in y)
        )
        np.testing.assert_array_equal(np.concatenate(X), self.pixels / 255)
        np.testing.assert_array_equal(np.concatenate(y), self.labels)

    def test_the_shuffle_is_random_shuffle_after_the_seed(self):
        data, label = (self.pixels / 255).tolist(), self.labels.tolist()
        before = [row.copy() for row in data], label.copy()
        X, y = utils.generate_batched_data(data, label, batch_size=16, shuffle=True, seed=7)
        order = list(range(50))
        random.seed(7)
        random.shuffle(order)
        np.testing.assert_array_equal(np.concatenate(X), self.pixels[order] / 255)
        np.testing.assert_array_equal(np.concatenate(y), self.labels[order])
        self.assertEqual((data, label), before, "the caller's lists stay as they were")

    def test_without_a_seed_two_shuffles_differ_and_0_is_no_seed(self):
        random.seed(0)
        for seed in (None, 0):
            shuffles = []
            for _ in range(2):
                X, _ = utils.generate_batched_data(self.pixels, self.labels, 32, True, seed)
                shuffles.append(np.concatenate(X))
            self.assertFalse(np.array_equal(*shuffles))

    def test_arrays_are_as_welcome_as_lists(self):
        got = utils.generate_batched_data(self.pixels / 255, self.labels, 9, True, 3)
        want = utils.generate_batched_data(
            (self.pixels / 255).tolist(), self.labels.tolist(), 9, True, 3
        )
        for a, b in zip(got[0] + got[1], want[0] + want[1]):
            np.testing.assert_array_equal(a, b)

    def test_what_cannot_be_cut_is_refused(self):
        for data, label, size, said in (
            (self.pixels, self.labels[:-1], 8, "as many labels"),
            ([], [], 8, "at least one"),
            (self.pixels, self.labels, 0, "batch_size"),
            (self.pixels, self.labels, 1.5, "batch_size"),
            ([[0.0] * 3, [0.0] * 5], [1, 2], 8, "same number of pixels"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                utils.generate_batched_data(data, label, size)
