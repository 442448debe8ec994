"""Scores of lung masks, against slow and obvious implementations and known answers."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from backstage.lung_metrics import (
    agreement,
    dice,
    iou,
    keep_two_pieces,
    outline_distances,
    patient_means,
    score_masks,
    wrong_within,
    zoom,
    zoomed_logits,
)
from backstage.lung_shifts import SHIFTS


def blobs(seed, shape=(24, 24)):
    """Two random masks with several pieces each."""
    rng = np.random.default_rng(seed)
    smooth = [ndimage.gaussian_filter(rng.normal(size=shape), 3) for _ in range(2)]
    return [field > np.quantile(field, 0.7) for field in smooth]


def outline_by_hand(mask):
    """Pixels of the mask with a neighbour outside of it; outside the picture is outside."""
    rows, columns = mask.shape
    found = []
    for r, c in np.argwhere(mask):
        beside = [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]
        inside = [0 <= i < rows and 0 <= j < columns and mask[i, j] for i, j in beside]
        if not all(inside):
            found.append((r, c))
    return np.array(found)


def distances_by_hand(mask, truth):
    unit = 256 / max(mask.shape)
    a = outline_by_hand(mask)
    b = outline_by_hand(truth)
    apart = unit * np.sqrt(((a[:, None] - b[None]) ** 2).sum(2))
    there = apart.min(1)
    back = apart.min(0)
    average = (there.sum() + back.sum()) / (len(a) + len(b))
    return average, max(np.quantile(there, 0.95), np.quantile(back, 0.95))


@pytest.mark.parametrize("seed, shape", [(0, (24, 24)), (1, (24, 40)), (2, (33, 20))])
def test_outline_distances_are_those_of_all_pairs_of_pixels(seed, shape):
    mask, truth = blobs(seed, shape)
    assert tuple(outline_distances(mask, truth)) == pytest.approx(distances_by_hand(mask, truth))


@pytest.mark.parametrize(
    "seed, shape, average, hausdorff",
    [(0, (24, 24), 31.390429, 74.504486), (1, (24, 40), 27.925604, 82.297522)],
)
def test_outline_distances_are_those_of_monai(seed, shape, average, hausdorff):
    """The values are of monai.metrics 1.6.1: its symmetric average surface distance and its 95 %
    Hausdorff distance, both with the Euclidean metric, in pixels of 256."""
    found = outline_distances(*blobs(seed, shape))
    assert tuple(found) == pytest.approx((average, hausdorff), rel=1e-6)


def test_distances_of_known_squares():
    a = np.zeros((64, 64), bool)
    a[20:40, 20:40] = True
    moved = np.roll(a, 3, axis=1)  # 3 pixels of 64 are 12 of 256
    assert tuple(outline_distances(a, a)) == (0, 0)
    assert outline_distances(a, moved).hausdorff == 12
    nothing = np.zeros_like(a)
    assert tuple(outline_distances(nothing, nothing)) == (0, 0)
    assert outline_distances(a, nothing).average == pytest.approx(256 * np.sqrt(2))


def test_overlaps_are_counted_pixels():
    for seed in range(3):
        a, b = blobs(seed)
        masks = [torch.from_numpy(m)[None, None].float() for m in (a, b)]
        assert dice(*masks).item() == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
        assert iou(*masks).item() == pytest.approx((a & b).sum() / (a | b).sum())
        scores = score_masks(*masks)
        assert scores.dice[0] == dice(*masks).item()
        assert scores.hausdorff[0] == outline_distances(a, b).hausdorff
    assert dice(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)) == 1


def test_a_patients_xrays_count_together():
    means = patient_means(np.array([1.0, 0.0, 0.5, 0.6]), np.array(["b", "a", "b", "c"]))
    assert means.tolist() == [0.0, 0.75, 0.6]


def test_wrong_pixels_near_the_outline():
    truth = np.zeros((256, 256), bool)
    truth[100:200, 100:200] = True
    mask = truth.copy()
    mask[100:200, 200:203] = True  # wrong at distances 1, 2, 3
    mask[0, 0] = True
    shares = wrong_within(mask, truth, np.array([1, 2, 3, 300]))
    assert shares == pytest.approx(np.array([100, 200, 300, 301]) / 301)
    assert wrong_within(truth, truth, np.array([1.0])).tolist() == [1]


def test_two_pieces_are_kept_and_filled():
    mask = torch.zeros(2, 1, 30, 30)
    mask[0, 0, 2:12, 2:12] = 1
    mask[0, 0, 5, 5] = 0  # a hole
    mask[0, 0, 2:10, 20:28] = 1
    mask[0, 0, 25, 25] = 1  # a third piece
    wanted = torch.zeros(2, 1, 30, 30)
    wanted[0, 0, 2:12, 2:12] = 1
    wanted[0, 0, 2:10, 20:28] = 1
    assert torch.equal(keep_two_pieces(mask), wanted)


class Bright(torch.nn.Module):
    """Stands in for a trained network: logit = brightness - cut."""

    image_size = 64

    def __init__(self, cut=0.5):
        super().__init__()
        self.cut = torch.nn.Parameter(torch.tensor(cut))

    def forward(self, x):
        return x - self.cut


def test_zooming_there_and_back_changes_little():
    rows = torch.linspace(-1, 1, 64)
    x = (1 - rows[:, None] ** 2 - rows[None] ** 2)[None, None]
    assert (zoom(zoom(x, 0.9), 1 / 0.9) - x)[..., 6:-6, 6:-6].abs().max() < 0.02
    assert zoom(x, 1.1).clamp(min=0).sum() > 1.1 * x.clamp(min=0).sum()
    apart = (zoomed_logits(Bright(), x) - (x - 0.5))[..., 6:-6, 6:-6].abs()
    assert apart.max() < 0.02


def test_networks_that_differ_agree_less():
    x = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    assert agreement([Bright(0.5), Bright(0.5)], x) == 1
    one_outside = agreement([Bright(0.5), Bright(0.5), Bright(0.75)], x)
    assert one_outside == pytest.approx((1 + 2 * 2 / 3) / 3, abs=0.02)
    with pytest.raises(ValueError, match="two networks"):
        agreement([Bright()], x)


@pytest.mark.parametrize("name", SHIFTS)
def test_changed_xrays_keep_their_shape_and_binary_masks(name):
    x = torch.rand(2, 1, 60, 60)
    y = (torch.rand(2, 1, 60, 60) < 0.3).float()
    new_x, new_y = SHIFTS[name](x, y)
    again = SHIFTS[name](x, y)
    assert new_x.shape == x.shape
    assert set(new_y.unique().tolist()) <= {0, 1}
    assert torch.equal(again[0], new_x)
