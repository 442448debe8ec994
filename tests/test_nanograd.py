"""The scalar engine against known values, PyTorch, finite differences, and its own promises."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nanograd import DomainError, Var, dot, draw_graph, graph, layout

# ---- known values ----------------------------------------------------------------------------


def test_a_product_and_a_reused_input():
    a, b, d = map(Var, (3, 5, 9))
    f = a * b + a * d
    f.backward()
    assert (f.v, f.grad, a.grad, b.grad, d.grad) == (42, 1, 14, 3, 3)


def test_the_tutorial_function():
    x, y, z, w = map(Var, (3, -4, 2, -1))
    f = 2 * (x * y + z.maximum(w))
    f.backward()
    assert [f.v, x.grad, y.grad, z.grad, w.grad] == [-20, -8, 6, 2, 0]


@pytest.mark.parametrize(
    "f, x, value, slope",
    [
        (lambda a: 2 * a, 3, 6, 2),
        (lambda a: a * 2, 3, 6, 2),
        (lambda a: 2 + a, 3, 5, 1),
        (lambda a: a + 2, 3, 5, 1),
        (lambda a: 2 - a, 3, -1, -1),
        (lambda a: a - 2, 3, 1, 1),
        (lambda a: 1 / a, 4, 0.25, -1 / 16),
        (lambda a: a / 4, 2, 0.5, 0.25),
        (lambda a: 2**a, 3, 8, 8 * math.log(2)),
        (lambda a: a**2, 3, 9, 6),
        (lambda a: a**2, -3, 9, -6),
        (lambda a: a**-1, -2, -0.5, -0.25),
        (lambda a: a**0.5, 4, 2, 0.25),
        (lambda a: a**0, 0, 1, 0),
        (lambda a: a**1, 0, 0, 1),
        (lambda a: a**a, 2, 4, 4 * (1 + math.log(2))),
        (lambda a: a * a, 3, 9, 6),
        (lambda a: a / a, 3, 1, 0),
        (lambda a: a - a, 3, 0, 0),
        (lambda a: -a, 3, -3, -1),
        (Var.exp, 1, math.e, math.e),
        (Var.log, 2, math.log(2), 0.5),
        (Var.tanh, 0.5, math.tanh(0.5), 1 - math.tanh(0.5) ** 2),
        (Var.sigmoid, 0, 0.5, 0.25),
        (Var.sigmoid, -800, 0, 0),
        (Var.sigmoid, 800, 1, 0),
        (Var.relu, 2, 2, 1),
        (Var.relu, -2, 0, 0),
        (Var.relu, 0, 0, 0),
        (Var.identity, -2, -2, 1),
        (lambda a: a.maximum(1), 1, 1, 0.5),
        (lambda a: np.float64(2) * a, 3, 6, 2),
        (lambda a: a * np.int64(2), 3, 6, 2),
        (lambda a: sum([a, a, 1]), 3, 7, 2),
    ],
)
def test_value_and_slope(f, x, value, slope):
    a = Var(x)
    y = f(a)
    y.backward()
    assert isinstance(y, Var) and isinstance(y.v, float)
    assert y.v == pytest.approx(value, rel=1e-15) and a.grad == pytest.approx(slope, rel=1e-14)


def test_both_inputs_of_each_operator_get_their_part():
    for f, slopes in [
        (lambda a, b: a + b, (1, 1)),
        (lambda a, b: a - b, (1, -1)),
        (lambda a, b: a * b, (5, 3)),
        (lambda a, b: a / b, (1 / 5, -3 / 25)),
        (lambda a, b: a**b, (5 * 3**4, 3**5 * math.log(3))),
    ]:
        a, b = map(Var, (3, 5))
        f(a, b).backward()
        assert (a.grad, b.grad) == pytest.approx(slopes, rel=1e-14)


def test_grad_fn_gives_inputs_and_local_derivatives():
    a, b = map(Var, (3, 5))
    assert (a * b).grad_fn() == [(a, 5.0), (b, 3.0)]
    assert a.exp().grad_fn() == [(a, math.exp(3))] and a.grad_fn() == []


def test_an_operation_of_your_own():
    x = Var(0.5)
    y = Var(math.sin(x.v), lambda: [(x, math.cos(x.v))])
    (y * y).backward()
    assert x.grad == pytest.approx(2 * math.sin(0.5) * math.cos(0.5)) and y.grad_fn() == [
        (x, math.cos(0.5))
    ]
    constant = Var(2, lambda: [])
    constant.backward()
    assert constant.grad == 1 and constant.grad_fn() == []


# ---- what back-propagating several times means -----------------------------------------------


def test_gradients_accumulate_and_are_taken_back():
    x, y = map(Var, (0.3, -1.7))
    p = x * y
    f = (p + p.tanh()) * p
    f.backward()
    once = [n.grad for n in graph(f)]
    f.backward()
    assert [n.grad for n in graph(f)] == [2 * g for g in once], "inner nodes too"
    f.backprop(-2)
    assert [n.grad for n in graph(f)] == [0] * len(once)


def test_two_results_that_share_an_input_add_up():
    x = Var(2)
    shared = x * x
    (3 * shared).backward()
    (shared + 1).backward()
    assert x.grad == 16 and shared.grad == 4


def test_the_derivatives_are_those_of_the_forward_pass():
    x = Var(2)
    f = x * x
    x.v = 100.0
    f.backward()
    assert x.grad == 4


def test_a_call_that_was_interrupted_does_no_harm_to_the_next():
    class Stop(float):
        def __radd__(self, other):
            return self

        def __rmul__(self, other):
            raise KeyboardInterrupt

    x = Var(3)
    y = x * x
    f = y * y
    with pytest.raises(KeyboardInterrupt):
        f.backprop(Stop(1))
    f.grad = y.grad = x.grad = 0.0
    f.backward()
    assert x.grad == 4 * 3**3


# ---- cost ------------------------------------------------------------------------------------


def test_a_chain_of_100000_operations():
    x = y = Var(1)
    for _ in range(100_000):
        y = y + 1e-6
    start = time.perf_counter()
    y.backward()
    assert x.grad == 1 and time.perf_counter() - start < 2
    assert len(graph(y)) == 100_001


def test_fifty_doublings():
    x = y = Var(1)
    for _ in range(50):
        y = y + y
    start = time.perf_counter()
    y.backward()
    assert x.grad == 2.0**50 == y.v and time.perf_counter() - start < 0.1


def test_the_work_is_one_product_for_each_edge():
    class Meter(float):
        count = 0

        def __rmul__(self, other):
            Meter.count += 1
            return Meter(other * float(self))

        def __add__(self, other):
            return Meter(float(self) + float(other))

        __radd__ = __add__

    y = Var(1)
    for _ in range(200):
        y = y * y.tanh()
    y.backprop(Meter(1))
    assert Meter.count == sum(len(n.grad_fn()) for n in graph(y)) == 600


# ---- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f, words",
    [
        (lambda: Var(-1.5).log(), ["log", "-1.5"]),
        (lambda: Var(0).log(), ["log", "0.0"]),
        (lambda: Var(7) / 0, ["division", "7.0"]),
        (lambda: Var(7) / Var(0), ["division", "7.0"]),
        (lambda: 7 / Var(0), ["division", "7.0"]),
        (lambda: Var(-2) ** 0.5, ["power", "-2.0", "0.5"]),
        (lambda: Var(0) ** -1, ["power", "-1.0"]),
        (lambda: Var(0) ** 0.5, ["power", "0.5"]),
        (lambda: Var(10) ** 400, ["power", "400.0", "overflows"]),
        (lambda: 10 ** Var(400), ["power", "400.0", "overflows"]),
        (lambda: (-2) ** Var(2), ["power", "-2.0"]),
        (lambda: Var(1000).exp(), ["exp", "1000.0", "overflows"]),
    ],
)
def test_domain_errors_name_operation_and_value(f, words):
    with pytest.raises(DomainError) as e:
        f()
    assert all(word in str(e.value) for word in words), str(e.value)
    assert isinstance(e.value, ValueError) and isinstance(e.value, ArithmeticError)


@pytest.mark.parametrize("bad", ["3", None, math.nan, math.inf, 1j, [1], np.ones(2), 10**400])
def test_only_finite_real_numbers(bad):
    for f in (
        Var,
        lambda x: Var(1) + x,
        lambda x: x * Var(1),
        lambda x: Var(1) ** x,
        lambda x: Var(1).backprop(x),
    ):
        with pytest.raises(ValueError, match="finite real numbers"):
            f(bad)


def test_other_bad_input():
    with pytest.raises(ValueError, match="pairs"):
        Var(1, lambda: [(2.0, 1.0)])
    with pytest.raises(ValueError, match="as many weights as inputs"):
        dot([Var(1)], [Var(1), Var(2)], Var(0))
    with pytest.raises(ValueError, match="Var objects"):
        dot([1.0], [Var(1)], Var(0))


# ---- random graphs, with shared sub-expressions ----------------------------------------------

SMOOTH = [  # on Var and on tensors alike
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a * a,
    lambda a, b: 3 - a,
    lambda a, b: 2 * a + 1,
    lambda a, b: -a / 2,
    lambda a, b: a / (b * b + 1),
    lambda a, b: 1 / (2 + a.tanh()),
    lambda a, b: (a * a + 0.5) ** b.tanh(),
    lambda a, b: 2 ** a.tanh(),
    lambda a, b: a**3,
    lambda a, b: a.tanh().exp(),
    lambda a, b: (a * a + 1).log(),
    lambda a, b: a.tanh(),
    lambda a, b: a.sigmoid(),
]
KINKED = [lambda a, b: a.relu(), lambda a, b: a.maximum(b), lambda a, b: a.relu() - b.relu()]
step_of = st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
numbers = st.lists(st.floats(-2, 2), min_size=1, max_size=4)
programs = st.lists(step_of, min_size=1, max_size=15)


def run(inputs, steps, operations):
    """Each step applies an operation to two earlier results; the last result adds them all up."""
    values = list(inputs)
    for op, i, j in steps:
        operation = operations[op % len(operations)]
        values.append(operation(values[i % len(values)], values[j % len(values)]))
    return values, sum(values)


@given(numbers, programs)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_gradients_agree_with_pytorch(numbers, steps):
    ours = [Var(x) for x in numbers]
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]
    values, y = run(ours, steps, SMOOTH + KINKED)
    assume(max(abs(n.v) for n in values) < 1e4)
    y.backward()
    _, expected = run(theirs, steps, SMOOTH + KINKED)
    expected.backward()
    assert y.v == pytest.approx(expected.item(), rel=1e-12, abs=1e-12)
    wanted = [t.grad.item() for t in theirs]
    size = max(1, *map(abs, wanted), *(abs(n.grad) for n in values))
    assert [x.grad for x in ours] == pytest.approx(wanted, abs=1e-11 * size)


@given(numbers, programs)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_gradients_agree_with_central_differences(numbers, steps):
    inputs = [Var(x) for x in numbers]
    values, y = run(inputs, steps, SMOOTH)
    assume(max(abs(n.v) for n in values) < 1e3)
    y.backward()
    assume(
        max(abs(n.grad) for n in values) < 1e3
    )  # steep: the error of the difference grows with the third derivative
    h = 6e-6  # cube root of the machine precision: rounding and truncation are equally small
    for k, x in enumerate(inputs):
        up, down = ([*numbers[:k], numbers[k] + s, *numbers[k + 1 :]] for s in (h, -h))
        measured = (
            run(map(Var, up), steps, SMOOTH)[1].v - run(map(Var, down), steps, SMOOTH)[1].v
        ) / (2 * h)
        assert x.grad == pytest.approx(measured, rel=1e-3, abs=1e-3)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), max_size=6), st.floats(-9, 9))
def test_dot_is_the_sum_of_products(pairs, bias):
    def leaves():
        return [Var(w) for w, _ in pairs], [Var(x) for _, x in pairs], Var(bias)

    fused = leaves()
    single = leaves()
    y = dot(*fused)
    weights, inputs, constant = single
    z = sum((w * x for w, x in zip(weights, inputs)), constant)
    (y * y).backward()
    (z * z).backward()
    assert y.v == pytest.approx(z.v, abs=1e-12)
    grads = [[v.grad for v in [*w, *x, b]] for w, x, b in (fused, single)]
    assert grads[0] == pytest.approx(grads[1], abs=1e-10)


# ---- drawing ---------------------------------------------------------------------------------


def test_the_layout_puts_inputs_left_and_nothing_on_top_of_anything():
    a, b, d = map(Var, (3, 5, 9))
    f = (a * b + a * d) * a.tanh() + d
    place = layout(graph(f))
    assert all(place[x][0] < place[n][0] for n in place for x, _ in n.grad_fn())
    assert len({tuple(p) for p in place.values()}) == len(place) == len(graph(f))


def test_the_drawing_shows_every_node_and_derivative():
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    a, b = map(Var, (3, 5))
    f = a * b + b * b
    f.backward()
    fig, ax = plt.subplots()
    draw_graph(ax, f, {"first": a})
    texts = [t.get_text() for t in ax.texts if t.get_text()]
    plt.close(fig)
    assert (
        "first\nv = 3\ngrad = 5" in texts
        and "input\nv = 5\ngrad = 13" in texts
        and "5 + 5" in texts
    )
    assert sum("grad" in t for t in texts) == 5 and len(texts) == 10
