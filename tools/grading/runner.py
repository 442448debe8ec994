"""The second program in a sandbox: it runs the cells of one submission in a kernel, with limits.

It reads what to do as JSON from its input. For every answer and check that was run it writes one
line of JSON: the number of the cell, its error or null, and the exercises that were filled in from
the module `solutions` by then. What cells print is never fetched, so it fills nobody's memory.

A cell that ends the kernel, takes too long and cannot be interrupted, or exceeds the memory or the
number of processes is left out of a second pass, in a new kernel, through all the others.
"""

import ctypes
import json
import os
import queue
import re
import sys
import threading
import time

import psutil
from jupyter_client.manager import KernelManager

try:
    import resource
except ImportError:  # Windows
    resource = None

GRACE = 3  # seconds in which a cell may end after it was interrupted
START = 120  # seconds in which a kernel has to start
LIBRARIES = 500  # MB of libraries that every process counts as its own
SHOWN = 300  # characters of a message
FILLED = "[k for k in __import__('linecache').cache if k.startswith('<solution ')]"
ARGUMENTS = ["--HistoryManager.hist_file=:memory:", "--IPKernelApp.log_level=50"]


class Gone(Exception):
    """The kernel has ended; the text tells why."""


class Kernel:
    """A Python process that runs cells, and what watches its memory and its children."""

    def __init__(self, limits: dict) -> None:
        self.limits = limits
        self.why = ""
        self.manager = KernelManager(kernel_name="python3")
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
        """
        seconds = min(self.limits["seconds"], self.limits["until"] - time.time())
        sent = self.client.execute(
            source, user_expressions={"filled": FILLED}, allow_stdin=False, stop_on_error=False
        )
        try:
            content = self._reply(sent, seconds)
        except TimeoutError:
            self.manager.interrupt_kernel()
            try:
                self._reply(sent, GRACE)
            except TimeoutError:
                raise Gone(f"took longer than {seconds:.0f} s") from None
            return f"took longer than {seconds:.0f} s", []
        if any(part.get("source") == "ask_exit" for part in content.get("payload", [])):
            raise Gone("ended the kernel")
        return _error(content), _filled(content)

    def _reply(self, sent: str, seconds: float) -> dict:
        """Wait for the answer to a message."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                reply = self.client.get_shell_msg(timeout=0.2)
            except queue.Empty:
                if not self.manager.is_alive():
                    raise Gone(self.why or "ended the kernel") from None
                continue
            if reply["parent_header"].get("msg_id") == sent:
                return reply["content"]
        raise TimeoutError

    def _watch(self) -> None:
        while not self.closed.wait(0.2):
            there = children()
            if len(there) > self.limits["processes"]:
                self._end(f"started more than {self.limits['processes']} processes")
            elif sum(map(_memory, there)) > (self.limits["memory"] + LIBRARIES) * 1e6:
                self._end(f"used more than {self.limits['memory']} MB of memory")

    def _end(self, why: str) -> None:
        self.why = why
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
    return {name: open(os.devnull, "r+") for name in ("stdin", "stdout", "stderr")}


def children() -> list[psutil.Process]:
    """All processes that were started from here, directly or not."""
    return psutil.Process().children(recursive=True)


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def kill_children() -> None:
    """End all processes that were started from here, also those that appear meanwhile."""
    for _ in range(100):
        there = [p for p in children() if _is_alive(p)]
        if not there:
            return
        for process in there:
            try:
                process.kill()
            except psutil.Error:
                pass  # it has ended by itself
        psutil.wait_procs(there, timeout=1)


def reap() -> None:
    """Forget the processes that have ended and that nobody else waits for: they would count."""
    try:
        while hasattr(os, "WNOHANG") and os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass  # there are no more


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def one_line(text: str) -> str:
    """A text without colours, line breaks and other invisible signs, cut to a moderate length."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text[: 10 * SHOWN])
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


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


def one_pass(cells: list[dict], limits: dict, skip: set[int], told: set[int]) -> set[int]:
    """Run all cells but those to be skipped, and tell what came of answers and checks.

    Args:
        cells: to be run, each with its source and kind.
        limits: on time, memory and processes.
        skip: numbers of cells that are left out.
        told: numbers of cells whose outcome is known; this adds to it.

    Returns:
        The numbers of the cells that ended the kernel; empty if all went well.
    """
    last = max((n for n, cell in enumerate(cells) if cell["kind"] == "check"), default=-1)
    answer = None
    kernel = Kernel(limits)
    try:
        for number, cell in enumerate(cells[: last + 1]):
            if number in skip:
                continue
            if time.time() > limits["until"]:
                break
            if cell["kind"] == "answer":
                answer = number
            try:
                error, filled = kernel.run(cell["source"])
            except Gone as gone:
                tell(number, cell, str(gone), [], told)
                return {number} if answer is None else {number, answer}
            tell(number, cell, error, filled, told)
    finally:
        kernel.close()
    return set()


def tell(number: int, cell: dict, error: str | None, filled: list[str], told: set[int]) -> None:
    """Write what came of an answer or a check, the first time that it is known."""
    if cell["kind"] and number not in told:
        told.add(number)
        print(json.dumps({"cell": number, "error": error, "filled": filled}), flush=True)


def limit(limits: dict) -> None:
    """Set limits that hold for this process and all that it starts."""
    if sys.platform == "linux":  # processes whose parent has ended become children of this one
        ctypes.CDLL(None).prctl(36, *map(ctypes.c_ulong, (1, 0, 0, 0)))  # PR_SET_CHILD_SUBREAPER
    if resource:
        wanted = {"RLIMIT_DATA": limits["memory"], "RLIMIT_FSIZE": limits["disk"]}
        for name, megabytes in wanted.items():
            resource.setrlimit(getattr(resource, name), (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limits["alone"]:  # otherwise all processes of the user would count
            most = limits["processes"]
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def main() -> None:
    """Run the submission that is described in the input."""
    wish = json.load(sys.stdin)
    limits = wish["limits"]
    limits["until"] = time.time() + limits["total"]
    limit(limits)
    skip = set()
    told = set()
    try:
        while time.time() < limits["until"]:
            gone = one_pass(wish["cells"], limits, skip, told)
            if gone <= skip:
                break
            skip |= gone
    finally:
        kill_children()


if __name__ == "__main__":
    main()
