"""Networks of any depth in NumPy, built from layers that each know their own forward and backward step.

    python n_layer_neural_network.py 2 10 10 2 --activation tanh      train on the moons, show the boundary

Only what depends on the number of layers is here; loss, penalty, prediction and training are inherited, and hold for
any depth because they speak of `parameters`, the list of all weights and biases.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from three_layer_neural_network import NeuralNetwork, check_settings, generate_data, softmax


class Layer:
    """One fully connected layer: z = X W + b, then an activation function.

    W (n_in, n_out)  normal with deviation gain / sqrt(n_in), drawn from rng
    b (1, n_out)     all `bias`
    actFun, diff     the function and its derivative at z
    """

    def __init__(self, n_in, n_out, actFun, diff, rng, gain=1.0, bias=0.0):
        self.W, self.b = gain * rng.randn(n_in, n_out) / np.sqrt(n_in), np.full((1, n_out), float(bias))
        self.actFun, self.diff = actFun, diff

    def feedforward(self, X):
        """Outputs (n, n_out) for inputs X (n, n_in); what backprop needs is kept."""
        self.X, self.z = X, X @ self.W + self.b
        self.a = self.actFun(self.z)
        return self.a

    def backprop(self, error):
        """From the loss's slope in the outputs (n, n_out) set dW and db; gives its slope in the inputs (n, n_in)."""
        delta = error * self.diff(self.z)
        self.dW, self.db = self.X.T @ delta, delta.sum(axis=0, keepdims=True)
        return delta @ self.W.T


class DeepNeuralNetwork(NeuralNetwork):
    """A network of len(layer_sizes) layers, the input counted: [2, 3, 2] is the three-layer network, number by number.

    layer_sizes  (inputs, hidden widths ..., classes); without hidden widths it is softmax regression
    gain         the first weights have deviation gain / sqrt(inputs of the layer): 1 as in the assignment, sqrt(2) as
                 He et al. (2015) derive for the ReLU
    bias         the first biases
    """

    def __init__(self, layer_sizes, actFun_type="tanh", reg_lambda=0.01, seed=0, gain=1.0, bias=0.0):
        check_settings(layer_sizes, actFun_type, reg_lambda)
        if not (np.isfinite(gain) and gain > 0 and np.isfinite(bias)):
            raise ValueError(f"gain must be finite and positive, bias finite, not {gain} and {bias}")
        self.layer_sizes, self.actFun_type, self.reg_lambda = tuple(layer_sizes), actFun_type, reg_lambda
        rng = np.random.RandomState(seed)
        hidden = self.activate, lambda z: self.diff_actFun(z, self.actFun_type)
        output = (lambda z: z), np.ones_like  # the softmax is in the loss
        kinds = [hidden] * (len(layer_sizes) - 2) + [output]
        self.layers = [Layer(i, o, *kind, rng, gain, bias) for i, o, kind in zip(layer_sizes, layer_sizes[1:], kinds)]

    @property
    def parameters(self):
        return [(layer.W, layer.b) for layer in self.layers]

    def feedforward(self, X, actFun=None):
        """Send X (n, in) through all layers, set probs (n, classes); gives the last layer's net inputs."""
        for layer in self.layers:
            X = layer.feedforward(X)
        self.probs = softmax(X)
        return X

    def backprop(self, X, y):
        """Gradients ([dW of every layer], [db of every layer]) of the summed cross-entropy, after feedforward(X)."""
        error = self.probs.copy()
        error[np.arange(len(X)), y] -= 1
        for layer in reversed(self.layers):
            error = layer.backprop(error)
        return [layer.dW for layer in self.layers], [layer.db for layer in self.layers]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[2, 10, 10, 2], help="units of each layer: 2 ... 2")
    parser.add_argument("--activation", default="tanh", help="tanh, sigmoid or relu (default tanh)")
    parser.add_argument("--epsilon", type=float, default=0.01, help="step size (default 0.01)")
    parser.add_argument("--reg-lambda", type=float, default=0.01, help="strength of the L2 penalty (default 0.01)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first weights (default 0)")
    parser.add_argument("--passes", type=int, default=20000, help="steps, each over all the data (default 20000)")
    args = parser.parse_args()
    X, y = generate_data()
    try:
        network = DeepNeuralNetwork(args.sizes, args.activation, args.reg_lambda, args.seed)
        network.fit_model(X, y, args.epsilon, args.passes)
    except ValueError as e:
        parser.error(str(e))
    network.visualize_decision_boundary(X, y)
    plt.show()


if __name__ == "__main__":
    main()
