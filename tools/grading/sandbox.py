"""Processes in which somebody else's code runs, and what it may use there.

Where Linux allows it (`unshare`, a kernel from 5.14 on), such a process sees Python, its libraries
and a copy of the practice edition, and nothing else: no other files, no network, no other
processes. It may write into its own copy alone, which lies in memory. Started by root, it runs as
a user that nobody is. Everywhere it has limits on time, memory, files and processes, a home of its
own, and no environment variables but a few harmless ones.

It is no virtual machine. Who finds a hole in the kernel gets out; and as answers and checks run in
one Python process, an answer that means to deceive the checks can do so. Elsewhere (macOS, Windows,
most containers), files and network are not closed off; `Sandbox.note` tells which of this holds.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from grading.points import results_in
from grading.processes import end
from grading.surroundings import FONTS, HERE, environment, visible

NAMESPACES = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
TAKEN = f"import sys; sys.path.insert(0, {str(HERE.parent)!r}); from grading.runner import main"
RUNNER = [sys.executable, "-P", "-c", f"{TAKEN}; main()"]
FIRST_USER = 64_000  # of the users that nobody is
LATE = 30  # seconds after its own limit when a process is ended from outside
MOST_TEXT = 1_000_000  # characters of results that are read
LEFT_OUT = shutil.ignore_patterns("*.ipynb", "with_hints", "wandb")


@dataclass(frozen=True)
class Limits:
    """What the code of one submission may use."""

    seconds: int = 60  # of the processor, for each cell
    wait: int = 240  # seconds by the clock, for each cell: others may use the processor, too
    total: int = 1800  # seconds by the clock, for all cells
    memory: int = 4000  # MB
    disk: int = 500  # MB
    processes: int = 100  # and threads


class Sandbox:
    """Runs submissions, one after the other or several at a time from different threads."""

    def __init__(self, edition: Path, limits: Limits, folder: Path, closed: bool = True) -> None:
        """Prepare the copy of the practice edition, and find out what the system allows.

        Args:
            edition: folder of the practice edition; its notebooks are not copied.
            limits: for each submission.
            folder: an empty one, for files that are used meanwhile.
            closed: whether to close off files and network if that is possible.
        """
        self.limits = limits
        self.folder = folder
        folder.chmod(0o711)  # its folders may belong to other users
        self.edition = folder / "edition"
        shutil.copytree(edition, self.edition, ignore=LEFT_OUT)
        self.numbers = itertools.count(1)
        self.running = set()
        found = self._warm_up()
        self.data = os.environ.get("COURSEWORK_DATA") or found
        self.user = FIRST_USER if hasattr(os, "getuid") and os.getuid() == 0 else 0
        self.closed = closed
        self.why = "" if closed else "this was not asked for"
        if closed:
            self.why = self._probe()
            self.closed = not self.why
        if not self.closed and self.user and self._probe():
            self.user = 0

    def _warm_up(self) -> str:
        """Import once what notebooks import: submissions then find it compiled, and all fonts.

        Returns:
            The folder with data sets that were downloaded before, "" without helpers.
        """
        script = "import ipykernel.kernelapp, jupyter_client.manager"
        if (self.edition / "helpers.py").exists():
            script += "\nimport helpers\nfrom backstage.sources import CACHE\nprint(CACHE)"
        env = os.environ | {"MPLCONFIGDIR": str(self.edition / FONTS)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=self.edition, env=env, capture_output=True, text=True)
        return done.stdout.strip()

    def _probe(self) -> str:
        """Try to start a process; why it failed, or ""."""
        try:
            with tempfile.TemporaryFile() as error:
                program = [sys.executable, "-c", "import psutil"]
                done = self._start(program, 0, subprocess.DEVNULL, error)
                done.communicate(timeout=LATE)
                return _last_line(error) if done.returncode else ""
        except (OSError, subprocess.SubprocessError) as problem:
            return str(problem)
        finally:
            shutil.rmtree(self.folder / "0", ignore_errors=True)

    @property
    def note(self) -> str:
        """What the isolation is, in a few sentences."""
        text = "Limits: {seconds} s a cell, {memory} MB of memory.".format(**asdict(self.limits))
        if self.closed:
            return f"{text} Submissions ran without network and saw copies of files only."
        safe = "as another user, " if self.user else ""
        return f"{text} Submissions ran {safe}WITH network and this computer's files ({self.why})."

    def run(self, cells: list[dict], place: str) -> tuple[list[dict], str]:
        """Run the cells of a submission.

        Args:
            cells: source and kind of each.
            place: the notebook's folder in the practice edition, such as companions/cs7643.

        Returns:
            What came of the answers and checks that were run, as runner.py tells it; and why
            nothing else did, "" if all went well.
        """
        number = next(self.numbers)
        limits = asdict(self.limits) | {"folder": place, "alone": self.closed or bool(self.user)}
        text = json.dumps({"cells": cells, "limits": limits})
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
            process = self._start(RUNNER, number, out, error)
            self.running.add(process)
            try:
                process.communicate(text.encode(), timeout=self.limits.total + LATE)
                why = _last_line(error) if process.returncode else ""
            except subprocess.TimeoutExpired:
                why = "it did not end in time"
            finally:
                end(process)
                self.running.discard(process)
                shutil.rmtree(self.folder / str(number), ignore_errors=True)
            out.seek(0)
            return list(results_in(out.read(MOST_TEXT))), why

    def _start(
        self, program: list[str], number: int, out: IO | int, error: IO | int
    ) -> subprocess.Popen:
        """Start a program in a folder with a copy of the edition."""
        root = self.folder / str(number)
        root.mkdir(mode=0o700)
        user = self.user and self.user + number
        options = {"stdin": subprocess.PIPE, "stdout": out, "stderr": error}
        if self.closed:
            program = [*self._door(root, user), *program]
            home = Path("/submission")
            scratch = Path("/scratch")
            options["cwd"] = "/"
        else:
            home = scratch = root / "submission"
            shutil.copytree(self.edition, home)
            options["cwd"] = home
            if user:
                options |= {"user": user, "group": user, "extra_groups": []}
                for path in (root, *root.rglob("*")):
                    os.chown(path, user, user)
        env = environment(home, scratch, self.data)
        return subprocess.Popen(program, env=env, start_new_session=True, **options)

    def _door(self, root: Path, user: int) -> list[str]:
        """The beginning of a command line that starts what follows in namespaces of its own."""
        wish = {
            "root": str(root),
            "edition": str(self.edition),
            "visible": [name for name in visible(self.data) if os.path.exists(name)],
            "disk": self.limits.disk,
            "user": user,
        }
        rights = [] if user else ["--user", "--map-root-user"]
        inside = [sys.executable, str(HERE / "inside.py"), json.dumps(wish)]
        return ["unshare", *NAMESPACES, *rights, *inside]

    def stop(self) -> None:
        """End all that runs."""
        for process in list(self.running):
            end(process)


def _last_line(error: IO) -> str:
    error.seek(max(0, error.seek(0, os.SEEK_END) - 10_000))
    lines = error.read().decode(errors="replace").strip().splitlines()
    return (lines or ["it ended without a message"])[-1]
