"""Reverse-mode automatic differentiation of scalars: the engine of two notebooks.

    1  Var      a number that remembers how it was computed, and hands derivatives back along that memory
    2  dot      a neuron's weighted sum as one node instead of twice as many as it has inputs
    3  a look   the graph behind a result, as a list of nodes and as a drawing

Each node keeps its inputs and the local derivatives that the forward pass found: up to two inputs
in slots of their own, more in `more`. Nothing else is stored, no closure is made, and the garbage
collector has little to follow. Nodes point at their inputs only, so a graph is freed as soon as its
result is forgotten.
"""

import math
from numbers import Real
from operator import mul


class DomainError(ValueError, ZeroDivisionError, OverflowError):
    """An operation met a value it has no finite result for; also caught as what a float would raise."""


def number(x):
    """x as a float; ValueError unless it is a finite real number."""
    try:
        if (type(x) is float or isinstance(x, Real)) and math.isfinite(x):
            return float(x)
    except OverflowError:  # an int too large for a float
        pass
    raise ValueError(f"Var computes with finite real numbers, not {x!r:.60}")


# ---- 1  Var ----------------------------------------------------------------------------------


class Var:
    """A scalar in a computation graph.

    val      the value, any finite real number
    grad_fn  for an operation of your own: a function giving its (input, local derivative) pairs
    v, grad  the value; the derivative of what was back-propagated, summed over all calls
    op       the operation that made the node, "" for an input
    raises   ValueError for what is not a finite real number, DomainError (a ValueError) outside a domain
    """

    __slots__ = ("v", "grad", "op", "a", "da", "b", "db", "more", "uses", "mark")
    __array_ufunc__ = None  # NumPy's scalars leave `scalar * var` to Var

    def __init__(self, val, grad_fn=None):
        self.v, self.grad, self.op = number(val), 0.0, "own" if grad_fn else ""
        self.a = self.b = self.more = self.mark = None
        self.da = self.db = 0.0
        if grad_fn:
            pairs = [(x, number(d)) for x, d in grad_fn()]
            if not all(isinstance(x, Var) for x, _ in pairs):
                raise ValueError("grad_fn must give (Var, local derivative) pairs")
            self.more = tuple(zip(*pairs)) or None

    def __repr__(self):
        return f"Var(v={self.v:.6g}, grad={self.grad:.6g}{self.op and f', op={self.op!r}'})"

    def grad_fn(self):
        """The list of (input, local derivative) pairs."""
        pairs = [(self.a, self.da), (self.b, self.db), *zip(*self.more or ())]
        return [(x, d) for x, d in pairs if x is not None]

    def backward(self):
        """Add d self / d x to the grad of every x that self was computed from."""
        self.backprop(1.0)

    def backprop(self, bp):
        """Add bp times d self / d x to every x.grad, in time linear in the size of the graph.

        A node may pass its gradient on only when all that use it have added their part. So first count
        the uses, then walk from the result to the inputs and release a node with its last use.
        """
        number(bp)
        mark, earlier, stack = object(), [], [self]  # a new mark: what an interrupted call left is not seen
        pop, push = stack.pop, stack.append
        while stack:  # count
            node = pop()
            if node.grad:  # from an earlier call: set aside, or it would be passed on once more
                earlier.append((node, node.grad))
                node.grad = 0.0
            for x in (node.a, node.b) if node.more is None else node.more[0]:
                if x is not None:
                    if x.mark is mark:
                        x.uses += 1
                    else:
                        x.mark, x.uses = mark, 1
                        push(x)
        self.grad = 0.0 + bp
        push(self)
        while stack:  # release
            node = pop()
            grad = node.grad
            for x, d in ((node.a, node.da), (node.b, node.db)) if node.more is None else zip(*node.more):
                if x is not None:
                    x.grad += d * grad
                    x.uses -= 1
                    if not x.uses:
                        push(x)
        for node, grad in earlier:
            node.grad += grad

    def __add__(self, other):
        if isinstance(other, Var):
            return _node(self.v + other.v, "+", self, 1.0, other, 1.0)
        return _node(self.v + number(other), "+", self, 1.0)

    def __mul__(self, other):
        if isinstance(other, Var):
            return _node(self.v * other.v, "*", self, other.v, other, self.v)
        other = number(other)
        return _node(self.v * other, "*", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return _node(-self.v, "neg", self, -1.0)

    def __sub__(self, other):
        if isinstance(other, Var):
            return _node(self.v - other.v, "-", self, 1.0, other, -1.0)
        return _node(self.v - number(other), "-", self, 1.0)

    def __rsub__(self, other):
        return _node(number(other) - self.v, "-", self, -1.0)

    def __truediv__(self, other):
        if isinstance(other, Var):
            v = _quotient(self.v, other.v)
            return _node(v, "/", self, 1.0 / other.v, other, -v / other.v)
        other = number(other)
        return _node(_quotient(self.v, other), "/", self, 1.0 / other)

    def __rtruediv__(self, other):
        v = _quotient(number(other), self.v)
        return _node(v, "/", self, -v / self.v)

    def __pow__(self, other):
        if not isinstance(other, Var):
            v, slope = _power(self.v, number(other))
            return _node(v, "**", self, slope)
        if self.v <= 0:
            raise DomainError(f"power {self.v} ** Var({other.v}): a variable exponent needs a positive base")
        v, slope = _power(self.v, other.v)
        return _node(v, "**", self, slope, other, v * math.log(self.v))

    def __rpow__(self, other):
        return Var(other) ** self

    def exp(self):
        try:
            v = math.exp(self.v)
        except OverflowError:
            raise DomainError(f"exp({self.v}) overflows: the argument may be at most 709.78") from None
        return _node(v, "exp", self, v)

    def log(self):
        if self.v <= 0:
            raise DomainError(f"log({self.v}): the argument must be positive")
        return _node(math.log(self.v), "log", self, 1.0 / self.v)

    def identity(self):
        return _node(self.v, "identity", self, 1.0)

    def tanh(self):
        v = math.tanh(self.v)
        return _node(v, "tanh", self, 1.0 - v * v)

    def sigmoid(self):
        e = math.exp(-abs(self.v))  # never overflows
        return _node((1.0 if self.v >= 0 else e) / (1.0 + e), "sigmoid", self, e / (1.0 + e) ** 2)

    def relu(self):
        """max(0, v); the slope at 0 is taken as 0."""
        return _node(self.v, "relu", self, 1.0) if self.v > 0 else _node(0.0, "relu", self, 0.0)

    def maximum(self, other):
        """The larger of two; at a tie each gets half of the gradient, as in PyTorch."""
        other = other if isinstance(other, Var) else Var(other)
        share = 0.5 if self.v == other.v else float(self.v > other.v)
        return _node(max(self.v, other.v), "max", self, share, other, 1.0 - share)


def _node(v, op, a=None, da=0.0, b=None, db=0.0, more=None):
    """The result of an operation: Var without the checks, which its inputs have passed."""
    node = object.__new__(Var)
    node.v, node.grad, node.op = v, 0.0, op
    node.a, node.da, node.b, node.db = a, da, b, db
    node.more = more
    node.mark = None
    return node


def _quotient(x, y):
    if y == 0:
        raise DomainError(f"division {x} / {y}: the divisor must not be zero")
    return x / y


def _power(x, p):
    """x ** p and its slope with respect to x."""
    if x < 0 and not p.is_integer():
        raise DomainError(f"power ({x}) ** {p}: a negative base needs a whole exponent")
    if x == 0 and p < 1 and p != 0:
        raise DomainError(f"power {x} ** {p}: at base zero the exponent must be 0 or at least 1")
    try:
        return x**p, p * x ** (p - 1.0) if p else 0.0
    except OverflowError:
        raise DomainError(f"power ({x}) ** {p}: the result overflows") from None


# ---- 2  dot ----------------------------------------------------------------------------------


def dot(weights, inputs, bias):
    """sum_i weights[i] * inputs[i] + bias as one node; all are Var, in sequences of one length.

    The local derivatives are each other's values, and 1 for the bias.
    raises  ValueError for different lengths or for what is not a Var
    """
    if len(weights) != len(inputs):
        raise ValueError(f"dot needs as many weights as inputs, not {len(weights)} and {len(inputs)}")
    try:
        w, x = [u.v for u in weights], [u.v for u in inputs]
        return _node(sum(map(mul, w, x), bias.v), "dot", more=((*weights, *inputs, bias), (*x, *w, 1.0)))
    except AttributeError:
        raise ValueError("dot needs Var objects; nothing else has a gradient") from None


# ---- 3  a look -------------------------------------------------------------------------------


def graph(output):
    """Every node that output was computed from, inputs before what uses them; asks only `grad_fn`."""
    done, stack = {}, [output]
    while stack:
        missing = [x for x, _ in stack[-1].grad_fn() if x not in done]
        if missing:
            stack.append(missing[0])
        else:
            done[stack.pop()] = None
    return list(done)


def layout(nodes):
    """Places {node: [column, row]} for the nodes of a graph, given inputs before what uses them.

    Column: one right of the rightmost input. Row: the mean of the inputs' rows, and inputs of the whole
    graph below one another, sorted by the mean row of their users, which avoids most crossings.
    """
    place, leaves = {}, [node for node in nodes if not node.grad_fn()]
    users = {leaf: [n for n in nodes if any(x is leaf for x, _ in n.grad_fn())] for leaf in leaves}
    for _ in range(2):  # the second time with leaves sorted by what the first time has found
        place = {leaf: [0, -float(k)] for k, leaf in enumerate(leaves)}
        for node in nodes:
            inputs = [place[x] for x, _ in node.grad_fn()]
            if inputs:
                column, row = 1 + max(c for c, _ in inputs), sum(r for _, r in inputs) / len(inputs)
                while any(c == column and abs(r - row) < 0.9 for c, r in place.values()):
                    row -= 0.25  # no box on top of another
                place[node] = [column, row]
        leaves.sort(key=lambda leaf: -sum(place[n][1] for n in users[leaf]) / max(1, len(users[leaf])))
    return place


def draw_graph(ax, output, names=None, width=24):
    """Draw the graph behind output: values and gradients in the nodes, local derivatives on the edges.

    ax     Matplotlib axes, which lose their frame
    names  {name: node}; a node without one shows its operation
    width  of the gap that an arrow leaves around a node's centre, in points
    An input used twice by a node has one arrow, with both derivatives on it as their sum.
    """
    nodes, names = graph(output), {node: text for text, node in (names or {}).items()}
    place = layout(nodes)
    for node in nodes:
        slopes = {}
        for x, d in node.grad_fn():
            slopes[x] = slopes.get(x, []) + [f"{d:.4g}"]
        for x, texts in slopes.items():
            arrow = {"arrowstyle": "-|>", "color": "0.5", "shrinkA": width, "shrinkB": width}
            ax.annotate("", place[node], place[x], arrowprops=arrow)
            middle, white = (
                [(p + q) / 2 for p, q in zip(place[node], place[x])],
                {"fc": "white", "ec": "none", "pad": 1},
            )
            ax.text(*middle, " + ".join(texts), color="#0072B2", ha="center", va="center", bbox=white)
        text = f"{names.get(node, getattr(node, 'op', '') or 'input')}\nv = {node.v:.4g}\ngrad = {node.grad:.4g}"
        box = {"boxstyle": "round", "fc": "#eef3f8", "ec": "0.5"}
        ax.text(*place[node], text, ha="center", va="center", bbox=box)
    columns, rows = zip(*place.values())
    ax.set(xlim=(-0.4, max(columns) + 0.4), ylim=(min(rows) - 0.5, max(rows) + 0.5))
    ax.axis("off")
