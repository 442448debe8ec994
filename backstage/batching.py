"""Tensors in memory, cut into whole batches."""

import math
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Sampler, TensorDataset


class BatchOrder(Sampler):
    """The numbers 0 to n - 1 in batches (size,), shuffled anew each epoch if given a generator."""

    def __init__(self, n: int, size: int, generator: torch.Generator | None = None) -> None:
        self.n = n
        self.size = size
        self.generator = generator

    def __len__(self) -> int:
        return math.ceil(self.n / self.size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        order = torch.arange(self.n)
        if self.generator:
            order = torch.randperm(self.n, generator=self.generator)
        return iter(order.split(self.size))


class Rows(TensorDataset):
    """Tensors that give whole batches: rows (b,) -> x (b, ...), y (b, ...)."""

    def __getitem__(self, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(t.index_select(0, rows) for t in self.tensors)


def batches(data: TensorDataset, size: int, seed: int | None = None) -> DataLoader:
    """A DataLoader that fetches a whole batch in one indexing, not point by point.

    Args:
        data: tensors in memory, x (n, ...) and y (n, ...).
        size: examples in a batch; the last batch of an epoch may be smaller.
        seed: shuffle anew each epoch; None: keep the order.

    Raises:
        ValueError: a size below 1, an empty data set, or values that are not finite.
    """
    if size < 1:
        raise ValueError(f"batch size must be 1 or more, not {size}")
    check_finite(*data.tensors)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    order = BatchOrder(len(data), size, generator)
    return DataLoader(Rows(*data.tensors), batch_size=None, sampler=order)


def check_finite(*tensors: torch.Tensor) -> None:
    """Raise ValueError if a tensor is empty or holds NaN or infinity."""
    for t in tensors:
        if t.numel() == 0:
            raise ValueError(f"the data are empty: shape {tuple(t.shape)}")
        if not math.isfinite(t.sum(dtype=torch.float64)):  # one pass in the good case
            bad = int((~torch.isfinite(t)).sum())
            raise ValueError(f"the data hold {bad} of {t.numel()} values that are NaN or infinite")
