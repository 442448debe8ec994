"""Train one of the networks as a config file says, and test the best one.

python main.py --config configs/config_twolayer.yaml [--seed 0]
"""

import os

# One thread for the matrix products, unless the caller has said otherwise: a batch of 64 images is
# too little work to share out, and on a busy machine two threads mostly wait for each other (7 to
# 10 times slower). NumPy reads this on import.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ.setdefault("VECLIB_MAXIMUM_THREADS", "1")

import argparse
import sys

import yaml
from models import SoftmaxRegression, TwoLayerNet
from optimizer import SGD
from utils import (
    as_arrays,
    evaluate,
    generate_batched_data,
    load_mnist_test,
    load_mnist_trainval,
    plot_curves,
    train,
)

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


def load_settings(path):
    """The settings of a config file as one flat dict; what it leaves out has the default.

    raises  ValueError for sections, names or values that are not allowed, before any work is done
    """
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    if not isinstance(config, dict) or not all(
        isinstance(section, dict) for section in config.values()
    ):
        raise ValueError(
            f"{path}: expected are the sections Train and Model, each with lines `name: value`"
        )
    settings = DEFAULTS["Train"] | DEFAULTS["Model"]
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
    for name, value in settings.items():
        if name in COUNTS and (type(value) is not int or value < 1):
            raise ValueError(f"{where}: {name} must be a whole number of 1 or more, not {value!r}")
        if name in NUMBERS:
            if type(value) not in (int, float):
                hint = (
                    " (it was read as text: write 0.001 instead of 1e-3)"
                    if isinstance(value, str)
                    else ""
                )
                raise ValueError(f"{where}: {name} must be a number, not {value!r}{hint}")
            if not 0 <= value < float("inf"):
                raise ValueError(f"{where}: {name} must be finite and 0 or more, not {value}")
    if type(settings["debug"]) is not bool:
        raise ValueError(f"{where}: debug must be True or False, not {settings['debug']!r}")
    if settings["type"] not in ("SoftmaxRegression", "TwoLayerNet"):
        raise ValueError(
            f"{where}: type must be SoftmaxRegression or TwoLayerNet, not {settings['type']!r}"
        )


def build_model(settings):
    """The network that the settings ask for."""
    if settings["type"] == "SoftmaxRegression":
        return SoftmaxRegression()
    return TwoLayerNet(hidden_size=settings["hidden_size"])


def fit(
    model, train_set, valid_set, settings, seed=0, log=lambda row: None, cut=generate_batched_data
):
    """Train model in place with SGD; end with the weights of the best epoch.

    The batches are shuffled anew in each epoch.

    train_set, valid_set  (images, labels), best as arrays
    seed                  of the shuffles: the same seed, the same run
    log                   called after each epoch with its row
    cut                   makes the batches, called like generate_batched_data
    gives                 rows of epoch, train/loss, train/accuracy, val/loss, val/accuracy; best is
                          the epoch of the highest validation accuracy, the earlier of equals
    """
    check_settings(settings)
    optimizer = SGD(settings["learning_rate"], settings["reg"])
    valid = cut(*valid_set, settings["batch_size"])
    rows, best = [], -1.0
    for epoch in range(1, settings["epochs"] + 1):
        batches = cut(*train_set, settings["batch_size"], shuffle=True, seed=1000 * seed + epoch)
        train_loss, train_accuracy = train(epoch, *batches, model, optimizer, settings["debug"])
        del batches  # as large as the training set
        valid_loss, valid_accuracy = evaluate(*valid, model, settings["debug"])
        if valid_accuracy > best:
            best, weights = valid_accuracy, {name: w.copy() for name, w in model.weights.items()}
        rows.append({"epoch": epoch, "train/loss": train_loss, "train/accuracy": train_accuracy})
        rows[-1] |= {"val/loss": valid_loss, "val/accuracy": valid_accuracy}
        log(rows[-1])
    model.weights = weights
    return rows


def say(text):
    """Progress, on standard error: standard output is for the result."""
    print(text, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description="Train and test a network on MNIST.")
    parser.add_argument("--config", required=True, help="for example configs/config_twolayer.yaml")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffles (default 0)")
    args = parser.parse_args()
    try:
        settings = load_settings(args.config)
        say("reading data/mnist_train.csv and data/mnist_test.csv")
        train_data, train_label, valid_data, valid_label = load_mnist_trainval()
        train_set, valid_set = (
            as_arrays(train_data, train_label),
            as_arrays(valid_data, valid_label),
        )
        del train_data, valid_data  # the lists are as large as the arrays
        test_set = as_arrays(*load_mnist_test())
        model = build_model(settings)

        def show(row):
            epoch, *values = row.values()
            text = "loss {:.4f}, accuracy {:.4f}; validation loss {:.4f}, accuracy {:.4f}".format(
                *values
            )
            say(f"epoch {epoch}/{settings['epochs']}: {text}")

        rows = fit(model, train_set, valid_set, settings, args.seed, show)
    except (OSError, ValueError, FloatingPointError, yaml.YAMLError) as e:
        sys.exit(f"main.py: {e}")
    _, accuracy = evaluate(
        *generate_batched_data(*test_set, settings["batch_size"]), model, settings["debug"]
    )
    print(f"Final Accuracy on Test Data: {accuracy:.4f}")
    plot_curves(
        *(
            [row[key] for row in rows]
            for key in ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
        )
    )


if __name__ == "__main__":
    main()
