"""The report: every result is a macro that a notebook wrote, every figure exists, nothing is left over."""

import re
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parent.parent / "report"
TEX = "\n".join(p.read_text() for p in [REPORT / "report.tex", *sorted(REPORT.glob("sections/*.tex"))])
NUMBERS = (REPORT / "numbers.tex").read_text()
DEFINED = re.findall(r"\\newcommand\{\\([A-Za-z]+)\}", NUMBERS)


def test_numbers_are_sorted_and_defined_once():
    assert NUMBERS.splitlines() == sorted(NUMBERS.splitlines()) and len(set(DEFINED)) == len(DEFINED)


def test_every_number_is_used():
    """Macros that no text uses are left over from an older notebook, or forgotten in the report."""
    unused = [name for name in DEFINED if not re.search(rf"\\{name}(?![A-Za-z])", TEX)]
    assert not unused, unused


def test_every_macro_used_is_defined():
    prefixes = {re.match("[a-z]+", name)[0] for name in DEFINED}
    used = set(re.findall(rf"\\((?:{'|'.join(prefixes)})[A-Z][A-Za-z]*)", TEX))
    assert used <= set(DEFINED), used - set(DEFINED)


@pytest.mark.parametrize(
    "command, suffix", [("includegraphics", ".pdf"), ("excerpt", ""), ("input", ".tex"), ("tablebody", ".tex")]
)
def test_every_file_shown_exists(command, suffix):
    names = re.findall(rf"\\{command}(?:\[[^]]*\])?\{{([^}}#]+)\}}", TEX)
    assert names and all((REPORT / f"{name}{suffix}").exists() for name in names), names


def test_every_figure_has_a_caption_and_is_referred_to():
    floats = re.findall(r"\\begin\{(figure|table)\}.*?\\end\{\1\}", TEX, re.S)
    bodies = re.findall(r"\\begin\{(?:figure|table)\}(.*?)\\end\{(?:figure|table)\}", TEX, re.S)
    assert len(floats) == len(bodies) > 0
    for body in bodies:
        label = re.search(r"\\label\{([^}#]+)\}", body)
        assert "\\caption{" in body and label, body[:80]
        assert f"\\autoref{{{label[1]}}}" in TEX, f"{label[1]} is never referred to"


def test_every_figure_of_the_notebooks_is_shown():
    shown = set(re.findall(r"\\includegraphics(?:\[[^]]*\])?\{figures/([^}#]+)\}", TEX))
    made = {p.stem for p in (REPORT / "figures").glob("*.pdf")}
    assert made == shown, made ^ shown
