"""From an answer to a stub, by the syntax tree: what stays, what is taken out, what comes after.

An answer is a set of names: a function, a class (all its methods), one method as `Class.method`,
or a variable.
"""

import ast
import builtins
import io
import re
import tokenize
from dataclasses import dataclass

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
SHAPE = re.compile(r"#\s*\(")  # a comment that begins with a shape, as in `# (n, k)`


@dataclass(frozen=True)
class Halves:
    """A cell cut in two: the answer with what it needs, and the rest."""

    answer: str
    rest: str


def default_names(source: str) -> list[str]:
    """What an answer consists of unless told: functions and classes, otherwise variables."""
    body = ast.parse(source).body
    defined = [node.name for node in body if isinstance(node, Definition)]
    return defined or sorted(set().union(*(_bound(node) for node in body)))


def split(source: str, names: list[str]) -> Halves:
    """Separate the statements that give the names, and what these need, from the rest.

    Raises:
        ValueError: a name is not given by the source.
    """
    body = ast.parse(source).body
    pieces = _pieces(source, body)
    wanted = {name.split(".")[0] for name in names}
    for name in sorted(wanted - set().union(*(_bound(node) for node in body))):
        raise ValueError(f"the cell does not define {name}, which its mark names")
    answers = {k for k, node in enumerate(body) if _bound(node) & wanted}
    chosen = set(answers)
    for k in reversed(range(max(answers))):
        needed = set().union(*(_used(body[i]) for i in chosen))
        if _bound(body[k]) & needed:
            chosen.add(k)
    return Halves(
        "".join(pieces[k] for k in sorted(chosen)).strip("\n"),
        "".join(pieces[k] for k in range(len(body)) if k not in chosen).strip("\n"),
    )


def stub(source: str, names: list[str], exercise: str, texts: dict[str, str] | None = None) -> str:
    """Take the answer out of a cell: bodies and values go, signatures and docstrings stay.

    Args:
        source: of the cell.
        names: that the student is to give.
        exercise: that the stub names when it is used.
        texts: shapes of variables, where no comment tells them, and docstrings of functions in
            place of some that would give the answer away.
    """
    lines = source.splitlines()
    body = ast.parse(source).body
    texts = texts or {}
    seen = set()
    edits = []
    for node in body:
        found = [name for name in names if name.split(".")[0] in _bound(node)]
        if not found:
            continue
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        comments = _comments_above(lines, start)
        if comments:
            edits.append((start - 1 - comments, start - 1, []))
        if isinstance(node, Definition):
            edits += [_emptied(lines, f, exercise, texts) for f in _functions(node, found)]
        else:
            turns = {name: _tail(lines, node) for name in found if name not in seen}
            turns |= {name: f"  # {texts[name]}" for name in turns if name in texts}
            new = [f'{name} = your_turn("{exercise}"){tail}' for name, tail in turns.items()]
            edits.append((start - 1, node.end_lineno, new))
            seen |= set(found)
    for first, last, new in sorted(edits, reverse=True):
        lines[first:last] = new
    return "\n".join(lines).strip("\n")


def cut_bytes(line: str, offset: int) -> str:
    """The beginning of a line, up to an offset as the syntax tree counts."""
    return line.encode()[:offset].decode()


def _pieces(source: str, body: list[ast.stmt]) -> list[str]:
    """The text of each statement, with the comments and empty lines above it."""
    lines = source.splitlines(keepends=True)
    ends = [node.end_lineno for node in body]
    ends[-1] = len(lines)
    pieces = ["".join(lines[a:b]) for a, b in zip([0, *ends], ends)]
    return [piece if piece.endswith("\n") else piece + "\n" for piece in pieces]


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement gives a value to or changes a part of, outside of functions."""
    if isinstance(node, Definition):
        return {node.name}
    names = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.alias):
            names.add((inner.asname or inner.name).split(".")[0])
        if isinstance(inner, ast.expr) and isinstance(getattr(inner, "ctx", None), ast.Store):
            while isinstance(inner, ast.Subscript | ast.Attribute | ast.Starred):
                inner = inner.value
            names |= {inner.id} if isinstance(inner, ast.Name) else set()
    return names


def _used(node: ast.stmt) -> set[str]:
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return names - set(dir(builtins))


def _comments_above(lines: list[str], lineno: int) -> int:
    count = 0
    while lineno - 2 - count >= 0 and lines[lineno - 2 - count].lstrip().startswith("#"):
        count += 1
    return count


def _functions(node: Definition, names: list[str]) -> list[ast.FunctionDef]:
    if not isinstance(node, ast.ClassDef):
        return [node]
    methods = [m for m in node.body if isinstance(m, ast.FunctionDef)]
    if node.name in names:
        return methods
    chosen = [m for m in methods if f"{node.name}.{m.name}" in names]
    if len(chosen) < len(names):
        raise ValueError(f"{node.name} does not have all the methods that its mark names")
    return chosen


def _emptied(
    lines: list[str], node: ast.FunctionDef, exercise: str, docs: dict[str, str]
) -> tuple[int, int, list[str]]:
    """The edit that keeps a function's head and docstring alone."""
    head = node.body[0]
    indent = " " * (node.col_offset + 4)
    new = [f'{indent}raise NotImplementedError("Exercise {exercise}: your turn")']
    last = _end_of_head(lines, node)
    if head.lineno <= last:  # the body begins behind the colon
        text = cut_bytes(lines[head.lineno - 1], head.col_offset).rstrip()
        return head.lineno - 1, node.end_lineno, [text, *new]
    if node.name in docs:
        new.insert(0, f'{indent}"""{docs[node.name]}"""')
    elif ast.get_docstring(node):
        last = head.end_lineno
    return last, node.end_lineno, new


def _end_of_head(lines: list[str], node: ast.FunctionDef) -> int:
    """The number of the line in which a statement ends that begins with `def`."""
    text = "\n".join(lines[node.lineno - 1 :])
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    count = next(token.start[0] for token in tokens if token.type == tokenize.NEWLINE)
    return node.lineno - 1 + count


def _tail(lines: list[str], node: ast.stmt) -> str:
    """The comment behind a statement, if it tells a shape."""
    comment = re.search(r"#.*", lines[node.end_lineno - 1])
    return f"  {comment[0]}" if comment and SHAPE.match(comment[0]) else ""
