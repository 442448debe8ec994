"""The XOR sandbox: a 2-2-1 network seen from its inputs and from its hidden units, with sliders."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from backstage.movies import animate
from backstage.style import BLACK, TEXT_WIDTH
from backstage.xor_view import XorView, class_map, plot_points


class HiddenView:
    """The plane of two tanh units: where the data land, and the one line that separates them."""

    def __init__(self, ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
        self.x = np.asarray(x)
        self.y = np.asarray(y)
        side = np.linspace(-1.15, 1.15, 60)
        self.grid = np.stack(np.meshgrid(side, side), -1)
        self.image = class_map(ax, np.zeros((60, 60)), -1.15, 1.15)
        plot_points(ax, np.zeros((len(y), 2)), y)
        self.line = ax.plot([], [], c=BLACK, lw=2.6)[0]
        self.artists = [self.image, *ax.collections, self.line]
        ax.set(xlabel="$z_1$ (hidden unit 1)", ylabel="$z_2$ (hidden unit 2)")
        ax.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), xticks=(-1, 0, 1), yticks=(-1, 0, 1))

    def show(self, w1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> None:
        """Draw a network of hidden w1 (2, 2), b1 (2,) and output w2 (1, 2), b2 (1,)."""
        z = np.tanh(self.x @ w1.T + b1)
        for label, dots in enumerate(self.artists[1:3]):
            dots.set_offsets(z[self.y == label])
        w = np.ravel(w2)
        self.image.set_data(0.5 * (1 + np.tanh((self.grid @ w + b2) / 2)))
        nearest = -b2 * w / (w @ w + 1e-12)
        along = np.array([-w[1], w[0]]) / (np.hypot(*w) + 1e-12)
        self.line.set_data(*np.stack([nearest - 4 * along, nearest + 4 * along], 1))


class TwoViews:
    """Both planes side by side in one figure that is redrawn fast."""

    def __init__(self, x: np.ndarray, y: np.ndarray, dpi: int = 130) -> None:
        fig = Figure(figsize=(TEXT_WIDTH, 3.3), dpi=dpi)
        FigureCanvasAgg(fig)  # drawn into memory, not by the notebook
        left, right = fig.subplots(1, 2)
        self.input = XorView(left, x, y)
        self.hidden = HiddenView(right, x, y)
        handles = [*self.input.lines, self.input.curve]
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
        self.text = right.text(0.5, 1.03, "", transform=right.transAxes, ha="center", fontsize=9)
        left.set(title="input plane", xticks=(0, 1), yticks=(0, 1))
        moving = [(left, artist) for artist in self.input.artists]
        moving += [(right, artist) for artist in (*self.hidden.artists, self.text)]
        self.frame = animate(fig, moving)

    def picture(self, layers: Sequence[np.ndarray], caption: str) -> bytes:
        """The views of a network (w1, b1, w2, b2) as a PNG."""
        self.input.show(*layers)
        self.hidden.show(*layers)
        self.text.set_text(caption)
        png = io.BytesIO()
        Image.fromarray(self.frame()).save(png, "png")
        return png.getvalue()


class Sandbox:
    """A slider for each number, a button for each preset, and a picture that follows them.

    Args:
        names: of the numbers.
        presets: by name, the values that a button sets.
        picture: takes the values, gives a PNG.
        limit: the sliders reach from -limit to limit.
    """

    def __init__(
        self,
        names: Sequence[str],
        presets: Mapping[str, np.ndarray],
        picture: Callable[[np.ndarray], bytes],
        limit: float = 15,
    ) -> None:
        self.presets = presets
        self.picture = picture
        self.setting = False  # a button sets all sliders, so the picture is drawn once
        first = next(iter(presets.values()))
        self.image = widgets.Image(value=picture(first), format="png", layout={"max_width": "100%"})
        self.sliders = [
            widgets.FloatSlider(
                value,
                min=-limit,
                max=limit,
                step=0.1,
                description=name,
                readout_format=".1f",
                layout={"width": "250px"},
            )
            for name, value in zip(names, first)
        ]
        self.buttons = [widgets.Button(description=name) for name in presets]
        for slider in self.sliders:
            slider.observe(self._redraw, "value")
        for button in self.buttons:
            button.on_click(self._choose)

    def values(self) -> np.ndarray:
        """What the sliders are set to."""
        return np.array([slider.value for slider in self.sliders])

    def _redraw(self, _: object = None) -> None:
        if not self.setting:
            self.image.value = self.picture(self.values())

    def _choose(self, button: widgets.Button) -> None:
        self.setting = True
        for slider, value in zip(self.sliders, self.presets[button.description]):
            slider.value = round(float(value), 1)
        self.setting = False
        self._redraw()

    def show(self, alt: str) -> None:
        """Display the panel; where no kernel runs, its first picture."""
        rows = [widgets.HBox(self.sliders[i : i + 3]) for i in range(0, len(self.sliders), 3)]
        panel = widgets.VBox([widgets.HBox(self.buttons), *rows, self.image])
        view = {"model_id": panel.model_id, "version_major": 2, "version_minor": 0}
        bundle = {
            "application/vnd.jupyter.widget-view+json": view,  # ipywidgets 7 (Colab) and 8
            "text/plain": "sliders",
            "image/png": base64.b64encode(self.image.value).decode(),
        }
        display(bundle, raw=True, metadata={"image/png": {"alt": alt}})
