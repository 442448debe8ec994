"""A picture in, a lung mask out, and a warning where the mask is likely to be wrong."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from backstage.lung_metrics import agreement
from backstage.xray_files import SMALLEST, Picture, as_grey
from backstage.xrays import xray_logits

SPECK = 0.05  # a piece smaller than this share of the largest one does not count
FRAME = 0.03  # the grey values of a frame differ by no more than this
ENOUGH = 512  # pixels a side; more do not change an estimate of quality
RARE = 0.05  # the share of ordinary X-rays that may be beyond a bound
MOST = 0.8  # of a picture that lungs can fill, whatever was measured
WIDE = 1.4  # a picture this many times wider than high may hold two X-rays


class Quality(NamedTuple):
    """What can be told about a mask without a drawn one."""

    agreement: float  # of the networks: mean Dice between the masks of any two; NaN for one
    pieces: int  # of the mask, without specks
    share: float  # of the picture that is called lung


@dataclass(frozen=True)
class Usual:
    """What is usual for the masks of ordinary X-rays; anything else causes a warning."""

    agreement: float = 0.94  # the lowest
    pieces: int = 2  # the largest number
    share: tuple[float, float] = (0.08, 0.8)  # the lowest and the highest


USUAL = Usual()


def predict_mask(
    model: nn.Module | Sequence[nn.Module], image: Picture, usual: Usual = USUAL
) -> np.ndarray:
    """Segment one X-ray of any size with a trained U-Net, or with several.

    Warns (UserWarning) where the mask is not as those of ordinary X-rays are. The warning reports
    what was found and, with several networks, which Dice to expect and whether the picture looks
    inverted, turned, framed, or like two pictures. One network cannot disagree with itself: it
    warns by the pieces of its mask and the share of the picture alone.

    Args:
        model: as for `xray_logits`.
        image: as for `as_grey`.
        usual: what does not cause a warning; `fit_usual` measures it.

    Returns:
        (rows, columns), bool, True = lung. It is the mask of the picture as it is.

    Raises:
        ValueError: `as_grey` cannot read the image, or the list of networks is empty.
    """
    nets = [model] if isinstance(model, nn.Module) else list(model)
    grey = as_grey(image)
    mask = _mask(nets, grey)
    found = quality(nets, grey)
    unusual = _unusual(found, usual)
    if unusual:
        cause = _cause(nets, grey, found, usual) if len(nets) > 1 else ""
        warnings.warn("; ".join(unusual) + "." + cause, stacklevel=2)
    return mask


def quality(nets: Sequence[nn.Module], grey: torch.Tensor) -> Quality:
    """Estimate the quality of the networks' mask of one X-ray, without a drawn mask.

    Args:
        nets: one or more networks, as for `xray_logits`.
        grey: (rows, columns), 0 to 1; reduced to 512 pixels a side if it is larger.
    """
    images = grey[None, None]
    if max(grey.shape) > ENOUGH:
        images = F.interpolate(images, scale_factor=ENOUGH / max(grey.shape), mode="area")
    mask = _mask(nets, images[0, 0])
    together = agreement(nets, images)[0] if len(nets) > 1 else math.nan
    return Quality(float(together), _pieces(mask), float(mask.mean()))


def fit_usual(found: Sequence[Quality]) -> Usual:
    """Measure what is usual on ordinary X-rays that the networks were not trained on.

    One in twenty of these may agree less, or have more pieces. Lungs may be half as large as the
    smallest of them or twice as large as the largest.

    Args:
        found: what `quality` gave for each X-ray.
    """
    shares = [each.share for each in found]
    return Usual(
        agreement=float(np.quantile([each.agreement for each in found], RARE)),
        pieces=math.ceil(np.quantile([each.pieces for each in found], 1 - RARE)),
        share=(min(shares) / 2, min(2 * max(shares), 1.0)),
    )


def _mask(nets: Sequence[nn.Module], grey: torch.Tensor) -> np.ndarray:
    return (xray_logits(nets, grey[None, None])[0, 0] > 0).numpy()


def _pieces(mask: np.ndarray) -> int:
    """Count the connected pieces of a mask (rows, columns), without specks."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:]
    return int((sizes >= SPECK * sizes.max(initial=0)).sum())


def _unusual(found: Quality, usual: Usual) -> list[str]:
    """Describe what is not usual; an empty list if everything is."""
    described = []
    if found.agreement < usual.agreement:  # False for NaN
        described.append(
            f"the networks agree to {found.agreement:.2f} only (usual: {usual.agreement:.2f} or "
            f"more), expect a Dice near {_expected_dice(found):.1f} if this is a chest X-ray"
        )
    if found.pieces > usual.pieces:
        described.append(f"the mask has {found.pieces} pieces (usual: {usual.pieces} or fewer)")
    low = usual.share[0]
    high = min(usual.share[1], MOST)
    if not low <= found.share <= high:
        described.append(f"{found.share:.0%} is called lung (usual: {low:.0%} to {high:.0%})")
    return described


def _expected_dice(found: Quality) -> float:
    """A rough rule: the networks' mask is twice as far from the truth as they from each other."""
    return max(0.0, 2 * found.agreement - 1)


def _cause(nets: Sequence[nn.Module], grey: torch.Tensor, found: Quality, usual: Usual) -> str:
    """Name the change of the picture that makes its mask usual, if one does."""
    better = {}
    for name, changed in _changes(grey).items():
        after = quality(nets, changed)
        if _is_clearly_better(after, found, usual):
            better[name] = after.agreement
    if not better:
        return ""
    name = max(better, key=better.get)
    return f" It looks {name}, the networks agree to {better[name]:.2f}."


def _is_clearly_better(after: Quality, found: Quality, usual: Usual) -> bool:
    if _unusual(after, usual):
        return False
    if found.agreement >= usual.agreement:
        return True  # only pieces or share were unusual, and they no longer are
    return 1 - after.agreement < 2 / 3 * (1 - found.agreement)


def _changes(grey: torch.Tensor) -> dict[str, torch.Tensor]:
    """Change a picture in the ways in which it may differ from an ordinary X-ray."""
    changes = {
        "inverted: with bright and dark exchanged": 1 - grey,
        "turned: by 90 degrees clockwise from here": grey.rot90(-1),
        "turned: by 90 degrees counterclockwise from here": grey.rot90(1),
        "upside down: turned by 180 degrees": grey.rot90(2),
        "framed: without the frame": without_frame(grey),
    }
    rows, columns = grey.shape
    if columns > WIDE * rows:
        changes["like two pictures side by side: on the left one"] = grey[:, : columns // 2]
    return {name: each for name, each in changes.items() if min(each.shape) >= SMALLEST}


def without_frame(grey: torch.Tensor) -> torch.Tensor:
    """Crop from a picture (rows, columns) the frame that has the value of its first pixel."""
    inside = (grey - grey[0, 0]).abs() > FRAME
    rows = inside.any(1).nonzero()[:, 0].tolist() or [0]
    columns = inside.any(0).nonzero()[:, 0].tolist() or [0]
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
