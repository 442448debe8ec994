"""The three activation functions of part 1, their derivatives, and both in place for training."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes:
        function: of the net input z, any shape.
        slope: its derivative at z.
        in_place: the function, written over z.
        times_slope: (error, a, room) -> error times the slope, written over the error, where the
            slope is had from the output a; room is an array to work in, shaped like a.
    """

    function: Callable
    slope: Callable
    in_place: Callable
    times_slope: Callable


def _tanh_times_slope(error: np.ndarray, a: np.ndarray, room: np.ndarray) -> np.ndarray:
    np.multiply(a, a, out=room)
    np.subtract(1, room, out=room)
    return np.multiply(error, room, out=error)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(z / 2))  # 1 / (1 + exp(-z)), which would overflow


def _sigmoid_slope(z: np.ndarray) -> np.ndarray:
    return 0.25 * (1 - np.tanh(z / 2) ** 2)


def _sigmoid_in_place(z: np.ndarray) -> np.ndarray:
    np.multiply(z, 0.5, out=z)
    np.tanh(z, out=z)
    np.add(z, 1, out=z)
    return np.multiply(0.5, z, out=z)


def _sigmoid_times_slope(error: np.ndarray, a: np.ndarray, room: np.ndarray) -> np.ndarray:
    np.subtract(1, a, out=room)
    np.multiply(a, room, out=room)
    return np.multiply(error, room, out=error)


def _relu_times_slope(error: np.ndarray, a: np.ndarray, room: np.ndarray) -> np.ndarray:
    np.greater(a, 0, out=room)
    return np.multiply(error, room, out=error)


ACTIVATIONS = {
    "tanh": Activation(
        function=np.tanh,
        slope=lambda z: 1 - np.tanh(z) ** 2,
        in_place=lambda z: np.tanh(z, out=z),
        times_slope=_tanh_times_slope,
    ),
    "sigmoid": Activation(
        function=_sigmoid,
        slope=_sigmoid_slope,
        in_place=_sigmoid_in_place,
        times_slope=_sigmoid_times_slope,
    ),
    "relu": Activation(
        function=lambda z: np.maximum(z, 0),
        slope=lambda z: (np.asarray(z) > 0).astype(float),  # the ReLU has none at 0; 0 is used
        in_place=lambda z: np.maximum(z, 0, out=z),
        times_slope=_relu_times_slope,
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
