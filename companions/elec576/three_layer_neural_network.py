"""A network with one hidden layer, trained by backpropagation written out in NumPy.

    python three_layer_neural_network.py      train one network per activation on the moons, show the boundaries

The interface is that of ELEC 576 / COMP 576 (Rice University, fall 2025), assignment 1, part 1. As there, gradients are
sums over the data and the penalty stands beside them: N dL/dW = dW + lambda W. Examples are rows, losses in nats.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.datasets import make_moons

# name: (the function and its slope at the net input z; for training: the function in place, and an error times its
# slope in place, where the slope is had from the output a, with b as room to work in)
ACTIVATIONS = {
    "tanh": (
        np.tanh,
        lambda z: 1 - np.tanh(z) ** 2,
        lambda z: np.tanh(z, out=z),
        lambda error, a, b: np.multiply(error, np.subtract(1, np.multiply(a, a, out=b), out=b), out=error),
    ),
    "sigmoid": (
        lambda z: 0.5 * (1 + np.tanh(z / 2)),  # 1 / (1 + exp(-z)), which would overflow
        lambda z: 0.25 * (1 - np.tanh(z / 2) ** 2),
        lambda z: np.multiply(0.5, np.add(np.tanh(np.multiply(z, 0.5, out=z), out=z), 1, out=z), out=z),
        lambda error, a, b: np.multiply(error, np.multiply(a, np.subtract(1, a, out=b), out=b), out=error),
    ),
    "relu": (
        lambda z: np.maximum(z, 0),
        lambda z: (np.asarray(z) > 0).astype(float),
        lambda z: np.maximum(z, 0, out=z),
        lambda error, a, b: np.multiply(error, np.greater(a, 0, out=b), out=error),
    ),
}


def activation(type):
    """The row of ACTIVATIONS for a name in any case; ValueError for an unknown one."""
    if str(type).lower() not in ACTIVATIONS:
        raise ValueError(f"the activation must be Tanh, Sigmoid or ReLU, not {type!r}")
    return ACTIVATIONS[str(type).lower()]


def generate_data(n=200, noise=0.20, seed=0):
    """Two interleaving half circles: X (n, 2) float64 and y (n,) with classes 0 and 1."""
    return make_moons(n, noise=noise, random_state=seed)


def plot_decision_boundary(pred_func, X, y, ax=None, size=6, resolution=160):
    """Colour the plane by predicted class, and scatter the data X (n, 2), y (n,) on it.

    pred_func  gives classes (m,) for points (m, 2)
    gives      the axes
    """
    ax = ax or plt.gca()
    colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
    (left, bottom), (right, top) = X.min(0) - 0.5, X.max(0) + 0.5
    across, up = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    guess = pred_func(np.stack(np.meshgrid(across, up), -1).reshape(-1, 2)).reshape(resolution, resolution)
    classes = int(max(guess.max(), y.max())) + 1
    shown = {"extent": (left, right, bottom, top), "origin": "lower", "interpolation": "nearest", "alpha": 0.3}
    ax.imshow(guess, ListedColormap(colours[:classes]), vmin=-0.5, vmax=classes - 0.5, aspect="auto", **shown)
    for k, marker in zip(range(classes), "o^sD"):
        ax.scatter(*X[y == k].T, s=size, c=colours[k], marker=marker, lw=0, label=f"class {k}")
    ax.set(xlim=(left, right), ylim=(bottom, top))
    return ax


def softmax(z):
    """Rows of probabilities from rows of net inputs (n, classes), without overflow."""
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def cross_entropy(z, y):
    """Sum over the examples of -log softmax(z)[y], straight from the net inputs z (n, classes): finite at p = 0."""
    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).sum())


class NeuralNetwork:
    """Input - hidden layer - softmax, as in the assignment's figure 1.

    nn_input_dim, nn_hidden_dim, nn_output_dim   units of the three layers
    actFun_type  Tanh, Sigmoid or ReLU, in any case
    reg_lambda   strength of the penalty (reg_lambda / 2N) (|W1|^2 + |W2|^2); biases go free
    seed         W1 (in, hidden) and W2 (hidden, out) are normal with deviation 1/sqrt(rows); b1, b2 are zero
    """

    def __init__(self, nn_input_dim, nn_hidden_dim, nn_output_dim, actFun_type="tanh", reg_lambda=0.01, seed=0):
        check_settings((nn_input_dim, nn_hidden_dim, nn_output_dim), actFun_type, reg_lambda)
        self.nn_input_dim, self.nn_hidden_dim, self.nn_output_dim = nn_input_dim, nn_hidden_dim, nn_output_dim
        self.actFun_type, self.reg_lambda = actFun_type, reg_lambda
        rng = np.random.RandomState(seed)
        self.W1 = rng.randn(nn_input_dim, nn_hidden_dim) / np.sqrt(nn_input_dim)
        self.b1 = np.zeros((1, nn_hidden_dim))
        self.W2 = rng.randn(nn_hidden_dim, nn_output_dim) / np.sqrt(nn_hidden_dim)
        self.b2 = np.zeros((1, nn_output_dim))

    @property
    def parameters(self):
        """(weights (in, out), biases (1, out)) of every layer, from the input on."""
        return [(self.W1, self.b1), (self.W2, self.b2)]

    def actFun(self, z, type):
        """The activation function of this type at the net input z, of any shape."""
        return activation(type)[0](z)

    def diff_actFun(self, z, type):
        """Its derivative at the net input z. The ReLU has none at 0; 0 is used there, as everywhere."""
        return activation(type)[1](z)

    def feedforward(self, X, actFun):
        """Set z1, a1 (n, hidden), z2 and probs (n, classes) for inputs X (n, in); gives z2."""
        self.z1 = X @ self.W1 + self.b1
        self.a1 = actFun(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        self.probs = softmax(self.z2)
        return self.z2

    def activate(self, z):
        return self.actFun(z, self.actFun_type)

    def calculate_loss(self, X, y):
        """Mean cross-entropy [nats] plus the penalty of every layer's weights, (reg_lambda / 2N) |W|^2."""
        check_data(X, y, self)
        penalty = self.reg_lambda / 2 * sum(np.sum(W**2) for W, _ in self.parameters)
        return (cross_entropy(self.feedforward(X, self.activate), y) + penalty) / len(X)

    def predict(self, X):
        """The most probable class (n,) of every row of X."""
        self.feedforward(X, self.activate)
        return self.probs.argmax(axis=1)

    def backprop(self, X, y):
        """Gradients dW1, dW2, db1, db2 of the summed cross-entropy, after feedforward(X); probs stay as they are."""
        delta2 = self.probs.copy()
        delta2[np.arange(len(X)), y] -= 1  # (n, classes): d/dz2 is softmax minus one-hot
        delta1 = delta2 @ self.W2.T * self.diff_actFun(self.z1, self.actFun_type)  # (n, hidden): d/dz1
        dW2, db2 = self.a1.T @ delta2, delta2.sum(axis=0, keepdims=True)
        dW1, db1 = X.T @ delta1, delta1.sum(axis=0, keepdims=True)
        return dW1, dW2, db1, db2

    def fit_model(self, X, y, epsilon=0.01, num_passes=20000, print_loss=True, every=1000):
        """Walk num_passes steps W -= epsilon (dW + lambda W), b -= epsilon db, each over all the data.

        gives   the losses after passes 0, every, 2 every, ... and prints them if asked
        raises  ValueError for settings or data that cannot be trained on, before the first pass;
                FloatingPointError where one of the losses is not finite
        """
        if not (np.isfinite(epsilon) and epsilon > 0) or num_passes < 1 or every < 1:
            raise ValueError(f"need epsilon > 0, num_passes >= 1, every >= 1, not {epsilon}, {num_passes}, {every}")
        check_data(X, y, self)
        losses = []
        for i in descend(self, X, y, epsilon, num_passes, every):
            losses.append(self.calculate_loss(X, y))
            if not np.isfinite(losses[-1]):
                raise FloatingPointError(f"loss {losses[-1]} after pass {i}: epsilon = {epsilon} is too large a step")
            if print_loss:
                print(f"Loss after iteration {i}: {losses[-1]:f}")
        return losses

    def visualize_decision_boundary(self, X, y):
        """Draw this network's decision boundary and the data into the current axes."""
        plot_decision_boundary(self.predict, X, y)


def descend(network, X, y, epsilon, num_passes, every):
    """Walk down in place; yields the number of the pass after passes 0, every, 2 every, ..., parameters up to date.

    The formulas of feedforward and backprop for any number of layers, arranged for speed. Examples are columns, so
    that the processor works on long rows; the bias is one more column of the weights and faces a row of ones; all
    parameters lie in one array, moved by three operations; and everything is written into arrays made once.
    """
    squash, times_slope = activation(network.actFun_type)[2:]
    shapes = [(W.shape[1], W.shape[0] + 1) for W, _ in network.parameters]
    ends = np.cumsum([o * i for o, i in shapes])

    def views(flat):
        return [flat[end - o * i : end].reshape(o, i) for end, (o, i) in zip(ends, shapes)]

    theta, shrink = np.empty(ends[-1]), np.ones(ends[-1])
    layers, grads = views(theta), views(grad := np.empty(ends[-1]))
    for layer, share, (W, b) in zip(layers, views(shrink), network.parameters):
        layer[...] = np.vstack([W, b]).T
        share[:, :-1] -= epsilon * network.reg_lambda
    seen = [np.vstack([X.T, np.ones(len(X))])] + [np.ones((i, len(X))) for _, i in shapes[1:]]  # by each layer
    hidden = [a[:-1] for a in seen]
    errors, room = [np.empty_like(a) for a in hidden], [np.empty_like(a) for a in hidden]
    classes, total = np.empty((shapes[-1][0], len(X))), np.empty(len(X))
    one_hot = np.equal(np.arange(len(classes))[:, None], y).astype(float)
    seen_turned, layers_turned = [a.T for a in seen], [W[:, :-1].T for W in layers]

    for i in range(num_passes):
        for W, a, after in zip(layers, seen, hidden[1:]):
            squash(np.dot(W, a, out=after))
        np.dot(layers[-1], seen[-1], out=classes)
        np.maximum(classes[0], classes[1], out=total)  # softmax, class by class: reductions would be slower
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
        error = np.subtract(classes, one_hot, out=classes)
        for l in range(len(layers) - 1, 0, -1):
            np.dot(error, seen_turned[l], out=grads[l])
            error = times_slope(np.dot(layers_turned[l], error, out=errors[l]), hidden[l], room[l])
        np.dot(error, seen_turned[0], out=grads[0])
        np.multiply(grad, epsilon, out=grad)
        np.multiply(theta, shrink, out=theta)
        np.subtract(theta, grad, out=theta)
        if i % every == 0 or i == num_passes - 1:
            for layer, (W, b) in zip(layers, network.parameters):
                W[...], b[...] = layer[:, :-1].T, layer[:, -1]
            if i % every == 0:
                yield i


def check_settings(sizes, actFun_type, reg_lambda):
    """Raise ValueError unless a network can be made of these."""
    if len(sizes) < 2 or any(int(s) != s or s < 1 for s in sizes) or sizes[-1] < 2:
        raise ValueError(
            f"layer sizes must be (inputs, hidden ..., classes), 1 or more and 2 classes, not {tuple(sizes)}"
        )
    activation(actFun_type)
    if not (np.isfinite(reg_lambda) and reg_lambda >= 0):
        raise ValueError(f"reg_lambda must be finite and 0 or more, not {reg_lambda}")


def check_data(X, y, network):
    """Raise ValueError unless X (n, in) is finite and y (n,) holds the network's classes."""
    n_in, classes = network.parameters[0][0].shape[0], network.parameters[-1][0].shape[1]
    if np.ndim(X) != 2 or np.shape(X)[1] != n_in or len(X) == 0 or np.shape(y) != (len(X),):
        raise ValueError(f"need X (n, {n_in}) and y (n,), not {np.shape(X)} and {np.shape(y)}")
    if not np.isfinite(X).all():
        raise ValueError("X holds values that are NaN or infinite")
    if not np.issubdtype(np.asarray(y).dtype, np.integer) or np.min(y) < 0 or np.max(y) >= classes:
        raise ValueError(f"y must hold whole numbers from 0 to {classes - 1}")


def main():
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
