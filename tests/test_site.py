"""The site: all notebooks are there, every link leads somewhere, every formula was converted, and
a browser shows it without a network, with a sandbox that moves."""

import html
import os
import re
import shutil
from pathlib import Path

import prose
import pytest
import website
from fingerprint import ROOT, code_cells, read
from website_text import Renderer, address, notebooks

CODE = re.compile(r"<(pre|code|math|style|script)\b.*?</\1>", re.S)
CONTENTS = re.compile(r'<details class="contents">.*?</details>', re.S)
TAG = re.compile(r"<[^>]*>")
LOADED = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)="(?!data:)([^"]*)"')
NETWORK = re.compile(r"(?:https?:)?//")
LINK = re.compile(r'\b(?:src|href)="([^"]*)"')
SCHEME = re.compile(r"[a-z]+:")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site's folder."""
    out = tmp_path_factory.mktemp("a site Ø")
    website.build(out)
    return out


@pytest.fixture(scope="module")
def texts(site):
    """The HTML of every page, by its file."""
    return {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}


@pytest.fixture(params=notebooks(), ids=lambda path: path.stem)
def path(request):
    return request.param


def page_of(path, site, texts):
    return texts[site / address(path)]


# ---- what is there ----


def test_the_pages_are_all_there(site, texts):
    names = {path.relative_to(site).as_posix() for path in texts}
    own = {"index.html", "CONTRIBUTING.html", "PRACTICE.html", "sandbox.html"}
    assert names == own | set(map(address, notebooks()))
    assert len(notebooks()) == 10
    for name in ("report/report.pdf", "report/figures/xor_movie.gif"):
        assert (site / name).read_bytes() == (ROOT / name).read_bytes()
    assert len(list(site.rglob("writeup.pdf"))) == 2


def test_the_menu_leads_to_everything_in_the_readmes_order(site, texts):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    order = re.findall(r"\|\s*\[[^]]*\]\(([^)]*)\.ipynb\)", readme)
    pages = [f"{name}.html" for name in order]
    found = re.findall(r"<nav.*?</nav>", texts[site / "index.html"], re.S)[0]
    last = ["XOR_NNsandbox.html#sandbox", "report/report.pdf"]
    assert LINK.findall(found) == ["index.html", *pages, *last]


def test_a_page_shows_all_that_its_notebook_does(path, site, texts):
    nb = read(path)
    page = page_of(path, site, texts)
    words = html.unescape(TAG.sub("", page))
    for output in (output for cell in code_cells(nb) for output in cell.outputs):
        assert output.get("data", {}).get("image/png", "").strip() in page
        for line in output.get("text", "").splitlines():
            assert line in words
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert page.count('<div class="input_area">') == len(code)
    folded = [cell for cell in code if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert page.count('<details class="code">') == len(folded) > 0
    assert re.findall("<img", page) == re.findall(r"""<img(?=[^>]*\balt=["']\w)""", page)


# ---- links ----


def dead_links(page: Path, texts: dict[Path, str]) -> list[str]:
    """The relative links of a page that lead to no file, or to no place within it."""
    dead = []
    for link in map(html.unescape, LINK.findall(texts[page])):
        name, _, part = link.partition("#")
        target = Path(os.path.normpath(page.parent / name)) if name else page
        if SCHEME.match(link):
            continue
        if not target.is_file() or part and f'id="{part}"' not in texts[target]:
            dead.append(link)
    return dead


def network_loads(text: str) -> list[str]:
    """What a page or a style sheet would load from the network."""
    loaded = [link for link in LOADED.findall(text) if NETWORK.match(link)]
    return loaded + re.findall(r"@import.*|url\((?!data:).*", text)


def test_every_relative_link_leads_somewhere(texts):
    found = {page.name: dead_links(page, texts) for page in texts}
    assert not any(found.values()), found


def test_nothing_is_loaded_from_the_network(site, texts):
    style = (site / "style.css").read_text(encoding="utf-8")
    assert not [link for text in [*texts.values(), style] for link in network_loads(text)]


def test_a_link_to_nothing_stops_the_build():
    renderer = Renderer(ROOT / "README.md")
    for name in ("no.ipynb", "../no.pdf", "report"):
        with pytest.raises(ValueError, match=f"README.md: {name} is no file of the project"):
            renderer.link("x", name)


# ---- formulas ----


def formulas_left(text: str) -> list[str]:
    """What of a page's text is a formula that nobody converted."""
    plain = html.unescape(TAG.sub("", CODE.sub("", text)))
    return re.findall(r"\$[^$\n]{0,40}|\\[A-Za-z]+|merror", plain)


def test_every_formula_was_converted(path, site, texts):
    page = page_of(path, site, texts)
    assert not formulas_left(page)
    assert "merror" not in page and "math-core-error" not in page
    nb = read(path)
    markdown = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    outputs = [output for cell in code_cells(nb) for output in cell.outputs]
    markdown += [output.get("data", {}).get("text/markdown", "") for output in outputs]
    wanted = prose.FORMULA.findall(prose.CODE.sub("", "\n\n".join(markdown)))
    assert CONTENTS.sub("", page).count("<math") == len(wanted)


def test_a_formula_that_cannot_be_shown_stops_the_build():
    with pytest.raises(ValueError, match=r"README.md: the formula \\nonsense x cannot be shown"):
        Renderer(ROOT / "README.md").inline_math(r"\nonsense x")


# ---- what would be noticed ----


def test_the_checks_notice_what_they_look_for(tmp_path):
    page = tmp_path / "a.html"
    page.touch()
    text = '<p id="x"><a href="b.html">b</a> <a href="#y">y</a> <a href="a.html#x">x</a></p>'
    assert dead_links(page, {page: text}) == ["b.html", "#y"]
    script = '<script async src="https://example.org/a.js"></script>'
    assert network_loads(script) == ["https://example.org/a.js"]
    assert network_loads("p { background: url(//example.org/a.png); }")
    assert not network_loads('<a href="https://example.org">x</a> <img src="data:a">')
    assert formulas_left(r"<p>costs $x$</p>, \alpha") == ["$x", "$, \\alpha"]
    assert formulas_left(r"\alpha <code>$HOME</code> <math>$</math>") == [r"\alpha"]


# ---- in a browser ----

PAGES = ["index.html", "CONTRIBUTING.html", "sandbox.html", *map(address, notebooks())]
OPEN_ALL = "document.querySelectorAll('details').forEach((fold) => (fold.open = true))"
FLAT = """[...document.querySelectorAll("math")].filter((formula) => {
  const box = formula.getBoundingClientRect();
  return box.width < 3 || box.height < 3;
}).map((formula) => formula.textContent)"""
EMPTY = "[...document.images].filter((image) => !image.naturalWidth).map((image) => image.alt)"
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(scope="module")
def browser():
    """Chromium without a network, or a skipped test."""
    api = pytest.importorskip("playwright.sync_api")
    installed = shutil.which("chromium") or shutil.which("google-chrome")  # or playwright's own
    with api.sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(
                executable_path=installed, args=["--disable-gpu", "--disable-quic"]
            )
        except api.Error:
            pytest.skip("Chromium is not installed")
        context = chromium.new_context(offline=True)
        context.set_default_timeout(120_000)  # milliseconds, for a busy machine
        yield context
        chromium.close()


@pytest.fixture
def tab(browser):
    """An empty page, and after the test: nothing on it went wrong."""
    tab = browser.new_page()
    wrong = []
    tab.on("console", lambda message: wrong.append(message.text) if is_bad(message) else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("requestfailed", lambda request: wrong.append(request.url))
    tab.on("request", lambda request: wrong.append(request.url) if is_far(request) else None)
    yield tab
    tab.close()
    assert not wrong


def is_bad(message):
    return message.type in ("error", "warning")


def is_far(request):
    return not request.url.startswith(("file:", "data:", "blob:"))


@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_the_page(site, tab, name):
    tab.goto((site / name).as_uri())
    tab.evaluate(OPEN_ALL)
    for width in (1280, 400):
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate(TOO_WIDE) <= 0, f"wider than {width} pixels"
    assert tab.evaluate(FLAT) == []
    assert tab.evaluate(EMPTY) == []


@pytest.mark.parametrize("width", [1280, 400])
def test_the_sandbox_moves_and_fits_into_its_frame(site, tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto((site / address(website.PLAYGROUND)).as_uri())
    tab.locator("iframe").scroll_into_view_if_needed()
    sandbox = tab.frame_locator("iframe")
    before = sandbox.locator(".score").inner_text()
    assert "nats" in before
    slider = sandbox.locator("input[type=range]").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + box["width"] / 2, middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 4, middle, steps=5)
    tab.mouse.up()
    assert float(slider.input_value()) < -5
    assert sandbox.locator(".score").inner_text() != before
    html_ = sandbox.locator("html")
    assert html_.evaluate("page => page.scrollHeight - page.clientHeight") <= 0, "cut off"
