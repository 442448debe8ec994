"""Plausible wrong answers: by exercise, a piece of the project's answer and what takes its place."""

MISTAKES = {
    # a call that comes too late
    "nanograd-b": ('("ad", 1), ("a", 9)', '("a", 9), ("ad", 1)'),
    # a path replaces the paths before it
    "nanograd-order": ("gradient[x] += derivative", "gradient[x] = derivative"),
    # a dropped factor
    "nanograd-e": ("/ (2 * step)", "/ step"),
    # the slope of tanh without its square
    "nanograd-f": ("1.0 - v * v", "1.0 - v"),
    # no bias
    "nanograd-g": ("dot(column, single_input, b)", "dot(column, single_input, Var(0.0))"),
    # biases are parameters too
    "nanograd-h": (' | {"bias": layer.bias}', ""),
    # a dropped factor
    "nanograd-i": ("return 2 * self.alpha / (n_in + n_out)", "return self.alpha / (n_in + n_out)"),
    # a wrong sign in what was found on paper
    "nanograd-j": ("[Var(0.5), Var(-1)]", "[Var(0.5), Var(1)]"),
    # a sum in place of a mean
    "nanograd-k": ("return total / len(t)", "return total"),
    # uphill
    "nanograd-train": ("p.v -= learning_rate", "p.v += learning_rate"),
    # the bias of the first steps is not taken out
    "nanograd-adam": (" / (1 - k**self.step)", ""),
    # a network that is never updated
    "nanograd-m": ("Adam(0.05)", "lambda params: None"),
    # steps that are too short
    "nanograd-n": ("self.parameters(), learning_rate", "self.parameters(), learning_rate / 2"),
    # the last hidden unit is left out
    "pen-a": ("range(1, len(W[1]) + 1)", "range(1, len(W[1]))"),
    # no bias at the output
    "pen-b": ("outer = W[3][j - 1, 0]", "outer = 0.0"),
    # one activation for all layers
    "pen-c": ("H[h_of[l]](A[l])", "np.tanh(A[l])"),
    # the bias is not counted
    "pen-count": ("c = 9 + 8 * c", "c = 8 + 8 * c"),
    # the constant unit is lost on the way
    "pen-d": ("np.eye(1, W[l].shape[1])", "np.zeros((1, W[l].shape[1]))"),
    # as the exercise sheet has it, for one target component
    "pen-e": ("T.size / 2", "len(T) / 2"),
    # the components are forgotten
    "pen-f": ("E / (N * K)", "E / N"),
    # a mean in place of a sum
    "pen-g": ("-(T * np.log(Y)).sum()", "-(T * np.log(Y)).mean()"),
    # off by one
    "pen-h": ("(N - m) / (N - 1)", "(N - m) / N"),
    # as if the softmax acted on each logit by itself
    "pen-i": ("return y - t", "return -t * (1 - y)"),
    # a dropped square
    "pen-slopes": ("1 - np.tanh(a) ** 2", "1 - np.tanh(a)"),
    # the bias column taken for that of unit 1
    "pen-j": ("W[l + 1][k - 1, j]", "W[l + 1][k - 1, j - 1]"),
    # paths without their weights
    "pen-paths": ("term *= W[l + 1][k[l + 1] - 1, k[l]] * ", "term *= "),
    # no slope of the output's activation
    "pen-k": ("return 2 * (y - t) * y * (1 - y)", "return 2 * (y - t)"),
    # a dropped factor
    "pen-l": ("else 2 * (Y - T)", "else Y - T"),
    # the bias column is kept
    "pen-l-products": ("W[3][:, 1:]", "W[3][:, :-1]"),
    # examples are added up too early
    "pen-all": (
        "delta[l].T @ with_one(Z[l - 1])",
        "np.outer(delta[l].sum(0), with_one(Z[l - 1]).sum(0))",
    ),
}
