"""A run of Weights & Biases as a guest in a training."""

import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from matplotlib.figure import Figure

from backstage.tracked_values import Table, as_media, as_row_value
from backstage.wandb_server import FLUSH_INTERVAL, wandb

PATIENCE = {  # what is said after so many seconds of waiting for W&B at the end of a run
    3: "W&B is not done with this run; waiting 12 seconds more at most",
    12: "W&B goes on with this run in the background; a program ends when W&B is done",
}


class Tracker:
    """A guest in a training: whatever goes wrong in tracking, or takes long, stays in here.

    W&B's part is done by a thread of its own, in the order of the calls.

    Attributes:
        mode: "online", "offline" or "disabled".
        rows: what was logged, row by row.
        trouble: the first error of the tracking itself, or None.
    """

    def __init__(self, run: "wandb.Run | None", mode: str) -> None:
        self.run = run
        self.mode = mode
        self.rows: list[dict] = []
        self.trouble: Exception | None = None
        self._thread = ThreadPoolExecutor(1)
        self._checked = time.monotonic()

    def log(self, row: Mapping[str, object]) -> None:
        """Log a row; an array over networks is logged as its mean."""
        self._try(self._log, row)

    def _log(self, row: Mapping[str, object]) -> None:
        kept = {name: as_row_value(value) for name, value in row.items()}
        self.rows.append(kept)
        self._later(lambda: self._send(kept))

    def _send(self, row: dict) -> None:
        self.run.log(row)
        if time.monotonic() - self._checked > FLUSH_INTERVAL:
            self._check_disk()

    def show(self, name: str, thing: Figure | str | Path | Table) -> None:
        """Log a figure, a movie (the path of a GIF) or a table."""
        if self.run is not None:
            self._try(self._show, name, thing)

    def _show(self, name: str, thing: Figure | str | Path | Table) -> None:
        media = as_media(thing)
        sent = self._later(lambda: self.run.log({name: media}))
        wait([sent], timeout=3)  # a file may change afterwards

    def summary(self, **values: object) -> None:
        """Set final values, which W&B shows beside the run's configuration."""
        self._try(self._later, lambda: self.run.summary.update(values))

    def finish(self, exit_code: int = 0) -> None:
        """Close the run within 15 seconds; what could not be uploaded stays on the disk."""
        self._try(self._finish, exit_code)

    def _finish(self, exit_code: int) -> None:
        if self.run is None:
            return
        done = self._thread.submit(self._try, self._close, exit_code)
        self._thread.shutdown(wait=False)
        for seconds, sentence in PATIENCE.items():
            if wait([done], seconds).done:
                return
            print(sentence)

    def _close(self, exit_code: int) -> None:
        self.run.finish(exit_code)
        self._check_disk()

    def _check_disk(self) -> None:
        """W&B says nothing of rows that it cannot write, so try to write as much as it buffers."""
        self._checked = time.monotonic()
        folder = Path(self.run.dir).parents[1]
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(64 * 1024))
        except OSError as error:
            raise OSError(f"{folder} takes no more rows: {error.strerror}") from error

    def _later(self, call: Callable) -> Future | None:
        return None if self.run is None else self._thread.submit(self._try, call)

    def _try(self, call: Callable, *args: object) -> None:
        try:
            call(*args)
        except Exception as error:  # tracking must never end a training
            if self.trouble is None:
                self.trouble = error
                print(f"tracking stopped, training goes on: {type(error).__name__}: {error}")
