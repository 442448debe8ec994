class Net(nn.Module):
    """A fully connected network with tanh in its hidden layers and one logit as output."""

    def __init__(self, sizes=(2, 3, 1)):
        super().__init__()
        layers = []
        for n_in, n_out in zip(sizes, sizes[1:]):
            layers += [nn.Linear(n_in, n_out), nn.Tanh()]
        self.model = nn.Sequential(*layers[:-1], nn.Identity())  # the sigmoid is in the loss

    def forward(self, x):  # (b, 2) -> (b, 1) logits
        return self.model(x)


print(Net())
