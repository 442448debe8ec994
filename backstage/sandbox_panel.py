"""The XOR sandbox's panel: a slider for each number, buttons, and a picture that follows them."""

import asyncio
import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from PIL import Image

# two columns of sliders, or one on a narrow page: a step of 0.1 is at least a pixel wide
COLUMN = {"flex": "1 1 440px", "min_width": "320px"}
TRAIN = "train from here"
PAUSE = 0.02  # seconds after a step of training, in which clicks are noticed


@dataclass(frozen=True)
class Model:
    """What a panel shows and trains; values are an array with an entry per slider.

    Attributes:
        loss: of values.
        picture: takes values and all losses so far, gives a PNG.
        train: takes values, yields them after each step of a training.
        start: draws random values.
    """

    loss: Callable[[np.ndarray], float]
    picture: Callable[[np.ndarray, Sequence[float]], bytes]
    train: Callable[[np.ndarray], Iterator[np.ndarray]]
    start: Callable[[], np.ndarray]


def _check(names: Sequence[str], presets: Mapping[str, np.ndarray], limit: float) -> None:
    for name, values in presets.items():
        if values.shape != (len(names),) or not np.abs(values).max() <= limit:
            wanted = f"{len(names)} values from {-limit} to {limit}"
            raise ValueError(f"the preset {name!r}: need {wanted}, not {values}")


class Sandbox:
    """Sliders for the numbers of a model, buttons, and a picture that follows them.

    `values` holds the numbers in full precision, also where a slider ends before; `losses` those of
    everything shown so far. "undo" takes back the last button, training or slider.

    Args:
        names: of the numbers.
        presets: by name, the values that a button sets; the first ones are shown at the beginning.
        model: what is shown and trained.
        columns: the same names, in the columns in which their sliders stand.
        limit: the sliders reach from -limit to limit, in steps of 0.1.

    Raises:
        KeyError: a column holds a name that is none.
        ValueError: a preset has too few values or too many, or lies beyond the sliders.
    """

    def __init__(
        self,
        names: Sequence[str],
        presets: Mapping[str, np.ndarray],
        model: Model,
        columns: Sequence[Sequence[str]],
        limit: float = 15,
    ) -> None:
        self.model = model
        self.presets = {name: np.array(p, dtype=float) for name, p in presets.items()}
        _check(names, self.presets, limit)
        self.values = next(iter(self.presets.values())).copy()
        self.losses = [model.loss(self.values)]
        self.past = []  # (values, number of losses) before each change
        self.moved = None  # the slider that moved last: "undo" takes back all of its way
        self.setting = False  # the sliders follow the values, not the other way round
        self.training = None  # the task of a training that goes on
        self.sliders = {
            name: widgets.FloatSlider(
                min=-limit,
                max=limit,
                step=0.1,
                description=name,
                readout_format=".2f",
                layout={"width": "98%"},
                style={"description_width": "36px"},
            )
            for name in names
        }
        labels = [*presets, "random start", TRAIN, "undo"]
        self.buttons = {label: widgets.Button(description=label) for label in labels}
        self.image = widgets.Image(format="png", layout={"width": "820px", "max_width": "100%"})
        self.panel = widgets.VBox([self._row(), self._columns(columns), self.image])
        self._redraw()
        self._connect()

    def _row(self) -> widgets.Box:
        return widgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})

    def _columns(self, columns: Sequence[Sequence[str]]) -> widgets.Box:
        boxes = [
            widgets.VBox([self.sliders[name] for name in column], layout=COLUMN)
            for column in columns
        ]
        return widgets.HBox(boxes, layout={"flex_flow": "row wrap"})

    def _connect(self) -> None:
        for slider in self.sliders.values():
            slider.observe(self._move, "value")
        for name in self.presets:
            self.buttons[name].on_click(lambda button: self._set(self.presets[button.description]))
        self.buttons["random start"].on_click(lambda _: self._set(self.model.start()))
        self.buttons[TRAIN].on_click(self._train_or_stop)
        self.buttons["undo"].on_click(self._undo)

    def _redraw(self) -> None:
        self.setting = True
        for slider, value in zip(self.sliders.values(), self.values):
            slider.value = np.clip(value, slider.min, slider.max)
        self.setting = False
        self.image.value = self.model.picture(self.values, self.losses)

    def _show(self, values: np.ndarray) -> None:
        self.values = np.array(values, dtype=float)
        self.losses.append(self.model.loss(self.values))
        self._redraw()

    def _remember(self, moved: widgets.Widget | None = None) -> None:
        if moved is None or moved is not self.moved:
            self.past.append((self.values, len(self.losses)))
        self.moved = moved

    def _move(self, change: Mapping) -> None:
        if self.setting:
            return
        self._stop()
        self._remember(change.owner)
        values = self.values.copy()
        values[list(self.sliders.values()).index(change.owner)] = change.new
        self._show(values)

    def _set(self, values: np.ndarray) -> None:
        self._stop()
        self._remember()
        self._show(values)

    def _undo(self, _: widgets.Button) -> None:
        self._stop()
        self.moved = None
        if self.past:
            self.values, count = self.past.pop()
            del self.losses[count:]
            self._redraw()

    def _train_or_stop(self, _: widgets.Button) -> None:
        if self.training is None:
            self.training = asyncio.get_running_loop().create_task(self._train())
        else:
            self._stop()

    async def _train(self) -> None:
        self._remember()
        self.buttons[TRAIN].description = "stop"
        try:
            for values in self.model.train(self.values):
                self._show(values)
                await asyncio.sleep(PAUSE)
        finally:
            if self.training is asyncio.current_task():  # another one may have begun
                self._rest()

    def _stop(self) -> None:
        if self.training is not None:
            self.training.cancel()
            self._rest()

    def _rest(self) -> None:
        self.training = None
        self.buttons[TRAIN].description = TRAIN

    def show(self, alt: str) -> None:
        """Display the panel; where no kernel runs, its present picture, described by `alt`."""
        page = Image.open(io.BytesIO(self.image.value)).convert("RGB")
        still = io.BytesIO()  # 256 colours keep the stored picture small
        page.quantize(256, dither=Image.Dither.NONE).save(still, "png", optimize=True)
        view = {"model_id": self.panel.model_id, "version_major": 2, "version_minor": 0}
        bundle = {
            "application/vnd.jupyter.widget-view+json": view,  # ipywidgets 7 (Colab) and 8
            "text/plain": "sliders",
            "image/png": base64.b64encode(still.getvalue()).decode(),
        }
        display(bundle, raw=True, metadata={"image/png": {"alt": alt, "width": 820}})
