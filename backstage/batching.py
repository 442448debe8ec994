"""Tensors in memory, cut into whole batches."""

import math
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset, Sampler, Subset, TensorDataset

from backstage.checks import check_finite, whole


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


def batches(data: Dataset, size: int, seed: int | None = None) -> DataLoader:
    """A DataLoader that fetches a whole batch in one indexing, not point by point.

    Args:
        data: tensors in memory, x (n, ...) and y (n, ...): a TensorDataset, or a Subset of one.
        size: examples in a batch; the last batch of an epoch may be smaller.
        seed: shuffle anew each epoch; None: keep the order.

    Raises:
        ValueError: a size below 1, a seed below 0, data not in memory, an empty data set, or
            values that are not finite.
    """
    size = whole("batch size", size)
    rows = Rows(*_tensors_of(data))
    check_finite(*rows.tensors)
    generator = None
    if seed is not None:
        generator = torch.Generator().manual_seed(whole("seed", seed, 0))
    return DataLoader(rows, batch_size=None, sampler=BatchOrder(len(rows), size, generator))


def _tensors_of(data: Dataset) -> tuple[torch.Tensor, ...]:
    if isinstance(data, Subset):
        rows = torch.as_tensor(data.indices, dtype=torch.long)
        return tuple(t[rows] for t in _tensors_of(data.dataset))
    if getattr(type(data), "__getitem__", None) in (TensorDataset.__getitem__, Rows.__getitem__):
        return data.tensors
    raise ValueError(
        "batches takes a TensorDataset(x, y) or a Subset of one, which lie in memory, not "
        f"{type(data).__name__}; for other data sets use torch.utils.data.DataLoader"
    )
