"""Frames of a figure in which a few things move, and a small GIF of them."""

from collections.abc import Callable, Sequence

import imageio.v3 as iio
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image


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


def gif(frames: Sequence[np.ndarray], milliseconds: Sequence[int], colours: int = 32) -> bytes:
    """Encode frames as a GIF with one palette, in which pixels that did not change are transparent.

    Args:
        frames: RGB (rows, columns, 3), uint8.
        milliseconds: how long each frame is shown.
        colours: of the palette, 255 at most.
    """
    palette = Image.fromarray(np.concatenate(frames[::33])).quantize(colours)
    indexed = []
    for frame in frames:
        image = Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        indexed.append(np.asarray(image))
    indexed = np.stack(indexed)
    moved = indexed.copy()
    moved[1:][indexed[1:] == indexed[:-1]] = colours  # one more colour: nothing changed here
    table = bytes(palette.getpalette()[: 3 * colours]).ljust(3 * colours + 3, b"\0")
    return iio.imwrite(
        "<bytes>",
        moved,
        extension=".gif",
        mode="P",
        palette=table,
        transparency=colours,
        disposal=1,
        duration=list(milliseconds) if len(frames) > 1 else milliseconds[0],
        loop=0,
    )
