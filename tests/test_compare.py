"""make compare: what two runs may differ by, and who says so."""

import json
import os
import subprocess
import sys

import compare
import nbformat
import pytest


def entry(text, value=None, spread=None):
    found = {"text": text, "value": value, "spread": spread}
    return {key: part for key, part in found.items() if part is not None}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (entry("0.95", 0.95, 0.02), entry("0.96", 0.96, 0.02), compare.INSIDE),
        (entry("0.95", 0.95, 0.02), entry("0.98", 0.98, 0.02), compare.OUTSIDE),
        (entry("0.95", 0.95, 0.02), entry("0.98", 0.98, 0.04), compare.INSIDE),
        (entry("0.95", 0.951, 0.02), entry("0.95", 0.953, 0.02), None),
        (entry("1", 0.951, 0.02), entry("1", 1.3, 0.02), compare.OUTSIDE),
        (entry("3", 3), entry("4", 4), compare.UNSTATED),
        (entry("3", 3.1), entry("3", 3.2), None),
        (entry("rate"), entry("width"), compare.UNSTATED),
        (entry("3", 3), None, compare.GONE),
        (None, entry("3", 3), compare.NEW),
    ],
)
def test_a_number_may_differ_by_its_spread(old, new, verdict):
    records = [{"report": {"xorA": part} if part else {}} for part in (old, new)]
    found = compare.differences(*records)
    assert [difference.verdict for difference in found] == ([verdict] if verdict else [])


@pytest.fixture
def project(tmp_path):
    """A project with a record, a report, a notebook and a README that quote it."""
    root = tmp_path / "project"
    (root / "report/sections").mkdir(parents=True)
    (root / "companions/one").mkdir(parents=True)
    save(root, "0.95")
    (root / "report/sections/a.tex").write_text("One. Dice is \\xorA{} here. Two \\xorAb{}.\n")
    (root / "companions/one/writeup.tex").write_text("Not this \\xorA{}.\n")
    text = "Other. The mean is <!--xorA-->0.95<!--/-->.\n\n| b | <!--xorA-->0.95<!--/--> |\n| c |"
    (root / "README.md").write_text(text)
    cells = [nbformat.v4.new_markdown_cell(f"# Q\n\n{text}"), nbformat.v4.new_code_cell("1")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "n.ipynb")
    return root


def save(root, text):
    path = root / "report/numbers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"xorA": entry(text, float(text), 0.01)}))


def test_the_sentences_that_quote_a_number_are_found(project):
    difference = compare.Difference("report", "xorA", "0.95", "0.98", compare.OUTSIDE)
    assert compare.sentences(difference, project) == [
        "README.md: The mean is 0.95.",
        "README.md: | b | 0.95 |",
        "n.ipynb: The mean is 0.95.",
        "n.ipynb: | b | 0.95 |",
        r"report/sections/a.tex: Dice is \xorA{} here.",
    ]


@pytest.fixture
def run(monkeypatch):
    """The program with these folders; gives its exit status."""

    def status(*folders):
        monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, folders)])
        return compare.main()

    return status


def test_two_folders_are_compared_with_a_status(project, tmp_path, run, capsys):
    save(tmp_path / "other", "0.98")
    assert run(project, tmp_path / "other") == 1
    wanted = "report xorA: 0.95 -> 0.98   (differ by 0.03, spread 0.01)"
    assert wanted in capsys.readouterr().out
    save(tmp_path / "other", "0.955")
    assert run(project, tmp_path / "other") == 0
    capsys.readouterr()
    assert run(project, project) == 0
    assert capsys.readouterr().out == "1 numbers compared.\nAll numbers are the same.\n"
    assert run(project, tmp_path / "nowhere") == 2
    with pytest.raises(SystemExit):
        run(project)
    assert "either no folder or two" in capsys.readouterr().err


def test_the_stored_numbers_are_those_of_the_last_commit(project):
    git = ["git", "-C", project, "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    save(project, "0.98")
    old = compare.stored_records(project)
    assert old == {"report": {"xorA": entry("0.95", 0.95, 0.01)}}
    assert len(compare.differences(old, compare.records_in(project))) == 1


def test_without_git_one_sentence_asks_for_two_folders(project, run, monkeypatch, capsys):
    monkeypatch.setattr(compare.stored_records, "__defaults__", (project,))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    for path in (os.environ["PATH"], ""):  # no repository, no git
        monkeypatch.setenv("PATH", path)
        with pytest.raises(SystemExit) as stop:
            run()
        assert stop.value.code == 2
        assert "name two folders to compare" in capsys.readouterr().err
