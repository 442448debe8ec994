"""MNIST from CSV, its batches, one epoch of training or evaluation, learning curves."""

import os
import random
from itertools import chain

import numpy as np

PIXELS = 784
CLASSES = 10


class _Grey(dict):
    """Grey value as text -> number in [0, 1].

    Equal pixels share one float: 60,000 images take 0.4 GB, not 1.5.
    """

    def __missing__(self, text):
        value = int(text)
        if not 0 <= value <= 255:
            raise ValueError(f"grey value {value} is not in 0..255")
        self[text] = value / 255
        return self[text]


def load_csv(path):
    """Read `label,p0,...,p783` lines: images as lists of 784 floats in [0, 1], labels as ints.

    raises  FileNotFoundError if there is no such file; ValueError, with the line, for anything else
            than whole numbers: a label of 0..9 and 784 grey values of 0..255
    """
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"{path} is missing: make it with `cd data && sh get_data.sh` (Windows: get_data.bat)"
        )
    data = []
    labels = []
    grey = _Grey()
    with open(path, encoding="ascii", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            label, *pixels = line.rstrip().split(",")
            try:
                image = list(map(grey.__getitem__, pixels))
                label = int(label)
                if not 0 <= label < CLASSES:
                    raise ValueError(f"label {label} is not in 0..{CLASSES - 1}")
                if len(image) != PIXELS:
                    raise ValueError(f"{len(image)} grey values instead of {PIXELS}")
            except ValueError as e:
                raise ValueError(
                    f"{path}, line {number}: {e}; expected are a label and {PIXELS} grey values"
                ) from None
            data.append(image)
            labels.append(label)
    if not data:
        raise ValueError(f"{path} is empty: expected are lines of a label and {PIXELS} grey values")
    return data, labels


def load_mnist_trainval():
    """The first 80 % of ./data/mnist_train.csv and the rest, in the file's order.

    gives  train_data, train_label, val_data, val_label: lists of images (lists of 784 floats) and
           of ints
    """
    data, label = load_csv("./data/mnist_train.csv")
    cut = len(data) * 4 // 5
    return data[:cut], label[:cut], data[cut:], label[cut:]


def load_mnist_test():
    """Test set ./data/mnist_test.csv: a list of images (lists of 784 floats) and a list of ints."""
    return load_csv("./data/mnist_test.csv")


def as_arrays(data, label):
    """Images (N, D) as float64, labels (N,) as int64; what is such an array already is not copied.

    raises  ValueError without images, for rows of different lengths, or not one label an image
    """
    if len(data) != len(label) or len(data) == 0:
        raise ValueError(
            f"need as many labels as images, at least one, not {len(label)} and {len(data)}"
        )
    if isinstance(data, list) and isinstance(data[0], list) and not isinstance(data[0][0], list):
        if any(len(row) != len(data[0]) for row in data):
            raise ValueError("all images must have the same number of pixels")
        flat = np.fromiter(chain.from_iterable(data), np.float64, len(data) * len(data[0]))
        data = flat.reshape(len(data), -1)  # twice as fast as np.array on a list of lists
    return np.asarray(data, dtype=np.float64), np.asarray(label, dtype=np.int64)


def generate_batched_data(data, label, batch_size=32, shuffle=False, seed=None):
    """Cut images and labels into batches; the last one may be shorter.

    data, label  lists or arrays of N images and N labels; they stay as they are
    shuffle      True: by random.shuffle, after random.seed(seed) if a seed is given
    gives        two lists of arrays: images (B, D) float64 and labels (B,) int64
    raises       ValueError for a batch size below 1 and for what as_arrays refuses
    """
    if isinstance(batch_size, bool) or int(batch_size) != batch_size or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of 1 or more, not {batch_size!r}")
    data, label = as_arrays(data, label)
    order = list(range(len(data)))
    if shuffle:
        if seed is not None:
            random.seed(seed)
        random.shuffle(order)
    order = np.array(order)
    cuts = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [data[rows] for rows in cuts], [label[rows] for rows in cuts]


def train(epoch, batched_train_data, batched_train_label, model, optimizer, debug=True):
    """Walk once through the batches, with one step of the optimizer each.

    epoch  its number, for error messages
    debug  True: stop at the first batch whose loss is not finite
    gives  (mean of the batches' losses [nats], share of right answers among all samples)
    raises FloatingPointError in the case that debug watches for; ValueError without batches
    """

    def step(X, y):
        loss, accuracy = model.forward(X, y)
        optimizer.update(model)
        return loss, accuracy

    return _walk(batched_train_data, batched_train_label, step, f"training, epoch {epoch}", debug)


def evaluate(batched_test_data, batched_test_label, model, debug=True):
    """Loss and accuracy as `train` gives them, with neither gradients nor steps."""
    return _walk(
        batched_test_data,
        batched_test_label,
        lambda X, y: model.forward(X, y, mode="valid"),
        "evaluation",
        debug,
    )


def _walk(batched_data, batched_label, look, what, debug):
    """Mean loss and sample-weighted accuracy of look(X, y) over the batches."""
    if len(batched_data) != len(batched_label) or len(batched_data) == 0:
        raise ValueError(
            f"need batches of images and as many of labels, "
            f"not {len(batched_data)}, {len(batched_label)}"
        )
    loss_sum = hits = samples = 0.0
    for number, (X, y) in enumerate(zip(batched_data, batched_label)):
        loss, accuracy = look(X, y)
        if debug and not np.isfinite(loss):
            raise FloatingPointError(
                f"{what}: the loss of batch {number} is {loss}; a smaller learning rate may help"
            )
        loss_sum += loss
        hits += accuracy * len(y)
        samples += len(y)
    return float(loss_sum / len(batched_data)), float(hits / samples)


def plot_curves(train_loss_history, train_acc_history, valid_loss_history, valid_acc_history):
    """Save loss and accuracy per epoch, for training and validation data, as ./learning_curves.png.

    It draws without pyplot: nothing opens, nothing waits for a display. The file is written whole
    or not at all.
    raises  ValueError if the histories are empty or of different lengths
    """
    from matplotlib.figure import Figure  # here: importing it takes longer than all the rest

    histories = [train_loss_history, valid_loss_history, train_acc_history, valid_acc_history]
    if len({len(history) for history in histories}) != 1 or len(train_loss_history) == 0:
        raise ValueError(
            f"the four histories must be equally long and not empty: {[len(h) for h in histories]}"
        )
    epochs = np.arange(1, len(train_loss_history) + 1)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for ax, (train_values, valid_values), name in zip(
        figure.subplots(1, 2), (histories[:2], histories[2:]), ("loss [nats]", "accuracy")
    ):
        ax.plot(epochs, train_values, "o-", ms=3, label="training")
        ax.plot(epochs, valid_values, "s--", ms=3, label="validation")
        ax.set(xlabel="epoch", ylabel=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    figure.savefig("./.learning_curves.part", format="png", dpi=150)
    os.replace("./.learning_curves.part", "./learning_curves.png")
