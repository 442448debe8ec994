"""The report and the write-ups: results are macros that notebooks wrote, and every figure is there,
shown and captioned."""

import json
import re
import shutil
import subprocess

import pytest
import submission

ROOT = submission.ROOT
WRITEUPS = sorted(ROOT.glob("companions/*/writeup.tex"))
DOCUMENTS = [ROOT / "report", *(path.parent for path in WRITEUPS)]


@pytest.mark.parametrize("folder", DOCUMENTS, ids=lambda p: p.name)
def test_nothing_is_missing_unused_or_without_a_caption(folder):
    assert not list(submission.report_problems(folder))


@pytest.fixture
def small(tmp_path):
    """A report in which all is well."""
    folder = tmp_path / "report"
    for part in ("figures", "sections"):
        (folder / part).mkdir(parents=True)
    (folder / "figures/a.pdf").write_bytes(b"")
    (folder / "numbers.json").write_text(json.dumps({"xorA": {"text": "1"}, "xorB": {"text": "2"}}))
    (folder / "numbers.tex").write_text("\\newcommand{\\xorA}{1}\n\\newcommand{\\xorB}{2}\n")
    (folder / "report.tex").write_text("\\input{numbers} \\xorA{} \\input{sections/one}")
    figure = r"\begin{figure}\includegraphics{figures/a}\caption{What to see.}\label{fig:a}"
    text = rf"\xorB{{}} see \autoref{{fig:a}} {figure}\end{{figure}}"
    (folder / "sections/one.tex").write_text(text)
    return folder


BREAK = {
    r"\caption{What to see.}": ("", "no caption"),
    r"\label{fig:a}": ("", "no label"),
    r"\autoref{fig:a}": ("", "never refers to fig:a"),
    r"\includegraphics{figures/a}": (
        r"\includegraphics{figures/b}",
        "the file figures/b.pdf is missing",
    ),
    r"\includegraphics{figures/": ("{", "the figure a is not shown"),
    r"\xorB": (r"\xorC", r"\xorC is not in numbers.tex"),
    r"\xorB{}": ("2", r"\xorB is used nowhere"),
}


@pytest.mark.parametrize("text", BREAK)
def test_a_broken_report_is_noticed(small, text):
    assert not list(submission.report_problems(small))
    path = small / "sections/one.tex"
    other, words = BREAK[text]
    path.write_text(path.read_text().replace(text, other, 1))
    assert any(words in problem for problem in submission.report_problems(small))


def test_numbers_out_of_order_are_noticed(small):
    lines = (small / "numbers.tex").read_text().splitlines()
    (small / "numbers.tex").write_text("\n".join(lines[::-1]) + "\n")
    assert any("not sorted" in problem for problem in submission.report_problems(small))


def test_a_number_that_only_prose_quotes_is_used(small):
    path = small / "sections/one.tex"
    path.write_text(path.read_text().replace(r"\xorB{}", "2"))
    (small.parent / "README.md").write_text("Two are <!--xorB-->2<!--/-->.")
    assert not list(submission.report_problems(small))


def test_a_record_that_does_not_fit_the_macros_is_noticed(small):
    (small / "numbers.json").write_text(json.dumps({"xorA": {"text": "1"}}))
    assert ["the same numbers" in p for p in submission.report_problems(small)] == [True]


@pytest.mark.skipif(not shutil.which("latexmk"), reason="latexmk is not installed")
def test_the_stored_pdfs_are_those_that_make_report_builds(tmp_path):
    """Same bytes, so a stored PDF that is older than its figures, numbers or text is noticed."""
    copy = tmp_path / "copy"
    for folder in DOCUMENTS:
        ignore = shutil.ignore_patterns("*.ipynb", "*.csv", "__pycache__", "build")
        shutil.copytree(folder, copy / folder.relative_to(ROOT), ignore=ignore)
    shutil.copy(ROOT / "Makefile", copy)
    (copy / ".venv/bin").mkdir(parents=True)
    subprocess.run(["make", "report"], cwd=copy, check=True, capture_output=True)
    for folder in DOCUMENTS:
        name = "report.pdf" if folder.name == "report" else "writeup.pdf"
        where = folder.relative_to(ROOT) / name
        stored = ROOT / where
        if stored.exists() and not made_elsewhere(stored, copy / where):
            stale = f"{where} is stale: run `make report` and commit it"
            assert stored.read_bytes() == (copy / where).read_bytes(), stale


def made_elsewhere(stored, built):
    """True if another version of TeX made the stored PDF: then its bytes say nothing."""
    producer = [re.search(rb"/Producer ?\(([^)]*)\)", p.read_bytes()) for p in (stored, built)]
    return bool(all(producer) and producer[0][1] != producer[1][1])
