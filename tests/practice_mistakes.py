"""Plausible wrong answers: a piece of the project's answer, and what stands in its place."""

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
    # a test that cannot fail
    "nanograd-j": ("assert output == 0.5", "assert output is not None"),
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
    # OR in place of XOR
    "xor-data": ("corner[0] ^ corner[1]", "corner[0] | corner[1]"),
    # the error function's root of two is forgotten
    "xor-bayes": ("math.erfc(1 / (2 * noise) / math.sqrt(2))", "math.erfc(1 / (2 * noise))"),
    # a tanh at the output
    "xor-net": ("*layers[:-1], nn.Identity()", "*layers"),
    # gradients are never set to zero
    "xor-loop": ("            optimizer.zero_grad()\n", ""),
    # the slope of the activation is forgotten
    "xor-backward": ("SLOPE[self.activation](error, z[l])", "error"),
    # the biases of the later layers are not counted
    "xor-count": ("width * (width + 1)", "width * width"),
    # a mean over three corners
    "xor-cut": ("for block in blocks) / 4", "for block in blocks) / 3"),
    # no bias
    "sandbox-forward": ("@ w1.T + b1", "@ w1.T"),
    # the cut of OR in the wrong place
    "sandbox-hand": ("-k / 2", "-k"),
    # the slope of tanh is forgotten
    "sandbox-gradient": (" * (1 - z**2)", ""),
    # the bias of the first steps is not taken out
    "sandbox-adam": ("(mean / (1 - 0.9**t))", "mean"),
    # probabilities in place of their logarithms
    "ff-net": ("nn.LogSoftmax(dim=1)", "nn.Softmax(dim=1)"),
    # a bias for each input
    "ff-count": ("return n * m + m", "return n * m + n"),
    # gradients are never set to zero
    "ff-loop": ("            optimizer.zero_grad()\n", ""),
    # the maps before the last pooling
    "cnn-net": ("nn.Linear(800, 10)", "nn.Linear(3872, 10)"),
    # a bias for each input channel
    "cnn-count": ("9 * c * d + d", "9 * c * d + c"),
    # a mean over batches of sums over images
    "cnn-loop": ("total / len(loader.dataset)", "total / len(loader)"),
    # the two halves exchanged
    "xray-unet": ("[skip, upsample(x)]", "[upsample(x), skip]"),
    # a dropped factor
    "xray-losses": ("2 * both / either.clamp(min=1)", "both / either.clamp(min=1)"),
    # the mask stays where it was
    "xray-shape": ("both[:, 1:].round()", "y"),
    # as if the softmax acted on each logit by itself
    "cs-jacobian": ("np.diag(s) - np.outer(s, s)", "np.diag(s * (1 - s))"),
    # a threshold that two ones do not reach
    "cs-gates": ("-1.5", "-2.5"),
    # the slope of the sigmoid is forgotten
    "cs-network": (" * a * (1 - a)", ""),
    # a sum in place of a mean
    "cs-first-step": (" / len(y)", ""),
    # units that are active on both sides
    "cs-memorise": ("A = np.maximum(u[:, None] - b, 0)", "A = np.abs(u[:, None] - b)"),
    # a wrong sign
    "tut-linear": ("(X @ theta - y[:, None])", "(X @ theta + y[:, None])"),
    # one half twice
    "tut-relus": ("relu(x1 - x2) + relu(x2 - x1)", "relu(x1 - x2) + relu(x1 - x2)"),
    # uphill
    "tut-descent": ("p.data -= rate * slope", "p.data += rate * slope"),
    # the last, smaller batch is forgotten
    "tut-updates": ("math.ceil(N / B)", "(N // B)"),
    # the slope of tanh is forgotten
    "tut-step": (" * (1 - z * z)", ""),
    # max hands a gradient to the smaller input
    "tut-graph": ('"w": Hand(-1, 0)', '"w": Hand(-1, 2)'),
    # the inputs not exchanged
    "tut-gates": ("(g * y, g * x)", "(g * x, g * y)"),
    # a dropped square
    "tut-tanh": ("g * (1 - z * z)", "g * (1 - z)"),
    # the sum of the rows
    "tut-vector": ("v @ J", "J.sum(0)"),
    # one of two paths
    "tut-outputs": ("0.7 + 1 - math.tanh", "1 - math.tanh"),
    # the gradient that comes in is ignored
    "tut-recompute": (".parameters()], g)", ".parameters()], torch.ones_like(g))"),
    # the derivative by u taken for that by p
    "tut-nodes": ("(p.v - y.v) / (p.v * (1 - p.v))", "p.v - y.v"),
    # the inputs' slopes are those of the weights
    "tut-logistic": ("delta * theta[1:]", "delta * x[1:]"),
    # steps that are too short
    "tut-newton": ("theta - rate * here.slope", "theta - 0.1 * rate * here.slope"),
    # the function in place of its derivative
    "elec-b": (".slope(z)", ".function(z)"),
    # a dropped factor
    "elec-c": ("self.reg_lambda / 2", "self.reg_lambda"),
    # the slope of the activation is forgotten
    "elec-d": ("self.W2.T * slope", "self.W2.T"),
    # no penalty
    "elec-fit": ("self.reg_lambda * self.W1", "self.W1"),
    # the slope of the activation is forgotten
    "elec-f": ("error * self.diff(self.z)", "error"),
    # no biases
    "elec-count": ("32 * (25 + 1)", "32 * 25"),
}
