"""The three activation functions of part 1 and their derivatives."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Activation:
    """One activation function of the net input z, any shape, and its derivative at z."""

    function: Callable
    slope: Callable


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(z / 2))  # 1 / (1 + exp(-z)), which would overflow


def _sigmoid_slope(z: np.ndarray) -> np.ndarray:
    return 0.25 * (1 - np.tanh(z / 2) ** 2)


ACTIVATIONS = {
    "tanh": Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": Activation(_sigmoid, _sigmoid_slope),
    "relu": Activation(
        function=lambda z: np.maximum(z, 0),
        slope=lambda z: (np.asarray(z) > 0).astype(float),  # the ReLU has none at 0; 0 is used
    ),
}


def activation(name: str) -> Activation:
    """Find an activation function by its name, in any case.

    Raises:
        ValueError: the name is none of the three.
    """
    key = str(name).lower()
    if key not in ACTIVATIONS:
        raise ValueError(f"the activation must be Tanh, Sigmoid or ReLU, not {name!r}")
    return ACTIVATIONS[key]
