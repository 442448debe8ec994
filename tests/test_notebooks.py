"""The notebooks as they are stored: run in order, without errors, from the code that is stored, and clean."""

import json
import re
import tomllib

import notebooks
import pytest

PATHS = notebooks.notebooks()
MACHINE_PATH = re.compile(r"(/root/|/home/|/tmp/|/work/|/opt/|/Users/|[A-Z]:\\Users)[\w.-]*")
SECRET = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])|wandb_v1_\w+")
PROGRESS = re.compile(r"\d+%\||it/s\]|s/it\]|\b\d\d:\d\d:\d\d\b")


def text_outputs(nb):
    for cell in notebooks.code_cells(nb):
        for output in cell.outputs:
            yield output.get("text", "")
            yield from (v for k, v in output.get("data", {}).items() if k.startswith("text/") and isinstance(v, str))


@pytest.fixture(params=PATHS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def nb(path):
    return notebooks.read(path)


def test_ran_top_to_bottom(nb):
    counts = [c.execution_count for c in nb.cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "stored outputs are from another order: run `make notebooks`"


def test_outputs_belong_to_the_stored_code(nb):
    stored = nb.metadata.get("coursework", {}).get("code_sha256")
    assert stored == notebooks.code_hash(nb), "code changed after the outputs were made: run `make notebooks`"


def test_no_errors_and_some_outputs(nb):
    outputs = [o for c in nb.cells if c.cell_type == "code" for o in c.outputs]
    assert outputs and not [o for o in outputs if o.output_type == "error"]


def test_no_machine_path_secret_or_progress_noise(nb):
    sources = [c.source for c in nb.cells]
    for pattern, texts in (
        (MACHINE_PATH, [*sources, *text_outputs(nb)]),
        (SECRET, [*sources, *text_outputs(nb)]),
        (PROGRESS, text_outputs(nb)),
    ):
        found = [m[0] for t in texts if (m := pattern.search(t))]
        assert not found, found
    assert not [o for c in nb.cells if c.cell_type == "code" for o in c.outputs if o.get("name") == "stderr"]


def test_small_and_without_widget_state(path, nb):
    assert path.stat().st_size < 2_000_000
    assert "widgets" not in nb.metadata and "widget-view" not in path.read_text(encoding="utf-8")


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
