"""The processes below this one, and limits that hold for all of them."""

import contextlib
import ctypes
import os
import subprocess
import sys

import psutil

try:
    import resource
except ImportError:  # Windows
    resource = None


def children() -> list[psutil.Process]:
    """All processes that were started from here, directly or not."""
    return psutil.Process().children(recursive=True)


def memory(processes: list[psutil.Process], enough: float) -> float:
    """The MB of memory that processes use.

    What several of them share is counted once, where the system tells; as this takes longer, it is
    only done if they seem to use more than `enough`.
    """
    used = sum(_read(process, "memory_info", "rss") for process in processes)
    if used > enough * 1e6 and psutil.LINUX:
        shares = [_read(p, "memory_full_info", "pss") for p in processes]
        used = sum(shares) if all(shares) else used  # 0: the system does not tell
    return used / 1e6


def processor_time(processes: list[psutil.Process]) -> float:
    """The seconds for which processes have used the processor."""
    return sum(_read(p, "cpu_times", "user") + _read(p, "cpu_times", "system") for p in processes)


def _read(process: psutil.Process, question: str, part: str) -> float:
    try:
        return getattr(getattr(process, question)(), part)
    except psutil.Error:
        return 0  # it has ended


def kill_children() -> None:
    """End all processes that were started from here, also those that appear meanwhile."""
    for _ in range(100):
        there = [p for p in children() if _is_alive(p)]
        if not there:
            return
        for process in there:
            with contextlib.suppress(psutil.Error):  # it has ended by itself
                process.kill()
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


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started, if it still runs."""
    if process.poll() is None:
        try:
            tree = psutil.Process(process.pid).children(recursive=True)
        except psutil.Error:
            tree = []
        for one in (*tree, process):
            with contextlib.suppress(psutil.Error):
                one.kill()
        process.wait()


def _prctl(what: int, value: int) -> None:
    ctypes.CDLL(None).prctl(what, *map(ctypes.c_ulong, (value, 0, 0, 0)))


def limit(limits: dict) -> None:
    """Set limits that hold for this process and all that it starts.

    On Linux, what it starts can then reach neither this process's open files nor its memory, unless
    all runs as root.
    """
    if sys.platform == "linux":
        _prctl(4, 0)  # PR_SET_DUMPABLE
        _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: it gets the children of processes that have ended
    if resource:
        wanted = {"RLIMIT_DATA": limits["memory"], "RLIMIT_FSIZE": limits["disk"]}
        for name, megabytes in wanted.items():
            resource.setrlimit(getattr(resource, name), (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limits["alone"]:  # otherwise all processes of the user would count
            most = limits["processes"]
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
