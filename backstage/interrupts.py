"""What Ctrl-C does: it ends a training early and keeps the network, or ends a job without a result.

Whoever watches a training wants the half-trained network. A job's result counts as that of a whole
training; so inside a job KeyboardInterrupt passes through.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_in_a_job = ContextVar("in_a_job", default=False)


@contextlib.contextmanager
def whole_or_nothing() -> Iterator[None]:
    """Let Ctrl-C pass through the trainings inside, so that none of them is kept half done."""
    before = _in_a_job.set(True)
    try:
        yield
    finally:
        _in_a_job.reset(before)


def may_end_early() -> bool:
    """Whether a training that Ctrl-C ends is kept as it is then."""
    return not _in_a_job.get()
