"""What networks answer on X-rays of any size: padded to squares for them, and brought back."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F


@torch.no_grad()
def xray_logits(model: nn.Module | Sequence[nn.Module], images: torch.Tensor) -> torch.Tensor:
    """Compute logits for X-rays of any size.

    Args:
        model: a U-Net with one channel in and out, or a list of them, whose logits are averaged.
            Each gets the X-rays padded with black to squares of side model.image_size (128 if it
            has none).
        images: (n, 1, rows, columns), 0 to 1.

    Returns:
        (n, 1, rows, columns), on the CPU.

    Raises:
        ValueError: the list is empty.
    """
    nets = [model] if isinstance(model, nn.Module) else list(model)
    if not nets:
        raise ValueError("model must be a network or a list of networks, not an empty list")
    return sum(_logits_of(net, images) for net in nets) / len(nets)


def _logits_of(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    net.eval()
    device = next(net.parameters()).device
    side = getattr(net, "image_size", 128)
    squares = [net(to_square(few, side).to(device)).float().cpu() for few in images.split(16)]
    return from_square(torch.cat(squares), images.shape[2:])


class _Margins(NamedTuple):
    """Pixels to add at each side; in the order in which F.pad takes them."""

    left: int
    right: int
    top: int
    bottom: int


def _margins(rows: int, columns: int) -> _Margins:
    """Find the black pixels to add so that an X-ray becomes square."""
    wide = max(rows - columns, 0)
    high = max(columns - rows, 0)
    return _Margins(wide // 2, wide - wide // 2, high // 2, high - high // 2)


def to_square(images: torch.Tensor, size: int) -> torch.Tensor:
    """Pad images (n, c, rows, columns) with black to squares, resized to (n, c, size, size)."""
    images = F.pad(images, _margins(*images.shape[2:]))
    shrink = size < images.shape[3]
    return F.interpolate(images, (size, size), mode="area" if shrink else "bilinear")


def from_square(squares: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Undo `to_square` for logits: (n, c, size, size) to (n, c, rows, columns) of that shape."""
    rows, columns = shape
    side = max(rows, columns)
    margins = _margins(rows, columns)
    large = F.interpolate(squares, (side, side), mode="bilinear")
    return large[..., margins.top : margins.top + rows, margins.left : margins.left + columns]
