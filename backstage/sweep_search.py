"""How a sweep without a server searches: Optuna's samplers and pruners.

Source: the tree-structured Parzen estimator, Bergstra, Bardenet, Bengio and Kegl, NIPS 2011;
Hyperband, Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, JMLR 18, 2018.
"""

from collections.abc import Callable, Mapping

import optuna

from backstage.sweep_axes import Parameter

SEEDS_APART = 100_000  # trials of one sampler seed before the next seed's draws begin
SEEDS = 2**32  # as many as NumPy's generators have


class _SeededByTrial(optuna.samplers.BaseSampler):
    """A sampler that is made anew for each trial, so that no draw is ever repeated.

    With one sampler a process, a sweep that is resumed, or shared by several processes, would
    repeat draws.
    """

    def __init__(self, make: Callable[..., optuna.samplers.BaseSampler], seed: int) -> None:
        self._make = make
        self._first = SEEDS_APART * seed
        self._inner = make(seed=self._first % SEEDS)

    def before_trial(self, study, trial):
        self._inner = self._make(seed=(self._first + trial.number) % SEEDS)
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study, trial):
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, name, distribution):
        return self._inner.sample_independent(study, trial, name, distribution)

    def after_trial(self, study, trial, state, values):
        self._inner.after_trial(study, trial, state, values)


class _Grid(optuna.samplers.GridSampler):
    """A grid that leaves it to the sweep when to end: it knows how many points there are."""

    def after_trial(self, study, trial, state, values):
        pass


def sampler_of(
    method: str, space: Mapping[str, Parameter], seed: int
) -> optuna.samplers.BaseSampler:
    """Choose Optuna's sampler for a sweep's method: grid, random or bayes."""
    if method == "grid":
        grid = {name: parameter.drawn.choices for name, parameter in space.items()}
        return _Grid(grid, seed=seed % SEEDS)
    bayes = method == "bayes"
    make = optuna.samplers.TPESampler if bayes else optuna.samplers.RandomSampler
    return _SeededByTrial(make, seed)


def pruner_of(stop: Mapping[str, object] | None) -> optuna.pruners.BasePruner:
    """Choose Optuna's pruner for a sweep's early_terminate."""
    if not stop:
        return optuna.pruners.NopPruner()
    eta = stop.get("eta", 3)
    least = stop.get("min_iter") or max(1, stop["max_iter"] // eta ** stop.get("s", 1))
    return optuna.pruners.HyperbandPruner(least, stop.get("max_iter", "auto"), eta)
