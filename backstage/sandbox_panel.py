"""The XOR sandbox in a notebook: nine numbers to be moved in the page, and to be read back here."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from backstage.files import write_whole
from backstage.movies import small_png
from backstage.report import report_folder
from backstage.style import BLUE, GREEN, ORANGE, PURPLE

PAGE_DPI = 100  # pixels of the page per inch of the still picture
LIMIT = 15  # the sliders reach from -15 to 15
COLOURS = {"class0": BLUE, "class1": ORANGE, "unit1": GREEN, "unit2": PURPLE}


def _nine(name: str, values: Sequence[float], limit: float = np.inf) -> list[float]:
    """Nine finite numbers as a list, or one sentence that says what is wrong with them."""
    try:
        numbers = np.array(values, dtype=float)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape == (9,) and np.isfinite(numbers).all() and np.abs(numbers).max() <= limit:
        return numbers.tolist()
    wanted = "finite numbers" if np.isinf(limit) else f"numbers from -{limit} to {limit}"
    raise ValueError(f"{name}: need 9 {wanted}, not {values}")


class Sandbox(anywidget.AnyWidget):
    """Sliders for the nine numbers of a 2-2-1 network, buttons, and pictures that follow them.

    All of it runs in the reader's page (sandbox.js). `weights` follows what is shown there, and
    what is assigned to it is shown there: w11, w12, b1, w21, w22, b2, v1, v2, c.

    Args:
        points: (n, 2) inputs.
        labels: (n,) zeros and ones.
        starts: by name, the nine numbers that a button sets; the first ones are shown at first.

    Raises:
        ValueError: a start, or what is assigned to `weights`, is not nine such numbers, or labels
            and points do not fit.
    """

    _esm = Path(__file__).with_name("sandbox.js")
    _css = Path(__file__).with_name("sandbox.css")
    weights = traitlets.List().tag(sync=True)
    points = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)
    starts = traitlets.Dict().tag(sync=True)
    colours = traitlets.Dict(COLOURS).tag(sync=True)

    def __init__(
        self, points: np.ndarray, labels: np.ndarray, starts: Mapping[str, np.ndarray]
    ) -> None:
        points = np.asarray(points, dtype=float)
        labels = np.asarray(labels)
        alike = labels.ndim == 1 and points.shape == (len(labels), 2)
        if not alike or not np.isin(labels, (0, 1)).all():
            shapes = f"points {points.shape} and labels {labels.shape}"
            raise ValueError(f"need points (n, 2) and n labels, each 0 or 1, not {shapes}")
        if not starts:
            raise ValueError("a sandbox needs at least one start, that it can show at first")
        kept = {name: _nine(f"the start {name!r}", p, LIMIT) for name, p in starts.items()}
        super().__init__(
            weights=next(iter(kept.values())),
            points=points.tolist(),
            labels=labels.astype(int).tolist(),
            starts=kept,
        )

    @traitlets.validate("weights")
    def _check(self, proposal: Mapping) -> list[float]:
        return _nine("weights", proposal["value"])

    def state(self) -> dict:
        """All that the page needs to begin with, by name."""
        names = ("weights", "points", "labels", "starts", "colours")
        return {name: getattr(self, name) for name in names}

    def save(self) -> None:
        """Write the state to sandbox.json in the report's folder, for `sandbox_page.page`."""
        write_whole(report_folder() / "sandbox.json", json.dumps(self.state()) + "\n")

    def show(self, still: Figure, *, alt: str) -> None:
        """Display the panel; where no kernel runs, a still picture, which `alt` describes."""
        picture = small_png(still, 2 * PAGE_DPI)
        width = Image.open(io.BytesIO(picture)).width // 2
        data, metadata = self._repr_mimebundle_()
        data["text/plain"] = "the sandbox"
        data["image/png"] = base64.b64encode(picture).decode()
        metadata["image/png"] = {"alt": alt, "width": width}
        display(data, metadata=metadata, raw=True)
