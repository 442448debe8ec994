import numpy as np

from ._base_network import _at_least_one, _baseNetwork


class TwoLayerNet(_baseNetwork):
    """Pixels -> linear -> sigmoid -> linear -> softmax -> cross-entropy, with biases."""

    def __init__(self, input_size=784, num_classes=10, hidden_size=128):
        super().__init__(input_size, num_classes)
        _at_least_one("hidden_size", hidden_size)
        self.hidden_size = hidden_size
        self._weight_init()

    def _weight_init(self):
        """Draw W1 and W2, always the same ones; biases and all gradients start at zero."""
        sizes = (self.input_size, self.hidden_size, self.num_classes)
        for layer in (1, 2):
            shape = sizes[layer - 1 : layer + 1]
            np.random.seed(1024)  # noqa: NPY002  before each matrix, as the assignment has it
            self.weights[f"W{layer}"] = 0.001 * np.random.randn(*shape)  # noqa: NPY002
            self.weights[f"b{layer}"] = np.zeros(shape[1])
        for name, w in self.weights.items():
            self.gradients[name] = np.zeros_like(w)

    def forward(self, X, y, mode="train"):
        """Loss [nats] and accuracy of a batch X (N, input_size), y (N,).

        In train mode it writes the gradients too.

        raises  ValueError for shapes or labels that do not fit
        """
        X, y = self._checked(X, y)
        W1, b1, W2, b2 = (self.weights[name] for name in ("W1", "b1", "W2", "b2"))
        a = self.sigmoid(X @ W1 + b1)  # (N, H)
        p = self.softmax(a @ W2 + b2)  # (N, C)
        if mode == "train":
            error2 = self._logit_error(p, y)  # (N, C)
            error1 = error2 @ W2.T * (a * (1 - a))  # (N, H); the sigmoid's slope is a (1 - a)
            self.gradients["W1"] = X.T @ error1
            self.gradients["b1"] = error1.sum(axis=0)
            self.gradients["W2"] = a.T @ error2
            self.gradients["b2"] = error2.sum(axis=0)
        return self.cross_entropy_loss(p, y), self.compute_accuracy(p, y)
