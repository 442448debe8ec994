"""What a sweep may look like: W&B's own examples, each distribution, and what is refused."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sweep_cases import METRIC, RATE, bowl, own_runs, sweep  # noqa: F401 (a fixture)

from backstage import sweep_space
from backstage.sweep_checks import read_sweep
from backstage.sweep_importance import importances
from backstage.sweep_parameters import parameter
from backstage.sweep_shapes import SHAPES
from backstage.sweeps import run_sweep

# ---- Optuna's own distributions ----

SPECS = [
    ({"value": 3}, CategoricalDistribution([3])),
    ({"values": [1, "a", None]}, CategoricalDistribution([1, "a", None])),
    ({"min": 1, "max": 5}, IntDistribution(1, 5)),
    ({"min": 1.0, "max": 5}, FloatDistribution(1.0, 5)),
    ({"min": 0.0, "max": 1.0, "distribution": "uniform"}, FloatDistribution(0, 1)),
    ({"min": 1, "max": 9, "distribution": "int_uniform"}, IntDistribution(1, 9)),
    (RATE, FloatDistribution(1e-4, 1, log=True)),
]


@pytest.mark.parametrize("spec, wanted", SPECS)
def test_a_parameter_maps_to_the_right_distribution(spec, wanted):
    assert parameter("x", spec).drawn == wanted


@pytest.mark.parametrize("spec, wanted", SPECS)
def test_the_mapping_is_wandbs_own_where_it_has_one(spec, wanted):
    theirs = pytest.importorskip("wandb.sdk.sweeps.scheduler.optuna")
    assert theirs.sweep_parameter_to_distribution(spec) == wanted


def test_log_uniform_takes_exponents():
    d = parameter("x", {"min": -3, "max": 0, "distribution": "log_uniform"}).drawn
    assert d.log and d.low == pytest.approx(math.exp(-3)) and d.high == 1
    d = parameter("x", {"min": 1, "max": 3, "distribution": "inv_log_uniform"}).drawn
    assert d.log and d.low == pytest.approx(math.exp(-3)) and d.high == pytest.approx(math.exp(-1))
    d = parameter("x", {"min": 1, "max": 3, "distribution": "inv_log_uniform_values"}).drawn
    assert d == FloatDistribution(1, 3, log=True)


# ---- every other one, by its quantile u, as W&B's documentation defines it ----


def z(u):
    return NormalDist().inv_cdf(u)


def rounded(x, q):
    return round(x / q) * q


QUANTILES = {
    "q_uniform": ({"min": 3, "max": 20, "q": 4}, lambda u: rounded(3 + 17 * u, 4)),
    "q_log_uniform": ({"min": 0, "max": 3, "q": 0.5}, lambda u: rounded(math.exp(3 * u), 0.5)),
    "q_log_uniform_values": ({"min": 32, "max": 256, "q": 8}, lambda u: rounded(32 * 8**u, 8)),
    "normal": ({"mu": 2, "sigma": 3}, lambda u: 2 + 3 * z(u)),
    "q_normal": ({"mu": 50, "sigma": 20, "q": 10}, lambda u: rounded(50 + 20 * z(u), 10)),
    "log_normal": ({"mu": 1, "sigma": 0.5}, lambda u: math.exp(1 + z(u) / 2)),
    "q_log_normal": ({"mu": 1, "sigma": 1, "q": 2}, lambda u: rounded(math.exp(1 + z(u)), 2)),
    "beta": ({"a": 2, "b": 1}, math.sqrt),
    "q_beta": ({"a": 2, "b": 1, "q": 0.25}, lambda u: rounded(math.sqrt(u), 0.25)),
}
OWN_IN_OPTUNA = {"uniform", "int_uniform", "log_uniform", "log_uniform_values"} | {
    "inv_log_uniform",
    "inv_log_uniform_values",
}


def test_every_distribution_has_its_test():
    assert QUANTILES.keys() | OWN_IN_OPTUNA == SHAPES.keys()


@pytest.mark.parametrize("kind", QUANTILES)
def test_a_distribution_is_drawn_as_wandb_documents_it(kind):
    spec, wanted = QUANTILES[kind]
    found = parameter("x", {"distribution": kind, **spec})
    ends = found.drawn.low, found.drawn.high
    for u in (*ends, 0.03, 0.2, 0.5, 0.77, 0.9):
        setting = found.to_setting(u)
        assert setting == pytest.approx(wanted(u), rel=1e-9, abs=1e-12)
        again = found.to_setting(found.to_drawn(setting))
        assert again == pytest.approx(setting, rel=1e-6) or u in ends
    heights = [mark.height for mark in found.marks()]
    assert heights == sorted(heights) and 0 <= heights[0] and heights[-1] <= 1


@pytest.mark.parametrize("kind", [kind for kind in QUANTILES if kind.startswith("q_")])
def test_q_is_1_if_it_is_left_out_and_whole_numbers_stay_whole(kind):
    spec = {key: value for key, value in QUANTILES[kind][0].items() if key != "q"}
    setting = parameter("x", {"distribution": kind, **spec}).to_setting(0.7)
    assert isinstance(setting, int)


def test_both_ends_are_reached_and_nothing_beyond_them():
    found = parameter("x", {"distribution": "q_log_uniform_values", "min": 32, "max": 256, "q": 8})
    seen = {found.to_setting(u) for u in np.linspace(found.drawn.low, found.drawn.high, 5000)}
    assert seen == set(range(32, 257, 8))


def test_unequal_probabilities():
    found = parameter("x", {"values": ["a", "b", "c"], "probabilities": [0.1, 0.7, 0.2]})
    drawn = [found.to_setting(u) for u in (0.05, 0.11, 0.79, 0.81, 0.999999)]
    assert drawn == ["a", "b", "b", "c", "c"]
    assert all(found.to_setting(found.to_drawn(value)) == value for value in "abc")


def test_a_sweep_over_other_distributions_gives_settings_not_quantiles():
    space = {
        "width": {"distribution": "q_normal", "mu": 50, "sigma": 10, "q": 10},
        "kind": {"values": ["a", "b"], "probabilities": [1.0, 0.0]},
    }
    config = sweep("bayes", parameters=space)
    trials = run_sweep(config, lambda s, log: abs(s["width"] - 50), 15)
    assert all(trial.settings["width"] % 10 == 0 for trial in trials)
    assert {trial.settings["kind"] for trial in trials} == {"a"} and trials[0].value == 0
    assert set(importances(config, trials)) == {"width", "kind"}


# ---- the sweeps of W&B's documentation ----

LOSS = {"name": "loss", "goal": "minimize"}
DOCUMENTED = {
    "tutorial with PyTorch": {
        "method": "random",
        "metric": LOSS,
        "parameters": {
            "optimizer": {"values": ["adam", "sgd"]},
            "fc_layer_size": {"values": [128, 256, 512]},
            "dropout": {"values": [0.3, 0.4, 0.5]},
            "epochs": {"value": 1},
            "learning_rate": {"distribution": "uniform", "min": 0, "max": 0.1},
            "batch_size": {"distribution": "q_log_uniform_values", "q": 8, "min": 32, "max": 256},
        },
    },
    "basic structure": {
        "program": "train.py",
        "name": "sweepdemo",
        "method": "bayes",
        "metric": {"goal": "minimize", "name": "validation_loss"},
        "parameters": {
            "learning_rate": {"min": 0.0001, "max": 0.1},
            "batch_size": {"values": [16, 32, 64]},
            "epochs": {"values": [5, 10, 15]},
            "optimizer": {"values": ["adam", "sgd"]},
        },
    },
    "nested parameters": {
        "method": "random",
        "metric": {"name": "val_acc", "goal": "maximize"},
        "parameters": {
            "optimizer": {
                "parameters": {
                    "learning_rate": {"values": [0.01, 0.001]},
                    "momentum": {"value": 0.9},
                }
            }
        },
    },
    "grid without a metric": {
        "program": "train.py",
        "method": "grid",
        "parameters": {"a": {"values": [1, 2]}, "b": {"min": 3, "max": 5}},
        "command": ["${env}", "python", "${program}", "${args}"],
    },
    "metric without a goal": {
        "method": "bayes",
        "metric": {"name": "val_loss"},
        "parameters": {"x": {"distribution": "normal", "mu": 100, "sigma": 10}},
    },
    "hyperband from max_iter": {
        "method": "random",
        "metric": LOSS,
        "parameters": {"x": {"max": 0.1, "min": 0.01}, "y": {"values": [1, 3, 7]}},
        "early_terminate": {"type": "hyperband", "s": 2, "eta": 3, "max_iter": 27},
    },
    "hyperband from min_iter, and run_cap": {
        "method": "random",
        "metric": LOSS,
        "parameters": {"x": {"min": 0.01, "max": 0.1}},
        "early_terminate": {"type": "hyperband", "min_iter": 3},
        "run_cap": 2,
    },
}


@pytest.mark.parametrize("title", DOCUMENTED)
def test_a_sweep_of_wandbs_documentation_runs(title):
    config = DOCUMENTED[title]
    grid = config["method"] == "grid"
    trials = run_sweep(config, lambda s, log: log({"loss": 1.0}) or 1.0, None if grid else 3)
    assert [trial.state for trial in trials] == ["complete"] * len(trials)
    assert len(trials) == (6 if grid else config.get("run_cap", 3))
    if "tutorial" in title:
        assert {t.settings["batch_size"] for t in trials} <= set(range(32, 257, 8))


def test_run_cap_is_enough_of_a_count():
    assert len(run_sweep(sweep(run_cap=2), bowl)) == 2


def test_a_target_ends_the_sweep():
    config = sweep(metric={"name": "val/loss", "goal": "maximize", "target": 3})
    values = iter(range(10))
    assert len(run_sweep(config, lambda s, log: next(values), 10)) == 4


def test_nested_parameters_are_flattened_and_come_back_nested():
    deep = {
        "rate": RATE,
        "net": {"parameters": {"width": {"min": 1, "max": 4}, "depth": {"value": 2}}},
    }
    assert set(sweep_space.flat(deep)) == {"rate", "net.width", "net.depth"}
    assert sweep_space.nested({"rate": 1, "net.width": 2, "net.depth": 3}) == {
        "rate": 1,
        "net": {"width": 2, "depth": 3},
    }
    trials = run_sweep(
        sweep(parameters=deep), lambda s, log: s["net"]["width"] * s["net"]["depth"], 4
    )
    assert all(t.value == 2 * t.settings["net"]["width"] for t in trials)


def test_numpy_numbers_and_lists_as_values():
    space = {
        "rate": {"min": np.float64(0.1), "max": np.float32(0.5)},
        "layers": {"values": [(64, 32), [8], {"a": 1}]},
        "width": {"values": np.arange(2, 5)},
        "switch": {"values": [0, False, 1.0, True]},
    }
    config = sweep(parameters=space)
    trials = run_sweep(config, lambda s, log: s["rate"], np.int64(8), np.int32(1))
    assert len(trials) == 8
    for trial in trials:
        assert trial.settings["layers"] in ([64, 32], [8], {"a": 1})
        assert type(trial.settings["width"]) is int and type(trial.settings["rate"]) is float
    assert set(importances(config, trials)) == set(space)


# ---- what is refused, before any trial ----

WRONG_PARAMETERS = [
    ({"distribution": "cauchy", "mu": 0}, "x: .*'cauchy'; allowed are constant"),
    ({"distribution": None, "min": 0, "max": 1}, "no distribution 'None'"),
    ({"distribution": "beta", "min": 0, "max": 1}, "unknown min, max; allowed are .* a, b"),
    ({"distribution": "beta", "a": 0, "b": 1}, "a > 0"),
    ({"distribution": "normal", "sigma": 0}, "sigma > 0"),
    ({"distribution": "normal", "mu": "1e-3"}, "text '1e-3'; in YAML"),
    ({"distribution": "log_uniform", "min": 1, "max": 1000}, "exponents"),
    ({"distribution": "q_log_normal", "sigma": 1000}, "exponents"),
    ({"distribution": "q_uniform", "min": 1, "max": 9, "q": 0}, "q > 0"),
    ({"distribution": "int_uniform", "min": 0.5, "max": 9}, "whole numbers"),
    ({"min": 1, "max": 9, "q": 2}, "unknown q"),
    ({"min": 1}, "x: needs value"),
    ({"min": 2, "max": 1}, "min below max"),
    ({"min": 1, "max": math.inf}, "finite"),
    ({"min": "1e-3", "max": 1}, "text '1e-3'; in YAML"),
    ({"min": True, "max": 3}, "number"),
    ({"distribution": "uniform", "min": 0}, "max of uniform is missing"),
    ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "above 0"),
    ({"values": [1, 2], "probabilities": [0.1, 0.8]}, "probabilities"),
    ({"values": [1, 2], "probabilities": [1]}, "as many probabilities"),
    ({"values": 3}, "must be a list"),
    ({"values": []}, "must be a list"),
    ({"values": ["1e-3", "1e-4"]}, "text '1e-3'; in YAML"),
    ({"value": 1, "q": 2}, "needs value"),
    ({"distribution": "constant"}, "must be a list"),
    (0.1, "x must be a dict such as"),
    ({"parameters": {}}, "x.parameters must be a dict"),
]
HYPERBAND = {"type": "hyperband", "min_iter": 2}
WRONG_STOPS = [
    ({"type": "envelope"}, "hyperband"),
    ({"type": "hyperband"}, "min_iter or max_iter"),
    (HYPERBAND | {"eta": 1}, "eta must be a whole number of 2 or more, not 1"),
    (HYPERBAND | {"eta": 2.5}, "eta must be"),
    (HYPERBAND | {"eta": -1}, "eta must be"),
    (HYPERBAND | {"min_iter": "3"}, "min_iter must be a number|min_iter must be a whole"),
    (HYPERBAND | {"min_iter": 0}, "min_iter must be"),
    (HYPERBAND | {"max_iter": 1}, "min_iter must not be above max_iter"),
    (HYPERBAND | {"max_iters": 9}, "unknown max_iters"),
]
WRONG_NAMES = ["../../x", "a/b", "a\\b", "", "..", None, 3, "a\n", "a\0", "x" * 81]
WRONG = (
    [({"parameters": {"x": spec}}, words) for spec, words in WRONG_PARAMETERS]
    + [({"early_terminate": stop}, words) for stop, words in WRONG_STOPS]
    + [({"name": name}, "name must be text") for name in WRONG_NAMES]
    + [
        ({"method": "gird"}, "grid, random or bayes"),
        ({"metric": {"goal": "minimize"}}, "metric must be"),
        ({"metric": {"name": "val/loss", "goal": "low"}}, "minimize or maximize"),
        ({"metric": {"name": "val/loss", "gaol": "minimize"}}, "unknown gaol"),
        ({"metric": None, "method": "bayes"}, "metric must be"),
        ({"metric": None, "early_terminate": HYPERBAND}, "metric must be"),
        ({"parameters": {}}, "no parameters"),
        ({"parameters": [{"rate": RATE}]}, "must be a dict of parameters"),
        ({"parameters": {3: RATE}}, "name must be text"),
        ({"parameters": {"a.b": RATE, "a": {"parameters": {"b": RATE}}}}, "two parameters"),
        ({"method": "grid"}, "a grid needs value"),
        ({"early_terminte": HYPERBAND}, "unknown early_terminte; allowed are method"),
        ({"run_cap": 0}, "run_cap must be"),
    ]
)


@pytest.mark.parametrize("change, words", WRONG)
def test_what_cannot_be_run_is_an_error_before_any_trial(change, words, own_runs):  # noqa: F811
    def never(settings, log):
        raise AssertionError("no trial may start")

    with pytest.raises(ValueError, match=words):
        run_sweep(sweep() | change, never, 3)
    assert not list(own_runs.iterdir())


@pytest.mark.parametrize("count", [None, 0, 2.5, "5", True])
def test_a_search_without_end_needs_a_count(count):
    with pytest.raises(ValueError, match="count"):
        run_sweep(sweep(), bowl, count)


@pytest.mark.parametrize("seed", [0.5, "1", None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be"):
        run_sweep(sweep(), bowl, 2, seed)


def test_any_whole_number_is_a_seed():
    rates = [run_sweep(sweep(), bowl, 1, seed)[0].settings["rate"] for seed in (-1, 0, 10**12)]
    assert len(set(rates)) == 3


@pytest.mark.parametrize("config, train", [([], bowl), (None, bowl), (sweep(), "bowl")])
def test_a_sweep_is_a_dict_and_a_training_a_function(config, train):
    with pytest.raises(ValueError, match="must be a"):
        run_sweep(config, train, 2)


def test_what_is_read_is_what_was_written():
    config = sweep("bayes", early_terminate=HYPERBAND, metric=METRIC)
    assert read_sweep(config, bowl, 3, 0) == config
