"""What a lesson needs and does not teach; `helpers` passes on what notebooks use.

settings      where the project lies, whether this is a quick run, progress bars
report        figures, numbers, tables and listings of the report, and what a notebook shows
style         one style and one set of colours for every figure
plots         curves of a training, shares with intervals, ticks on logarithmic axes, digits
statistics    intervals and calibration
hooks         what can be hung into `helpers.fit`
checkpoints   a training that is interrupted and goes on
processes     trainings side by side, each in a process of its own
tracking      Weights & Biases, with or without a network
sweep_space   a W&B sweep's parameters as Optuna's distributions
sweeps        a W&B sweep, run on the server or by Optuna
sweep_plots   what a sweep found, as pictures
sources       where data files lie, and how they are downloaded
mnist         handwritten digits
lungs         chest X-rays with lung masks
phantoms      drawn chests, a labelled stand-in for X-rays
xrays         a picture of any kind in, a lung mask out
xor_view      the input plane of a small network
movies        frames of a moving figure, and a small GIF

No module here imports `helpers`; notebooks import helpers, and helpers import these.
"""
