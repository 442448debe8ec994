"""One style for notebooks and report: Computer Modern, and colours that anyone can tell apart."""

import logging

import matplotlib.pyplot as plt

TEXT_WIDTH = 6.3  # inches of the printed line; figures are drawn at the size of print
HALF_WIDTH = 3.06  # inches of a figure that has another beside it

# Okabe and Ito's colours, safe for colour-blind readers; their vermilion, which prints as orange,
# gives way to a dark red
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
RED = "#B5121B"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
BLACK = "#000000"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)


def use_style() -> None:
    """Set Matplotlib's defaults for all figures that follow."""
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on the font's age
    plt.rcParams.update(
        {
            "font.family": "serif",
            "font.serif": ["cmr10"],
            "mathtext.fontset": "cm",
            "font.size": 9,
            "axes.formatter.use_mathtext": True,
            "axes.unicode_minus": False,
            "axes.titlesize": 9,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "lines.linewidth": 1.2,
            "figure.figsize": (TEXT_WIDTH, 2.6),
            "figure.constrained_layout.use": True,
            "figure.dpi": 150,
            "savefig.dpi": 200,
            "pdf.fonttype": 42,
        }
    )
