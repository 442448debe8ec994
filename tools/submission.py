"""make submission: the sources as a zip, the report beside it, if the assignment's rules are kept.

The rules: sources in their original format with a README and a list of the libraries, the PDF not in the zip,
notebooks that ran in order without errors, figures and tables with captions that the text refers to, and no key
or path of somebody's machine anywhere. Whatever breaks one is listed, and nothing is written.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import notebooks  # noqa: E402

ROOT = notebooks.ROOT
MACHINE_PATH = re.compile(r"(/root/|/home/|/tmp/|/work/|/opt/|/Users/|[A-Z]:\\Users)[\w.-]*")
SECRET = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])|wandb_v1_\w+")
PROGRESS = re.compile(r"\d+%\||it/s\]|s/it\]|\b\d\d:\d\d:\d\d\b")
TEXT = {".py", ".ipynb", ".md", ".txt", ".toml", ".tex", ".bib", ".sh", ".bat", ".yaml", ".yml", ""}


def first_match(pattern, texts):
    return next((m[0] for t in texts if (m := pattern.search(t))), None)


def text_outputs(nb):
    """Every text that a notebook shows."""
    for cell in notebooks.code_cells(nb):
        for output in cell.outputs:
            yield output.get("text", "")
            yield from (v for k, v in output.get("data", {}).items() if k.startswith("text/") and isinstance(v, str))


def notebook_problems(nb):
    """What is wrong with a notebook as it is stored, one sentence each."""
    cells = [c for c in nb.cells if c.cell_type == "code"]
    outputs = [o for c in cells for o in c.outputs]
    sources, shown = [c.source for c in nb.cells], list(text_outputs(nb))
    if [c.execution_count for c in cells] != list(range(1, len(cells) + 1)):
        yield "its cells did not run in order, once each: run `make notebooks`"
    if nb.metadata.get("coursework", {}).get("code_sha256") != notebooks.code_hash(nb):
        yield "its code changed after the outputs were made: run `make notebooks`"
    if not outputs:
        yield "it has no outputs"
    if any(o.output_type == "error" for o in outputs):
        yield "a cell ended in an error"
    if any(o.get("name") == "stderr" for o in outputs):
        yield "a cell wrote to stderr"
    for what, pattern, texts in (
        ("a machine's path", MACHINE_PATH, sources + shown),
        ("what looks like a key", SECRET, sources + shown),
        ("a progress bar or a time of day", PROGRESS, shown),
    ):
        if found := first_match(pattern, texts):
            yield f"it holds {what}: {found}"


def dead_links(path):
    """Relative links of a README or a notebook's prose that lead nowhere."""
    if path.suffix == ".ipynb":
        text = "\n".join(c.source for c in notebooks.read(path).cells if c.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s#]+)[^)]*\)", re.sub(r"`[^`]*`|\$[^$]*\$", "", text)):
        if not re.match(r"\w+:", link) and not (path.parent / link).exists():
            yield f"its link to {link} leads nowhere"


def report_problems(folder):
    """What is wrong with a LaTeX report whose figures, tables and numbers.tex lie in its folder, one sentence each."""
    main = next(p for p in (folder / "report.tex", folder / "writeup.tex") if p.exists())
    tex = "\n".join(p.read_text(encoding="utf-8") for p in [main, *sorted(folder.glob("sections/*.tex"))])
    numbers = (folder / "numbers.tex").read_text(encoding="utf-8")
    defined = re.findall(r"\\newcommand\{\\([A-Za-z]+)\}", numbers)
    if numbers.splitlines() != sorted(numbers.splitlines()) or len(set(defined)) < len(defined):
        yield "numbers.tex is not sorted, or defines a number twice"
    for name in defined:
        if not re.search(rf"\\{name}(?![A-Za-z])", tex):
            yield f"the number \\{name} is used nowhere"
    prefixes = {re.match("[a-z]+", name)[0] for name in defined}
    for name in sorted(set(re.findall(rf"\\((?:{'|'.join(prefixes)})[A-Z][A-Za-z]*)", tex)) - set(defined)):
        yield f"the number \\{name} is not in numbers.tex"
    for command, suffix in (("includegraphics", ".pdf"), ("excerpt", ""), ("input", ".tex"), ("tablebody", ".tex")):
        for name in re.findall(rf"\\{command}(?:\[[^]]*\])?\{{([^}}#]+)\}}", tex):
            if not (folder / name).is_file() and not (folder / f"{name}{suffix}").is_file():
                yield f"the file {name}{suffix} is missing"
    for body in re.findall(r"\\begin\{(?:figure|table)\}(.*?)\\end\{(?:figure|table)\}", tex, re.S):
        labels = re.findall(r"\\label\{([^}#]+)\}", body)
        if not labels or body.count("\\caption{") < len(labels):
            yield f"a figure or table has no caption or no label: {' '.join(body.split())[:60]}"
        for label in labels:
            if f"ref{{{label}}}" not in tex:
                yield f"the text never refers to {label}"
    shown = {
        name.removesuffix(".pdf") for name in re.findall(r"\\includegraphics(?:\[[^]]*\])?\{figures/([^}#]+)\}", tex)
    }
    for name in sorted({p.stem for p in (folder / "figures").glob("*.pdf")} - shown):
        yield f"the figure {name} is not shown"


def problems(root=ROOT):
    """All that keeps a project from being handed in, each with the file it is about."""
    found = [
        f"{name} is missing"
        for name in ("README.md", "requirements.txt", "report/report.pdf")
        if not (root / name).exists()
    ]
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        wrong = [*dead_links(path)] if path.suffix in (".ipynb", ".md") else []
        if path.suffix == ".ipynb":
            wrong += notebook_problems(notebooks.read(path))
        elif path.suffix in TEXT and not name.startswith(("tests/", "tools/")):
            key = first_match(SECRET, [path.read_text(encoding="utf-8", errors="replace")])
            wrong += [f"holds what looks like a key: {key}"] if key else []
        found += [f"{name}: {p}" for p in wrong]
    for main in [root / "report/report.tex", *sorted(root.glob("companions/*/writeup.tex"))]:
        found += [f"{main.parent.relative_to(root).as_posix()}: {p}" for p in report_problems(main.parent)]
    return found


def sources(root=ROOT):
    """The project's files without the report's PDF: what git would track; in an unpacked zip, what was not built."""
    if (root / ".git").exists():
        ask = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = set(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split("\0")) - {""}
    else:
        names = {p.relative_to(root).as_posix() for p in root.rglob("*")}
    unwanted = re.compile(r"(.*/)?(\.venv|build|__pycache__|\.\w+_cache)/.*|report/report\.pdf")
    return [root / n for n in sorted(names) if not unwanted.fullmatch(n) and (root / n).is_file()]


def write(folder, root=ROOT):
    """The zip of sources, and the report's PDF beside it; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "deep-learning-coursework.zip"
    part = archive.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as z:
        for path in sources(root):
            entry = zipfile.ZipInfo(f"deep-learning-coursework/{path.relative_to(root).as_posix()}")
            entry.external_attr = path.stat().st_mode << 16
            z.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    part.replace(archive)
    report = folder / "report.pdf"
    report.write_bytes((root / "report/report.pdf").read_bytes())
    return [archive, report]


if __name__ == "__main__":
    if found := problems():
        sys.exit("not ready to hand in:\n  " + "\n  ".join(found))
    for path in write(ROOT / "build/submission"):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")
