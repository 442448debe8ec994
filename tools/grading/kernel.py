"""A kernel that runs cells: a Python process with limits on time, memory and processes.

What cells print is never fetched, so it fills nobody's memory.
"""

import math
import queue
import re
import subprocess
import sys
import threading
import time
from typing import NoReturn

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

from grading.processes import children, kill_children, memory, processor_time, reap
from grading.tables import one_line

GRACE = 5  # seconds in which a cell may end after it was interrupted
START = 120  # seconds in which a kernel has to start
LIBRARIES = 200  # MB of them, that count as a process's memory but are not data
FILLED = "[k for k in __import__('linecache').cache if k.startswith('<solution ')]"
ARGUMENTS = ["--HistoryManager.hist_file=:memory:", "--IPKernelApp.log_level=50"]


class OwnPython(KernelSpecManager):
    """Kernels of the Python that runs this, whatever is installed under the name of python3."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """How to start one."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


class Gone(Exception):
    """The kernel has ended; the text tells why."""


class Late(Exception):
    """A cell took too long, and was interrupted."""


class Kernel:
    """A Python process that runs cells, and what watches its memory and its children."""

    def __init__(self, limits: dict) -> None:
        self.limits = limits
        self.why = ""
        self.manager = KernelManager(kernel_name="python3", kernel_spec_manager=OwnPython())
        self.manager.start_kernel(cwd=limits["folder"], extra_arguments=ARGUMENTS, **_nowhere())
        self.client = self.manager.client()
        self.client.start_channels(iopub=False, stdin=False, hb=False, control=False)
        self.closed = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        self._reply(self.client.kernel_info(), START)

    def run(self, source: str) -> tuple[str | None, list[str]]:
        """Run a cell.

        Returns:
            Its error in one line, or None; and the names of the solutions that were used.

        Raises:
            Gone: the kernel has ended.
            Late: it took too long; the kernel goes on.
        """
        seconds = self.limits["seconds"]
        wait = min(self.limits["wait"], self.limits["until"] - time.time())
        sent = self.client.execute(
            source, user_expressions={"filled": FILLED}, allow_stdin=False, stop_on_error=False
        )
        try:
            content = self._reply(sent, wait, processor_time(children()) + seconds)
        except TimeoutError:
            self._interrupt(sent, f"took longer than {seconds} s")
        if any(part.get("source") == "ask_exit" for part in content.get("payload", [])):
            raise Gone("ended the kernel")
        self._look()
        if self.why:
            raise Gone(self.why)
        return _error(content), _filled(content)

    def _interrupt(self, sent: str, why: str) -> NoReturn:
        self.manager.interrupt_kernel()
        try:
            self._reply(sent, GRACE)
        except TimeoutError:
            raise Gone(why) from None
        raise Late(why)

    def _reply(self, sent: str, seconds: float, processor: float = math.inf) -> dict:
        """Wait for the answer to a message, at most so long, or until so much was computed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                reply = self.client.get_shell_msg(timeout=0.2)
            except queue.Empty:
                if not self.manager.is_alive():
                    raise Gone(self.why or "ended the kernel") from None
                if processor_time(children()) > processor:
                    break
                continue
            if reply["parent_header"].get("msg_id") == sent:
                return reply["content"]
        raise TimeoutError

    def _watch(self) -> None:
        while not self.closed.wait(0.2):
            self._look()

    def _look(self) -> None:
        """End the kernel if it uses too much."""
        there = children()
        most = self.limits["processes"] // 2  # the other half is for threads
        if len(there) > most:
            self._end(f"started more than {most} processes")
            return
        enough = self.limits["memory"] + LIBRARIES
        if memory(there, enough) > enough:
            self._end(f"used more than {self.limits['memory']} MB of memory")

    def _end(self, why: str) -> None:
        self.why = self.why or why
        kill_children()

    def close(self) -> None:
        """End the kernel and all that it started."""
        self.closed.set()
        self.watcher.join()
        self.client.stop_channels()
        kill_children()
        reap()
        self.manager.cleanup_resources()


def _nowhere() -> dict:
    """Where the kernel's own output goes; what cells print is sent as messages."""
    return dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)


def _error(content: dict) -> str | None:
    if content["status"] == "ok":
        return None
    kind = content.get("ename", "Error")
    text = one_line(content.get("evalue", ""))
    return text if text and kind == "AssertionError" else f"{kind}: {text}".removesuffix(": ")


def _filled(content: dict) -> list[str]:
    """The exercises whose solutions were used, from names of code such as <solution c 1>."""
    found = content.get("user_expressions", {}).get("filled", {}).get("data", {})
    return re.findall(r"<solution (\S+) ", found.get("text/plain", ""))
