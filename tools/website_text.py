"""What `make site` makes of Markdown: formulas as MathML, headings with ids, links within the site.

Browsers draw MathML themselves, so formulas need no script, no font and no network. math-core
translates them, because it refuses what it does not know, and keeps bold letters and the columns of
aligned lines.
"""

import html
import os
import re
from pathlib import Path
from urllib.parse import unquote

from fingerprint import ROOT
from math_core import LatexError, LatexToMathML
from nbconvert.filters.markdown_mistune import IPythonRenderer
from pages import pages

ABSOLUTE = re.compile(r"\w+:")
TAG = re.compile(r"<[^>]*>")


class Renderer(IPythonRenderer):
    """Turns the Markdown of one page into HTML.

    Attributes:
        headings: (id, HTML) of each heading of the second level so far.
        files: what the page links to or shows, besides pages.
    """

    def __init__(self, page: Path) -> None:
        super().__init__(escape=False)
        self.headings = []
        self.files = set()
        self._page = page
        self._ids = set()
        self._math = LatexToMathML(fancy_error=False)

    def block_math(self, body: str) -> str:
        """A formula on a line of its own."""
        return f'<span class="formula">{self._formula(body, block=True)}</span>'

    def inline_math(self, body: str) -> str:
        """A formula within a sentence."""
        return self._formula(body, block=False)

    def latex_environment(self, name: str, body: str) -> str:
        """A formula that begins with \\begin."""
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def heading(self, text: str, level: int, **attrs: object) -> str:
        """A heading with the id that GitHub gives it, so that links lead to it there and here."""
        words = html.unescape(TAG.sub("", text)).strip().lower()
        first = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        name = first
        repeated = 0
        while name in self._ids:
            repeated += 1
            name = f"{first}-{repeated}"
        self._ids.add(name)
        if level == 2:
            self.headings.append((name, text))
        return f'<h{level} id="{name}"><a href="#{name}">{text}</a></h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """A link; one to a notebook leads to its page."""
        return super().link(text, self._address(url), title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """A picture of the project, or the words for one that would come from the network."""
        if ABSOLUTE.match(url):
            return text
        return super().image(text, self._address(url), title)

    def _formula(self, latex: str, block: bool) -> str:
        try:
            return self._math.convert_with_local_state(latex, displaystyle=block)
        except LatexError as error:
            message = f"{self._page.name}: the formula {latex} cannot be shown: {error}"
            raise ValueError(message) from None

    def _address(self, url: str) -> str:
        name, hash_, part = url.partition("#")
        if ABSOLUTE.match(url) or not name:
            return url
        target = (self._page.parent / unquote(name)).resolve()
        if not (target.is_file() and target.is_relative_to(ROOT)):
            hint = "; `make report` builds it" if name.endswith(".pdf") else ""
            raise ValueError(f"{self._page.name}: {url} is no file of the project{hint}")
        if target in [*notebooks(), *pages()]:
            return os.path.relpath(ROOT / address(target), self._page.parent) + hash_ + part
        self.files.add(target)
        return url


def notebooks() -> list[Path]:
    """The notebooks in the order in which README.md lists them."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [*ROOT.glob("*.ipynb"), *ROOT.glob("companions/*/*.ipynb")]
    return sorted(found, key=lambda path: readme.find(f"({path.relative_to(ROOT).as_posix()})"))


def address(path: Path) -> str:
    """Where the site has a file of the project, relative to the top of the site."""
    if path == ROOT / "README.md":
        return "index.html"
    if path.suffix in (".md", ".ipynb"):
        path = path.with_suffix(".html")
    return path.relative_to(ROOT).as_posix()
