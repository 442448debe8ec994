"""How well a lung mask fits: Dice, IoU, distances between outlines, and agreement of networks."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from backstage.xrays import xray_logits

SIDE = 256  # distances are given in pixels of a picture with sides of this length


def dice(mask: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Compute the Dice coefficient 2 |A and B| / (|A| + |B|), also called F1, of each X-ray.

    Args:
        mask: (b, 1, rows, columns) of 0 and 1.
        truth: shaped like mask.

    Returns:
        (b,), from 0 to 1; two empty masks agree, which counts as 1.
    """
    both = (mask * truth).sum((1, 2, 3))
    either = (mask + truth).sum((1, 2, 3))
    return torch.where(either > 0, 2 * both / either.clamp(min=1), 1.0)


def iou(mask: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Compute intersection over union of each X-ray; arguments as in `dice`."""
    overlap = dice(mask, truth)
    return overlap / (2 - overlap)


class Distances(NamedTuple):
    """Distances between two outlines, in pixels of 256."""

    average: float  # mean over the pixels of both outlines of the way to the other outline
    hausdorff: float  # 95th percentile of these ways, of the two directions the larger one


def outline_pixels(mask: np.ndarray) -> np.ndarray:
    """Mark the pixels of a mask (rows, columns) that touch, by an edge, a pixel outside of it."""
    return mask & ~ndimage.binary_erosion(mask)


def outline_distances(mask: np.ndarray, truth: np.ndarray) -> Distances:
    """Measure how far apart the outlines of two masks lie.

    Args:
        mask: (rows, columns), bool.
        truth: shaped like mask.

    Returns:
        The distances. Two empty masks have distance 0; if one is empty, both are the diagonal.

    Source: definitions as in Maier-Hein, Reinke et al., Metrics reloaded, Nature Methods 21, 2024.
    """
    unit = SIDE / max(mask.shape)
    if not mask.any() or not truth.any():
        gap = unit * float(np.hypot(*mask.shape)) if mask.any() or truth.any() else 0.0
        return Distances(gap, gap)
    outline = outline_pixels(mask)
    true_outline = outline_pixels(truth)
    there = unit * ndimage.distance_transform_edt(~true_outline)[outline]
    back = unit * ndimage.distance_transform_edt(~outline)[true_outline]
    average = np.concatenate([there, back]).mean()
    return Distances(float(average), float(max(np.quantile(there, 0.95), np.quantile(back, 0.95))))


class Scores(NamedTuple):
    """How well masks fit, arrays (n,): one value per X-ray."""

    dice: np.ndarray
    iou: np.ndarray
    average: np.ndarray  # average symmetric distance of the outlines, in pixels of 256
    hausdorff: np.ndarray  # 95 % Hausdorff distance, in pixels of 256


def score_masks(masks: torch.Tensor, truths: torch.Tensor) -> Scores:
    """Score predicted masks (n, 1, rows, columns) of 0 and 1 against drawn ones of that shape."""
    pairs = zip(masks[:, 0].numpy() > 0.5, truths[:, 0].numpy() > 0.5)
    gaps = [outline_distances(mask, truth) for mask, truth in pairs]
    return Scores(
        dice(masks, truths).numpy(),
        iou(masks, truths).numpy(),
        np.array([gap.average for gap in gaps]),
        np.array([gap.hausdorff for gap in gaps]),
    )


def patient_means(values: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Average values (n,) over each patient's X-rays; one mean per patient, sorted by name."""
    _, place = np.unique(patients, return_inverse=True)
    return np.bincount(place, values) / np.bincount(place)


def wrong_within(mask: np.ndarray, truth: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Find which share of the wrong pixels lies near the true outline.

    Args:
        mask: (rows, columns), bool.
        truth: shaped like mask.
        distances: (k,) in pixels of 256.

    Returns:
        (k,) the share of the wrong pixels at most so far from the outline; 1 if none is wrong.
    """
    wrong = mask != truth
    if not wrong.any():
        return np.ones(len(distances))
    inside = ndimage.distance_transform_edt(truth)
    outside = ndimage.distance_transform_edt(~truth)
    away = np.where(truth, inside, outside)[wrong] * SIDE / max(mask.shape)
    return (away <= distances[:, None]).mean(1)


def keep_two_pieces(masks: torch.Tensor) -> torch.Tensor:
    """Keep the two largest pieces of each mask (n, 1, rows, columns) and fill their holes."""
    kept = [_two_largest(mask > 0.5) for mask in masks[:, 0].numpy()]
    return torch.from_numpy(np.stack(kept)[:, None]).to(masks)


def _two_largest(mask: np.ndarray) -> np.ndarray:
    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())[1:]
    largest = np.argsort(-sizes, kind="stable")[:2] + 1
    return ndimage.binary_fill_holes(np.isin(pieces, largest))


def zoom(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Enlarge what images (n, c, rows, columns) show, about their middle; edges are continued."""
    matrix = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], dtype=images.dtype)
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def zoomed_logits(
    model: nn.Module | Sequence[nn.Module],
    images: torch.Tensor,
    factors: Sequence[float] = (0.9, 1.0, 1.1),
) -> torch.Tensor:
    """Average the logits of `xray_logits` over X-rays that are made smaller and larger."""
    found = [zoom(xray_logits(model, zoom(images, f)), 1 / f) for f in factors]
    return sum(found) / len(found)


def agreement(nets: Sequence[nn.Module], images: torch.Tensor) -> np.ndarray:
    """Measure how well networks agree on X-rays: the mean Dice between the masks of any two.

    Args:
        nets: at least two networks.
        images: (n, 1, rows, columns), 0 to 1.

    Returns:
        (n,), from 0 to 1; it needs no drawn mask.

    Raises:
        ValueError: fewer than two networks.
    """
    if len(nets) < 2:
        raise ValueError(f"agreement needs two networks or more, not {len(nets)}")
    masks = [(xray_logits(net, images) > 0).float() for net in nets]
    pairs = [dice(a, b).numpy() for a, b in combinations(masks, 2)]
    return np.mean(pairs, 0)
