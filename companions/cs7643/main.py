"""Train one of the networks as a config file says, and test the best one.

python main.py --config configs/config_twolayer.yaml [--seed 0]
"""

import argparse
import copy

import yaml
from models import SoftmaxRegression, TwoLayerNet
from optimizer import SGD
from utils import (
    evaluate,
    generate_batched_data,
    load_mnist_test,
    load_mnist_trainval,
    plot_curves,
    train,
)

parser = argparse.ArgumentParser(description="Train and test a network on MNIST.")
parser.add_argument("--config", required=True, help="for example configs/config_twolayer.yaml")
parser.add_argument("--seed", type=int, default=0, help="of the shuffles, 0 or more (default 0)")

DEFAULTS = {
    "Train": {
        "batch_size": 64,
        "learning_rate": 0.1,
        "reg": 0.001,
        "epochs": 10,
        "momentum": 0.9,
        "debug": True,
    },
    "Model": {"type": "TwoLayerNet", "hidden_size": 128},
}
COUNTS = ("batch_size", "epochs", "hidden_size")
NUMBERS = ("learning_rate", "reg", "momentum")
TYPES = ("SoftmaxRegression", "TwoLayerNet")


def load_settings(path):
    """The settings of a config file as one flat dict; what it leaves out has the default.

    raises  ValueError for sections, names or values that are not allowed, before any work is done
    """
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    if not isinstance(config, dict) or not all(isinstance(part, dict) for part in config.values()):
        raise ValueError(
            f"{path}: expected are the sections Train and Model, each with lines `name: value`"
        )
    settings = {**DEFAULTS["Train"], **DEFAULTS["Model"]}
    for section, values in config.items():
        for name, value in values.items():
            if name not in DEFAULTS.get(section, {}):
                allowed = ", ".join(f"{s}.{n}" for s in DEFAULTS for n in DEFAULTS[s])
                raise ValueError(f"{path}: {section}.{name} is not known; allowed are {allowed}")
            settings[name] = value
    check_settings(settings, path)
    return settings


def check_settings(settings, where="settings"):
    """Raise ValueError unless every value has its kind and range."""
    for name in COUNTS:
        value = settings[name]
        if type(value) is not int or value < 1:
            raise ValueError(f"{where}: {name} must be a whole number of 1 or more, not {value!r}")
    for name in NUMBERS:
        value = settings[name]
        if isinstance(value, str):
            hint = "it was read as text: write 0.001 instead of 1e-3"
            raise ValueError(f"{where}: {name} must be a number, not {value!r} ({hint})")
        if type(value) not in (int, float) or not 0 <= value < float("inf"):
            raise ValueError(f"{where}: {name} must be a finite number of 0 or more, not {value!r}")
    if type(settings["debug"]) is not bool:
        raise ValueError(f"{where}: debug must be True or False, not {settings['debug']!r}")
    if settings["type"] not in TYPES:
        raise ValueError(f"{where}: type must be {' or '.join(TYPES)}, not {settings['type']!r}")


def build_model(settings):
    """The network that the settings ask for."""
    if settings["type"] == "SoftmaxRegression":
        return SoftmaxRegression()
    return TwoLayerNet(hidden_size=settings["hidden_size"])


def as_arrays(data, label):
    """Lists of images and labels as a pair of arrays: that of a single batch."""
    (images,), (labels,) = generate_batched_data(data, label, batch_size=len(data))
    return images, labels


def fit(
    model, train_set, valid_set, settings, seed=0, log=lambda row: None, cut=generate_batched_data
):
    """Train model in place with SGD; end with the weights of the best epoch.

    The batches are shuffled anew in each epoch.

    train_set, valid_set  (images, labels), best as arrays
    seed                  of the shuffles, 0 or more: the same seed, the same run
    log                   called after each epoch with its row
    cut                   makes the batches, called like generate_batched_data
    gives                 rows of epoch, train/loss, train/accuracy, val/loss, val/accuracy; best is
                          the epoch of the highest validation accuracy, the earlier of equals
    """
    check_settings(settings)
    optimizer = SGD(settings["learning_rate"], settings["reg"])
    valid = cut(*valid_set, settings["batch_size"])
    rows = []
    best_accuracy = -1.0
    for epoch in range(1, settings["epochs"] + 1):
        batches = cut(*train_set, settings["batch_size"], shuffle=True, seed=1000 * seed + epoch)
        train_loss, train_accuracy = train(epoch, *batches, model, optimizer, settings["debug"])
        valid_loss, valid_accuracy = evaluate(*valid, model, settings["debug"])
        row = {
            "epoch": epoch,
            "train/loss": train_loss,
            "train/accuracy": train_accuracy,
            "val/loss": valid_loss,
            "val/accuracy": valid_accuracy,
        }
        rows.append(row)
        log(row)
        if valid_accuracy > best_accuracy:
            best_accuracy = valid_accuracy
            best_weights = copy.deepcopy(model.weights)
    model.weights = best_weights
    return rows


def run():
    """Train and test as the command line says.

    gives  the four histories that plot_curves takes, in its order
    """
    args = parser.parse_args()
    if args.seed < 0:
        parser.error(f"--seed must be 0 or more, not {args.seed}")
    settings = load_settings(args.config)
    train_data, train_label, valid_data, valid_label = load_mnist_trainval()
    train_set = as_arrays(train_data, train_label)
    valid_set = as_arrays(valid_data, valid_label)
    del train_data, valid_data  # the lists are larger than the arrays
    test_set = as_arrays(*load_mnist_test())
    model = build_model(settings)
    rows = fit(model, train_set, valid_set, settings, args.seed)
    test = generate_batched_data(*test_set, settings["batch_size"])
    _, accuracy = evaluate(*test, model, settings["debug"])
    print(f"Final Accuracy on Test Data: {accuracy:.4f}")
    keys = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
    return tuple([row[key] for row in rows] for key in keys)


def main():
    try:
        histories = run()
        plot_curves(*histories)
    except (OSError, ValueError, FloatingPointError, yaml.YAMLError) as e:
        parser.exit(1, f"main.py: {e}\n")


if __name__ == "__main__":
    main()
