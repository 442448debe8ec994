"""The graph behind a result as a list of nodes, and as a drawing.

A node is anything with `v`, `grad`, and `grad_fn()` for its (input, local derivative) pairs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

CLOSEST = 0.9  # rows between two boxes of one column


def graph(output: Any) -> list:
    """List every node that output was computed from, inputs before what uses them."""
    done = {}
    stack = [output]
    while stack:
        missing = [x for x, _ in stack[-1].grad_fn() if x not in done]
        if missing:
            stack.append(missing[0])
        else:
            done[stack.pop()] = None
    return list(done)


def layout(nodes: Sequence) -> dict[Any, tuple[float, float]]:
    """Find a place (column, row) for each node of a graph.

    A node's column lies one right of its rightmost input; its row is the mean of its inputs' rows.
    The inputs of the whole graph stand below one another, sorted by the mean row of their users,
    which avoids most crossings.

    Args:
        nodes: inputs before what uses them, as `graph` gives them.
    """
    leaves = [node for node in nodes if not node.grad_fn()]
    first = _place(nodes, leaves)

    def height(leaf: Any) -> float:
        rows = [first[n][1] for n in nodes if any(x is leaf for x, _ in n.grad_fn())]
        return sum(rows) / max(1, len(rows))

    return _place(nodes, sorted(leaves, key=height, reverse=True))


def _place(nodes: Sequence, leaves: Sequence) -> dict[Any, tuple[float, float]]:
    """Places for all nodes, with the leaves below one another in this order."""
    place = {leaf: (0, -float(k)) for k, leaf in enumerate(leaves)}
    for node in nodes:
        inputs = [place[x] for x, _ in node.grad_fn()]
        if inputs:
            column = 1 + max(c for c, _ in inputs)
            row = sum(r for _, r in inputs) / len(inputs)
            taken = [r for c, r in place.values() if c == column]
            while any(abs(r - row) < CLOSEST for r in taken):
                row -= 0.25  # no box on top of another
            place[node] = (column, row)
    return place


def draw_graph(
    ax: Axes, output: Any, names: Mapping[str, Any] | None = None, width: float = 24
) -> None:
    """Draw the graph behind output: values and gradients in boxes, local derivatives on arrows.

    An input that a node uses twice has one arrow, with both derivatives on it as their sum.

    Args:
        ax: axes, which lose their frame.
        output: the node to start from.
        names: nodes by the name to write; a node without one shows its operation.
        width: of the gap that an arrow leaves around a node's centre, in points.
    """
    nodes = graph(output)
    place = layout(nodes)
    text_of = {node: text for text, node in (names or {}).items()}
    for node in nodes:
        _draw_arrows(ax, node, place, width)
        title = text_of.get(node) or getattr(node, "op", "") or "input"
        box = {"boxstyle": "round", "fc": "#eef3f8", "ec": "0.5"}
        text = f"{title}\nv = {node.v:.4g}\ngrad = {node.grad:.4g}"
        ax.text(*place[node], text, ha="center", va="center", bbox=box)
    columns, rows = zip(*place.values())
    ax.set(xlim=(-0.4, max(columns) + 0.4), ylim=(min(rows) - 0.5, max(rows) + 0.5))
    ax.axis("off")


def _draw_arrows(ax: Axes, node: Any, place: dict, width: float) -> None:
    """Draw an arrow to a node from each of its inputs, with the local derivative on it."""
    slopes = {}
    for x, d in node.grad_fn():
        slopes.setdefault(x, []).append(f"{d:.4g}")
    arrow = {"arrowstyle": "-|>", "color": "0.5", "shrinkA": width, "shrinkB": width}
    white = {"fc": "white", "ec": "none", "pad": 1}
    for x, texts in slopes.items():
        ax.annotate("", place[node], place[x], arrowprops=arrow)
        middle = [(p + q) / 2 for p, q in zip(place[node], place[x])]
        text = " + ".join(texts)
        ax.text(*middle, text, color="#0072B2", ha="center", va="center", bbox=white)
