"""A picture of any kind in, a lung mask out."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F

SMALLEST = 16  # pixels a side
ROUNDING = 1e-6  # how far values may lie outside of 0 to 1, or apart, and count as the same
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue
GREY = ("L", "F", "I", "I;16", "I;16L", "I;16B", "I;16N")  # Pillow's modes with grey values
Picture = np.ndarray | Image.Image | str | Path


def predict_mask(model: nn.Module | Sequence[nn.Module], image: Picture) -> np.ndarray:
    """Segment one X-ray of any size with a trained U-Net, or with several.

    Args:
        model: as for `xray_logits`.
        image: as for `as_grey`.

    Returns:
        (rows, columns), bool, True = lung.

    Raises:
        ValueError: the image is none, smaller than 16 pixels a side, the same everywhere, or
            holds values that are not finite.
    """
    grey = as_grey(image)
    return (xray_logits(model, grey[None, None])[0, 0] > 0).numpy()


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
    """
    nets = [model] if isinstance(model, nn.Module) else list(model)
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


def as_grey(image: Picture) -> torch.Tensor:
    """Read an X-ray as grey values.

    Unsigned integers of 8 or 16 bits are divided by their largest possible value. Numbers from 0
    to 1 stay as they are; all others (DICOM's 16 bits with a sign, 0.0 to 255.0) are scaled so
    that the smallest becomes 0 and the largest 1. Colours become their luminance. Transparency is
    left aside, unless the picture has a single colour and lies in its transparency alone.

    Args:
        image: (rows, columns) or (rows, columns, 1, 3 or 4); a PIL image; or a picture's path.

    Returns:
        (rows, columns), float32.

    Raises:
        ValueError: the image is anything else, smaller than 16 pixels a side, the same
            everywhere, or holds values that are not finite.
    """
    array = _as_array(image)
    _check_picture(array)
    scale = _full_scale(array)
    grey = _in_one_channel(array.astype(np.float64) / scale)
    low = grey.min()
    high = grey.max()
    if high - low <= ROUNDING * max(1, abs(high)):
        raise ValueError(f"the image is {low * scale:g} everywhere: there is nothing to see in it")
    if low < -ROUNDING or high > 1 + ROUNDING:
        grey = (grey - low) / (high - low)
    return torch.from_numpy(grey.clip(0, 1).astype(np.float32))


def _as_array(image: Picture) -> np.ndarray:
    if isinstance(image, str | Path):
        image = _open(image)
    if isinstance(image, Image.Image) and image.mode not in GREY:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.asarray(image)


def _open(path: str | Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture)
    except (OSError, ValueError) as e:
        raise ValueError(f"{path} cannot be read as a picture ({type(e).__name__})") from None


def _check_picture(a: np.ndarray) -> None:
    pictured = a.ndim == 2 or (a.ndim == 3 and a.shape[2] in (1, 3, 4))
    if a.dtype.kind not in "fuib" or not pictured:
        raise ValueError(
            "an image is numbers of shape (rows, columns) or (rows, columns, 1, 3 or 4), not "
            f"{a.dtype} {a.shape}"
        )
    if min(a.shape[:2]) < SMALLEST:
        found = f"the image has {a.shape[0]} x {a.shape[1]} pixels"
        raise ValueError(f"{found}; allowed are {SMALLEST} or more a side")
    if not np.isfinite(a).all():
        raise ValueError(f"the image holds NaN or infinity: shape {a.shape}")


def _full_scale(a: np.ndarray) -> int:
    """The value that means white; 1 where the range of the numbers has to tell."""
    if a.dtype.kind == "u" and a.dtype.itemsize <= 2:
        return 255 if a.dtype.itemsize == 1 else 65535
    return 1


def _in_one_channel(a: np.ndarray) -> np.ndarray:
    """Reduce (rows, columns) or (rows, columns, 1, 3 or 4) to (rows, columns)."""
    if a.ndim == 2:
        return a
    if a.shape[2] == 1:
        return a[..., 0]
    grey = a[..., :3] @ LUMINANCE
    return _laid_on_ground(grey, a[..., 3]) if a.shape[2] == 4 else grey


def _laid_on_ground(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay a picture of one colour on black, or on white if it is dark; others stay as they are."""
    visible = grey[alpha > 0]
    if visible.size == 0 or np.ptp(visible) > ROUNDING or np.ptp(alpha) == 0:
        return grey
    white = max(1.0, alpha.max())
    opacity = alpha / white
    ground = 0.0 if visible[0] > white / 2 else white
    return opacity * grey + (1 - opacity) * ground
