"""make submission: the sources as a zip, the report beside it, if the assignment's rules are kept.

The rules: sources in their original format with a README and a list of the libraries, the PDF not
in the zip, notebooks that ran in order without errors, figures and tables with captions that the
text refers to, no key or path of somebody's machine in any text, and no link to a file outside of
the project. Whatever breaks one is listed, and nothing is written.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import prose
from fingerprint import ROOT, code_cells, code_hash, read
from leaks import leaks, text_of, texts_of

PROGRESS = re.compile(r"\d+%\||it/s\]|s/it\]|\b\d\d:\d\d:\d\d\b")
BUILT = re.compile(
    r"(.*/)?(\.venv|build|__pycache__|\.\w+_cache|[\w.-]+\.egg-info)(/.*)?|report/report\.pdf"
)
DEFINITION = re.compile(r"\\newcommand\{\\([A-Za-z]+)\}")
NAME = "deep-learning-coursework"
FILES = {"includegraphics": ".pdf", "excerpt": "", "input": ".tex", "tablebody": ".tex"}
GRAPHICS = re.compile(r"\\includegraphics(?:\[[^]]*\])?\{figures/([^}#]+)\}")
FLOAT = re.compile(r"\\begin\{(?:figure|table)\}(.*?)\\end\{(?:figure|table)\}", re.S)


def text_outputs(nb: nbformat.NotebookNode) -> Iterator[str]:
    """Every text that a notebook shows."""
    for cell in code_cells(nb):
        for output in cell.outputs:
            yield output.get("text", "")
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/") and isinstance(value, str):
                    yield value


def notebook_problems(nb: nbformat.NotebookNode) -> Iterator[str]:
    """What is wrong with a notebook as it is stored, one sentence each."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        yield "its cells did not run in order, once each: run `make notebooks`"
    if nb.metadata.get("coursework", {}).get("code_sha256") != code_hash(nb):
        yield "its code changed after the outputs were made: run `make notebooks`"
    if not outputs:
        yield "it has no outputs"
    if any(output.output_type == "error" for output in outputs):
        yield "a cell ended in an error"
    if any(output.get("name") == "stderr" for output in outputs):
        yield "a cell wrote to stderr"
    shown = next(filter(None, map(PROGRESS.search, text_outputs(nb))), None)
    if shown:
        yield f"it holds a progress bar or a time of day: {shown[0]}"


def dead_links(path: Path) -> Iterator[str]:
    """Relative links of a README or a notebook's prose that lead nowhere."""
    text = re.sub(r"`[^`]*`|\$[^$]*\$", "", _prose(path))
    for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text):
        if not re.match(r"\w+:", link) and not (path.parent / link).exists():
            yield f"its link to {link} leads nowhere"


def _prose(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def report_problems(folder: Path) -> Iterator[str]:
    """What is wrong with a LaTeX report and the files in its folder, one sentence each."""
    main = next(p for p in (folder / "report.tex", folder / "writeup.tex") if p.exists())
    sections = sorted(folder.glob("sections/*.tex"))
    tex = "\n".join(p.read_text(encoding="utf-8") for p in [main, *sections])
    yield from _number_problems(folder, tex)
    for command, suffix in FILES.items():
        for name in re.findall(rf"\\{command}(?:\[[^]]*\])?\{{([^}}#]+)\}}", tex):
            if not (folder / name).is_file() and not (folder / f"{name}{suffix}").is_file():
                yield f"the file {name}{suffix} is missing"
    yield from _float_problems(tex)
    shown = {name.removesuffix(".pdf") for name in GRAPHICS.findall(tex)}
    for name in sorted({p.stem for p in (folder / "figures").glob("*.pdf")} - shown):
        yield f"the figure {name} is not shown"


def _number_problems(folder: Path, tex: str) -> Iterator[str]:
    defined = DEFINITION.findall((folder / "numbers.tex").read_text(encoding="utf-8"))
    if defined != sorted(set(defined)):
        yield "numbers.tex is not sorted, or defines a number twice"
    record = prose.read_record(folder)
    if record and sorted(record) != sorted(defined):
        yield "numbers.tex and numbers.json do not hold the same numbers"
    quoted = _quoted_in_prose(folder)
    for name in defined:
        if name not in quoted and not re.search(rf"\\{name}(?![A-Za-z])", tex):
            yield rf"the number \{name} is used nowhere"
    prefixes = "|".join({re.match("[a-z]+", name)[0] for name in defined})
    used = set(re.findall(rf"\\((?:{prefixes})[A-Z][A-Za-z]*)", tex))
    for name in sorted(used - set(defined)):
        yield rf"the number \{name} is not in numbers.tex"


def _quoted_in_prose(folder: Path) -> set[str]:
    """Names of numbers that the README or a notebook beside or above the report quotes."""
    pages = [*folder.glob("*.ipynb"), *folder.parent.glob("*.ipynb"), *folder.parent.glob("*.md")]
    return {match[1] for page in pages for match in prose.NUMBER.finditer(_prose(page))}


def _float_problems(tex: str) -> Iterator[str]:
    for body in FLOAT.findall(tex):
        labels = re.findall(r"\\label\{([^}#]+)\}", body)
        if not labels or body.count("\\caption{") < len(labels):
            start = " ".join(body.split())[:60]
            yield f"a figure or table has no caption or no label: {start}"
        for label in labels:
            if f"ref{{{label}}}" not in tex:
                yield f"the text never refers to {label}"


def problems(root: Path = ROOT) -> list[str]:
    """All that keeps a project from being handed in, each with the file it is about."""
    needed = ("README.md", "requirements.txt", "report/report.pdf")
    found = [f"{name} is missing" for name in needed if not (root / name).exists()]
    found += [f"{name} is a link that leads out of the project" for name in links_out(root)]
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        found += [f"{name}: {problem}" for problem in _file_problems(path)]
    for main in [root / "report/report.tex", *sorted(root.glob("companions/*/writeup.tex"))]:
        name = main.parent.relative_to(root).as_posix()
        found += [f"{name}: {problem}" for problem in report_problems(main.parent)]
    return found


def _file_problems(path: Path) -> Iterator[str]:
    if path.suffix in (".ipynb", ".md"):
        yield from dead_links(path)
    if path.suffix == ".ipynb":
        nb = read(path)
        yield from notebook_problems(nb)
        for leak in leaks(texts_of(nb)):
            yield f"cell {leak.text} holds {leak.what}"
    elif text := text_of(path):
        for leak in leaks([text], path.suffix):
            yield f"line {leak.line} holds {leak.what}"


def links_out(root: Path = ROOT) -> list[str]:
    """Names of symbolic links that lead to no file or folder inside the project."""
    inside = root.resolve()
    links = [name for name in _names(root) if (root / name).is_symlink()]
    ends = {name: Path(os.path.realpath(root / name)) for name in links}
    return [n for n, end in ends.items() if not (end.exists() and end.is_relative_to(inside))]


def sources(root: Path = ROOT) -> list[Path]:
    """The project's files without the report's PDF and without what was built.

    They are those that git would track; in an unpacked zip, all that is not in a build's folder.
    Links to other places are left out.
    """
    refused = set(links_out(root))
    return [root / n for n in _names(root) if n not in refused and (root / n).is_file()]


def _names(root: Path) -> list[str]:
    """Names of the project's files and links, and of some folders."""
    if (root / ".git").exists():
        ask = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others"]
        done = subprocess.run(
            [*ask, "--exclude-standard"], capture_output=True, text=True, check=True
        )
        names = set(done.stdout.split("\0")) - {""}
    else:
        names = {p.relative_to(root).as_posix() for p in root.rglob("*")}
    return sorted(name for name in names if not BUILT.fullmatch(name))


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write the zip of sources, and the report's PDF beside it.

    Returns:
        The paths of the zip and of the PDF.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{NAME}.zip"
    part = archive.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as z:
        for path in sources(root):
            entry = zipfile.ZipInfo(f"{NAME}/{path.relative_to(root).as_posix()}")
            entry.external_attr = path.stat().st_mode << 16
            z.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    part.replace(archive)
    report = folder / "report.pdf"
    report.write_bytes((root / "report/report.pdf").read_bytes())
    return [archive, report]


def main() -> None:
    """Write what is handed in, or end with all that keeps it from being so."""
    if found := problems():
        sys.exit("not ready to hand in:\n  " + "\n  ".join(found))
    for path in write(ROOT / "build/submission"):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")
    if not shutil.which("latexmk"):
        print("latexmk is missing: report.pdf is the stored one, and may be older than its sources")


if __name__ == "__main__":
    main()
