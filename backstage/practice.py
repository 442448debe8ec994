"""The place of a value that a reader of the practice edition has yet to find."""

from typing import Any, NoReturn

USES = """
abs add and array array_ufunc bool call complex contains delattr delitem divmod enter eq exit float
floordiv format ge getitem gt hash iadd iand imul index int invert isub iter itruediv le len lshift
lt matmul mod mul ne neg next or pos pow radd rand rdivmod rfloordiv rlshift rmatmul rmod rmul ror
round rpow rrshift rshift rsub rtruediv rxor setattr setitem sub truediv xor
"""


class Unsolved:
    """Stands for an answer: it can be shown and passed on; any use raises NotImplementedError."""

    def __init__(self, exercise: str) -> None:
        self.__dict__["message"] = f"Exercise {exercise}: your turn"

    def __repr__(self) -> str:
        return self.__dict__["message"]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Python's and Jupyter's own questions
            raise AttributeError(name)
        self._refuse()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError(self.__dict__["message"])


for _use in USES.split():
    setattr(Unsolved, f"__{_use}__", Unsolved._refuse)


def your_turn(exercise: str) -> Any:
    """Give a value that is still to be found: any use of it tells which exercise gives it."""
    return Unsolved(exercise)
