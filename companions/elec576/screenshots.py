"""Take the write-up's pictures of TensorBoard, by a Chromium without a window.

    python companions/elec576/screenshots.py      after the notebook, which writes the boards

Writes figures/board_*.png. Needs Chromium or Chrome (Debian: apt install chromium).
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

from dcn_mnist import BOARDS
from step_sizes import KINDS as COMPARED
from step_sizes import label

import helpers as h

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH = 1420  # pixels: room for three columns of cards


class Picture(NamedTuple):
    """What is to be seen of which boards.

    Attributes:
        tab: scalars or histograms.
        tags: a regular expression for the cards to show.
        boards: folders below BOARDS, by the name that the picture gives them.
        height: of the window in pixels.
        smoothing: TensorBoard's, from 0 to below 1.
    """

    tab: str
    tags: str
    boards: dict[str, str]
    height: int
    smoothing: float = 0.0


def first_networks(group: str) -> dict[str, str]:
    """The boards of the first network of each kind that a group of part 2c compares."""
    kinds = COMPARED[group].items()
    return {name: f"compared/{label(kind)}, width 8/seed 0" for name, kind in kinds}


MAIN = {"well trained": "well trained/seed 0"}
INSIDE = "^(conv2|fc1) (net input|activation|pooled)/std|^conv2 (weight|bias)/std"
OVER_AN_EPOCH = f"^loss/training|^error|{INSIDE}"
PICTURES = {
    "board_training": Picture("scalars", "^loss|^error", MAIN, 720),
    "board_statistics": Picture("scalars", "^conv2 .*/(mean|std)", MAIN, 1360),
    "board_histograms": Picture("histograms", "^(conv2|fc1)/", MAIN, 900),
    "board_compared": Picture("scalars", OVER_AN_EPOCH, first_networks("activation"), 1360, 0.6),
    "board_weights": Picture(
        "scalars", OVER_AN_EPOCH, first_networks("initial weights, SGD"), 1360, 0.6
    ),
    "board_optimisers": Picture("scalars", OVER_AN_EPOCH, first_networks("optimiser"), 1360, 0.6),
}


class ShowOutliers(BaseHTTPRequestHandler):
    """A page that unchecks TensorBoard's box "Ignore outliers in chart scaling".

    The box is on at first and clips the curves. Its state is no part of TensorBoard's address but
    lies in the browser's storage for the server's address and port.
    """

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<script>localStorage.setItem('_ignoreYOutliers', 'false')</script>")

    def log_message(self, *args: object) -> None:
        """Print nothing."""


def show_outliers(browse: Sequence[str]) -> int:
    """Let a browser see that page, and give the port at which TensorBoard must be served."""
    with HTTPServer(("localhost", 0), ShowOutliers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://localhost:{server.server_port}"
        subprocess.run([*browse, "--dump-dom", page], check=True, capture_output=True, timeout=60)
        server.shutdown()
    return server.server_port


@contextmanager
def serve(folder: Path, runs: int, port: int) -> Iterator[str]:
    """Run TensorBoard on a folder, and give its address once it has read so many runs."""
    words = ["tensorboard.main", "--logdir", folder.name, "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://localhost:{port}"
    try:
        _wait_for(address, runs)
        yield address
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str, runs: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urlopen(f"{address}/data/runs") as answer:
                if len(json.load(answer)) == runs:
                    return
        except URLError:  # it is still starting
            pass
        time.sleep(0.5)
    raise TimeoutError(f"TensorBoard did not show {runs} runs within {seconds:.0f} s")


def take(picture: Picture, browser: str, path: Path) -> None:
    """Write one picture to a PNG file.

    Raises:
        FileNotFoundError: a board is missing.
    """
    with tempfile.TemporaryDirectory() as room:
        boards = Path(room, "boards")
        for name, board in picture.boards.items():
            if not (BOARDS / board).is_dir():
                raise FileNotFoundError(f"no board {BOARDS / board}: run the notebook first")
            shutil.copytree(BOARDS / board, boards / name)
        browse = [
            browser,
            "--headless",
            "--no-sandbox",  # which root would need; the page is our own
            "--hide-scrollbars",
            f"--window-size={WIDTH},{picture.height}",
            "--virtual-time-budget=60000",
            f"--user-data-dir={room}/browser",
        ]
        port = show_outliers(browse)
        with serve(boards, len(picture.boards), port) as address:
            what = f"#{picture.tab}&tagFilter={quote(picture.tags)}"
            what += f"&_smoothingWeight={picture.smoothing}"
            page = f"{address}/?darkMode=false{what}"
            shoot = [*browse, f"--screenshot={path}", page]
            subprocess.run(shoot, check=True, capture_output=True, timeout=300)


def main() -> None:
    """Take all pictures."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is installed (Debian: apt install chromium)")
    h.report_to("companions/elec576")
    folder = h.report_folder() / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in PICTURES.items():
        take(picture, browser, folder / f"{name}.png")
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main()
