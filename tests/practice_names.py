"""Which names a cell of a notebook uses, gives and changes, found without running it."""

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Cell:
    """A code cell: what it says, and which names it uses, gives and changes."""

    source: str
    exercise: str = ""
    kind: str = ""  # "answer", "check" or neither
    home: str = ""  # the id of the notebook's cell that it is a part of
    uses: set[str] = field(default_factory=set)
    gives: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    imports: bool = False

    def __post_init__(self):
        self._read(ast.parse(self.source).body)

    def _read(self, body: list[ast.stmt]) -> None:
        """Note the names of statements in their order, also of those inside loops."""
        for node in body:
            if isinstance(node, ast.For):
                self._note(ast.Expr(node.iter))
                self._note(ast.Assign([node.target], ast.Constant(None)))
                self._read([*node.body, *node.orelse])
            elif isinstance(node, ast.If):
                self._note(ast.Expr(node.test))
                self._read([*node.body, *node.orelse])
            else:
                self._note(node)
            self.changes |= _changed(node)
            self.imports |= isinstance(node, ast.Import | ast.ImportFrom)

    def _note(self, node: ast.stmt) -> None:
        text = ast.unparse(ast.fix_missing_locations(node))
        table = symtable.symtable(text, "", "exec")
        symbols = table.get_symbols()
        given = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
        used = {s.get_name() for s in symbols if s.is_referenced()} | set(_global_names(table))
        if isinstance(node, ast.AugAssign):
            used.add(_root(node.target))
        itself = given if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()
        self.uses |= used - self.gives - itself
        self.gives |= given


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        yield from (s.get_name() for s in child.get_symbols() if s.is_global())
        yield from _global_names(child)


def _changed(node: ast.stmt) -> set[str]:
    """Names of what a statement changes in place: a part of it, by an operator, by a call."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return set()
    places = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.AugAssign):
            places.append(inner.target)
        elif isinstance(inner, ast.Subscript | ast.Attribute) and isinstance(inner.ctx, ast.Store):
            places.append(inner)
        elif _acts(inner):
            method = isinstance(inner.value.func, ast.Attribute)
            places += [inner.value.func] if method else inner.value.args
    return set(filter(None, map(_root, places)))


def _acts(node: ast.AST) -> bool:
    """Whether this is a call for its effect, and not one that only prints or compares."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    return getattr(node.value.func, "id", "") not in ("print", "agree")


def _root(place: ast.expr) -> str:
    """The name whose part a place is."""
    while isinstance(place, ast.Subscript | ast.Attribute | ast.Call | ast.Starred):
        place = place.func if isinstance(place, ast.Call) else place.value
    return place.id if isinstance(place, ast.Name) else ""
