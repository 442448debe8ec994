"""What a training wrote to TensorBoard, read back by TensorBoard's own reader."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class Series(NamedTuple):
    """One scalar of a board: iterations (n,) and values (n,)."""

    steps: np.ndarray
    values: np.ndarray


class Histogram(NamedTuple):
    """One histogram of a board: edges (bins + 1,) and counts (bins,)."""

    step: int
    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Board:
    """What a training wrote: scalars, and the histograms of every tensor in order, by tag."""

    scalars: dict[str, Series]
    histograms: dict[str, list[Histogram]]

    def last(self, tag: str) -> float:
        """The last value of a scalar."""
        return float(self.scalars[tag].values[-1])


def read_board(folder: str | Path) -> Board:
    """Read a board by TensorBoard's own reader.

    Raises:
        ValueError: there is nothing to read.
    """
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0}).Reload()
    tags = events.Tags()
    if not tags["scalars"]:
        raise ValueError(f"no TensorBoard events in {folder}")
    scalars = {tag: _series(events.Scalars(tag)) for tag in tags["scalars"]}
    histograms = {
        tag: [_histogram(event) for event in events.Histograms(tag)] for tag in tags["histograms"]
    }
    return Board(scalars, histograms)


def _series(events: list) -> Series:
    steps = np.array([event.step for event in events], dtype=float)
    return Series(steps, np.array([event.value for event in events]))


def _histogram(event: object) -> Histogram:
    written = event.histogram_value
    edges = np.array([written.min, *written.bucket_limit])
    return Histogram(event.step, edges, np.array(written.bucket))
