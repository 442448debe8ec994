"""The project's layout keeps its promises: imports run one way, functions are short, names are
documented."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BACKSTAGE = sorted((ROOT / "backstage").glob("*.py"))
TOP = [ROOT / "helpers.py", ROOT / "side_by_side.py"]
FILES = [*TOP, *BACKSTAGE]
OWN = {"helpers", "side_by_side", "nanograd", "backstage"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree):
    """Full names of all that a tree imports; for `from a import b` both a and a.b."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or ".")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def own(names):
    return {name for name in names if name.split(".")[0] in OWN}


def upward_imports(tree):
    """What a file of backstage imports from above it."""
    return {name for name in own(imported(tree)) if not name.startswith("backstage")}


def hidden_imports(tree):
    """Our own modules that are imported inside functions."""
    return {name for function in functions(tree) for name in own(imported(function))}


def long_functions(tree, limit=40):
    found = {f.name: f.end_lineno - f.lineno + 1 for f in functions(tree)}
    return {name: lines for name, lines in found.items() if lines > limit}


def find_cycle(graph):
    """Some cycle of a graph {node: nodes it points to} as a list of nodes, [] if there is none."""
    done = set()

    def walk(node, path):
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        for after in graph[node]:
            found = walk(after, [*path, node])
            if found:
                return found
        done.add(node)
        return []

    cycles = (walk(node, []) for node in graph)
    return next((cycle for cycle in cycles if cycle), [])


def public_names(tree):
    """Public functions and classes at the top level, and their public methods."""
    nodes = []
    for node in tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        nodes.append(node)
        if isinstance(node, ast.ClassDef):
            nodes += [n for n in node.body if isinstance(n, Function) and n.name[0] != "_"]
    return nodes


def undocumented(tree):
    """Public functions and classes without a docstring; methods may inherit theirs."""
    top = [node for node in public_names(tree) if node in tree.body]
    return [node.name for node in top if not ast.get_docstring(node)]


def untyped(tree):
    """Public functions with an argument or a result that has no type hint."""
    found = []
    for node in public_names(tree):
        if not isinstance(node, Function):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [a for a in (node.args.vararg, node.args.kwarg) if a]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        if bare or node.returns is None:
            found.append(node.name)
    return found


def name_of(path):
    return path.stem


each_file = pytest.mark.parametrize("path", FILES, ids=name_of)
each_backstage_file = pytest.mark.parametrize("path", BACKSTAGE, ids=name_of)


@each_backstage_file
def test_backstage_imports_nothing_from_above(path):
    assert not upward_imports(parse(path))


@each_file
def test_no_function_hides_an_import_of_our_own(path):
    assert not hidden_imports(parse(path))


def test_no_file_of_backstage_leads_back_to_itself():
    graph = {}
    names = {f"backstage.{path.stem}" for path in BACKSTAGE}
    for path in BACKSTAGE:
        graph[f"backstage.{path.stem}"] = imported(parse(path)) & names
    assert find_cycle(graph) == []


def test_helpers_has_at_most_500_lines():
    assert len((ROOT / "helpers.py").read_text(encoding="utf-8").splitlines()) <= 500


@each_backstage_file
def test_no_file_of_backstage_has_more_than_200_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 200


@each_file
def test_no_line_is_longer_than_100_columns(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [number for number, line in enumerate(lines, 1) if len(line) > 100]


@each_file
def test_no_function_has_more_than_40_lines(path):
    assert not long_functions(parse(path))


def test_fit_is_the_textbook_loop():
    fit = next(f for f in functions(parse(ROOT / "helpers.py")) if f.name == "fit")
    docstring = fit.body[0]
    lines = fit.end_lineno - fit.lineno + 1 - (docstring.end_lineno - docstring.lineno + 1)
    assert lines <= 25 and len(fit.args.args) + len(fit.args.kwonlyargs) <= 7
    assert not [node for node in ast.walk(fit) if isinstance(node, ast.If | ast.Try)]


@each_file
def test_public_names_are_documented_and_typed(path):
    tree = parse(path)
    assert not undocumented(tree)
    assert not untyped(tree)


def test_the_map_of_backstage_is_complete():
    text = (ROOT / "backstage/__init__.py").read_text(encoding="utf-8")
    listed = {line.split()[0] for line in text.splitlines() if line.startswith("    ")}
    assert listed == {path.stem for path in BACKSTAGE} - {"__init__"}


# ---- each of these would be noticed ----


def test_the_checks_notice_what_they_look_for():
    above = ast.parse("import helpers as h\nfrom side_by_side import fit_many")
    assert upward_imports(above) == {"helpers", "side_by_side", "side_by_side.fit_many"}
    hidden = ast.parse("class A:\n    def f(self):\n        from backstage import style")
    assert hidden_imports(hidden) == {"backstage", "backstage.style"}
    assert not hidden_imports(ast.parse("def f():\n    import numpy"))
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert long_functions(ast.parse("def f():\n" + "    x = 1\n" * 40)) == {"f": 41}
    bare = ast.parse(
        "def f(x: int):\n    pass\ndef _g(x): pass\nclass A:\n    def m(self, y): pass"
    )
    assert untyped(bare) == ["f", "m"] and undocumented(bare) == ["f", "A"]
