"""The pictures of DL_AutoDiff_Nanograd: each function draws numbers that the notebook has found."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from backstage.graph_pictures import draw_graph
from backstage.plots import log_ticks, plot_rows
from backstage.style import BLUE, GREEN, ORANGE, RED, SKY, TEXT_WIDTH
from backstage.xor_view import CLASSES, STRENGTH, plot_points


def graphs(first: Mapping, second: Mapping) -> Figure:
    """Draw the graphs of exercise b side by side; nodes by name, the result is "f"."""
    fig, axes = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.3), width_ratios=(1, 1.6))
    for ax, nodes, formula in zip(axes, (first, second), ("f = ab", "f = ab + ad")):
        names = {f"${formula if name == 'f' else name}$": node for name, node in nodes.items()}
        draw_graph(ax, nodes["f"], names, width=28)
    return fig


def costs(
    doublings: Sequence, doubled: Mapping[str, Sequence], layers: Sequence, deep: Mapping
) -> Figure:
    """Draw counted products against the number of doublings and of layers, by engine's name."""
    fig, axes = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.4), sharey=True)
    for name, colour, marker in zip(doubled, (RED, BLUE), "os"):
        axes[0].semilogy(doublings, doubled[name], f"{marker}-", ms=3, c=colour, label=name)
        axes[1].semilogy(layers, deep[name], f"{marker}-", ms=3, c=colour, label=name)
    axes[0].set(xlabel="times x = x + x", ylabel="products, counted", title="a doubled value")
    axes[0].set_xticks(range(0, max(doublings) + 1, 4))
    axes[1].set(xlabel="layers of weights, each 3 wide", title="a small deep network")
    for ax in axes:
        ax.legend(loc="upper left")
    return fig


def step_errors(steps: np.ndarray, errors: Mapping[str, np.ndarray]) -> Figure:
    """Draw the error of finite differences (steps, points) against the step, by method."""
    fig, ax = plt.subplots(figsize=(TEXT_WIDTH, 2.7))
    for (name, e), colour in zip(errors.items(), (ORANGE, BLUE)):
        ax.fill_between(steps, e.min(1), e.max(1), color=colour, alpha=0.2, lw=0)
        label = f"{name}: median and range of {e.shape[1]} points"
        ax.loglog(steps, np.median(e, 1), color=colour, label=label)
    u = np.finfo(float).eps
    ax.loglog(steps, u / steps, "k:", lw=0.8, label=r"rounding, $u / \varepsilon$")
    ax.loglog(steps, steps**2, "k--", lw=0.8, label=r"truncation error, $\varepsilon^2$")
    ax.axvline(6e-6, color=GREEN, lw=0.8)
    ax.text(1e-5, 1, r"our step, $u^{1/3}$", color=GREEN)
    ax.set(xlabel=r"step $\varepsilon$", ylabel="error of the slope", ylim=(1e-13, 10))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return fig


def curves_and_slopes(grid: np.ndarray, curves: Mapping) -> Figure:
    """Draw value and slope of each activation, given by name, over grid; NaN leaves a gap."""
    fig, axes = plt.subplots(1, len(curves), figsize=(TEXT_WIDTH, 1.9))
    for ax, (name, curve) in zip(axes, curves.items()):
        ax.plot(grid, curve.value, color=BLUE, label="value")
        ax.plot(grid, curve.slope, "--", color=RED, label="slope")
        ax.set(title=name, xlabel="$x$", xticks=[-4, 0, 4])
    axes[0].legend(loc="lower right")
    return fig


def signal_sizes(measured: Mapping, predicted: Mapping) -> Figure:
    """Draw mean squares through the layers: dots are means over draws, dashes the prediction.

    Both are given by (activation, scheme) and have forward and backward, (draws, layers) and
    (layers,); a scheme without a prediction has a plain line.
    """
    fig, axes = plt.subplots(2, 2, figsize=(TEXT_WIDTH, 4.2), sharex=True, sharey="row")
    rows = {act: row for row, act in enumerate(dict.fromkeys(act for act, _ in measured))}
    colours = dict(zip(dict.fromkeys(name for _, name in measured), (BLUE, GREEN, ORANGE, RED)))
    for (act, name), sizes in measured.items():
        known = predicted.get((act, name))
        for column, way in enumerate(("forward", "backward")):
            ax = axes[rows[act], column]
            style = {"c": colours[name], "ms": 3, "lw": 0.9}
            ax.semilogy(getattr(sizes, way).mean(0), "o" if known else "o-", label=name, **style)
            if known:
                ax.semilogy(getattr(known, way), "--", **style)
            ax.set(title=f"{act}: {('activations', 'gradients')[column]}", ylim=(1e-3, 1e2))
    for ax in axes[:, 0]:
        ax.set_ylabel("mean square")
    for ax in axes[1]:
        ax.set_xlabel("layer (0: the input)")
    axes[0, 0].plot([], [], "--", c="0.4", lw=0.9, label="prediction")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return fig


def two_optimisers(points: tuple, grid: np.ndarray, truth: np.ndarray, fits: Mapping) -> Figure:
    """Draw learning curves and the curves that two optimisers reach; fits has rows and curve."""
    fig, axes = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.5), width_ratios=(1, 1.2))
    axes[1].plot(*points, ".", color="0.7", ms=3, label="training points")
    axes[1].plot(grid, truth, "k--", lw=0.8, label="truth")
    for (name, fit), colour in zip(fits.items(), (ORANGE, BLUE)):
        plot_rows(axes[0], fit.rows, "train/loss", c=colour, label=f"{name}, training")
        plot_rows(axes[0], fit.rows, "val/loss", ":", c=colour, label=f"{name}, validation")
        axes[1].plot(grid, fit.curve, color=colour, label=name)
    axes[0].set(ylabel="mean squared error", yscale="log")
    log_ticks(axes[0].yaxis, (0.1, 0.2, 0.5, 1))
    axes[1].set(xlabel="$x$", ylabel="$y$")
    for ax in axes:
        ax.legend(fontsize=7)
    return fig


def regimes(
    points: tuple, grid: np.ndarray, truth: np.ndarray, outcomes: Mapping, noise: float
) -> Figure:
    """Draw fits (top) and learning curves (bottom) of a few networks.

    Args:
        points: x and y of the first seed's training set.
        grid, truth: (61,) the true curve.
        outcomes: by title; epoch (logs,), train and val (seeds, logs), curve (seeds, logs, 61).
        noise: variance of the noise.
    """
    fig, axes = plt.subplots(2, 3, figsize=(TEXT_WIDTH, 4.1), sharey="row")
    for top, bottom, (title, found) in zip(*axes, outcomes.items()):
        others = top.plot(grid, found.curve[1:, -1].T, color=SKY, lw=0.5)
        others[0].set_label("other seeds")
        top.plot(grid, truth, "k--", lw=0.8, label="truth")
        top.plot(grid, found.curve[0, -1], color=BLUE, label="first seed")
        top.plot(*points, "o", color=ORANGE, ms=3, label="its training points")
        top.set(title=title, xlabel="$x$", ylim=(-4.5, 4.5))
        pair = (("training", found.train, ORANGE), ("validation", found.val, BLUE))
        for name, losses, colour in pair:
            low, middle, high = np.quantile(losses, [0.25, 0.5, 0.75], axis=0)
            bottom.fill_between(found.epoch[0], low, high, color=colour, alpha=0.2, lw=0)
            bottom.semilogy(found.epoch[0], middle, color=colour, label=name)
        bottom.axhline(noise, color="k", ls=":", lw=0.8, label="variance of the noise")
        bottom.set(xlabel="epoch", ylim=(0.006, 3))
    for ax, side, label in zip(axes[:, 0], ("upper", "lower"), ("$y$", "mean squared error")):
        ax.set_ylabel(label)
        fig.legend(*ax.get_legend_handles_labels(), loc=f"outside {side} center", ncols=4)
    return fig


def capacity(ax: Axes, widths: Sequence[int], losses: Mapping[str, np.ndarray]) -> None:
    """Draw final losses (widths, seeds), by kind: median and quartiles."""
    place = np.arange(len(widths))
    for k, ((name, values), colour) in enumerate(zip(losses.items(), (ORANGE, BLUE, RED, GREEN))):
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=1)
        style = {"color": colour, "capsize": 2, "fmt": "o-", "ms": 3, "label": name}
        ax.errorbar(place + 0.08 * (k - 1.5), middle, (middle - low, high - middle), **style)
    ax.set(xlabel="hidden units", ylabel="mean squared error", yscale="log", ylim=(0.006, 1))
    ax.set_xticks(place, ["line" if w == 0 else str(w) for w in widths])


def choice(ax: Axes, sizes: Sequence[int], promised: np.ndarray, kept: np.ndarray) -> None:
    """Draw the loss that won a choice and the winner's loss on new data, (sizes, seeds) each."""
    for name, values, style, colour in (
        ("validation loss that won", promised, "o-", BLUE),
        ("the winner on new data", kept, "s-", GREEN),
    ):
        error = values.std(1, ddof=1) / np.sqrt(values.shape[1])
        look = {"fmt": style, "ms": 3, "capsize": 2, "color": colour, "label": name}
        ax.errorbar(sizes, values.mean(1), error, **look)
    ax.set(xlabel="candidates to choose from", ylabel="mean squared error", xscale="log")
    log_ticks(ax.xaxis, (1, 4, 16, 64))


def capacity_and_choice(
    widths: Sequence[int], losses: Mapping, sizes: Sequence[int], chosen: tuple, noise: float
) -> Figure:
    """Draw `capacity` beside `choice`, with the noise; chosen is (promised, kept)."""
    fig, axes = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.7), width_ratios=(1.25, 1))
    capacity(axes[0], widths, losses)
    choice(axes[1], sizes, *chosen)
    for ax in axes:
        ax.axhline(noise, color="k", ls=":", lw=0.8, label="variance of the noise")
    axes[0].legend(ncols=2, loc="lower left")
    axes[1].legend()
    return fig


def boundaries(axis: np.ndarray, probabilities: Sequence[np.ndarray], points: tuple) -> Figure:
    """Draw where classifiers are undecided over a square (the first one with colours)."""
    fig, ax = plt.subplots(figsize=(3.9, 3.3))
    levels = np.linspace(0, 1, 11)
    colours = LinearSegmentedColormap.from_list("classes", CLASSES)
    shade = ax.contourf(axis, axis, probabilities[0], levels, cmap=colours, alpha=STRENGTH)
    fig.colorbar(shade, label="$p(y = 1)$, first seed", ticks=[0, 0.5, 1])
    for k, p in enumerate(probabilities):
        ax.contour(axis, axis, p, levels=[0.5], colors="k", linewidths=0.4 if k else 1.4)
    ax.plot([], [], "k", lw=1.4, label="undecided (thin: other seeds)")
    ax.axhline(0.5, color=GREEN, ls="--", lw=0.8, label="best possible")
    ax.axvline(0.5, color=GREEN, ls="--", lw=0.8)
    plot_points(ax, *points, size=10, alpha=1)
    plt.setp(ax.collections[-2:], edgecolor="0.2", linewidth=0.4)
    ax.set(xlim=axis[[0, -1]], ylim=axis[[0, -1]])
    fig.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig
