"""What the networks of part 1 refuse, with a message that says what is allowed."""

from collections.abc import Sequence

import numpy as np
from activations import activation


def check_settings(sizes: Sequence[int], actFun_type: str, reg_lambda: float) -> None:
    """Raise ValueError unless a network can be made of these."""
    if len(sizes) < 2 or any(int(s) != s or s < 1 for s in sizes) or sizes[-1] < 2:
        allowed = "(inputs, hidden ..., classes), 1 or more and 2 classes"
        raise ValueError(f"layer sizes must be {allowed}, not {tuple(sizes)}")
    activation(actFun_type)
    if not (np.isfinite(reg_lambda) and reg_lambda >= 0):
        raise ValueError(f"reg_lambda must be finite and 0 or more, not {reg_lambda}")


def check_data(network: object, X: np.ndarray, y: np.ndarray) -> None:
    """Raise ValueError unless X (n, in) is finite and y (n,) holds the network's classes."""
    n_in = network.parameters[0][0].shape[0]
    classes = network.parameters[-1][0].shape[1]
    if np.ndim(X) != 2 or np.shape(X)[1] != n_in or len(X) == 0 or np.shape(y) != (len(X),):
        raise ValueError(f"need X (n, {n_in}) and y (n,), not {np.shape(X)} and {np.shape(y)}")
    if not np.isfinite(X).all():
        raise ValueError("X holds values that are NaN or infinite")
    if not np.issubdtype(np.asarray(y).dtype, np.integer) or np.min(y) < 0 or np.max(y) >= classes:
        raise ValueError(f"y must hold whole numbers from 0 to {classes - 1}")


def check_training(
    network: object, X: np.ndarray, y: np.ndarray, epsilon: float, passes: int, every: int
) -> None:
    """Raise ValueError unless the network can be trained on these data with these settings."""
    if not (np.isfinite(epsilon) and epsilon > 0) or passes < 1 or every < 1:
        allowed = "epsilon > 0, num_passes >= 1, every >= 1"
        raise ValueError(f"need {allowed}, not {epsilon}, {passes}, {every}")
    check_data(network, X, y)


def check_together(networks: Sequence, epsilon: float | Sequence[float]) -> np.ndarray:
    """Give each network's step; ValueError unless the networks can be trained as one array."""
    kinds = {(tuple(W.shape for W, _ in n.parameters), n.actFun_type.lower()) for n in networks}
    if len(kinds) != 1:
        raise ValueError("networks trained together need one shape and one activation function")
    if np.shape(epsilon) not in ((), (len(networks),)):
        raise ValueError(f"need one epsilon, or one for each of the {len(networks)} networks")
    return np.broadcast_to(epsilon, len(networks))
