delta = (z[-1].sigmoid() - yb).div_(len(yb))  # dE/da of the output, (1, b, R)
for l in reversed(range(len(stack.weights))):
    torch.sum(delta[:, None] * z[l], 2, True, out=weight_grads[l])  # dE/dw_ji = sum_n delta_j z_i
    torch.sum(delta, 1, True, out=bias_grads[l])
    if l:  # delta_j = h'(a_j) sum_k w_kj delta_k
        delta = slope((stack.weights[l] * delta[:, None]).sum(0), z[l])
