"""Numbers in prose: what stands between two markers is written from the record of results.

`<!--xorSeeds-->200<!--/-->` quotes the entry xorSeeds of numbers.json. The markers are comments of
HTML: readers of the page see the number alone. Markers in code, `like this`, are left as they are.
"""

import json
import re
from pathlib import Path

NUMBER = re.compile(r"<!--([A-Za-z]+)-->((?:(?!<!--).)*)<!--/-->", re.S)
STRAY = re.compile(r"<!--(?:[A-Za-z]+|/)-->")
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.S)
FORMULA = re.compile(r"\$\$.+?\$\$|(?<!\\)\$(?:(?!\n\n)[^$])+?(?<!\\)\$", re.S)
LINE_START = re.compile(r"^[ >*+-]*<!--([A-Za-z]+)-->", re.M)
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SIGNS = {
    "pm": "±",
    "times": "×",
    "cdot": "·",
    "approx": "≈",
    "to": "→",
    "leq": "≤",
    "le": "≤",
    "geq": "≥",
    "ge": "≥",
    "infty": "∞",
    "sigma": "σ",
    "eta": "η",
    "ldots": "…",
    "dots": "…",
    "percent": "%",
}


def read_record(folder: Path) -> dict[str, dict]:
    """The numbers that notebooks recorded in a report's folder; empty if there are none."""
    path = folder / "numbers.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def plain(latex: str) -> str:
    r"""Write a number's LaTeX as plain text: `$-0.3 \pm 0.1$\,\%` becomes −0.3 ± 0.1 %.

    Raises:
        ValueError: a command for which there is no plain sign.
    """
    text = FORMULA.sub(lambda m: m[0].strip("$").replace("-", "−"), latex)
    text = re.sub(r"\^\{?([−-]?\d+)\}?", _superscript, text)
    text = re.sub(r"\\(?:text|mathrm|emph|textbf|texttt)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\([%&#_$])", r"\1", text)
    text = re.sub(r"\\[,;: ]|~", " ", text.replace("{,}", ","))
    text = re.sub(r"\\([A-Za-z]+) ?", lambda m: _sign(m[1], latex), text)
    text = text.replace("---", "—").replace("--", "–").replace("{", "").replace("}", "")
    return re.sub(r"(?<=\S)(?=[±×·≈→≤≥])|(?<=[±×·≈→≤≥])(?=\S)|\s+", " ", text).strip()


def fill(text: str, record: dict[str, dict]) -> str:
    """Write the record's numbers between the markers of a Markdown text; unknown ones stay.

    Args:
        text: Markdown, of a cell or of a file.
        record: by name, entries whose `text` is what the report prints.
    """

    def written(match: re.Match) -> str:
        if not match[1] or match[1] not in record:  # code, or a number that nothing recorded
            return match[0]
        return f"<!--{match[1]}-->{plain(record[match[1]]['text'])}<!--/-->"

    return re.sub(f"{NUMBER.pattern}|{CODE.pattern}", written, text, flags=re.S)


def problems(text: str, record: dict[str, dict]) -> list[str]:
    """What is wrong with the markers of a Markdown text, a sentence for each."""
    prose = CODE.sub("", text)
    found = []
    for name, value in NUMBER.findall(prose):
        if name not in record:
            found.append(f"the number {name} is in no record")
        elif value != plain(record[name]["text"]):
            found.append(f"{name} is {plain(record[name]['text'])}, but the text says {value}")
    for stray in STRAY.findall(NUMBER.sub("", prose)):
        found.append(f"the marker {stray} has no partner")
    for formula in FORMULA.findall(prose):
        if STRAY.search(formula):
            found.append(f"a marker stands inside the formula {formula}")
    for name in LINE_START.findall(prose):
        found.append(f"a line begins with the marker of {name}: Markdown takes it for HTML")
    return found


def _superscript(match: re.Match) -> str:
    return match[1].replace("−", "-").translate(SUPERSCRIPT)


def _sign(command: str, latex: str) -> str:
    if command not in SIGNS:
        raise ValueError(rf"\{command} in {latex!r} has no plain sign: add it to prose.SIGNS")
    return SIGNS[command]
