"""What a lesson needs and does not teach; `helpers` passes on what notebooks use.

Start and report
    settings            where the project lies, whether this is a quick run, progress bars
    files               files that are written whole, and names that stay in their folder
    report              figures, numbers, tables and listings; what a notebook shows
    style               one style and one set of colours for every figure
    plots               a training's curves, shares with intervals, logarithmic axes, digits
    movies              figures as small pictures: a PNG, or a GIF in which a few things move
    statistics          intervals and calibration

Training
    checks              whether sizes, data and labels are what a function takes
    batching            tensors in memory, cut into whole batches
    augmentation        small random changes of images
    hooks               what can be hung into `helpers.fit`
    precision           training in bfloat16
    fingerprints        short marks of data and code, to see whether they changed
    checkpoints         a training that is interrupted and goes on
    processes           trainings side by side, each in a process of its own
    interrupts          what Ctrl-C does to a training: end it early, or end the job around it
    records             results of long comparisons, kept with the project
    source_marks        a short mark of what a function computes, the same on every computer
    source_statements   the statements of a piece of Python, and which names they read or change
    tracking            Weights & Biases, with or without a network
    tracker             one tracked run, a guest in a training
    tracked_values      settings, rows and pictures in a form that W&B can store
    wandb_server        whether W&B and its server are there, and how long to wait for it

Sweeps
    sweeps              a W&B sweep, run on the server or by Optuna
    sweep_checks        whether a sweep's description can be run
    sweep_space         a W&B sweep's metric, and its parameters as Optuna's distributions
    sweep_parameters    one such parameter
    sweep_axes          what is drawn for it, and where a setting lies on its axis
    sweep_shapes        W&B's distributions, as SciPy's
    sweep_search        samplers and pruners of a sweep without a server
    sweep_study         a sweep without a server, as a study in a journal file
    sweep_journal       that file, and which process trains which trial
    sweep_identity      what a training is made of: its code, and all that it uses
    sweep_trials        one trial: a training with certain settings, inside a tracked run
    sweep_importance    which settings matter
    sweep_parallel      a line per trial, from its settings to its value
    sweep_plots         what a sweep found, as pictures

Data
    sources             where data files lie, and how they are downloaded
    mnist               handwritten digits
    lungs               chest X-rays with lung masks
    lung_checks         whether such a file is what it should be
    lung_shifts         X-rays changed as those of another hospital might be
    phantoms            drawn chests, a labelled stand-in for X-rays
    xray_files          a picture of any kind in, also a DICOM file, grey values out
    xrays               what networks answer on X-rays of any size
    xray_quality        a picture in, a lung mask out, a warning where it is likely to be wrong

Single notebooks
    practice            the place of a value that is still to be found, in the practice edition
    nano_pictures       pictures of DL_AutoDiff_Nanograd
    graph_pictures      the graph behind a result, as a list and as a drawing
    pen_pictures        drawings of layers for pen and paper
    sandbox_panel       the XOR sandbox in a notebook; sandbox.js is what runs in the page
    sandbox_page        the XOR sandbox as a page of its own
    sandbox_view        a 2-2-1 network seen from its inputs and from its hidden units
    xor_view            the input plane of a small network
    xor_pictures        pictures of many small XOR networks
    xor_movie           two small XOR networks during training
    digit_search        one search for a digit network's recipe
    digit_changes       what one change does to a recipe, and whether it is kept
    digit_finals        the final digit networks, trained once
    digit_results       what several networks answered on the same images
    digit_pictures      pictures of the digit notebooks
    lung_metrics        how well a lung mask fits
    lung_calibration    whether its probabilities are right
    lung_pictures       X-rays with outlines, a U-Net, and how well masks fit

No module here imports `helpers`; notebooks import helpers, and helpers import these.
"""
