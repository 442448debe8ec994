"""The report and the write-ups: results are macros that notebooks wrote, and every figure is there,
shown and captioned."""

import io
import json
import re
import shutil
import subprocess
import zlib

import pytest
import submission
from matplotlib import pyplot as plt

import helpers as h

ROOT = submission.ROOT
WRITEUPS = sorted(ROOT.glob("companions/*/writeup.tex"))
DOCUMENTS = [ROOT / "report", *(path.parent for path in WRITEUPS)]
FIGURES = [path for folder in DOCUMENTS for path in sorted((folder / "figures").glob("*.pdf"))]
SMALLEST = 7  # points


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


def text_sizes(pdf):
    """Points of every text that Matplotlib wrote; of a formula those of its largest letters."""
    sizes = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            code = zlib.decompress(stream)
        except zlib.error:
            continue
        for block in re.findall(rb"\bBT\b(.*?)\bET\b", code, re.S):
            found = re.findall(rb"/\S+ ([\d.]+) Tf", block)
            sizes += [max(map(float, found))] if found else []
    return sizes


@pytest.mark.parametrize("path", FIGURES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
def test_no_text_in_a_figure_is_smaller_than_seven_points(path):
    pdf = path.read_bytes()
    assert min(text_sizes(pdf), default=SMALLEST) >= SMALLEST
    width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", pdf)[1])
    assert width <= 72 * h.TEXT_WIDTH + 1, "wider than the text"


@pytest.mark.parametrize("folder", DOCUMENTS, ids=lambda p: p.name)
def test_figures_are_printed_at_the_size_at_which_they_are_drawn(folder):
    """So the sizes of their letters are those of print."""
    for path in (*folder.glob("*.tex"), *folder.glob("sections/*.tex")):
        for options, name in re.findall(r"\\includegraphics(\[.*?\])?\{(.*?)\}", path.read_text()):
            assert not options or name.endswith(".png"), f"{name} is scaled in {path.name}"


@pytest.mark.parametrize("size, label", [(6.5, "words"), (6, "$10^{-2}$"), (8, "$10^{-2}$")])
def test_the_size_of_text_is_read_from_a_figure(size, label):
    h.use_style()
    fig = plt.figure()
    fig.text(0.5, 0.5, label, fontsize=size)
    page = io.BytesIO()
    fig.savefig(page, format="pdf")
    plt.close(fig)
    assert text_sizes(page.getvalue()) == [size]


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
