"""Trainings side by side, each in a process of its own."""

import contextlib
import io
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path

import cloudpickle
import torch
from joblib import cpu_count

from backstage.interrupts import whole_or_nothing
from backstage.settings import progress

MOST = 4  # processes at a time
PRELOADED = ["helpers", "torch._dynamo", "wandb"]  # what each process would else import by itself


def in_parallel(function: Callable, jobs: Sequence[dict], description: str) -> list:
    """Compute [function(**job) for job in jobs], for trainings that do not need each other.

    On a CPU as many jobs run at once as it has cores (LOKY_MAX_CPU_COUNT if set; where `make run`
    divides them among notebooks, this one's share), four at most, each in a process that computes
    on one thread, so that results do not depend on the number of cores. A job that is alone, or has
    one core, runs in this process, on one thread too. On a GPU they run one after the other. What a
    job prints is shown when it is done. A script must call this below `if __name__ == "__main__":`.

    joblib would be the ordinary choice. Its workers outlived a killed parent by more than six
    seconds when tried; these end with the program that started them, however that ended.

    Args:
        function: may be defined in a notebook, and may use the data defined there.
        jobs: the keyword arguments of each call.
        description: the jobs' name beside the progress bar.

    Returns:
        The results in the order of the jobs.

    Raises:
        Exception: what the first failing job raised; that, and Ctrl-C, stops the others at once.
    """
    return list(each_result(function, jobs, description))


def each_result(function: Callable, jobs: Sequence[dict], description: str) -> Iterator:
    """The results of in_parallel one after the other, each as soon as those before it are there.

    Whoever stops before the last one closes the iterator, which ends the processes.
    """
    workers = _workers(len(jobs))
    if workers < 2:
        for job in progress(jobs, description):
            with _one_thread(), whole_or_nothing():
                result = function(**job)
            yield result
        return
    packed = cloudpickle.dumps(function)
    with ProcessPoolExecutor(workers, _fresh_processes(), _start_worker, (packed,)) as pool:
        try:
            waiting = pool.map(_work, map(cloudpickle.dumps, jobs))
            for done in progress(waiting, description, len(jobs)):
                printed, result = pickle.loads(done)
                print(printed, end="")
                yield result
        except BaseException:  # Ctrl-C too stops them all at once
            for process in list(pool._processes.values()):
                process.terminate()
            raise


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread, and afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _workers(jobs: int) -> int:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return 1
    return min(MOST, jobs, _cores())


def _cores() -> int:
    """Those of the machine, or the share that the notebook runner keeps in a file."""
    place = os.environ.get("COURSEWORK_CORES")
    return int(Path(place).read_text()) if place else cpu_count()


def _fresh_processes() -> BaseContext:
    """Processes that share no threads and no locks with this one."""
    if os.name == "nt":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _start_worker(packed: bytes) -> None:
    """Prepare a process for the jobs: one thread, no progress bars, and their function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    torch.set_num_threads(1)
    os.environ["TQDM_DISABLE"] = "1"
    os.environ.pop("COURSEWORK_PROGRESS", None)
    _work.function = pickle.loads(packed)


def _follow_parent() -> None:
    """End this process when the one that started it has ended, however that came about."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _work(packed: bytes) -> bytes:
    """Do one job; what it prints and gives is packed here, so that networks travel whole."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = _work.function(**pickle.loads(packed))
    return cloudpickle.dumps((printed.getvalue(), result))
