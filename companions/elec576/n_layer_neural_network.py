"""Networks of any depth in NumPy, built from layers that know their forward and backward step.

    python n_layer_neural_network.py 2 10 10 2 --activation tanh      train on the moons,
                                                                      show the boundary

Only what depends on the number of layers is here: construction, feedforward, backprop and one step.
Loss, penalty, prediction and the training loop are inherited, and hold for any depth because they
speak of `parameters`, the list of all weights and biases.
"""

import argparse
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from checks import check_settings
from three_layer_neural_network import NeuralNetwork, generate_data, softmax


class Layer:
    """One fully connected layer: z = X W + b, then an activation function.

    Args:
        n_in, n_out: units before and in this layer.
        actFun, diff: the activation function and its derivative at z.
        rng: draws W (n_in, n_out), normal with standard deviation gain / sqrt(n_in).
        gain: see `rng`.
        bias: the first value of every bias; b is (1, n_out).
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        actFun: Callable,
        diff: Callable,
        rng: np.random.RandomState,
        gain: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        self.W = gain * rng.randn(n_in, n_out) / np.sqrt(n_in)
        self.b = np.full((1, n_out), float(bias))
        self.actFun = actFun
        self.diff = diff

    def feedforward(self, X: np.ndarray, actFun: Callable | None = None) -> np.ndarray:
        """Outputs (n, n_out) for inputs X (n, n_in); what backprop needs is kept.

        actFun stands in for the layer's own activation function, if one is given; backprop then
        works only if both have the same outputs.
        """
        self.X = X
        self.z = X @ self.W + self.b
        self.a = self.actFun(self.z)
        self.foreign = False
        if actFun is not None:
            own = self.a
            self.a = actFun(self.z)
            self.foreign = not np.allclose(self.a, own, equal_nan=True)
        return self.a

    def backprop(self, error: np.ndarray) -> np.ndarray:
        """Set dW and db from the loss's gradient with respect to the outputs (n, n_out).

        Returns:
            The loss's gradient with respect to the inputs (n, n_in).

        Raises:
            ValueError: feedforward used an activation function whose derivative is not known here.
        """
        if self.foreign:
            raise ValueError("backprop knows the derivative of the layer's own activation only")
        delta = error * self.diff(self.z)
        self.dW = self.X.T @ delta
        self.db = delta.sum(axis=0, keepdims=True)
        return delta @ self.W.T


class DeepNeuralNetwork(NeuralNetwork):
    """A network of any number of layers; [2, 3, 2] is the three-layer network, number by number.

    Args:
        layer_sizes: (inputs, hidden widths ..., classes); without hidden widths it is softmax
            regression.
        actFun_type, reg_lambda, seed: as for NeuralNetwork.
        gain: the initial weights have standard deviation gain / sqrt(inputs of the layer): 1 as in
            the assignment, sqrt(2) as He et al. (2015) derive for the ReLU.
        bias: the first biases.

    Raises:
        ValueError: no network can be made of these.
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        actFun_type: str = "tanh",
        reg_lambda: float = 0.01,
        seed: int = 0,
        gain: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        check_settings(layer_sizes, actFun_type, reg_lambda)
        if not (np.isfinite(gain) and gain > 0 and np.isfinite(bias)):
            message = "gain must be finite and positive, bias finite"
            raise ValueError(f"{message}, not {gain} and {bias}")
        self.layer_sizes = tuple(layer_sizes)
        self.actFun_type = actFun_type
        self.reg_lambda = reg_lambda
        rng = np.random.RandomState(seed)
        hidden = (self.activate, lambda z: self.diff_actFun(z, self.actFun_type))
        output = (lambda z: z, np.ones_like)  # the softmax is in the loss
        kinds = [hidden] * (len(layer_sizes) - 2) + [output]
        sides = zip(layer_sizes, layer_sizes[1:], kinds)
        self.layers = [Layer(n_in, n_out, *kind, rng, gain, bias) for n_in, n_out, kind in sides]

    @property
    def parameters(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights (in, out) and biases (1, out) of every layer, from the input on."""
        return [(layer.W, layer.b) for layer in self.layers]

    def feedforward(self, X: np.ndarray, actFun: Callable | None = None) -> np.ndarray:
        """Send X (n, in) through all layers and set probs (n, classes); gives the net inputs.

        actFun is the activation function of the hidden layers; None: the network's own.
        """
        *hidden, output = self.layers
        for layer in hidden:
            X = layer.feedforward(X, actFun)
        z = output.feedforward(X)
        self.probs = softmax(z)
        return z

    def backprop(self, X: np.ndarray, y: np.ndarray) -> tuple[list, list]:
        """Gradients ([dW of every layer], [db of every layer]) of the summed cross-entropy.

        Comes after feedforward(X); `probs` stays as it is.
        """
        error = self.probs.copy()
        error[np.arange(len(X)), y] -= 1
        for layer in reversed(self.layers):
            error = layer.backprop(error)
        return [layer.dW for layer in self.layers], [layer.db for layer in self.layers]

    def step(self, X: np.ndarray, y: np.ndarray, epsilon: float) -> None:
        """One pass over all the data: W -= epsilon (dW + lambda W), b -= epsilon db."""
        self.feedforward(X)
        for (W, b), dW, db in zip(self.parameters, *self.backprop(X, y)):
            W -= epsilon * (dW + self.reg_lambda * W)
            b -= epsilon * db


def main() -> None:
    """Train a network of the sizes that the command line names, and show its boundary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("sizes", nargs="*", type=int, default=[2, 10, 10, 2], help="units of each layer: 2 ... 2")
    add("--activation", default="tanh", help="tanh, sigmoid or relu (default tanh)")
    add("--epsilon", type=float, default=0.01, help="step size (default 0.01)")
    add("--reg-lambda", type=float, default=0.01, help="strength of the penalty (default 0.01)")
    add("--seed", type=int, default=0, help="seed of the initial weights (default 0)")
    add("--passes", type=int, default=20000, help="steps over all the data (default 20000)")
    args = parser.parse_args()
    X, y = generate_data()
    try:
        network = DeepNeuralNetwork(args.sizes, args.activation, args.reg_lambda, args.seed)
        network.fit_model(X, y, args.epsilon, args.passes)
    except ValueError as error:
        parser.error(str(error))
    network.visualize_decision_boundary(X, y)
    plt.show()


if __name__ == "__main__":
    main()
