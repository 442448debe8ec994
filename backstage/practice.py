"""The place of a value that a reader of the practice edition has yet to find."""

from typing import Any, NoReturn

USES = """
abs add and array array_ufunc bool call complex contains divmod enter eq float floordiv format ge
getitem gt iadd iand imul index int invert isub iter itruediv le len lt matmul mod mul ne neg next
or pos pow radd rand rfloordiv rmatmul rmod rmul ror round rpow rsub rtruediv rxor setitem sub
truediv xor
"""


class Unsolved:
    """Stands for an answer; whatever is done with it raises NotImplementedError."""

    def __init__(self, exercise: str) -> None:
        self.__dict__["message"] = f"Exercise {exercise}: your turn"

    def __repr__(self) -> str:
        return self.__dict__["message"]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Python's and Jupyter's own questions
            raise AttributeError(name)
        self._refuse()

    __hash__ = None

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError(self.__dict__["message"])


for _use in USES.split():
    setattr(Unsolved, f"__{_use}__", Unsolved._refuse)


def your_turn(exercise: str) -> Any:
    """Give a value that is still to be found: any use of it tells which exercise gives it."""
    return Unsolved(exercise)
