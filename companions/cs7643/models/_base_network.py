import numpy as np


class _baseNetwork:
    """What both networks share: weights and gradients, activations, loss and accuracy.

    input_size, num_classes  numbers of pixels and of classes
    weights, gradients       dicts of arrays under the same keys; a subclass's forward fills the
                             gradients
    """

    def __init__(self, input_size=784, num_classes=10):
        for name, value in (("input_size", input_size), ("num_classes", num_classes)):
            _at_least_one(name, value)
        self.input_size = input_size
        self.num_classes = num_classes
        self.weights = {}
        self.gradients = {}

    def _weight_init(self):
        """Fill self.weights and self.gradients: the subclasses do."""

    def forward(self, X, y, mode="train"):
        """Loss and accuracy of a batch; with mode="train" the gradients too, in self.gradients."""
        raise NotImplementedError("forward belongs to the subclasses")

    def softmax(self, scores):
        """Probabilities (N, C) of scores (N, C).

        Each row is shifted by its own maximum, so that exp cannot overflow.
        """
        e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def cross_entropy_loss(self, x_pred, y):
        """Mean of -ln p(right class) [nats] from probabilities (N, C) and class numbers (N,).

        A probability that has underflowed to 0 counts as the smallest normal number, so that the
        loss stays finite.
        """
        x_pred = np.asarray(x_pred)
        p = x_pred[np.arange(len(y)), np.asarray(y)]
        return -np.mean(np.log(np.maximum(p, np.finfo(p.dtype).tiny)))

    def compute_accuracy(self, x_pred, y):
        """Fraction of rows of x_pred (N, C) whose largest entry is at the class numbers y (N,)."""
        return np.mean(np.argmax(x_pred, axis=1) == np.asarray(y))

    def sigmoid(self, X):
        """1 / (1 + exp(-X)), in a form that takes exp of negative numbers only."""
        e = np.exp(-np.abs(X))
        return np.where(np.asarray(X) >= 0, 1, e) / (1 + e)

    def sigmoid_dev(self, x):
        """Derivative of the sigmoid at the pre-activation x."""
        s = self.sigmoid(x)
        return s * (1 - s)

    def ReLU(self, X):
        """max(X, 0), entry by entry, as a new array."""
        return np.maximum(X, 0)

    def ReLU_dev(self, X):
        """Derivative of ReLU: 1 where X > 0, else 0 (also at 0), as a new array."""
        return (np.asarray(X) > 0).astype(np.result_type(X, 0.0))

    def _checked(self, X, y):
        """X (N, input_size) and y (N,) as arrays; ValueError unless that is what they are."""
        X = np.asarray(X)
        y = np.asarray(y)
        if X.ndim != 2 or X.shape[1] != self.input_size or len(X) == 0:
            raise ValueError(
                f"X must be a batch of shape (N, {self.input_size}) with N > 0, not {X.shape}"
            )
        if y.shape != (len(X),) or y.dtype.kind not in "iu":
            raise ValueError(
                f"y must be {len(X)} whole numbers, one a row of X, "
                f"not {y.dtype} of shape {y.shape}"
            )
        if y.min() < 0 or y.max() >= self.num_classes:
            raise ValueError(
                f"labels must be 0 to {self.num_classes - 1}, not {y.min()} to {y.max()}"
            )
        return X, y

    def _logit_error(self, x_pred, y):
        """Gradient of the mean cross-entropy by the logits: (softmax - onehot(y)) / N."""
        error = x_pred.copy()
        error[np.arange(len(y)), y] -= 1
        error /= len(y)
        return error


def _at_least_one(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number of 1 or more, not {value!r}")
