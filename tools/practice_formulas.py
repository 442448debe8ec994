"""Formulas inside a check, lifted out of it into functions of their own that a student writes."""

import ast

from practice_stubs import Halves, cut_bytes


def lift(source: str, formulas: list[dict]) -> Halves:
    """Make formulas inside a cell functions of their own, which the cell then calls.

    Args:
        source: of the cell.
        formulas: each with `of`, the expression as it stands there, and `call`, as in
            `error(y=softmax(a), t=t)`: the function's name and what its arguments stand for (for
            a lambda, its name alone).
            The first one of a name gives the function its body; `doc` is its docstring. Of
            several places, `only` chooses one by its number.

    Raises:
        ValueError: an expression does not occur.
    """
    functions = {}
    for formula in formulas:
        call = ast.parse(formula["call"], mode="eval").body
        of = ast.parse(formula["of"], mode="eval").body
        where = _places(ast.parse(source), of)
        if "only" in formula:
            where = where[formula["only"] :][:1]
        if not where:
            raise ValueError(f"the cell does not hold {formula['of']}, which its mark names")
        for node in reversed(where):
            source = _replaced(source, node, _written(call))
        name = call.id if isinstance(of, ast.Lambda) else call.func.id
        functions.setdefault(name, _function(name, call, of, formula.get("doc", "")))
    return Halves("\n\n\n".join(functions.values()), source)


def _written(call: ast.expr) -> str:
    """The call as it stands in the cell, without its arguments' names."""
    if isinstance(call, ast.Name):
        return call.id
    return f"{call.func.id}({', '.join(ast.unparse(k.value) for k in call.keywords)})"


def _function(name: str, call: ast.expr, of: ast.expr, doc: str) -> str:
    if isinstance(of, ast.Lambda):
        signature, text = ast.unparse(of.args), ast.unparse(of.body)
    else:
        signature, text = ", ".join(k.arg for k in call.keywords), _body(call, of)
    doc = f'    """{doc}"""\n' if doc else ""
    return f"def {name}({signature}):\n{doc}    return {text}"


def _body(call: ast.Call, of: ast.expr) -> str:
    """The expression with the arguments' names in place of what they stand for."""
    text = ast.unparse(of)
    for keyword in sorted(call.keywords, key=lambda k: -len(ast.unparse(k.value))):
        for node in reversed(_places(ast.parse(text), keyword.value)):
            text = _replaced(text, node, keyword.arg)
    return text


def _places(tree: ast.AST, wanted: ast.expr) -> list[ast.expr]:
    """Where an expression occurs, from first to last."""
    pattern = ast.dump(wanted)
    found = [n for n in ast.walk(tree) if isinstance(n, ast.expr) and ast.dump(n) == pattern]
    return sorted(found, key=lambda n: (n.lineno, n.col_offset))


def _replaced(source: str, node: ast.expr, new: str) -> str:
    """The source with another text in place of a node; offsets count bytes."""
    lines = source.split("\n")
    before = "\n".join(
        [*lines[: node.lineno - 1], cut_bytes(lines[node.lineno - 1], node.col_offset)]
    )
    last = lines[node.end_lineno - 1]
    after = last[len(cut_bytes(last, node.end_col_offset)) :]
    return before + new + "\n".join([after, *lines[node.end_lineno :]])
