"""The answers, to fill the gaps that a reader chooses to leave: solutions.use("nanograd-c").

The other modules of this folder hold them, one for each notebook.
"""

import importlib
import linecache
import sys


def answers(exercise: str) -> list[str]:
    """The code of an exercise's answer, cell by cell.

    Raises:
        ValueError: there is no such exercise; the error lists those of its notebook.
    """
    notebook = exercise.partition("-")[0]
    try:
        known = importlib.import_module(f"{__name__}.{notebook}").ANSWERS
    except ImportError:
        raise ValueError(f"no notebook has exercises that begin with {notebook}-") from None
    if exercise not in known:
        raise ValueError(f"there is no exercise {exercise}; there are {', '.join(known)}")
    return known[exercise]


def use(exercise: str, namespace: dict | None = None) -> None:
    """Define the names of an answer in the notebook, and state that this was done.

    Args:
        exercise: such as nanograd-c.
        namespace: where; the caller's unless given.
    """
    namespace = sys._getframe(1).f_globals if namespace is None else namespace
    for number, code in enumerate(answers(exercise), 1):
        name = f"<solution {exercise} {number}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        exec(compile(code, name, "exec"), namespace)
    print(f"Exercise {exercise}: filled in with the project's own answer")
