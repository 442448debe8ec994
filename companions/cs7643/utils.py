"""MNIST from CSV, its batches, one epoch of training or evaluation, learning curves."""

import random
import time  # noqa: F401  one of the assignment's imports, which have to stay

import matplotlib.pyplot as plt
import numpy as np

PIXELS = 784
LABELS = {str(k): k for k in range(10)}
# Equal pixels share one float: 60,000 images take 0.4 GB, not 1.5.
GREY = {str(k): k / 255 for k in range(256)}


def load_csv(path):
    """Read `label,p0,...,p783` lines: images as lists of 784 floats in [0, 1], labels as ints.

    raises  FileNotFoundError if there is no such file; ValueError, with the line, for anything else
            than whole numbers: a label of 0..9 and 784 grey values of 0..255
    """
    try:
        file = open(path, encoding="ascii", errors="replace")
    except FileNotFoundError:
        make = "make it with `cd data && sh get_data.sh` (Windows: get_data.bat)"
        raise FileNotFoundError(f"{path} is missing: {make}") from None
    data = []
    labels = []
    with file:
        for number, line in enumerate(file, start=1):
            label, *pixels = line.rstrip().split(",")
            wrong = sorted(set(pixels) - set(GREY))
            if wrong or len(pixels) != PIXELS or label not in LABELS:
                raise ValueError(
                    f"{path}, line {number}: expected are a label of 0..9 and {PIXELS} grey values "
                    f"of 0..255, not label {label!r} and {len(pixels)} values, wrong: {wrong[:3]}"
                )
            data.append([GREY[pixel] for pixel in pixels])
            labels.append(LABELS[label])
    if not data:
        raise ValueError(f"{path} is empty: expected are lines of a label and {PIXELS} grey values")
    return data, labels


def _load_all(path, count):
    """What load_csv gives; if MNIST has another count of images, a line on standard output."""
    data, labels = load_csv(path)
    if len(data) != count:
        print(f"{path} holds {len(data):,} images; the full set has {count:,}")
    return data, labels


def load_mnist_trainval():
    """The first 80 % of ./data/mnist_train.csv and the rest, in the file's order.

    gives  train_data, train_label, val_data, val_label: lists of images (lists of 784 floats) and
           of ints
    """
    data, label = _load_all("./data/mnist_train.csv", 60_000)
    cut = len(data) * 4 // 5
    return data[:cut], label[:cut], data[cut:], label[cut:]


def load_mnist_test():
    """Test set ./data/mnist_test.csv: a list of images (lists of 784 floats) and a list of ints."""
    return _load_all("./data/mnist_test.csv", 10_000)


def generate_batched_data(data, label, batch_size=32, shuffle=False, seed=None):
    """Cut images and labels into batches; the last one may be shorter.

    data, label  lists or arrays of N images and N labels; they stay as they are
    shuffle      True: by random.shuffle, after random.seed(seed) if a seed is given
    seed         None or 0: none is given
    gives        two lists of arrays: images (B, D) float64 and labels (B,) int64
    raises       ValueError for a batch size below 1, without images, for images of different
                 lengths, or not one label an image
    """
    if isinstance(batch_size, bool) or int(batch_size) != batch_size or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of 1 or more, not {batch_size!r}")
    if len(data) != len(label) or len(data) == 0:
        raise ValueError(
            f"need as many labels as images, at least one, not {len(label)} and {len(data)}"
        )
    if len({len(image) for image in data}) != 1:
        raise ValueError("all images must have the same number of pixels")
    data = np.asarray(data, dtype=np.float64)
    label = np.asarray(label, dtype=np.int64)
    if seed:
        random.seed(seed)
    if shuffle:
        order = list(range(len(data)))
        random.shuffle(order)
        data = data[order]
        label = label[order]
    starts = range(0, len(data), batch_size)
    batched_data = [data[i : i + batch_size] for i in starts]
    batched_label = [label[i : i + batch_size] for i in starts]
    return batched_data, batched_label


def train(epoch, batched_train_data, batched_train_label, model, optimizer, debug=True):
    """Walk once through the batches, with one step of the optimizer each.

    epoch  its number, for error messages
    debug  has no effect: nothing is printed either way
    gives  (mean of the batches' losses [nats], share of right answers among all samples)
    raises FloatingPointError at the first batch whose loss is not finite, before its step;
           ValueError without batches
    """

    def step(X, y):
        loss, accuracy = model.forward(X, y)
        if np.isfinite(loss):
            optimizer.update(model)
        return loss, accuracy

    return _walk(batched_train_data, batched_train_label, step, f"training, epoch {epoch}")


def evaluate(batched_test_data, batched_test_label, model, debug=True):
    """Loss and accuracy as `train` gives them, with neither gradients nor steps."""

    def look(X, y):
        return model.forward(X, y, mode="valid")

    return _walk(batched_test_data, batched_test_label, look, "evaluation")


def _walk(batched_data, batched_label, look, what):
    """Mean loss and sample-weighted accuracy of look(X, y) over the batches."""
    if len(batched_data) != len(batched_label) or len(batched_data) == 0:
        raise ValueError(
            f"need batches of images and as many of labels, "
            f"not {len(batched_data)}, {len(batched_label)}"
        )
    loss_sum = 0.0
    hits = 0.0
    samples = 0
    for number, (X, y) in enumerate(zip(batched_data, batched_label)):
        loss, accuracy = look(X, y)
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"{what}: the loss of batch {number} is {loss}; a smaller learning rate may help"
            )
        loss_sum += loss
        hits += accuracy * len(y)
        samples += len(y)
    return float(loss_sum / len(batched_data)), float(hits / samples)


def plot_curves(train_loss_history, train_acc_history, valid_loss_history, valid_acc_history):
    """Save ./loss_curves.png and ./accuracy_curves.png: training and validation data, per epoch.

    It draws without pyplot's windows: nothing opens, nothing waits for a display.
    raises  ValueError if the histories are empty or of different lengths
    """
    histories = (train_loss_history, train_acc_history, valid_loss_history, valid_acc_history)
    lengths = [len(history) for history in histories]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(f"the four histories must be equally long and not empty: {lengths}")
    _plot("loss", "loss [nats]", train_loss_history, valid_loss_history)
    _plot("accuracy", "accuracy", train_acc_history, valid_acc_history)


def _plot(name, axis_label, train_values, valid_values):
    """Save ./{name}_curves.png."""
    epochs = np.arange(1, len(train_values) + 1)
    figure = plt.Figure(figsize=(4, 3.2), layout="constrained")
    ax = figure.subplots()
    ax.plot(epochs, train_values, "o-", ms=3, label="training")
    ax.plot(epochs, valid_values, "s--", ms=3, label="validation")
    ax.set(xlabel="epoch", ylabel=axis_label)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend()
    figure.savefig(f"./{name}_curves.png", dpi=150)
