"""Pictures of X-rays with outlines, of a U-Net, and of how well masks fit."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import nn

from backstage.statistics import mean_interval
from backstage.style import BLUE, GREEN, ORANGE, RED, SKY
from backstage.xrays import to_square

TRUTH = ORANGE
PREDICTION = SKY


def outline(ax: Axes, xray: torch.Tensor, *masks: torch.Tensor, size: int = 96) -> None:
    """Show an X-ray (1, rows, columns) small, so that it cannot stand in for the original.

    Args:
        ax: where to draw.
        xray: from 0 to 1.
        masks: (rows, columns) each; the first outline is orange (the truth), the second blue.
        size: side of the square that is shown, in pixels.
    """
    shown = to_square(xray[None], size)[0, 0]
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="bilinear")
    for mask, colour in zip(masks, (TRUTH, PREDICTION)):
        small = to_square(torch.as_tensor(mask)[None, None].float(), size)[0, 0]
        if small.min() < 0.5 < small.max():
            ax.contour(small, [0.5], colors=[colour], linewidths=1.0)
    ax.axis("off")


class Block(NamedTuple):
    """What a block of a U-Net gives for one X-ray."""

    name: str  # down, up, merge or head
    level: int  # 0 at full resolution
    channels: int
    side: int  # of the maps, in pixels


def unet_blocks(net: nn.Module, size: int) -> list[Block]:
    """Measure what each block of a UNet gives for an X-ray of size x size, in order."""
    found = []

    def note(name: str, level: int) -> Callable:
        return lambda _, __, out: found.append(Block(name, level, *out.shape[1:3]))

    named = [(block, "down", level) for level, block in enumerate(net.down)]
    for name in ("up", "merge"):
        upwards = reversed(range(net.depth))
        named += [(block, name, level) for block, level in zip(getattr(net, name), upwards)]
    named.append((net.head, "head", 0))
    handles = [block.register_forward_hook(note(name, level)) for block, name, level in named]
    net.eval()(torch.zeros(1, net.in_channels, size, size))
    for handle in handles:
        handle.remove()
    return found


class _Place(NamedTuple):
    """Where a block is drawn."""

    left: float
    right: float
    y: float


def draw_unet(ax: Axes, net: nn.Module, size: int) -> None:
    """Draw a UNet from its measured shapes: a bar per block, as high as its map, as wide as its
    channels."""
    places = {}
    x = 0.0
    for block in unet_blocks(net, size):
        if block.name != "up":  # drawn as the arrow up
            place = _draw_block(ax, block, x)
            places[block.name, block.level] = place
            x = place.right + 0.75
    for level in range(net.depth):
        _draw_arrows(ax, places, level, net.depth)
    _arrow(ax, places["merge", 0], places["head", 0])
    ax.set(xlim=(-0.3, x), ylim=(-1.55 * net.depth - 0.6, 1.2))
    ax.axis("off")


def _draw_block(ax: Axes, block: Block, x: float) -> _Place:
    wide = 0.16 + 0.16 * math.log2(block.channels)
    high = 0.25 + 0.22 * (math.log2(block.side) - 1)
    y = -1.55 * block.level
    colour = {"down": BLUE, "merge": GREEN, "head": RED}[block.name]
    ax.add_patch(Rectangle((x, y - high / 2), wide, high, fc=colour, alpha=0.75, lw=0))
    label = rf"{block.channels} $\times$ {block.side}$^2$"
    ax.text(x + wide / 2, y + high / 2 + 0.08, label, ha="center", fontsize=8)
    return _Place(x, x + wide, y)


def _draw_arrows(ax: Axes, places: dict, level: int, depth: int) -> None:
    """The skip connection of a level, the arrow down from it and the one up to it."""
    lowest = level + 1 == depth
    below = places["down" if lowest else "merge", level + 1]
    _arrow(ax, places["down", level], places["merge", level], color="0.5", ls="--")
    _arrow(ax, places["down", level], places["down", level + 1])
    _arrow(ax, below, places["merge", level])


def _arrow(ax: Axes, start: _Place, end: _Place, **style: object) -> None:
    style = {"arrowstyle": "->", "color": "k", "lw": 0.8, **style}
    ax.annotate("", (end.left, end.y), (start.right, start.y), arrowprops=style)


def plot_means(
    ax: Axes,
    scores: np.ndarray,
    patients: np.ndarray,
    colour: str,
    label: str,
    nudge: float = 0.0,
) -> None:
    """Draw means of scores (rows, n), the first row on top, with 95 % intervals over patients.

    Args:
        ax: where to draw; the rows lie at the heights len(scores) - 1, ..., 0.
        scores: one row per kind of X-ray, one column per X-ray.
        patients: (n,) the patient of each X-ray.
        colour, label: of the points.
        nudge: how far they are moved up, so that several sets do not cover each other.
    """
    means = scores.mean(1)
    intervals = [mean_interval(row, patients) for row in scores]
    below = means - [interval.low for interval in intervals]
    above = [interval.high for interval in intervals] - means
    heights = np.arange(len(scores))[::-1] + nudge
    ends = np.stack([below, above])
    ax.errorbar(means, heights, xerr=ends, fmt="o", ms=3.5, lw=1, c=colour, label=label)


def plot_cuts(ax: Axes, cuts: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """Draw the mean Dice against the threshold on the probability, a line for each set."""
    for (name, curve), style in zip(curves.items(), ("--", "-")):
        ax.plot(cuts, curve, style, label=name)
    ax.set(xlabel="threshold on probability", ylabel="mean Dice")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def plot_error_maps(axes: Sequence[Axes], maps: dict[str, np.ndarray]) -> None:
    """Show where masks are wrong, maps (rows, columns) of shares of the X-rays, on one scale."""
    top = max(share.max() for share in maps.values())
    for ax, (name, share) in zip(axes, maps.items()):
        shown = ax.imshow(share, cmap="magma_r", vmin=0, vmax=top)
        ax.set_title(name)
        ax.set_axis_off()
    bar = axes[-1].figure.colorbar(shown, ax=axes[-1], shrink=0.8)
    bar.set_label("share of X-rays\nand networks")
