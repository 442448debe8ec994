"""The XOR sandbox as a page of its own, which a browser shows without a kernel and a network."""

import json
from pathlib import Path

from backstage.sandbox_panel import Sandbox
from backstage.settings import ROOT

# what anywidget gives the module in a notebook: values by name, and who is told of changes
STAND_IN = """
const values = JSON.parse(document.getElementById("state").textContent);
const model = {
  get: (name) => values[name],
  set: (name, value) => { values[name] = value; },
  save_changes: () => {},
  on: () => {},
  off: () => {},
};
render({ model, el: document.getElementById("sandbox") });
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>The XOR sandbox</title>
<style>
body {{ margin: 8px auto; max-width: 900px; }}
{style}</style>
</head>
<body>
<div id="sandbox"><noscript>The sandbox needs JavaScript.</noscript></div>
<script type="application/json" id="state">{state}</script>
<script type="module">
{module}{stand_in}</script>
</body>
</html>
"""


def page(state: str | Path = ROOT / "report/sandbox.json") -> str:
    """Write the sandbox as one self-contained HTML document, also for file:// and an iframe.

    It follows the reader's light or dark scheme, takes the whole width up to 900 pixels, and is
    about 800 pixels high there, 1,400 on a phone.

    Args:
        state: a file that `Sandbox.save` wrote; the notebook writes the one in the report.
    """
    values = json.loads(Path(state).read_text(encoding="utf-8"))
    return PAGE.format(
        style=Sandbox._css,
        state=json.dumps(values, separators=(",", ":")).replace("<", "\\u003c"),
        module=Sandbox._esm,
        stand_in=STAND_IN,
    )
