"""The training of `fit_model`, for a network of any depth, arranged for speed.

`fit_fast` takes the place of `fit_model` where many networks are trained. The formulas are
those of `feedforward` and `backprop`, and a test holds it to the same parameters. Examples are
columns, so that the processor works on long rows; the bias is one more column of the weights and
faces a row of ones; all parameters lie in one array, moved by three operations; and everything is
written into arrays that are made once.
"""

import numpy as np
from activations import activation
from checks import check_training
from three_layer_neural_network import NeuralNetwork


class Descent:
    """A network's parameters in one array, and the room that a pass needs.

    Args:
        network: of any depth.
        X: (n, in) inputs.
        y: (n,) class numbers.
        epsilon: step size.
    """

    def __init__(
        self, network: NeuralNetwork, X: np.ndarray, y: np.ndarray, epsilon: float
    ) -> None:
        self.network = network
        self.epsilon = epsilon
        self.activation = activation(network.actFun_type)
        self.shapes = [(W.shape[1], W.shape[0] + 1) for W, _ in network.parameters]
        size = sum(rows * columns for rows, columns in self.shapes)
        self.theta = np.empty(size)
        self.gradient = np.empty(size)
        self.shrink = np.ones(size)  # what the penalty leaves of each parameter in a pass
        self.layers = self._views(self.theta)
        self.gradients = self._views(self.gradient)
        for layer, share, (W, b) in zip(self.layers, self._views(self.shrink), network.parameters):
            layer[...] = np.vstack([W, b]).T
            share[:, :-1] -= epsilon * network.reg_lambda
        self._make_room(X, y)

    def _views(self, flat: np.ndarray) -> list[np.ndarray]:
        """Cut one array into the layers' matrices (out, in + 1), without a copy."""
        ends = np.cumsum([rows * columns for rows, columns in self.shapes])
        return [flat[end - r * c : end].reshape(r, c) for end, (r, c) in zip(ends, self.shapes)]

    def _make_room(self, X: np.ndarray, y: np.ndarray) -> None:
        n = len(X)
        inputs = np.vstack([X.T, np.ones(n)])
        self.seen = [inputs, *(np.ones((columns, n)) for _, columns in self.shapes[1:])]
        self.hidden = [a[:-1] for a in self.seen]  # without the row of ones
        self.errors = [np.empty_like(a) for a in self.hidden]
        self.room = [np.empty_like(a) for a in self.hidden]
        self.classes = np.empty((self.shapes[-1][0], n))
        self.total = np.empty(n)
        self.one_hot = np.equal(np.arange(len(self.classes))[:, None], y).astype(float)
        self.seen_turned = [a.T for a in self.seen]
        self.layers_turned = [W[:, :-1].T for W in self.layers]

    def step(self) -> None:
        """Walk one pass: W -= epsilon (dW + lambda W), b -= epsilon db."""
        self._forward()
        self._backward()
        np.multiply(self.gradient, self.epsilon, out=self.gradient)
        np.multiply(self.theta, self.shrink, out=self.theta)
        np.subtract(self.theta, self.gradient, out=self.theta)

    def _forward(self) -> None:
        """Set `classes` (classes, n) to the softmax's probabilities."""
        in_place = self.activation.in_place
        for W, a, after in zip(self.layers, self.seen, self.hidden[1:]):
            in_place(np.dot(W, a, out=after))
        np.dot(self.layers[-1], self.seen[-1], out=self.classes)
        self._softmax(self.classes, self.total)

    @staticmethod
    def _softmax(classes: np.ndarray, total: np.ndarray) -> None:
        """Turn net inputs into probabilities class by class: reductions would be slower."""
        np.maximum(classes[0], classes[1], out=total)
        for z in classes[2:]:
            np.maximum(total, z, out=total)
        for z in classes:
            np.subtract(z, total, out=z)
        np.exp(classes, out=classes)
        np.add(classes[0], classes[1], out=total)
        for p in classes[2:]:
            np.add(total, p, out=total)
        for p in classes:
            np.divide(p, total, out=p)

    def _backward(self) -> None:
        """Set `gradient` to that of the summed cross-entropy."""
        times_slope = self.activation.times_slope
        error = np.subtract(self.classes, self.one_hot, out=self.classes)
        for l in range(len(self.layers) - 1, 0, -1):
            np.dot(error, self.seen_turned[l], out=self.gradients[l])
            error = np.dot(self.layers_turned[l], error, out=self.errors[l])
            error = times_slope(error, self.hidden[l], self.room[l])
        np.dot(error, self.seen_turned[0], out=self.gradients[0])

    def hand_back(self) -> None:
        """Write the parameters into the network."""
        for layer, (W, b) in zip(self.layers, self.network.parameters):
            W[...] = layer[:, :-1].T
            b[...] = layer[:, -1]


def fit_fast(
    network: NeuralNetwork,
    X: np.ndarray,
    y: np.ndarray,
    epsilon: float = 0.01,
    num_passes: int = 20000,
    every: int = 1000,
) -> list[float]:
    """Train a network in place as network.fit_model does, with the same results to rounding.

    Returns:
        The losses after passes 0, every, 2 every, ...

    Raises:
        ValueError: settings or data that cannot be trained on, before the first pass.
        FloatingPointError: one of the losses is not finite.
    """
    check_training(network, X, y, epsilon, num_passes, every)
    descent = Descent(network, X, y, epsilon)
    losses = []
    for i in range(num_passes):
        descent.step()
        if i % every == 0:
            descent.hand_back()
            losses.append(network.loss_after(i, X, y, epsilon))
    descent.hand_back()
    return losses
