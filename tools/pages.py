"""The Markdown pages at the top: numbers from the record, pictures from stored outputs."""

import base64
from pathlib import Path

import prose
from fingerprint import ROOT, code_cells, read

from backstage.files import write_whole

PICTURES = {  # a picture of the README: the notebook and the figure that it is
    "report/figures/sandbox.png": ("XOR_NNsandbox.ipynb", "sandbox_presets"),
    "report/figures/lungs.png": ("x_ray_segmentation.ipynb", "lungs_cases"),
}


def pages(root: Path = ROOT) -> list[Path]:
    """README.md and what lies beside it."""
    return sorted(root.glob("*.md"))


def picture(notebook: Path, figure: str) -> bytes:
    """Take from a notebook's stored outputs a figure that it saves, as PNG.

    Raises:
        ValueError: no cell saves this figure and shows it.
    """
    for cell in code_cells(read(notebook)):
        for output in cell.outputs:
            if f'"{figure}"' in cell.source and "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"])
    raise ValueError(f"{notebook.name} shows no figure {figure}")


def fill(root: Path = ROOT) -> None:
    """Write the record's numbers into the pages, and the pictures beside them."""
    record = prose.read_record(root / "report")
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        write_whole(page, prose.fill(text, record))
    for name, (notebook, figure) in PICTURES.items():
        if (root / notebook).exists():
            write_whole(root / name, picture(root / notebook, figure))
