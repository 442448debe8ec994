"""Take the report's pictures of W&B's own display, `wandb leet`, of two offline runs.

    python tools/wandb_pictures.py      after the notebooks, which log the runs

Writes report/figures/wandb_*.pdf. `wandb leet FOLDER` shows a run in a terminal, without an account
and without a network. This script gives it a terminal of its own (Linux or macOS), waits until
nothing moves, and draws what is on the screen, character by character.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pyte
from matplotlib.figure import Figure

import helpers as h

COLUMNS = 100
QUIET = 2.0  # seconds without a change: all is drawn
PATIENCE = 60.0  # seconds for all of it
WHITE = b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\"  # the answer to a program that asks for the background
ADVANCE = 0.602  # width and height of a character of DejaVu Sans Mono, in its size
LINE = 1.164
BRAILLE = 0x2800  # the character without dots; its eight bits are the dots below
DOTS = [(0.25, 0.125), (0.25, 0.375), (0.25, 0.625), (0.75, 0.125)]
DOTS += [(0.75, 0.375), (0.75, 0.625), (0.25, 0.875), (0.75, 0.875)]


class Picture(NamedTuple):
    """Which run is shown, and how.

    Attributes:
        folder: of the runs, below build/runs.
        name: what the run's name begins with.
        metrics: a regular expression for the charts to show.
        grid: rows and columns of charts.
        lines: of the terminal.
    """

    folder: str
    name: str
    metrics: str
    grid: tuple[int, int]
    lines: int


PICTURES = {
    "wandb_xor": Picture("xor-mlops", "", "train|val", (1, 3), 18),
    "wandb_lungs": Picture("lungs", "lungs, fold 0, seed 0", "train|val|rate", (2, 2), 30),
}


def find(picture: Picture) -> Path:
    """The folder of the newest run with that name.

    Raises:
        FileNotFoundError: there is none.
    """
    place = h.ROOT / "build/runs" / picture.folder / "wandb"
    for folder in sorted(place.glob("offline-run-*"), reverse=True):
        show = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", str(folder)]
        told = subprocess.run(show, check=True, capture_output=True, text=True).stdout
        name = told.splitlines()[0].removeprefix("run").strip()
        if name.startswith(picture.name):
            return folder
    raise FileNotFoundError(f"no run {picture.name!r} in {place}: run the notebook first")


def screen_of(folder: Path, picture: Picture) -> pyte.Screen:
    """What `wandb leet` shows of a run, without its panels on machine and settings."""
    rows, columns = picture.grid
    settings = {
        "metrics_grid": {"rows": rows, "cols": columns},
        "left_sidebar_visible": False,
        "right_sidebar_visible": False,
    }
    with tempfile.TemporaryDirectory() as home:
        Path(home, "wandb-leet.json").write_text(json.dumps(settings), encoding="utf-8")
        child, terminal = pty.fork()
        if child == 0:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.environ["WANDB_CONFIG_DIR"] = home
            os.execv(sys.executable, [sys.executable, "-m", "wandb", "leet", str(folder)])
        size = struct.pack("HHHH", picture.lines, COLUMNS, 0, 0)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
        try:
            return _watch(terminal, pyte.Screen(COLUMNS, picture.lines), picture.metrics)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(terminal)


def _watch(terminal: int, screen: pyte.Screen, metrics: str) -> pyte.Screen:
    """Feed the screen with what the terminal is sent, until the chosen charts stand still.

    Raises:
        TimeoutError: they were not shown in time.
    """
    stream = pyte.ByteStream(screen)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ready, _, _ = select.select([terminal], [], [], QUIET)
        if ready:
            sent = os.read(terminal, 1 << 16)
            if b"\x1b]11;?" in sent:
                os.write(terminal, WHITE)
            stream.feed(sent)
        elif "filtered" in screen.display[0]:
            return screen
        elif "Metrics" in screen.display[0]:
            for keys in ("/", metrics, "\r"):
                os.write(terminal, keys.encode())
                time.sleep(0.2)
    raise TimeoutError(f"wandb leet showed no chart within {PATIENCE:.0f} s")


def draw(screen: pyte.Screen) -> Figure:
    """The screen as a figure: characters in DejaVu Sans Mono, Braille's patterns as dots."""
    size = h.TEXT_WIDTH * 72 / screen.columns / ADVANCE
    height = screen.lines * LINE * size / 72
    fig = Figure(figsize=(h.TEXT_WIDTH, height))
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, screen.columns), ylim=(screen.lines, 0))
    ax.axis("off")
    dots = defaultdict(list)
    style = {"size": size, "family": "DejaVu Sans Mono"}
    for y in range(screen.lines):
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            colour = "black" if cell.fg == "default" else f"#{cell.fg}"
            places = _dots(cell.data)
            dots[colour] += [(x + dx, y + dy) for dx, dy in places]
            if not places and cell.data.strip():
                ax.text(x, y + 0.8, cell.data, c=colour, **style)
    for colour, places in dots.items():
        if places:
            ax.plot(*zip(*places), "o", c=colour, ms=0.22 * size, mew=0)
    return fig


def _dots(character: str) -> list[tuple[float, float]]:
    """Places of the dots of a Braille pattern, in its cell."""
    pattern = ord(character[:1] or " ") - BRAILLE
    return [place for bit, place in enumerate(DOTS) if 0 <= pattern < 256 and pattern >> bit & 1]


def main() -> None:
    """Take all pictures."""
    folder = h.report_folder() / "figures"
    for name, picture in PICTURES.items():
        fig = draw(screen_of(find(picture), picture))
        fig.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
        print(folder / f"{name}.pdf")


if __name__ == "__main__":
    main()
