"""One search for a digit network's recipe, the same for every network that is compared.

Step one tunes the rate of SGD, constant and one-cycle, and of AdamW, one-cycle. Step two changes
one thing of SGD, one-cycle, at a time, each from the same seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from backstage.records import recorded

DECAY = 0.05  # weight decay that step two tries with AdamW


class Group(NamedTuple):
    """Recipes of step one that differ in the rate alone."""

    name: str
    weight_decay: float | None  # None: SGD
    one_cycle: bool
    rates: tuple[float, ...]


GROUPS = (
    Group("SGD, constant", None, False, (0.003, 0.01, 0.03, 0.1)),
    Group("SGD, one-cycle", None, True, (0.01, 0.03, 0.1, 0.3)),
    Group("AdamW, one-cycle", 0.0, True, (0.001, 0.003, 0.01, 0.03)),
)


class Candidate(NamedTuple):
    """A recipe to try; he: whether the initial weights are those of He et al."""

    name: str
    recipe: Any
    he: bool = False


@dataclass(frozen=True)
class Tried:
    """One recipe of the search and how its networks did on the validation images.

    Attributes:
        name: what the recipe is called in tables.
        recipe: how the networks were trained.
        he: whether their initial weights were those of He et al.
        loss: (seeds,) validation losses [nats]; infinite where a training diverged.
        error: (seeds,) validation errors [%].
    """

    name: str
    recipe: Any
    he: bool
    loss: np.ndarray
    error: np.ndarray


def he_start(net: nn.Module) -> nn.Module:
    """Draw the weights of hidden layers anew: normal, variance 2 / inputs; their biases are 0.

    Source: He, Zhang, Ren and Sun, ICCV 2015.
    """
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers[:-1]:  # no ReLU follows the last one
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return net


def tune_rates(train: Callable, base: Any, seeds: Sequence[int]) -> list[list[Tried]]:
    """Step one: train the recipes of each group at four rates.

    Args:
        train: train(recipe=..., he=..., seed=...) -> row of the last epoch, with val/loss and
            val/accuracy.
        base: the recipe to change.
        seeds: of the networks of each recipe.

    Returns: one list for each group; in it one entry for each rate.
    """
    candidates = []
    for group in GROUPS:
        change = {"weight_decay": group.weight_decay, "one_cycle": group.one_cycle}
        recipes = [replace(base, rate=rate, **change) for rate in group.rates]
        candidates += [Candidate(group.name, recipe) for recipe in recipes]
    tried = try_all(train, candidates, seeds)
    return [[one for one in tried if one.name == group.name] for group in GROUPS]


def best_of(tried: Sequence[Tried]) -> Tried:
    """The recipe whose networks have the lowest mean validation loss."""
    return min(tried, key=lambda one: one.loss.mean())


def one_change_each(start: Any, constant: Any, adamw: Any) -> list[Candidate]:
    """Step two: a recipe of step one, and the same with one change each.

    Args:
        start: SGD with the one-cycle schedule.
        constant: SGD with a constant rate, tuned for itself.
        adamw: AdamW with the one-cycle schedule, its rate tuned for itself.
    """
    return [
        Candidate("SGD, one-cycle", start),
        Candidate("constant rate", constant),
        Candidate("constant momentum", replace(start, cycle_momentum=False)),
        Candidate("Nesterov's momentum", replace(start, nesterov=True)),
        Candidate("AdamW", adamw),
        Candidate("AdamW, weight decay", replace(adamw, weight_decay=DECAY)),
        Candidate("batches of 128", replace(start, batch=128)),
        Candidate("He's initial weights", start, he=True),
        Candidate("augmentation", replace(start, augment=True)),
    ]


def combine(start: Any, candidates: Sequence[Candidate], kept: Sequence[str]) -> Any:
    """The recipe of step one with every change that was kept, apart from initial weights."""
    recipe = start
    for candidate in candidates:
        if candidate.name in kept:
            changes = vars(candidate.recipe).items() - vars(start).items()
            recipe = replace(recipe, **dict(changes))
    return recipe


def try_all(train: Callable, candidates: Sequence[Candidate], seeds: Sequence[int]) -> list[Tried]:
    """Train the networks of all candidates from the same seeds; arguments as in `tune_rates`."""
    jobs = [
        {"recipe": candidate.recipe, "he": candidate.he, "seed": seed}
        for candidate in candidates
        for seed in seeds
    ]
    rows = recorded("digits-search", train, jobs, "short trainings")
    loss = np.reshape([row["val/loss"] for row in rows], (len(candidates), len(seeds)))
    error = 100 * (1 - np.reshape([row["val/accuracy"] for row in rows], loss.shape))
    loss = np.nan_to_num(loss, nan=np.inf)
    return [
        Tried(candidate.name, candidate.recipe, candidate.he, *found)
        for candidate, *found in zip(candidates, loss, error)
    ]
