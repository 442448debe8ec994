SWEEP = {
    "name": "xor-sweep",
    "method": "bayes",
    "metric": {"name": "val/loss", "goal": "minimize"},
    "parameters": {
        "rate": {"distribution": "log_uniform_values", "min": 1e-3, "max": 0.5},
        "batch": {"values": [10, 25, 50, 100]},
        "depth": {"values": [1, 2, 3]},
        "width": {"min": 2, "max": 14},
        "epochs": {"values": h.quick([25, 50, 100], [2, 4])},
        "activation": {"values": ["tanh", "sigmoid", "relu"]},
    },
    "early_terminate": {"type": "hyperband", "min_iter": h.quick(10, 2)},
}
