"""Whether numbers, data and labels are what a function takes; if not, one sentence says why."""

import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

# Losses are known by name, so that what a notebook defines under the same name counts too.
BINARY = ("binary_loss", "binary_cross_entropy_with_logits", "BCEWithLogitsLoss")
CLASSES = ("nll_loss", "NLLLoss", "cross_entropy", "CrossEntropyLoss")


def whole(name: str, value: object, least: int = 1) -> int:
    """Give a whole number as an int, also one of NumPy's.

    Raises:
        ValueError: it is no whole number, or below the least that is allowed.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be a whole number of {least} or more, not {value!r}")
    return number


def positive(name: str, value: float) -> float:
    """Give a number back if it is positive and finite.

    Raises:
        ValueError: it is not.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, not {value}")
    return value


def check_network(sizes: Sequence[int], activation: str, known: Collection[str]) -> None:
    """Raise ValueError unless sizes is (inputs, widths ..., 1) and the activation is known."""
    for size in sizes:
        whole("each of a network's sizes", size)
    if len(sizes) < 2 or sizes[-1] != 1:
        raise ValueError(f"sizes must be (inputs, hidden widths ..., 1), not {tuple(sizes)}")
    if activation not in known:
        raise ValueError(f"activation must be one of {', '.join(known)}, not {activation!r}")


def check_images(x: torch.Tensor, *shape: int) -> None:
    """Raise ValueError unless x is a batch (b, *shape) of images."""
    if tuple(x.shape[1:]) != shape:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"the network takes images (b, {wanted}), not {tuple(x.shape)}")


def check_finite(*tensors: torch.Tensor) -> None:
    """Raise ValueError if a tensor is empty or holds NaN or infinity."""
    for t in tensors:
        if t.numel() == 0:
            raise ValueError(f"the data are empty: shape {tuple(t.shape)}")
        if math.isfinite(t.sum()):  # one pass in the good case
            continue
        bad = int((~torch.isfinite(t)).sum())
        if bad:  # otherwise the sum alone is too large
            raise ValueError(f"the data hold {bad} of {t.numel()} values that are NaN or infinite")


def check_labels(y: torch.Tensor, loss_fn: Callable, net: nn.Module | None = None) -> None:
    """Raise ValueError unless labels are what a loss takes; losses not named above take anything.

    Args:
        y: class numbers; or 0 and 1, (n,) or (n, R); or masks, which may be soft.
        loss_fn: the loss; functools.partial of one counts as that one.
        net: the labels of one that `gives_masks` are masks, whatever its loss.
    """
    loss_fn = getattr(loss_fn, "func", loss_fn)
    loss = getattr(loss_fn, "__name__", type(loss_fn).__name__)
    if loss in CLASSES and (y.ndim == 1 or not y.is_floating_point()):  # else probabilities
        allowed = "class numbers 0, 1, 2 ..., of type int64"
        good = y.dtype in (torch.int64, torch.uint8) and y.min() >= 0
    elif getattr(net, "gives_masks", False) or (loss in BINARY and y.ndim > 2):
        allowed = "masks from 0 to 1, of a float type"
        good = y.is_floating_point() and y.min() >= 0 and y.max() <= 1
    elif loss in BINARY:
        allowed = "0 or 1, of a float type"
        good = y.is_floating_point() and ((y == 0) | (y == 1)).all()
    else:
        return
    if not good:
        found = f"{str(y.dtype).removeprefix('torch.')} from {y.min():g} to {y.max():g}"
        raise ValueError(f"labels for loss_fn={loss} must be {allowed}, not {found}")


def check_loader(loader: DataLoader, loss_fn: Callable, net: nn.Module) -> None:
    """Raise ValueError if data in memory are not finite, or have labels that the loss cannot take.

    A data set in place of a loader is refused, too. The labels of data that do not lie in memory
    are checked by `checked_batches`.
    """
    if isinstance(loader, Dataset):
        kind = type(loader).__name__
        raise ValueError(f"loader must be a DataLoader, such as batches(data, 25), not a {kind}")
    if isinstance(loader.dataset, TensorDataset):
        check_finite(*loader.dataset.tensors)
        check_labels(loader.dataset.tensors[-1], loss_fn, net)


def check_training(
    loader: DataLoader,
    loss_fn: Callable,
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    hooks: Sequence,
) -> None:
    """Raise ValueError if the rate or the hooks cannot be used, or as `check_loader`."""
    if not isinstance(hooks, Sequence):
        kind = type(hooks).__name__
        raise ValueError(f"hooks must be a list, such as [{kind}(...)], not one {kind} by itself")
    for group in optimizer.param_groups:
        if not math.isfinite(group.get("lr", 0)):
            raise ValueError(f"the optimiser's rate must be finite, not {group['lr']}")
    check_loader(loader, loss_fn, net)


def checked_batches(
    loader: DataLoader, loss_fn: Callable, net: nn.Module
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Give a loader's batches on the network's device.

    Raises:
        ValueError: there is no batch, or its labels do not lie in memory and are not what the
            loss takes.
    """
    device = device_of(net)
    in_memory = isinstance(loader.dataset, TensorDataset)
    empty = True
    for x, y in loader:
        empty = False
        if not in_memory:
            check_labels(y, loss_fn, net)
        yield x.to(device), y.to(device)
    if empty:
        raise ValueError("the loader gives no batch: its data are empty, or less than one batch")


def device_of(net: nn.Module) -> torch.device:
    """The device on which a network computes: that of its parameters.

    Raises:
        ValueError: it has none.
    """
    for parameter in net.parameters():
        return parameter.device
    raise ValueError(f"the network must have parameters, which {type(net).__name__} has not")


def check_column(row: Mapping[str, object], name: str) -> None:
    """Raise ValueError unless a training's row has a value of that name."""
    if name not in row:
        raise ValueError(f"no {name!r} in the row, which has {', '.join(row)}")


def sum_scores(scores: torch.Tensor, y: torch.Tensor) -> float:
    """Add the scores (b,) of a batch with labels y (b, ...).

    Raises:
        ValueError: there is not one score for each example.
    """
    if scores.shape != y.shape[:1]:
        shapes = f"{tuple(scores.shape)} for labels {tuple(y.shape)}"
        raise ValueError(f"score_fn must give one score per example, ({len(y)},), not {shapes}")
    return scores.sum().item()


def report_divergence(history: Sequence[dict]) -> None:
    """Print one line if the training loss is NaN or infinite for the first time."""
    diverged = [not math.isfinite(row["train/loss"]) for row in history[-2:]]
    if diverged[-1] and not any(diverged[:-1]):
        loss = f"train/loss is {history[-1]['train/loss']} in epoch {history[-1]['epoch']}"
        print(f"the training diverged: {loss}; a lower rate may help")
