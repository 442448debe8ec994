"""Hundreds of small networks at once: one array of parameters, the network's index last.

1  NetStack   R networks of one shape, their forward pass, and their gradient written out
2  Adam, SGD  their steps for all of them
3  fit_many   the training loop, as `helpers.fit` has it

A weight is R weights, a unit's output on a batch a (batch, R) table, and one instruction works on
all R. The cost of a step hardly grows with R until the processor is busy.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from backstage.checks import check_finite, check_labels, check_network, whole
from backstage.interrupts import may_end_early
from helpers import ACTIVATIONS, Net, Points, binary_loss, progress


def _tanh_(a: torch.Tensor) -> torch.Tensor:
    """tanh in place. On a CPU NumPy's is several times faster than PyTorch's."""
    if a.device.type != "cpu":
        return a.tanh_()
    np.tanh(a.numpy(), out=a.numpy())
    return a


# in place on a tensor, and the slope from the output z, times an error e
SQUASH = {"tanh": _tanh_, "relu": torch.relu_, "sigmoid": torch.sigmoid_}
SLOPE = {
    "tanh": lambda e, z: torch.ops.aten.tanh_backward(e, z),  # e (1 - z^2)
    "relu": lambda e, z: e * (z > 0),
    "sigmoid": lambda e, z: e * z * (1 - z),
}


# ---- 1  NetStack -----------------------------------------------------------------------------


class NetStack:
    """R networks of one shape, side by side, as one array of parameters (P, R).

    `weights[l]` (out, in, 1, R) and `biases[l]` (out, 1, R) are views into `theta` (P, R); the 1 is
    where a batch goes. Each network starts like nn.Linear: uniform within 1 / sqrt(inputs).

    Args:
        sizes: (inputs, hidden widths ..., 1), as for `helpers.Net`.
        count: number of networks R.
        rng: draws the initial weights.
        activation: of the hidden layers.
        device: where they compute.
    """

    binary = True  # labels are 0 and 1; a subclass with another loss may take other numbers

    def __init__(
        self,
        sizes: Sequence[int],
        count: int,
        rng: np.random.Generator,
        activation: str = "tanh",
        device: torch.device | str = "cpu",
    ) -> None:
        check_network(sizes, activation, ACTIVATIONS)
        self.sizes = tuple(sizes)
        self.count = whole("the number of networks", count)
        self.activation = activation
        parameters = sum(n_out * (n_in + 1) for n_in, n_out in zip(sizes, sizes[1:]))
        self.theta = torch.empty(parameters, self.count, device=device)
        self.weights, self.biases = self._views(self.theta)
        self.grad = torch.zeros_like(self.theta)
        self.weight_grads, self.bias_grads = self._views(self.grad)
        for w, b in zip(self.weights, self.biases):
            for t in (w, b):
                t.copy_(torch.from_numpy(rng.uniform(-1, 1, t.shape) / math.sqrt(w.shape[1])))

    def _views(self, flat: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Cut (P, R) into weights [(out, in, 1, R)] and biases [(out, 1, R)], without copying."""
        weights = []
        biases = []
        start = 0
        for n_in, n_out in zip(self.sizes, self.sizes[1:]):
            middle = start + n_out * n_in
            end = middle + n_out
            weights.append(flat[start:middle].view(n_out, n_in, 1, -1))
            biases.append(flat[middle:end].view(n_out, 1, -1))
            start = end
        return weights, biases

    def activations(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Forward pass, all layers kept: x (in, b, R or 1) -> [x, z1 (out, b, R), ..., logits]."""
        z = [x]
        for w, b in zip(self.weights, self.biases):
            a = (w * z[-1]).sum(1).add_(b)  # a_j = sum_i w_ji z_i + b_j, for R networks
            last = b is self.biases[-1]
            z.append(a if last else SQUASH[self.activation](a))
        return z

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """x (in, n, R or 1) -> (n, R)."""
        return self.activations(x)[-1][0]

    def backpropagate(self, z: list[torch.Tensor], y: torch.Tensor) -> None:
        """Write the gradient of each network's mean loss on a batch into `grad` (P, R).

        Args:
            z: what `activations` gave for the batch.
            y: (b, R) labels.
        """
        delta = (z[-1].sigmoid() - y).div_(len(y))  # dE/da of the output, (1, b, R)
        for l in reversed(range(len(self.weights))):
            torch.sum(delta[:, None] * z[l], 2, True, out=self.weight_grads[l])  # delta_j z_i
            torch.sum(delta, 1, True, out=self.bias_grads[l])
            if l:  # delta_j = h'(a_j) sum_k w_kj delta_k
                error = (self.weights[l] * delta[:, None]).sum(0)
                delta = SLOPE[self.activation](error, z[l])

    def net(self, r: int) -> Net:
        """Network number r as an ordinary Net on the CPU."""
        net = Net(self.sizes, self.activation)
        with torch.no_grad():
            for layer, w, b in zip(net.model[::2], self.weights, self.biases):
                layer.weight.copy_(w[:, :, 0, r])
                layer.bias.copy_(b[:, 0, r])
        return net


# ---- 2  Adam ---------------------------------------------------------------------------------


class Adam:
    """The step of torch.optim.Adam (Kingma and Ba 2015), with a rate for each network."""

    def __init__(self, theta: torch.Tensor, rate: float | Sequence[float]) -> None:
        self.rate = torch.as_tensor(rate, dtype=torch.float32, device=theta.device)  # () or (R,)
        self.m = torch.zeros_like(theta)
        self.v = torch.zeros_like(theta)
        self.steps = 0

    def step(self, theta: torch.Tensor, grad: torch.Tensor) -> None:
        """Move theta (P, R) against grad (P, R)."""
        self.steps += 1
        self.m.lerp_(grad, 0.1)
        self.v.lerp_(grad * grad, 0.001)
        scale = math.sqrt(1 - 0.999**self.steps)  # the two corrections of the moments' bias
        value = -scale / (1 - 0.9**self.steps)
        theta.addcmul_(self.m / self.v.sqrt().add_(1e-8 * scale), self.rate, value=value)


class SGD:
    """The step of torch.optim.SGD with a momentum of 0.9, with a rate for each network."""

    def __init__(self, theta: torch.Tensor, rate: float | Sequence[float]) -> None:
        self.rate = torch.as_tensor(rate, dtype=torch.float32, device=theta.device)  # () or (R,)
        self.velocity = torch.zeros_like(theta)

    def step(self, theta: torch.Tensor, grad: torch.Tensor) -> None:
        """Move theta (P, R) against grad (P, R)."""
        self.velocity.mul_(0.9).add_(grad)
        theta.addcmul_(self.velocity, self.rate, value=-1)


OPTIMIZERS = {"Adam": Adam, "SGD": SGD}


# ---- 3  fit_many -----------------------------------------------------------------------------


def shuffles(n: int, count: int, epochs: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """One (n, R) array of row numbers per epoch: each network has an order of its own."""
    epochs = whole("epochs", epochs)
    rows = np.tile(np.arange(n), (count, 1))
    for _ in range(epochs):
        yield rng.permuted(rows, axis=1).T


@torch.inference_mode()
def fit_many(
    stack: NetStack,
    train: Points,
    val: Points,
    orders: Iterable[np.ndarray],
    rate: float | Sequence[float] = 0.02,
    batch: int = 25,
    log: Callable[[dict], None] = lambda row: None,
    optimizer: str = "Adam",
) -> list[dict]:
    """Train all networks of a stack at once, each on its own data in its own order.

    Args:
        stack: the networks; changed in place.
        train, val: x (inputs, n, R), y (n, R) of 0 and 1; with 1 for R all networks share the data.
        orders: one (n, R) array of row numbers per epoch, (n, 1) if all share it; see `shuffles`.
        rate: the step size, one number or one per network (R,), else torch's RuntimeError.
        batch: points per step.
        log: called with each epoch's row.
        optimizer: "Adam", or "SGD" (with a momentum of 0.9).

    Returns: rows as from `helpers.fit`, with an array (R,) in place of each loss and accuracy.
    Raises: ValueError, before the first step, if a setting, data or labels cannot be used.
    """
    _check(stack, rate, batch, train, val)
    stepper = _stepper(optimizer, stack, rate)
    columns = _Columns(stack, train)
    val = Points(*(t.to(stack.theta.device) for t in val))
    history = []
    with _ended_by_hand(history):
        for order in progress(orders, f"training {stack.count} networks"):
            points = columns.in_order(order)
            logits = _train_epoch(stack, stepper, points, int(batch))
            row = {"epoch": len(history) + 1, "train/loss": bce_many(logits, points.y)}
            history.append(row | _validate(stack, val))
            log(history[-1])
    _report_divergence(history)
    return history


def _check(
    stack: NetStack, rate: float | Sequence[float], batch: int, train: Points, val: Points
) -> None:
    whole("batch", batch)
    rates = np.asarray(rate)
    if not np.all((rates > 0) & np.isfinite(rates)):
        raise ValueError(f"rate must be positive and finite, not {rate}")
    check_finite(*train, *val)
    for x, y in (train, val):
        columns = {*x.shape[2:], *y.shape[1:]}
        alike = x.ndim == 3 and y.ndim == 2 and x.shape[:2] == (stack.sizes[0], len(y))
        if not (alike and columns <= {1, stack.count}):
            wanted = f"x ({stack.sizes[0]}, n, R) and y (n, R) with R = {stack.count} or 1"
            raise ValueError(f"need {wanted}, not {tuple(x.shape)} and {tuple(y.shape)}")
        if stack.binary:
            check_labels(y.float(), binary_loss)


def _stepper(name: str, stack: NetStack, rate: float | Sequence[float]) -> Adam | SGD:
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, not {name!r}")
    return OPTIMIZERS[name](stack.theta, rate)


@contextlib.contextmanager
def _ended_by_hand(history: list[dict]) -> Iterator[None]:
    """Keep what was learnt when Ctrl-C ends the loop; inside a job, let it pass."""
    try:
        yield
    except KeyboardInterrupt:
        if not may_end_early():
            raise
        print(f"stopped by hand after {len(history)} epochs; what was learnt is kept")


def _report_divergence(history: list[dict]) -> None:
    losses = history[-1]["train/loss"] if history else np.zeros(0)
    diverged = int((~np.isfinite(losses)).sum())
    if diverged:
        print(f"{diverged} of {len(losses)} trainings diverged: a train/loss is NaN or infinite")


def _validate(stack: NetStack, val: Points) -> dict:
    """Each network's loss and accuracy on the validation points."""
    guess = stack.logits(val.x)
    return {"val/loss": bce_many(guess, val.y), "val/accuracy": accuracy_many(guess, val.y)}


def _train_epoch(stack: NetStack, stepper: Adam | SGD, points: Points, batch: int) -> torch.Tensor:
    """Pass once through x (in, n, R), y (n, R); gives the logits (n, R) before each step."""
    logits = []
    for x, y in zip(points.x.split(batch, 1), points.y.split(batch)):
        z = stack.activations(x)
        logits.append(z[-1])
        stack.backpropagate(z, y)
        stepper.step(stack.theta, stack.grad)
    return torch.cat(logits, 1)[0]


class _Columns:
    """Each network's points, laid out so that one indexing brings all of them into their orders."""

    def __init__(self, stack: NetStack, points: Points) -> None:
        self.device = stack.theta.device
        self.n = len(points.y)
        self.count = stack.count
        shape = (self.n, self.count)
        x = points.x.to(self.device)
        self.x = x.expand(-1, *shape).reshape(len(x), -1)  # (in, n * R)
        self.y = points.y.to(self.device).expand(shape).reshape(-1)  # (n * R,)

    def in_order(self, order: np.ndarray) -> Points:
        """The points x (in, n, R), y (n, R) with rows taken in the order (n, R) or (n, 1)."""
        if np.shape(order) not in ((self.n, self.count), (self.n, 1)):
            wanted = f"row numbers ({self.n}, {self.count}) or ({self.n}, 1)"
            raise ValueError(f"orders must give arrays of {wanted}, not {np.shape(order)}")
        place = order * self.count + np.arange(self.count)
        place = torch.from_numpy(np.ascontiguousarray(place)).to(self.device).view(-1)
        x = self.x.index_select(1, place).view(-1, self.n, self.count)
        y = self.y.index_select(0, place).view(self.n, self.count)
        return Points(x, y)


def bce_many(logits: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Mean binary cross-entropy [nats] of each network: logits (n, R), y (n, R or 1) -> (R,)."""
    return (F.softplus(logits) - y * logits).mean(0).cpu().numpy()


def accuracy_many(logits: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Share of right answers of each network: logits (n, R), y (n, R or 1) -> (R,)."""
    return ((logits > 0) == (y > 0.5)).float().mean(0).cpu().numpy()
