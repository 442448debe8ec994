"""Reverse-mode automatic differentiation of scalars: the engine of several notebooks.

1  Var        a number that remembers how it was computed, and hands derivatives back
2  Functions  exp, log and the activations
3  dot        a neuron's weighted sum as one node instead of twice as many as it has inputs

The graph behind a result, as a list and as a drawing, lies in backstage/graph_pictures.py.

Each node keeps its inputs and the local derivatives that the forward pass found: up to two inputs
in slots of their own, more in `more`. Nothing else is stored, no closure is made, and the garbage
collector has little to follow. Nodes point at their inputs only, so a graph is freed as soon as
its result is forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from operator import mul
from typing import NamedTuple

from backstage.graph_pictures import draw_graph, graph, layout  # noqa: F401 (passed on)


class DomainError(ValueError, ZeroDivisionError, OverflowError):
    """An operation met a value that it has no finite result for.

    It can also be caught as what a float would raise there.
    """


def _number(x: Real) -> float:
    """Give x as a float; ValueError unless it is a finite real number."""
    try:
        if (type(x) is float or isinstance(x, Real)) and math.isfinite(x):
            return float(x)
    except OverflowError:  # an int too large for a float
        pass
    raise ValueError(f"Var computes with finite real numbers, not {x!r:.60}")


# ---- 1  Var ----------------------------------------------------------------------------------


class Var:
    """A scalar in a computation graph.

    Args:
        val: the value, any finite real number.
        grad_fn: for an operation of your own: a function that gives the list of its
            (input, local derivative) pairs; it is called once, here.

    Attributes:
        v: the value.
        grad: the derivative of what was back-propagated with respect to this node, summed over
            all calls of `backward` and `backprop`.
        op: the operation that made the node, "" for an input.

    Raises:
        ValueError: what is given is not a finite real number.
        DomainError: (a ValueError) an operation was asked for a value outside its domain.
    """

    __slots__ = ("v", "grad", "op", "a", "da", "b", "db", "more", "uses", "mark")
    __array_ufunc__ = None  # NumPy's scalars leave `scalar * var` to Var

    def __init__(self, val: Real, grad_fn: Callable[[], list] | None = None) -> None:
        self.v = _number(val)
        self.grad = 0.0
        self.op = "own" if grad_fn else ""
        self.a = None
        self.b = None
        self.da = 0.0
        self.db = 0.0
        self.more = None
        self.mark = None
        if grad_fn:
            pairs = [(x, _number(d)) for x, d in grad_fn()]
            if not all(isinstance(x, Var) for x, _ in pairs):
                raise ValueError("grad_fn must give (Var, local derivative) pairs")
            self.more = tuple(zip(*pairs)) or None

    def __repr__(self) -> str:
        operation = f", op={self.op!r}" if self.op else ""
        return f"Var(v={self.v:.6g}, grad={self.grad:.6g}{operation})"

    def grad_fn(self) -> list[tuple[Var, float]]:
        """List the (input, local derivative) pairs."""
        pairs = [(self.a, self.da), (self.b, self.db), *zip(*self.more or ())]
        return [(x, d) for x, d in pairs if x is not None]

    def backward(self) -> None:
        """Add d self / d x to the grad of every x that self was computed from."""
        self.backprop(1.0)

    def backprop(self, bp: float) -> None:
        """Add bp times d self / d x to every x.grad, in time linear in the size of the graph.

        A node may pass its gradient on only when all that use it have added their part. So first
        count the uses, then walk from the result to the inputs, and release a node with its last
        use.
        """
        _number(bp)
        earlier = self._count_uses()
        self.grad = 0.0 + bp
        stack = [self]
        pop = stack.pop
        push = stack.append
        while stack:
            node = pop()
            grad = node.grad
            more = node.more
            for x, d in ((node.a, node.da), (node.b, node.db)) if more is None else zip(*more):
                if x is not None:
                    x.grad += d * grad
                    x.uses -= 1
                    if not x.uses:
                        push(x)
        for node, grad in earlier:
            node.grad += grad

    def _count_uses(self) -> list[tuple[Var, float]]:
        """Count for every node how often it is used, and clear its gradient.

        Returns:
            What earlier calls left: (node, gradient) pairs, or it would be passed on once more.
        """
        earlier = []
        mark = object()  # a new one: what an interrupted call left is not seen
        stack = [self]
        pop = stack.pop
        push = stack.append
        while stack:
            node = pop()
            if node.grad:
                earlier.append((node, node.grad))
                node.grad = 0.0
            for x in (node.a, node.b) if node.more is None else node.more[0]:
                if x is not None:
                    if x.mark is mark:
                        x.uses += 1
                    else:
                        x.mark = mark
                        x.uses = 1
                        push(x)
        return earlier

    def __add__(self, other: Var | Real) -> Var:
        if isinstance(other, Var):
            return _node(self.v + other.v, "+", self, 1.0, other, 1.0)
        return _node(self.v + _number(other), "+", self, 1.0)

    def __mul__(self, other: Var | Real) -> Var:
        if isinstance(other, Var):
            return _node(self.v * other.v, "*", self, other.v, other, self.v)
        other = _number(other)
        return _node(self.v * other, "*", self, other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Var:
        return _node(-self.v, "neg", self, -1.0)

    def __sub__(self, other: Var | Real) -> Var:
        if isinstance(other, Var):
            return _node(self.v - other.v, "-", self, 1.0, other, -1.0)
        return _node(self.v - _number(other), "-", self, 1.0)

    def __rsub__(self, other: Real) -> Var:
        return _node(_number(other) - self.v, "-", self, -1.0)

    def __truediv__(self, other: Var | Real) -> Var:
        if isinstance(other, Var):
            v = _quotient(self.v, other.v)
            return _node(v, "/", self, 1.0 / other.v, other, -v / other.v)
        other = _number(other)
        return _node(_quotient(self.v, other), "/", self, 1.0 / other)

    def __rtruediv__(self, other: Real) -> Var:
        v = _quotient(_number(other), self.v)
        return _node(v, "/", self, -v / self.v)

    def __pow__(self, other: Var | Real) -> Var:
        if not isinstance(other, Var):
            power = _power(self.v, _number(other))
            return _node(power.value, "**", self, power.slope)
        if self.v <= 0:
            wanted = "a variable exponent needs a positive base"
            raise DomainError(f"power {self.v} ** Var({other.v}): {wanted}")
        power = _power(self.v, other.v)
        return _node(power.value, "**", self, power.slope, other, power.value * math.log(self.v))

    def __rpow__(self, other: Real) -> Var:
        return Var(other) ** self

    # ---- 2  Functions ------------------------------------------------------------------------

    def exp(self) -> Var:
        """Give e to the power of v; DomainError above 709.78."""
        try:
            v = math.exp(self.v)
        except OverflowError:
            limit = "the argument may be at most 709.78"
            raise DomainError(f"exp({self.v}) overflows: {limit}") from None
        return _node(v, "exp", self, v)

    def log(self) -> Var:
        """Give the natural logarithm of v; DomainError unless v is positive."""
        if self.v <= 0:
            raise DomainError(f"log({self.v}): the argument must be positive")
        return _node(math.log(self.v), "log", self, 1.0 / self.v)

    def identity(self) -> Var:
        """Give v itself; the slope is 1."""
        return _node(self.v, "identity", self, 1.0)

    def tanh(self) -> Var:
        """Give the hyperbolic tangent of v; the slope is 1 - tanh(v)**2."""
        v = math.tanh(self.v)
        return _node(v, "tanh", self, 1.0 - v * v)

    def sigmoid(self) -> Var:
        """Give 1 / (1 + exp(-v)), written with exp(-|v|), which never overflows."""
        e = math.exp(-abs(self.v))
        v = (1.0 if self.v >= 0 else e) / (1.0 + e)
        return _node(v, "sigmoid", self, e / (1.0 + e) ** 2)

    def relu(self) -> Var:
        """Give max(0, v); the slope at 0 is taken as 0."""
        if self.v > 0:
            return _node(self.v, "relu", self, 1.0)
        return _node(0.0, "relu", self, 0.0)

    def maximum(self, other: Var | Real) -> Var:
        """Give the larger of two; at a tie each gets half of the gradient, as in PyTorch."""
        other = other if isinstance(other, Var) else Var(other)
        share = 0.5 if self.v == other.v else float(self.v > other.v)
        return _node(max(self.v, other.v), "max", self, share, other, 1.0 - share)


def _node(
    v: float,
    op: str,
    a: Var | None = None,
    da: float = 0.0,
    b: Var | None = None,
    db: float = 0.0,
    more: tuple | None = None,
) -> Var:
    """Make the result of an operation: a Var without the checks, which its inputs have passed."""
    node = object.__new__(Var)
    node.v = v
    node.grad = 0.0
    node.op = op
    node.a = a
    node.da = da
    node.b = b
    node.db = db
    node.more = more
    node.mark = None
    return node


def _quotient(x: float, y: float) -> float:
    """Divide x by y; DomainError where y is 0."""
    if y == 0:
        raise DomainError(f"division {x} / {y}: the divisor must not be zero")
    return x / y


class _Power(NamedTuple):
    """A power and its slope with respect to the base."""

    value: float
    slope: float


def _power(x: float, p: float) -> _Power:
    """Give x ** p and its slope where both are finite; DomainError elsewhere."""
    if x < 0 and not p.is_integer():
        raise DomainError(f"power ({x}) ** {p}: a negative base needs a whole exponent")
    if x == 0 and p < 1 and p != 0:
        raise DomainError(f"power {x} ** {p}: at base zero the exponent must be 0 or at least 1")
    try:
        return _Power(x**p, p * x ** (p - 1.0) if p else 0.0)
    except OverflowError:
        raise DomainError(f"power ({x}) ** {p}: the result overflows") from None


# ---- 3  dot ----------------------------------------------------------------------------------


def dot(weights: Sequence[Var], inputs: Sequence[Var], bias: Var) -> Var:
    """Compute sum_i weights[i] * inputs[i] + bias as one node.

    The local derivatives are each other's values, and 1 for the bias.

    Args:
        weights, inputs: sequences of one length.
        bias: what is added.

    Raises:
        ValueError: the lengths differ, or something is not a Var.
    """
    if len(weights) != len(inputs):
        numbers = f"{len(weights)} and {len(inputs)}"
        raise ValueError(f"dot needs as many weights as inputs, not {numbers}")
    try:
        w = [u.v for u in weights]
        x = [u.v for u in inputs]
        total = sum(map(mul, w, x), bias.v)
    except AttributeError:
        raise ValueError("dot needs Var objects; nothing else has a gradient") from None
    return _node(total, "dot", more=((*weights, *inputs, bias), (*x, *w, 1.0)))
