"""The figures of part 1 that show decision boundaries.

Losses are in nats; bars show one standard deviation over the starts or the splits.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from curve_pictures import bars
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from three_layer_neural_network import plot_decision_boundary

import helpers as h

RESOLUTION = h.quick(120, 40)  # points of a boundary's grid along each side


def boundaries(
    axes: np.ndarray,
    networks: Sequence,
    titles: Sequence[str],
    X: np.ndarray,
    y: np.ndarray,
    size: float = 3,
) -> None:
    """Draw one panel for each network (or function of points): predicted classes and the data."""
    for ax, network, title in zip(np.ravel(axes), networks, titles):
        predict = getattr(network, "predict", network)
        plot_decision_boundary(predict, X, y, ax, size, RESOLUTION)
        ax.set(title=title, xticks=[], yticks=[])
        ax.spines[:].set_visible(False)


def draw_moons(X: np.ndarray, y: np.ndarray, predict: Callable) -> Figure:
    """Draw the training points on the decisions of a classifier."""
    fig, ax = plt.subplots(figsize=(3.3, 2.4))
    plot_decision_boundary(predict, X, y, ax, resolution=RESOLUTION)
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    ax.legend()
    return fig


def draw_boundaries(
    networks: Sequence, titles: Sequence[str], X: np.ndarray, y: np.ndarray
) -> Figure:
    """Draw one panel for each network, side by side."""
    fig, axes = plt.subplots(1, len(networks), figsize=(h.TEXT_WIDTH, 1.7))
    boundaries(axes, networks, titles, X, y)
    return fig


def draw_activations(
    passes: np.ndarray, losses: Mapping[str, np.ndarray], networks: Sequence, X: np.ndarray, y
) -> Figure:
    """Draw losses (starts, passes) of each activation, and below it one network's boundary."""
    fig, axes = plt.subplots(2, len(losses), figsize=(h.TEXT_WIDTH, 3.7))
    for ax, (name, curves), colour in zip(axes[0], losses.items(), (h.BLUE, h.GREEN, h.RED)):
        ax.semilogy(passes / 1000, curves.T, c=colour, lw=0.8, alpha=0.8)
        ax.set(title=name, xlabel="passes [thousands]", ylim=(0.055, 0.75))
        h.log_ticks(ax.yaxis, [0.07, 0.1, 0.2, 0.4, 0.7])
    axes[0, 0].set_ylabel("training loss [nats]")
    boundaries(axes[1], networks, [f"{name}, seed 0" for name in losses], X, y)
    return fig


def draw_widths(
    networks: Mapping[str, object],
    X: np.ndarray,
    y: np.ndarray,
    widths: Sequence[int],
    train: np.ndarray,
    test: np.ndarray,
    best: float,
) -> Figure:
    """Draw a boundary for each title in networks, and losses (widths, starts) against width."""
    fig = plt.figure(figsize=(h.TEXT_WIDTH, 2.5))
    panels, curves = fig.subfigures(1, 2, width_ratios=[2.3, 1])
    boundaries(panels.subplots(2, 4), list(networks.values()), list(networks), X, y)
    ax = curves.subplots()
    bars(ax, widths, train, c=h.BLUE, label="training")
    bars(ax, widths, test, c=h.RED, label="test")
    ax.axhline(best, ls=":", c=h.BLACK, label="best possible")
    ax.set(xscale="log", xlabel="width", ylabel="cross-entropy [nats]", ylim=(0, 0.55))
    h.log_ticks(ax.xaxis, [1, 3, 10, 50])
    key = {"title": r"mean $\pm$ sd", "title_fontsize": 7, "fontsize": 7}
    ax.legend(**key, borderpad=0, handlelength=1.2, loc="upper right")
    return fig


def draw_grid(
    networks: Mapping[tuple[int, int], object],
    losses: Mapping[tuple[int, int], np.ndarray],
    X: np.ndarray,
    y: np.ndarray,
) -> Figure:
    """Draw boundaries for every (depth, width), with the test loss over the starts above."""
    depths = sorted({depth for depth, _ in networks})
    widths = sorted({width for _, width in networks})
    fig, axes = plt.subplots(len(depths), len(widths), squeeze=False)
    fig.set_size_inches(h.TEXT_WIDTH, 1.45 * len(depths))
    for row, depth in zip(axes, depths):
        row[0].set_ylabel(f"{depth} hidden layer{'s' * (depth > 1)}")
        for ax, width in zip(row, widths):
            loss = losses[depth, width]
            title = rf"test {loss.mean():.3f} $\pm$ {loss.std(ddof=1):.3f}"
            boundaries(ax, [networks[depth, width]], [title], X, y)
    for ax, width in zip(axes[-1], widths):
        ax.set_xlabel(f"width {width}")
    return fig


def draw_dead(
    steps: Sequence[float],
    units: np.ndarray,
    networks: np.ndarray,
    depths: Sequence[int],
    born: Mapping[str, np.ndarray],
    of: int,
    example: Callable,
) -> Figure:
    """Draw shares of the dead.

    Args:
        steps: step sizes.
        units: (steps, starts) share of dead units.
        networks: (steps, starts) whether the network is dead.
        depths: numbers of hidden layers.
        born, of: by start, how many `of` so many are dead before training, for each depth.
        example: draws the last panel into the axes that it is given.
    """
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(h.TEXT_WIDTH, 2.2))
    left.plot(steps, 100 * units.mean(1), "o-", ms=3, c=h.SKY, label="units")
    starts = networks.shape[1]
    h.plot_shares(left, steps, networks.sum(1), starts, fmt="s-", c=h.RED, label="networks")
    left.set(xscale="log", xlabel=r"step $\epsilon$", title="killed: 2-10-10-2")
    left.set(ylabel="dead [%]", ylim=(-3, 103))
    h.log_ticks(left.xaxis, [0.001, 0.003, 0.01, 0.03])
    left.legend()
    for (start, counts), colour, fmt in zip(born.items(), (h.RED, h.GREEN), ("o-", "^-")):
        h.plot_shares(middle, depths, counts, of, c=colour, fmt=fmt, label=start)
    middle.set(xlabel="hidden layers of width 3", ylabel="dead [%]", title="born dead")
    middle.set(xticks=depths, ylim=(-2, None))
    middle.legend(loc="upper left")
    example(right)
    return fig


def draw_penalty(
    networks: Mapping[str, object],
    X: np.ndarray,
    y: np.ndarray,
    penalties: Sequence[float],
    train: np.ndarray,
    test: np.ndarray,
    best: float,
) -> Figure:
    """Draw three boundaries, and losses (penalties, starts) against the penalty."""
    fig, axes = plt.subplots(1, 4, figsize=(h.TEXT_WIDTH, 1.9), width_ratios=[1, 1, 1, 1.5])
    boundaries(axes, list(networks.values()), list(networks), X, y)
    place = np.arange(len(penalties))
    for values, label, colour in ((train, "training", h.BLUE), (test, "test", h.RED)):
        bars(axes[3], place, values, c=colour, label=label)
    axes[3].axhline(best, ls=":", c=h.BLACK, label="best possible")
    axes[3].set(xlabel=r"$\lambda$", title="cross-entropy [nats]", ylim=(0, 0.6))
    axes[3].set_xticks(place, penalties, fontsize=7)
    key = {"title": r"mean $\pm$ sd", "title_fontsize": 7, "fontsize": 7}
    axes[3].legend(**key, loc="upper center")
    return fig
