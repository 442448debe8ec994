"""The second program in a sandbox: it runs the cells of one submission in a kernel, with limits.

It reads what to do as JSON from its input. For every answer and check that was run it writes one
line of JSON: the number of the cell, its error or null, and the exercises that were filled in from
the module `solutions` by then.

A cell that ends the kernel, takes too long and cannot be interrupted, or exceeds the memory or the
number of processes is left out of a second pass, in a new kernel, through all the others. If it is
a check, so is the answer above it.
"""

import json
import sys
import time

from grading.kernel import Gone, Kernel, Late
from grading.processes import kill_children, limit


def one_pass(cells: list[dict], limits: dict, skip: set[int], told: set[int]) -> set[int]:
    """Run all cells but those to be skipped, and tell what came of answers and checks.

    Args:
        cells: to be run, each with its source and kind.
        limits: on time, memory and processes.
        skip: numbers of cells that are left out; this adds those that take too long.
        told: numbers of cells whose outcome is known; this adds to it.

    Returns:
        The number of the cell that ended the kernel, and if that is a check, of the answer above
        it, too; empty if all went well.
    """
    last = max((n for n, cell in enumerate(cells) if cell["kind"] == "check"), default=-1)
    answer = set()  # the latest, if there is one
    kernel = Kernel(limits)
    try:
        for number, cell in enumerate(cells[: last + 1]):
            if number in skip:
                continue
            if time.time() > limits["until"]:
                break
            if cell["kind"] == "answer":
                answer = {number}
            try:
                error, filled = kernel.run(cell["source"])
            except Late as late:
                error, filled = str(late), []
                skip.add(number)
            except Gone as gone:
                tell(number, cell, str(gone), [], told)
                return {number} | answer if cell["kind"] == "check" else {number}
            tell(number, cell, error, filled, told)
    finally:
        kernel.close()
    return set()


def tell(number: int, cell: dict, error: str | None, filled: list[str], told: set[int]) -> None:
    """Write what came of an answer or a check, the first time that it is known."""
    if cell["kind"] and number not in told:
        told.add(number)
        print(json.dumps({"cell": number, "error": error, "filled": filled}), flush=True)


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
