"""make site: the notebooks and the pages at the top as one static site, in build/site.

The site needs no network and no server: it opens from a folder and is one, with nothing but
relative links. It shows the outputs that are stored; nothing is executed. (The module is not called
`site`, because Python has one of that name.)
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
from fingerprint import ROOT, read
from nbconvert.exporters import TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import MarkdownWithMath
from pages import pages
from pygments.formatters import HtmlFormatter
from website_text import Renderer, address, notebooks

from backstage import sandbox_page

OUT = ROOT / "build/site"
LOOK = ROOT / "tools/website"
REPORT = ROOT / "report/report.pdf"
PLAYGROUND = ROOT / "XOR_NNsandbox.ipynb"
SANDBOX = """<p id="sandbox">Move the sliders, or <a href="sandbox.html">open the sandbox alone</a>:
it runs in your browser.</p>
<iframe src="sandbox.html" title="The XOR sandbox" loading="lazy"></iframe>
"""
CONTENTS = """<details class="contents"><summary>On this page</summary>
<ul>{}</ul>
</details>
"""


class Entry(NamedTuple):
    """What the menu names and leads to."""

    name: str
    address: str  # relative to the top of the site
    title: str


def menu() -> list[Entry]:
    """What the header of each page leads to, from left to right."""
    home = Entry("Home", "index.html", title(ROOT / "README.md"))
    sandbox = Entry("Sandbox", f"{address(PLAYGROUND)}#sandbox", "The XOR sandbox, to play with")
    report = Entry("Report", address(REPORT), "The report (PDF)")
    found = [Entry(path.stem, address(path), title(path)) for path in notebooks()]
    return [home, *found, sandbox, report]


def title(path: Path) -> str:
    """The first heading of a notebook or a page."""
    return content(path).cells[0].source.splitlines()[0].removeprefix("# ")


def content(path: Path) -> nbformat.NotebookNode:
    """A notebook as it is stored, or a page as a notebook of one cell."""
    if path.suffix == ".ipynb":
        return read(path)
    cell = nbformat.v4.new_markdown_cell(path.read_text(encoding="utf-8"))
    return nbformat.v4.new_notebook(cells=[cell])


def writeup(path: Path) -> Path:
    """Where a companion has a report of its own, if it has one."""
    return path.parent / "writeup.pdf"


def opening(path: Path, headings: list[tuple[str, str]]) -> str:
    """What the site puts below the first heading of a notebook."""
    if path.suffix != ".ipynb":
        return ""
    text = CONTENTS.format("".join(f'<li><a href="#{id_}">{it}</a></li>' for id_, it in headings))
    if writeup(path).exists():
        text += f'<p><a href="{writeup(path).name}">Its write-up (PDF)</a></p>\n'
    if path == PLAYGROUND:
        text += SANDBOX
    return text


def style() -> str:
    """The style sheet: the colours of code in the light and in the dark, and our own rules."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    own = (LOOK / "style.css").read_text(encoding="utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


class Site:
    """The site while it is built, in the folder out."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._menu = menu()
        self._exporter = TemplateExporter(  # HTMLExporter parses every page a second time
            template_name=LOOK.name,
            extra_template_basedirs=[str(LOOK.parent)],
            file_extension=".html",
            exclude_input_prompt=True,
            exclude_output_prompt=True,
            filters={"highlight_code": Highlight2HTML()},
        )

    def add(self, path: Path) -> None:
        """Write one page, and the files that it links to."""
        renderer = Renderer(path)
        self._exporter.register_filter("markdown2html", MarkdownWithMath(renderer).render)
        place = address(path)
        around = {
            "title": title(path),
            "address": place,
            "up": "../" * place.count("/"),
            "menu": self._menu,
            "beside": list(self._beside(place)),
        }
        text, _ = self._exporter.from_notebook_node(content(path), around)
        self.write(place, text.replace("</h1>", "</h1>" + opening(path, renderer.headings), 1))
        for file in renderer.files:
            self.copy(file)

    def write(self, place: str, text: str) -> None:
        """Write a text file of the site."""
        target = self._out / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def copy(self, file: Path) -> None:
        """Copy a file of the project to the same place of the site."""
        target = self._out / address(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)

    def _beside(self, place: str) -> Iterator[tuple[str, Entry]]:
        """The pages before and after one, with the arrows that stand in front of their titles."""
        order = [entry for entry in self._menu if entry.address.endswith(".html")]
        for before, after in zip(order, order[1:]):
            if after.address == place:
                yield "←", before
            if before.address == place:
                yield "→", after


def build(out: Path = OUT) -> None:
    """Write the whole site into a folder."""
    site = Site(out)
    site.write("style.css", style())
    site.write("sandbox.html", sandbox_page.page())
    for path in [*pages(), *notebooks()]:
        site.add(path)
    for document in [REPORT, *filter(Path.exists, map(writeup, notebooks()))]:
        site.copy(document)


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    build()
    print(f"open {(OUT / 'index.html').relative_to(ROOT)} in a browser")
