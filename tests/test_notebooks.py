"""The notebooks as they are stored: run in order, from the code that is stored, clean, readable."""

import json
import re

import kept_records
import nbformat
import notebooks
import pages
import prose
import pytest
import submission
from fingerprint import ROOT, code_cells, code_hash, read
from glossary import ID, glossary
from layout import STORED, layout_problems
from nbconvert import HTMLExporter

PATHS = notebooks.notebooks()


@pytest.fixture(params=PATHS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def nb(path):
    return read(path)


def test_nothing_is_wrong_with_it(nb):
    assert not list(submission.notebook_problems(nb))


def test_small_and_without_widget_state(path, nb):
    assert path.stat().st_size < 2_000_000
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    assert "widgets" not in nb.metadata
    assert "widget-view" not in json.dumps(outputs)


def test_the_records_are_those_that_stored_outputs_name():
    named = set().union(*map(kept_records.names, notebooks.notebooks()))
    assert {path.name for path in (ROOT / "records").iterdir()} == named
    assert len(named) >= 8


def test_what_is_stored_comes_from_real_data(nb):
    printed = "".join(o.get("text", "") for c in code_cells(nb) for o in c.outputs)
    assert not re.search("Source: phantom|drawn by code", printed)


def test_opens_with_its_question_and_the_standard_cell(path, nb):
    first, second = nb.cells[:2]
    assert first.source.startswith("# ")
    for words in ("**Takes**", "**Answers**", "**Writes**", STORED):
        assert words in first.source
    place = path.relative_to(ROOT).as_posix()
    assert f"github/{notebooks.home()}/blob/main/{place}" in first.source
    assert f'home = "{notebooks.home()}"' in second.source
    standard = notebooks.COLAB.read_text(encoding="utf-8").strip()
    assert second.source == standard, "run tools/notebooks.py address"
    assert second.metadata == notebooks.COLAB_METADATA


def test_it_lists_what_the_names_from_helpers_do(nb):
    place = [cell.get("id") for cell in nb.cells].index(ID)
    assert "import helpers as h" in nb.cells[place - 1].source
    assert nb.cells[place].source == glossary(nb), "run tools/notebooks.py address"
    assert nb.cells[place].source.count("\n* `h.") > 3


def test_it_is_laid_out_to_be_read(path, nb):
    """Short cells and lines, prose in between, folded cells with a title, figures with a text."""
    found = list(layout_problems(nb, limit=25 if path.parent == ROOT else 30))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("page", [*PATHS, *pages.pages()], ids=lambda p: p.stem)
def test_its_prose_quotes_the_numbers_that_its_code_recorded(page):
    found = notebooks.prose_problems(page)
    assert not found, "\n".join(["run tools/notebooks.py prose", *found])


@pytest.mark.parametrize("name", pages.PICTURES)
def test_the_pictures_of_the_readme_are_those_of_the_notebooks(name):
    notebook, figure = pages.PICTURES[name]
    assert (ROOT / name).read_bytes() == pages.picture(ROOT / notebook, figure)
    assert f"]({name})" in (ROOT / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="shows no figure other"):
        pages.picture(ROOT / notebook, "other")


def test_changed_code_is_noticed(nb):
    before = code_hash(nb)
    nb.cells[0].source += "\n\nMore prose."
    assert code_hash(nb) == before
    code_cells(nb)[-1].source += "\n1"
    assert code_hash(nb) != before


def test_valid_json_without_timing_metadata(path):
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert not [c for c in raw["cells"] if c.get("metadata", {}).get("execution")]
    assert "language_info" not in raw["metadata"]


# What the tests above would notice, tried on small notebooks.


@pytest.fixture
def sound():
    """A small notebook in which all is well."""
    printed = nbformat.v4.new_output("stream", text="1")
    cell = nbformat.v4.new_code_cell("print(1)", execution_count=1, outputs=[printed])
    nb = nbformat.v4.new_notebook(cells=[cell])
    nb.metadata["coursework"] = {"code_sha256": code_hash(nb)}
    return nb


def spoil(nb, **changes):
    nb.cells[0].outputs[0].update(changes)


BROKEN = {
    "did not run in order": lambda nb: nb.cells[0].update(execution_count=2),
    "its code changed": lambda nb: nb.cells[0].update(source="print(2)"),
    "no outputs": lambda nb: nb.cells[0].update(outputs=[]),
    "ended in an error": lambda nb: nb.cells[0].outputs.append(nbformat.v4.new_output("error")),
    "wrote to stderr": lambda nb: spoil(nb, name="stderr"),
    "a progress bar": lambda nb: spoil(nb, text=" 40%|####"),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_notebook_is_noticed(sound, words):
    assert not list(submission.notebook_problems(sound))
    BROKEN[words](sound)
    assert any(words in problem for problem in submission.notebook_problems(sound))


@pytest.fixture
def readable():
    """A small notebook that is laid out well: two code cells after the one for Colab."""
    shown = nbformat.v4.new_output(
        "display_data",
        {"image/png": "iVBORw0KGgo=", "text/plain": "<Image>"},
        metadata={"image/png": {"alt": 'A "black" square.'}},
    )
    folded = {"cellView": "form", "jupyter": {"source_hidden": True}}
    cells = [
        nbformat.v4.new_markdown_cell(f"# Why?\n\n{STORED}."),
        nbformat.v4.new_code_cell("# @title A\n" * 60, metadata=notebooks.COLAB_METADATA),
        nbformat.v4.new_code_cell("import this", outputs=[shown]),
        nbformat.v4.new_code_cell("# @title Draw\nx = 1", metadata=folded),
    ]
    return nbformat.v4.new_notebook(cells=cells)


MOVIE = nbformat.v4.new_output("display_data", {"text/html": '<img src="data:image/gif;">'})
UNREADABLE = {
    "does not say": lambda nb: nb.cells[0].update(source="# Why?"),
    "26 lines, more than 25": lambda nb: nb.cells[2].update(source="x = 1\n" * 26),
    "a line of 101 columns": lambda nb: nb.cells[2].update(source="#" * 101),
    "3 code cells in a row": lambda nb: nb.cells.append(nbformat.v4.new_code_cell("1")),
    "a figure without alternative text": lambda nb: nb.cells[2].outputs[0].update(metadata={}),
    "image without alternative text": lambda nb: nb.cells[2].outputs.append(MOVIE),
    "not folded on Colab": lambda nb: nb.cells[3].metadata.pop("cellView"),
    "not begin with # @title": lambda nb: nb.cells[3].update(source="x = 1"),
}


@pytest.mark.parametrize("words", UNREADABLE)
def test_an_unreadable_notebook_is_noticed(readable, words):
    assert not list(layout_problems(readable, 25))
    UNREADABLE[words](readable)
    assert [words in problem for problem in layout_problems(readable, 25)] == [True]


def test_alternative_text_survives_storing_and_export(readable, tmp_path, monkeypatch):
    """The classic template writes it; that of Jupyter Lab leaves it out (nbconvert 7.17)."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "BUILD", tmp_path / "build")
    (tmp_path / "build").mkdir()
    nbformat.write(readable, tmp_path / "n.ipynb")
    nbformat.write(readable, tmp_path / "build/n.ipynb")
    notebooks.store([tmp_path / "n.ipynb"])
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(read(tmp_path / "n.ipynb"))
    image = re.search(r"<img[^>]*data:image/png[^>]*>", page)[0]
    assert "alt='A \"black\" square.'" in image


# Numbers in prose.

RECORD = {"xorSeeds": {"text": "200", "value": 200}, "xorGap": {"text": r"$-0.3 \pm 0.1$\,\%"}}


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        ("0.956", "0.956"),
        ("$-0.037$ [$-0.050$, $-0.017$]", "−0.037 [−0.050, −0.017]"),
        (r"98.8\,\%", "98.8 %"),
        (r"$0.3 \pm 0.1$", "0.3 ± 0.1"),
        (r"5\times 10^{-15}", "5 × 10⁻¹⁵"),
        ("10--20", "10–20"),
        ("12{,}810", "12,810"),
        (r"2 \to 3", "2 → 3"),
        (r"\texttt{weight\_decay}", "weight_decay"),
    ],
)
def test_latex_becomes_plain_text(latex, text):
    assert prose.plain(latex) == text


def test_a_sign_without_plain_text_is_refused():
    with pytest.raises(ValueError, match="oint"):
        prose.plain(r"$\oint$")


def test_numbers_are_filled_in_wherever_they_stand():
    text = """Of **<!--xorSeeds--><!--/-->** networks, in `<!--xorSeeds-->1<!--/-->`:

| a | <!--xorSeeds-->7<!--/--> | <!--xorGap-->?<!--/--> | <!--other-->5<!--/--> |
"""
    filled = prose.fill(text, RECORD)
    assert (
        filled
        == """Of **<!--xorSeeds-->200<!--/-->** networks, in `<!--xorSeeds-->1<!--/-->`:

| a | <!--xorSeeds-->200<!--/--> | <!--xorGap-->−0.3 ± 0.1 %<!--/--> | <!--other-->5<!--/--> |
"""
    )
    assert prose.fill(filled, RECORD) == filled
    assert prose.problems(filled, RECORD) == ["the number other is in no record"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a <!--xorSeed-->200<!--/-->", "xorSeed is in no record"),
        ("a <!--xorSeeds-->201<!--/-->", "xorSeeds is 200, but the text says 201"),
        ("a <!--xorSeeds-->200", "<!--xorSeeds--> has no partner"),
        ("a 200<!--/-->", "<!--/--> has no partner"),
        ("a $x = <!--xorSeeds-->200<!--/-->$", "inside the formula"),
        ("a\n- <!--xorSeeds-->200<!--/--> b", "a line begins with"),
    ],
)
def test_a_wrong_marker_is_noticed(text, words):
    assert [words in problem for problem in prose.problems(text, RECORD)] == [True]


def test_a_right_marker_is_not():
    assert not prose.problems("$x$ of <!--xorSeeds-->200<!--/--> and $y$ <!-- a note -->", RECORD)


def test_prose_is_filled_from_the_record_of_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    text = "Of <!--xorSeeds-->1<!--/--> networks."
    places = {tmp_path: "report", tmp_path / "companions/one": "companions/one"}
    for number, (folder, record) in enumerate(places.items(), 5):
        (tmp_path / record).mkdir(parents=True, exist_ok=True)
        entry = {"xorSeeds": {"text": str(number)}}
        (tmp_path / record / "numbers.json").write_text(json.dumps(entry))
        cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(f"# {text}")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "n.ipynb")
    (tmp_path / "README.md").write_text(text)
    paths = notebooks.notebooks()
    assert all(notebooks.prose_problems(path) for path in paths)
    notebooks.fill_prose(paths)
    pages.fill(tmp_path)
    assert not any(notebooks.prose_problems(path) for path in [*paths, tmp_path / "README.md"])
    assert ">5<" in (tmp_path / "README.md").read_text()
    companion = read(tmp_path / "companions/one/n.ipynb")
    assert ">6<" in companion.cells[0].source
    assert companion.cells[1].source == f"# {text}", "code stays as it is"
