class _BaseOptimizer:
    """Learning rate and L2 regularisation, J = cross-entropy + reg / 2 * (sum of squared weights).

    raises  ValueError for a rate or a strength that is negative or not finite
    """

    def __init__(self, learning_rate=1e-4, reg=1e-3):
        for name, value in (("learning_rate", learning_rate), ("reg", reg)):
            if isinstance(value, (bool, str)) or not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be a finite number of 0 or more, not {value!r}")
        self.learning_rate = learning_rate
        self.reg = reg

    def update(self, model):
        """One step on model.weights, from model.gradients."""
        raise NotImplementedError("update belongs to the subclasses")

    def apply_regularization(self, model):
        """Add the slope of the L2 penalty, reg * W, to the gradient of every W*, of no bias b*."""
        for name, weight in model.weights.items():
            if name.startswith("W"):
                model.gradients[name] = model.gradients[name] + self.reg * weight
