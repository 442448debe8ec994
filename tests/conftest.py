"""What all tests have in common: quick forms, no windows, no network, no progress bars.

`make test` sets the same; so a single file behaves alike when pytest is called by hand.
"""

import os

DEFAULTS = {
    "COURSEWORK_QUICK": "1",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
    "WANDB_MODE": "offline",
}

for variable, value in DEFAULTS.items():
    os.environ.setdefault(variable, value)
