class NoisyXor(Dataset):
    """n points of noisy XOR, drawn once."""

    def __init__(self, n, noise, rng):
        corner = rng.integers(0, 2, (2, n))  # m1 and m2
        x = corner + noise * rng.standard_normal((2, n))
        self.x = torch.from_numpy(x).float().T.contiguous()  # (n, 2)
        self.y = torch.from_numpy(corner[0] ^ corner[1]).float()  # (n,)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]
