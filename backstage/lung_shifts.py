"""X-rays changed as those of another hospital might be: fixed changes, to test networks on."""

import math

import torch
from torch.nn import functional as F

Pair = tuple[torch.Tensor, torch.Tensor]  # images and masks, (n, 1, rows, columns) each


def turned(x: torch.Tensor, y: torch.Tensor, scale: float = 1.0, degrees: float = 0.0) -> Pair:
    """Turn and scale square X-rays and masks about the middle; a scale below 1 shrinks them."""
    cos = math.cos(math.radians(degrees)) / scale
    sin = math.sin(math.radians(degrees)) / scale
    matrix = torch.tensor([[cos, -sin, 0], [sin, cos, 0]]).expand(len(x), 2, 3)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    both = F.grid_sample(torch.cat([x, y], 1), grid, align_corners=False)
    return both[:, :1], both[:, 1:].round()


def framed(x: torch.Tensor, y: torch.Tensor) -> Pair:
    """Black out a tenth of X-rays and masks on each side."""
    rows, columns = x.shape[2:]
    kept = torch.zeros(rows, columns)
    kept[rows // 10 : -(rows // 10), columns // 10 : -(columns // 10)] = 1
    return x * kept, y * kept


def noisy(x: torch.Tensor, y: torch.Tensor) -> Pair:
    """Add Gaussian noise with a standard deviation of 0.06, the same each time."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    return x + 0.06 * noise, y


def blurred(x: torch.Tensor, y: torch.Tensor) -> Pair:
    """Average X-rays over squares of a twenty-fifth of their side."""
    reach = x.shape[3] // 50
    return F.avg_pool2d(x, 2 * reach + 1, 1, reach), y


SHIFTS = {
    "as they are": lambda x, y: (x, y),
    "gamma 0.5": lambda x, y: (x**0.5, y),
    "gamma 2": lambda x, y: (x**2, y),
    "hard window": lambda x, y: (((x - 0.25) / 0.5).clamp(0, 1), y),
    "uneven": lambda x, y: (x * torch.linspace(0.5, 1.3, x.shape[2])[:, None], y),
    "noise": noisy,
    "blur": blurred,
    "smaller": lambda x, y: turned(x, y, 0.7),
    "cropped": lambda x, y: turned(x, y, 1.25),
    "turned": lambda x, y: turned(x, y, 1.0, 10),
    "black frame": framed,
}
