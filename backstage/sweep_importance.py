"""Which settings of a sweep matter, of one sweep or of several with different sampler seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from matplotlib.axes import Axes

from backstage.style import BLUE
from backstage.sweep_space import metric_of, parameter_space, setting_of
from backstage.sweep_trials import Trial, completed


def importances(config: Mapping[str, object], trials: Sequence[Trial]) -> dict[str, float]:
    """Find how much each setting matters for being among the best tenth of the trials.

    Only completed trials count: the last value of a trial that was stopped early is no final value.
    With fewer than two of them, all settings get the same share.

    Args:
        config: the sweep, a W&B sweep dict.
        trials: of run_sweep.

    Returns:
        The share of each setting, largest first; the shares sum to 1.

    Source: PED-ANOVA, Watanabe, Bansal and Hutter, IJCAI 2023, as Optuna has it.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction=metric_of(config).goal)
    space = parameter_space(config)
    if len(completed(trials)) < 2:
        return dict.fromkeys(space, 1 / len(space))
    kinds = {name: parameter.drawn for name, parameter in space.items()}
    for trial in completed(trials):
        drawn = {name: space[name].to_drawn(setting_of(trial.settings, name)) for name in space}
        known = optuna.trial.create_trial(params=drawn, distributions=kinds, value=trial.value)
        study.add_trial(known)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def importance_spread(
    config: Mapping[str, object], sweeps: Sequence[Sequence[Trial]]
) -> dict[str, np.ndarray]:
    """Find the importances of the same sweep run with several sampler seeds.

    Args:
        config: the sweep, a W&B sweep dict.
        sweeps: the trials of run_sweep, once per sampler seed.

    Returns:
        The shares of each setting, an array (sweeps,); the setting with the largest mean first.
    """
    found = [importances(config, trials) for trials in sweeps]
    shares = {name: np.array([each[name] for each in found]) for name in found[0]}
    return dict(sorted(shares.items(), key=lambda item: -item[1].mean()))


def plot_importances(
    ax: Axes, config: Mapping[str, object], sweeps: Sequence[Sequence[Trial]]
) -> None:
    """Draw importances as bars; of several sampler seeds their mean, and their range as a line."""
    shares = importance_spread(config, sweeps)
    names = list(shares)[::-1]
    values = 100 * np.array([shares[name] for name in names])  # (settings, sweeps)
    means = values.mean(1)
    ax.barh(names, means, color=BLUE)
    ax.set(xlabel="importance (PED-ANOVA) [%]")
    if len(sweeps) > 1:
        reach = np.array([means - values.min(1), values.max(1) - means])
        ax.errorbar(means, names, xerr=reach, fmt="none", ecolor="k", capsize=3)
        ax.set(xlabel=f"importance (PED-ANOVA) [%],\nmean and range of {len(sweeps)} sampler seeds")
