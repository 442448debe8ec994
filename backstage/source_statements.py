"""The statements of a piece of Python: their texts, and which names they read, assign or change."""

import ast
import io
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Statement(NamedTuple):
    """A statement of a module or a cell.

    Attributes:
        node: its syntax.
        text: without comments and docstrings.
        uses: names that it reads; for an attribute also "name.attribute".
        defines: names that it assigns to.
        changes: names whose value it may change in place.
        late: whether it holds a function, which reads its names when it is called.
    """

    node: ast.stmt
    text: str
    uses: set[str]
    defines: set[str]
    changes: set[str]
    late: bool


def statements(source: str) -> list[Statement]:
    """The statements of a source; none of one that is not Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    lines = _without_words(source, tree)
    found = []
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        text = "\n".join(line for line in lines[first - 1 : node.end_lineno] if line.strip())
        sets = (set(_uses(node, set())), set(_stored(node)), set(_changes(node)))
        late = any(isinstance(part, FUNCTIONS) for part in ast.walk(node))
        found.append(Statement(node, text, *sets, late))
    return found


def _without_words(source: str, tree: ast.Module) -> list[str]:
    """The lines of a source without comments and docstrings."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            words = node.body[0]
            if words.lineno > node.lineno and words.end_lineno < node.end_lineno:
                for row in range(words.lineno - 1, words.end_lineno):
                    lines[row] = ""
    return [line.rstrip() for line in lines]


def _uses(node: ast.AST, bound: set[str]) -> Iterator[str]:
    """The names that a piece of code reads and that are not local to a function in it."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in bound:
        yield node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id not in bound:
            yield f"{node.value.id}.{node.attr}"
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    if isinstance(node, FUNCTIONS):
        yield from _uses_outside(node, bound)
        bound = bound | _locals(node)
        inside = node.body if isinstance(node.body, list) else [node.body]
    elif isinstance(node, COMPREHENSIONS):
        bound = bound | {name for each in node.generators for name in _stored(each.target)}
        inside = ast.iter_child_nodes(node)
    else:
        inside = ast.iter_child_nodes(node)
    for part in inside:
        yield from _uses(part, bound)


def _uses_outside(node: ast.AST, bound: set[str]) -> Iterator[str]:
    """Of a function: what its decorators, defaults and annotations read."""
    parts = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    parts += getattr(node, "decorator_list", [])
    parts += [arg.annotation for arg in _arguments(node) if arg.annotation]
    for part in parts:
        yield from _uses(part, bound)


def _arguments(node: ast.AST) -> list[ast.arg]:
    a = node.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]


def _locals(node: ast.AST) -> set[str]:
    """The names that are local to a function: its arguments, and what it assigns to."""
    declared = {
        name
        for each in ast.walk(node)
        if isinstance(each, ast.Global | ast.Nonlocal)
        for name in each.names
    }
    body = node.body if isinstance(node.body, list) else [node.body]
    assigned = {name for part in body for name in _stored(part)}
    return ({arg.arg for arg in _arguments(node)} | assigned) - declared


def _stored(node: ast.AST) -> Iterator[str]:
    """The names that code assigns to, without those local to its functions and comprehensions."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
        yield node.id
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    if not isinstance(node, FUNCTIONS | COMPREHENSIONS | ast.ClassDef):
        for part in ast.iter_child_nodes(node):
            yield from _stored(part)


def _changes(node: ast.stmt) -> Iterator[str]:
    """The names whose value a statement may change in place."""
    for decorator in getattr(node, "decorator_list", []):
        yield _base(decorator)  # @area.register
    if isinstance(node, FUNCTIONS | ast.ClassDef):
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield _base(part)
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            yield _base(part.value)  # rows.append(...)


def _base(node: ast.AST) -> str:
    """The name in front of an attribute or a subscript; "" for a plain name."""
    node = node.func if isinstance(node, ast.Call) else node
    if isinstance(node, ast.Name):
        return ""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
