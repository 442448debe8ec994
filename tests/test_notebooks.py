"""The notebooks as they are stored: run in order, without errors, from the code that is stored, and clean."""

import json
import tomllib

import nbformat
import notebooks
import pytest
import submission

PATHS = notebooks.notebooks()


@pytest.fixture(params=PATHS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def nb(path):
    return notebooks.read(path)


def test_nothing_is_wrong_with_it(nb):
    assert not list(submission.notebook_problems(nb))


def test_small_and_without_widget_state(path, nb):
    assert path.stat().st_size < 2_000_000
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    assert "widgets" not in nb.metadata and "widget-view" not in json.dumps(outputs)


def test_opens_with_its_question_and_the_standard_cell(path, nb):
    with open(notebooks.ROOT / "pyproject.toml", "rb") as f:
        home = tomllib.load(f)["project"]["urls"]["repository"].removeprefix("https://github.com/")
    first, second = nb.cells[:2]
    assert first.source.startswith("# ") and all(
        word in first.source for word in ("**Takes**", "**Answers**", "**Writes**")
    )
    assert f"github/{home}/blob/main/{path.relative_to(notebooks.ROOT).as_posix()}" in first.source
    assert second.metadata.tags == ["colab"] and f'"https://github.com/{home}.git"' in second.source
    assert second.source == notebooks.read(PATHS[0]).cells[1].source, "the Colab cell is the same everywhere"


def test_changed_code_is_noticed(nb):
    before = notebooks.code_hash(nb)
    nb.cells[0].source += "\n\nMore prose."
    assert notebooks.code_hash(nb) == before
    notebooks.code_cells(nb)[-1].source += "\n1"
    assert notebooks.code_hash(nb) != before


def test_valid_json_without_timing_metadata(path):
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert not [c for c in raw["cells"] if c.get("metadata", {}).get("execution")]
    assert "language_info" not in raw["metadata"]


@pytest.fixture
def sound():
    """A small notebook in which all is well."""
    cell = nbformat.v4.new_code_cell(
        "print(1)", execution_count=1, outputs=[nbformat.v4.new_output("stream", text="1")]
    )
    nb = nbformat.v4.new_notebook(cells=[cell])
    nb.metadata["coursework"] = {"code_sha256": notebooks.code_hash(nb)}
    return nb


def spoil(nb, **changes):
    nb.cells[0].outputs[0].update(changes)


BROKEN = {
    "did not run in order": lambda nb: nb.cells[0].update(execution_count=2),
    "its code changed": lambda nb: nb.cells[0].update(source="print(2)"),
    "no outputs": lambda nb: nb.cells[0].update(outputs=[]),
    "ended in an error": lambda nb: nb.cells[0].outputs.append(nbformat.v4.new_output("error")),
    "wrote to stderr": lambda nb: spoil(nb, name="stderr"),
    "a machine's path: /home/": lambda nb: spoil(nb, text="in /home/anna/x"),
    "looks like a key": lambda nb: spoil(nb, text="key " + 20 * "0a"),
    "a progress bar": lambda nb: spoil(nb, text=" 40%|####"),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_notebook_is_noticed(sound, words):
    assert not list(submission.notebook_problems(sound))
    BROKEN[words](sound)
    assert any(words in problem for problem in submission.notebook_problems(sound))
