"""The training of `fit_model`, for networks of any depth, many at once.

`fit_together` takes the place of `fit_model` where many networks of one shape are trained. The
formulas are those of `feedforward` and `backprop`, and a test holds it to the same parameters. The
first axis of every array is the network, so that one operation of NumPy serves all of them.
Examples are columns, so that the processor works on long rows; the bias is one more column of the
weights and faces a row of ones; all parameters lie in one array, moved by three operations; and
everything is written into arrays that are made once.
"""

from collections.abc import Sequence

import numpy as np
from checks import check_together, check_training
from in_place import IN_PLACE
from three_layer_neural_network import NeuralNetwork


class Descent:
    """R networks' parameters in one array, and the room that a pass needs.

    Args:
        networks: of one shape, any depth, and with one activation function.
        X: (n, in) inputs.
        y: (n,) class numbers.
        epsilon: step size, one for all or one for each (R,).
    """

    def __init__(
        self,
        networks: Sequence[NeuralNetwork],
        X: np.ndarray,
        y: np.ndarray,
        epsilon: float | Sequence[float],
    ) -> None:
        self.networks = networks
        self.epsilon = np.broadcast_to(epsilon, len(networks))[:, None]
        self.activation = IN_PLACE[networks[0].actFun_type.lower()]
        self.shapes = [(W.shape[1], W.shape[0] + 1) for W, _ in networks[0].parameters]
        size = sum(rows * columns for rows, columns in self.shapes)
        self.theta = np.empty((len(networks), size))
        self.gradient = np.empty_like(self.theta)
        self.shrink = np.ones_like(self.theta)  # what the penalty leaves of a parameter in a pass
        self.layers = self._views(self.theta)
        self.gradients = self._views(self.gradient)
        shares = self._views(self.shrink)
        for r, network in enumerate(networks):
            for layer, share, (W, b) in zip(self.layers, shares, network.parameters):
                layer[r] = np.vstack([W, b]).T
                share[r, :, :-1] -= self.epsilon[r] * network.reg_lambda
        self._make_room(X, y)

    def _views(self, flat: np.ndarray) -> list[np.ndarray]:
        """Cut (R, size) into the layers' matrices (R, out, in + 1), without a copy."""
        ends = np.cumsum([rows * columns for rows, columns in self.shapes])
        pairs = zip(ends, self.shapes)
        return [flat[:, end - r * c : end].reshape(-1, r, c) for end, (r, c) in pairs]

    def _make_room(self, X: np.ndarray, y: np.ndarray) -> None:
        count = len(self.networks)
        n = len(X)
        inputs = np.vstack([X.T, np.ones(n)])[None]
        self.seen = [inputs, *(np.ones((count, columns, n)) for _, columns in self.shapes[1:])]
        self.hidden = [a[:, :-1] for a in self.seen]  # without the row of ones
        self.errors = [np.empty(a.shape) for a in self.hidden]
        self.room = [np.empty(a.shape) for a in self.hidden]
        self.classes = np.empty((count, self.shapes[-1][0], n))
        self.total = np.empty((count, n))
        self.one_hot = np.equal(np.arange(self.shapes[-1][0])[:, None], y).astype(float)
        self.seen_turned = [a.swapaxes(1, 2) for a in self.seen]
        self.layers_turned = [W[:, :, :-1].swapaxes(1, 2) for W in self.layers]

    def step(self) -> None:
        """Walk one pass: W -= epsilon (dW + lambda W), b -= epsilon db."""
        self._forward()
        self._backward()
        np.multiply(self.gradient, self.epsilon, out=self.gradient)
        np.multiply(self.theta, self.shrink, out=self.theta)
        np.subtract(self.theta, self.gradient, out=self.theta)

    def _forward(self) -> None:
        """Set `classes` (R, classes, n) to the softmax's probabilities."""
        in_place = self.activation.function
        for W, a, after in zip(self.layers, self.seen, self.hidden[1:]):
            in_place(np.matmul(W, a, out=after))
        np.matmul(self.layers[-1], self.seen[-1], out=self.classes)
        self._softmax(self.classes.swapaxes(0, 1), self.total)

    @staticmethod
    def _softmax(classes: np.ndarray, total: np.ndarray) -> None:
        """Turn net inputs (classes, R, n) into probabilities: reductions would be slower."""
        np.maximum(classes[0], classes[1], out=total)
        for z in classes[2:]:
            np.maximum(total, z, out=total)
        np.subtract(classes, total, out=classes)
        np.exp(classes, out=classes)
        np.add(classes[0], classes[1], out=total)
        for p in classes[2:]:
            np.add(total, p, out=total)
        np.divide(classes, total, out=classes)

    def _backward(self) -> None:
        """Set `gradient` to that of the summed cross-entropy."""
        times_slope = self.activation.times_slope
        error = np.subtract(self.classes, self.one_hot, out=self.classes)
        for l in range(len(self.layers) - 1, 0, -1):
            np.matmul(error, self.seen_turned[l], out=self.gradients[l])
            error = np.matmul(self.layers_turned[l], error, out=self.errors[l])
            error = times_slope(error, self.hidden[l], self.room[l])
        np.matmul(error, self.seen_turned[0], out=self.gradients[0])

    def hand_back(self) -> None:
        """Write the parameters into the networks."""
        for r, network in enumerate(self.networks):
            for layer, (W, b) in zip(self.layers, network.parameters):
                W[...] = layer[r, :, :-1].T
                b[...] = layer[r, :, -1]


def fit_together(
    networks: Sequence[NeuralNetwork],
    X: np.ndarray,
    y: np.ndarray,
    epsilon: float | Sequence[float] = 0.01,
    num_passes: int = 20000,
    every: int = 1000,
) -> np.ndarray:
    """Train networks in place as fit_model does each of them, with the same results to rounding.

    Args:
        networks: of one shape and with one activation function; penalties may differ.
        X, y: what all of them are trained on.
        epsilon: step size, one for all or one for each (R,).
        num_passes, every: as for fit_model.

    Returns:
        The losses (R, ...) after passes 0, every, 2 every, ...

    Raises:
        ValueError: settings or data that cannot be trained on, before the first pass.
        FloatingPointError: one of the losses is not finite.
    """
    steps = check_together(networks, epsilon)
    for network, step in zip(networks, steps):
        check_training(network, X, y, step, num_passes, every)
    descent = Descent(networks, X, y, steps)
    losses = []
    for i in range(num_passes):
        descent.step()
        if i % every == 0:
            descent.hand_back()
            pairs = zip(networks, steps)
            losses.append([network.loss_after(i, X, y, step) for network, step in pairs])
    descent.hand_back()
    return np.array(losses).T


def fit_fast(network: NeuralNetwork, X: np.ndarray, y: np.ndarray, *how: float, **more) -> list:
    """Train one network by fit_together; gives its losses as fit_model does."""
    return fit_together([network], X, y, *how, **more)[0].tolist()
