"""What several networks answered on the same images, and how sure that makes us."""

from dataclasses import dataclass

import numpy as np
import torch

from backstage.statistics import Interval, bin_of, mean_interval, reliability

EDGES = 1 - np.array([1, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.003, 0.001, 0])  # of confidence
LEAST = 20  # answers in a bin, for its share of wrong ones
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Answers:
    """Log-probabilities (networks, images, 10) of several networks, and the true classes (images,).

    Attributes:
        label: what the networks are called in figures.
        colour: theirs in figures.
    """

    log_p: torch.Tensor
    y: torch.Tensor
    label: str = ""
    colour: str = "C0"

    @property
    def answer(self) -> torch.Tensor:
        """The most probable class, (networks, images)."""
        return self.log_p.argmax(2)

    @property
    def right(self) -> np.ndarray:
        """Whether it is the true one, bool (networks, images)."""
        return (self.answer == self.y).numpy()

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right answers of each network in per cent, (networks,)."""
        return 100 * self.right.mean(1)

    @property
    def class_hits(self) -> np.ndarray:
        """Right answers of each network in each class, (networks, 10)."""
        y = self.y.numpy()
        return np.array([np.bincount(y, right, 10) for right in self.right]).astype(int)

    @property
    def class_accuracy(self) -> np.ndarray:
        """Share of right answers of each network in each class in per cent, (networks, 10)."""
        return 100 * self.class_hits / np.bincount(self.y.numpy(), minlength=10)

    @property
    def class_interval(self) -> Interval:
        """95 % intervals over images for each class's mean over networks in per cent, (10,)."""
        share = 100 * self.right.mean(0)  # (images,) of the networks that read it
        y = self.y.numpy()
        return Interval(*np.array([mean_interval(share[y == k]) for k in range(10)]).T)

    @property
    def confusion(self) -> np.ndarray:
        """Answers of all networks together, (10, 10): rows are true classes."""
        pairs = (10 * self.y + self.answer).flatten()
        return torch.bincount(pairs, minlength=100).view(10, 10).numpy()

    @property
    def calibration_error(self) -> np.ndarray:
        """Expected calibration error of each network in percentage points, (networks,)."""
        return np.array([100 * reliability(log_p, self.y, EDGES).error for log_p in self.log_p])


def class_rows(answers: Answers) -> list[list[str]]:
    """Rows of a table of classes: mean over networks, standard deviation, interval over images."""
    each = answers.class_accuracy
    low, high = answers.class_interval
    rows = {
        f"{answers.label}, mean": each.mean(0),
        r"\quad sd over networks": each.std(0, ddof=1),
        r"\quad 95 % from": low,
        r"\quad to": high,
    }
    return [[name, *(f"{value:.1f}" for value in row)] for name, row in rows.items()]


@dataclass(frozen=True)
class Calibration:
    """Bins of doubt (1 - confidence): mean doubt, share of wrong answers, its interval; (bins,)."""

    doubt: np.ndarray
    wrong: np.ndarray
    interval: Interval


def calibration(answers: Answers) -> Calibration:
    """Sort the answers of all networks by doubt, and compare doubt with the share of wrong ones.

    The interval is a bootstrap over images: an image is drawn together with all networks' answers
    to it, because networks err on the same images. Bins with few answers, or with no wrong one,
    are left out.
    """
    rng = np.random.default_rng(0)
    confidence = answers.log_p.exp().amax(2).numpy()  # (networks, images)
    place = bin_of(confidence, EDGES)
    inside = place == np.arange(len(EDGES) - 1)[:, None, None]  # (bins, networks, images)
    count = inside.sum(1)  # (bins, images)
    wrong = (inside & ~answers.right).sum(1)
    doubt = (inside * (1 - confidence)).sum((1, 2))
    kept = (count.sum(1) >= LEAST) & (wrong.sum(1) > 0)
    images = count.shape[1]
    weight = rng.multinomial(images, np.full(images, 1 / images), DRAWS)  # (draws, images)
    drawn = (weight @ wrong[kept].T) / np.maximum(weight @ count[kept].T, 1)
    share = wrong[kept].sum(1) / count[kept].sum(1)
    interval = Interval(*np.quantile(drawn, (0.025, 0.975), axis=0))
    return Calibration(doubt[kept] / count[kept].sum(1), share, interval)


def disagreement(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Images (n,) that only `one` reads correctly, and images that only `other` does."""
    return int((one & ~other).sum()), int((other & ~one).sum())
