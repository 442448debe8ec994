"""Small random changes of images, so that a network sees each of them in many forms."""

import math
from functools import lru_cache

import torch
from torch.nn import functional as F


@lru_cache
def _pixel_centres(rows: int, columns: int) -> torch.Tensor:
    """Places (3, rows * columns) of pixels as (right, down, 1); an image reaches from -1 to 1."""
    right = (2 * torch.arange(columns) + 1) / columns - 1
    down = (2 * torch.arange(rows) + 1) / rows - 1
    one = torch.ones(rows * columns)
    return torch.stack([right.repeat(rows), down.repeat_interleave(columns), one])


def random_affine(
    x: torch.Tensor,
    generator: torch.Generator,
    degrees: float = 7,
    scale: float = 0.07,
    shift: float = 1,
    shear: float = 0.05,
) -> torch.Tensor:
    """Turn, scale, shear and shift each square image a little; fill in the darkest value.

    Args:
        x: (b, channels, rows, columns).
        generator: where the randomness comes from.
        degrees, scale, shift, shear: limits in degrees, relative size, pixels and slope; each is
            drawn for each image, uniformly between minus and plus its limit.
    """

    def draw(limit: float) -> torch.Tensor:
        return limit * (2 * torch.rand(len(x), generator=generator) - 1)

    rows, columns = x.shape[2:]
    angle = draw(math.radians(degrees))
    size = 1 + draw(scale)
    slant = draw(shear)
    cos = angle.cos() / size
    sin = angle.sin() / size
    right = draw(2 * shift / columns)
    down = draw(2 * shift / rows)
    maps = torch.stack([cos, slant - sin, right, sin, cos, down], 1).view(-1, 3)
    grid = maps.to(x.device) @ _pixel_centres(rows, columns).to(x.device)  # all images at once
    grid = grid.view(-1, 2, rows, columns).permute(0, 2, 3, 1)
    low = x.amin()  # grid_sample fills in 0
    return F.grid_sample(x - low, grid, align_corners=False) + low
