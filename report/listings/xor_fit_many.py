delta = (z[-1].sigmoid() - y).div_(len(y))  # dE/da of the output, (1, b, R)
for l in reversed(range(len(self.weights))):
    torch.sum(delta[:, None] * z[l], 2, True, out=self.weight_grads[l])  # delta_j z_i
    torch.sum(delta, 1, True, out=self.bias_grads[l])
    if l:  # delta_j = h'(a_j) sum_k w_kj delta_k
        error = (self.weights[l] * delta[:, None]).sum(0)
        delta = SLOPE[self.activation](error, z[l])
