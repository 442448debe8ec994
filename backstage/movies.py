"""Figures as small pictures: a PNG, or a GIF in which a few things move."""

import io
from collections.abc import Callable, Sequence

import imageio.v3 as iio
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy.spatial import KDTree


def small_png(fig: Figure, dpi: int) -> bytes:
    """A figure as PNG of 256 colours: enough for the screen, at a third of the size."""
    raw = io.BytesIO()
    fig.savefig(raw, format="png", dpi=dpi, bbox_inches="tight")
    page = Image.open(raw).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    page.save(small, "png", optimize=True)
    return small.getvalue()


def animate(fig: Figure, moving: Sequence[tuple[Axes, Artist]]) -> Callable[[], np.ndarray]:
    """Draw a figure once, and redraw only what moves.

    Args:
        fig: on a canvas that can be read back (Agg).
        moving: (axes, artist) pairs, bottom first; all the rest stays as it is now.

    Returns:
        A function that draws one frame: RGB (rows, columns, 3), uint8.
    """
    for _, artist in moving:
        artist.set_animated(True)
    fig.canvas.draw()
    background = fig.canvas.copy_from_bbox(fig.bbox)

    def frame() -> np.ndarray:
        fig.canvas.restore_region(background)
        for ax, artist in moving:
            ax.draw_artist(artist)
        return np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()

    return frame


def gif(frames: Sequence[np.ndarray], milliseconds: Sequence[int], colours: int = 144) -> bytes:
    """Encode frames as a GIF with one palette, in which pixels that did not change are transparent.

    Args:
        frames: RGB (rows, columns, 3), uint8.
        milliseconds: how long each frame is shown.
        colours: of the palette, 1 to 255; every colour is shown as the nearest of these.

    Raises:
        ValueError: a number of colours that a GIF cannot have beside the transparent one.
    """
    if not 1 <= colours <= 255:
        raise ValueError(f"a palette has 1 to 255 colours, not {colours}")
    drawn, which = _distinct(frames)
    counts = sum(np.bincount(frame.ravel(), minlength=len(drawn)) for frame in which)
    palette = _palette(drawn, counts, colours)
    nearest = KDTree(palette).query(drawn)[1].astype(np.uint8)
    indexed = nearest[which]
    moved = indexed.copy()
    moved[1:][indexed[1:] == indexed[:-1]] = colours  # one more colour: nothing changed here
    return iio.imwrite(
        "<bytes>",
        moved,
        extension=".gif",
        mode="P",
        palette=palette.tobytes().ljust(3 * colours + 3, b"\0"),
        transparency=colours,
        disposal=1,
        duration=list(milliseconds) if len(frames) > 1 else milliseconds[0],
        loop=0,
    )


def _distinct(frames: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All colours (n, 3), and which of them each pixel has: (frames, rows, columns), int32."""
    number = np.stack([frame @ np.array([1 << 16, 1 << 8, 1], np.int32) for frame in frames])
    seen = np.zeros(1 << 24, bool)
    seen[number] = True
    place = np.cumsum(seen, dtype=np.int32) - 1
    found = np.flatnonzero(seen)
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], -1).astype(np.uint8)
    return colours, place[number]


def _palette(drawn: np.ndarray, counts: np.ndarray, colours: int) -> np.ndarray:
    """Choose colours for all that was drawn: (at most `colours`, 3), uint8.

    The square root lets a thin line's colour count beside that of a wide area.

    Args:
        drawn: all colours (n, 3), uint8, each once.
        counts: how many pixels (n,) of all frames have each.
        colours: how many to choose.
    """
    sample = np.repeat(drawn, np.ceil(np.sqrt(counts)).astype(int), axis=0)
    image = Image.fromarray(sample[None]).quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2)
    return np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)[:colours]
