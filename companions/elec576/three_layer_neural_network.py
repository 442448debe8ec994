"""A network with one hidden layer, trained by backpropagation written out in NumPy.

    python three_layer_neural_network.py      train one network per activation on the moons,
                                              show the boundaries

The interface is that of ELEC 576 / COMP 576 (Rice University, fall 2025), assignment 1, part 1. As
there, gradients are sums over the data and the penalty stands beside them: N dL/dW = dW + lambda W.
Examples are rows, losses are in nats.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
from activations import activation
from checks import check_data, check_settings, check_training
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from sklearn.datasets import make_moons

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")  # of classes; safe for colour-blind readers
MARKERS = "o^sD"


def generate_data(n: int = 200, noise: float = 0.20, seed: int = 0) -> tuple:
    """Draw two interleaving half circles: X (n, 2) float64 and y (n,) with classes 0 and 1."""
    return make_moons(n, noise=noise, random_state=seed)


def plot_decision_boundary(
    pred_func: Callable,
    X: np.ndarray,
    y: np.ndarray,
    ax: Axes | None = None,
    size: float = 6,
    resolution: int = 160,
) -> Axes:
    """Colour the plane by predicted class, and scatter the data on it.

    Args:
        pred_func: gives classes (m,) for points (m, 2).
        X: (n, 2) points.
        y: (n,) class numbers.
        ax: where to draw; None: the current axes.
        size: of the points.
        resolution: points of the grid along each side.
    """
    ax = ax or plt.gca()
    left, bottom = X.min(0) - 0.5
    right, top = X.max(0) + 0.5
    across = np.linspace(left, right, resolution)
    up = np.linspace(bottom, top, resolution)
    grid = np.stack(np.meshgrid(across, up), -1).reshape(-1, 2)
    guess = pred_func(grid).reshape(resolution, resolution)
    classes = int(max(guess.max(), y.max())) + 1
    colours = ListedColormap(COLOURS[:classes])
    style = {"origin": "lower", "interpolation": "nearest", "alpha": 0.3, "aspect": "equal"}
    extent = (left, right, bottom, top)
    ax.imshow(guess, colours, vmin=-0.5, vmax=classes - 0.5, extent=extent, **style)
    for k, colour, marker in zip(range(classes), COLOURS, MARKERS):
        ax.scatter(*X[y == k].T, s=size, c=colour, marker=marker, lw=0, label=f"class {k}")
    ax.set(xlim=(left, right), ylim=(bottom, top))
    return ax


def softmax(z: np.ndarray) -> np.ndarray:
    """Rows of probabilities from rows of net inputs (n, classes), without overflow."""
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def cross_entropy(z: np.ndarray, y: np.ndarray) -> float:
    """Sum over the examples of -log softmax(z)[y] [nats].

    It comes straight from the net inputs z (n, classes), so that it is finite where a probability
    is rounded to 0.
    """
    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).sum())


class NeuralNetwork:
    """Input - hidden layer - softmax, as in the assignment's figure 1.

    Args:
        nn_input_dim, nn_hidden_dim, nn_output_dim: units of the three layers.
        actFun_type: Tanh, Sigmoid or ReLU, in any case.
        reg_lambda: strength of the penalty (reg_lambda / 2N) (|W1|^2 + |W2|^2); biases go free.
        seed: of W1 (in, hidden) and W2 (hidden, out), which are normal with standard deviation
            1 / sqrt(rows); b1 and b2 start at zero.

    Raises:
        ValueError: no network can be made of these.
    """

    def __init__(
        self,
        nn_input_dim: int,
        nn_hidden_dim: int,
        nn_output_dim: int,
        actFun_type: str = "tanh",
        reg_lambda: float = 0.01,
        seed: int = 0,
    ) -> None:
        check_settings((nn_input_dim, nn_hidden_dim, nn_output_dim), actFun_type, reg_lambda)
        self.nn_input_dim = nn_input_dim
        self.nn_hidden_dim = nn_hidden_dim
        self.nn_output_dim = nn_output_dim
        self.actFun_type = actFun_type
        self.reg_lambda = reg_lambda
        rng = np.random.RandomState(seed)
        self.W1 = rng.randn(nn_input_dim, nn_hidden_dim) / np.sqrt(nn_input_dim)
        self.b1 = np.zeros((1, nn_hidden_dim))
        self.W2 = rng.randn(nn_hidden_dim, nn_output_dim) / np.sqrt(nn_hidden_dim)
        self.b2 = np.zeros((1, nn_output_dim))

    @property
    def parameters(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights (in, out) and biases (1, out) of every layer, from the input on."""
        return [(self.W1, self.b1), (self.W2, self.b2)]

    def actFun(self, z: np.ndarray, type: str) -> np.ndarray:
        """The activation function of this type at the net input z, of any shape."""
        return activation(type).function(z)

    def diff_actFun(self, z: np.ndarray, type: str) -> np.ndarray:
        """Its derivative at the net input z. The ReLU has none at 0; 0 is used there."""
        return activation(type).slope(z)

    def feedforward(self, X: np.ndarray, actFun: Callable) -> np.ndarray:
        """Set z1, a1 (n, hidden), z2 and probs (n, classes) for inputs X (n, in); gives z2."""
        self.z1 = X @ self.W1 + self.b1
        self.a1 = actFun(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        self.probs = softmax(self.z2)
        return self.z2

    def activate(self, z: np.ndarray) -> np.ndarray:
        """This network's activation function."""
        return self.actFun(z, self.actFun_type)

    def calculate_loss(self, X: np.ndarray, y: np.ndarray) -> float:
        """Mean cross-entropy [nats] plus every layer's penalty, (reg_lambda / 2N) |W|^2."""
        check_data(self, X, y)
        penalty = self.reg_lambda / 2 * sum(np.sum(W**2) for W, _ in self.parameters)
        return (cross_entropy(self.feedforward(X, self.activate), y) + penalty) / len(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class (n,) of every row of X."""
        self.feedforward(X, self.activate)
        return self.probs.argmax(axis=1)

    def backprop(self, X: np.ndarray, y: np.ndarray) -> tuple:
        """Gradients dW1, dW2, db1, db2 of the summed cross-entropy.

        Comes after feedforward(X, activate): the derivative is that of the network's own activation
        function. `probs` stays as it is.
        """
        delta2 = self.probs.copy()
        delta2[np.arange(len(X)), y] -= 1  # (n, classes): d/dz2 is softmax minus one-hot
        slope = self.diff_actFun(self.z1, self.actFun_type)
        delta1 = delta2 @ self.W2.T * slope  # (n, hidden): d/dz1
        dW2 = self.a1.T @ delta2
        db2 = delta2.sum(axis=0, keepdims=True)
        dW1 = X.T @ delta1
        db1 = delta1.sum(axis=0, keepdims=True)
        return dW1, dW2, db1, db2

    def step(self, X: np.ndarray, y: np.ndarray, epsilon: float) -> None:
        """One pass over all the data: W -= epsilon (dW + lambda W), b -= epsilon db."""
        self.feedforward(X, self.activate)
        dW1, dW2, db1, db2 = self.backprop(X, y)
        self.W1 -= epsilon * (dW1 + self.reg_lambda * self.W1)
        self.b1 -= epsilon * db1
        self.W2 -= epsilon * (dW2 + self.reg_lambda * self.W2)
        self.b2 -= epsilon * db2

    def fit_model(
        self,
        X: np.ndarray,
        y: np.ndarray,
        epsilon: float = 0.01,
        num_passes: int = 20000,
        print_loss: bool = True,
        every: int = 1000,
    ) -> list[float]:
        """Walk num_passes steps of size epsilon.

        Returns:
            The losses after passes 0, every, 2 every, ..., which are also printed if asked for.

        Raises:
            ValueError: settings or data that cannot be trained on, before the first pass.
            FloatingPointError: one of the losses is not finite.
        """
        check_training(self, X, y, epsilon, num_passes, every)
        losses = []
        for i in range(num_passes):
            self.step(X, y, epsilon)
            if i % every == 0:
                losses.append(self.loss_after(i, X, y, epsilon))
                if print_loss:
                    print(f"Loss after iteration {i}: {losses[-1]:f}")
        return losses

    def loss_after(self, i: int, X: np.ndarray, y: np.ndarray, epsilon: float) -> float:
        """The loss after pass i; FloatingPointError, which names the step, if it is not finite."""
        loss = self.calculate_loss(X, y)
        if not np.isfinite(loss):
            reason = f"epsilon = {epsilon} is too large a step"
            raise FloatingPointError(f"loss {loss} after pass {i}: {reason}")
        return loss

    def visualize_decision_boundary(self, X: np.ndarray, y: np.ndarray) -> None:
        """Draw this network's decision boundary and the data into the current axes."""
        plot_decision_boundary(self.predict, X, y)


def main() -> None:
    """Train one network per activation function on the moons, and show their boundaries."""
    X, y = generate_data()
    fig, axes = plt.subplots(1, 3, figsize=(9, 3), constrained_layout=True)
    for ax, name in zip(axes, ("Tanh", "Sigmoid", "ReLU")):
        model = NeuralNetwork(nn_input_dim=2, nn_hidden_dim=3, nn_output_dim=2, actFun_type=name)
        print(name)
        model.fit_model(X, y)
        plt.sca(ax)
        model.visualize_decision_boundary(X, y)
        ax.set_title(name)
    plt.show()


if __name__ == "__main__":
    main()
