SWEEP = {
    "name": "lungs-sweep",
    "method": "bayes",
    "metric": {"name": "val/dice", "goal": "maximize"},
    "parameters": {
        "rate": {"distribution": "log_uniform_values", "min": 3e-4, "max": 3e-2},
        "width": {"values": [4, 8, 12]},
        "depth": {"values": h.quick([2, 3, 4], [2, 3])},
        "loss": {"values": list(LOSSES)[1:]},
        "augmentation": {"values": ["none", "shape", "shape + contrast", "all"]},
        "batch": {"values": [5, 10, 20]},
    },
    "early_terminate": {
        "type": "hyperband",
        "min_iter": h.quick(5, 1),
        "max_iter": h.quick(27, 2),
        "eta": 3,
    },
}
