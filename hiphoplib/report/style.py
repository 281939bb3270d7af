"""What all figures share: the palette, the fonts, and Axes with a title and units.

Red speaks for popular and blue against, in every figure. The colours are those of Okabe & Ito,
"Color universal design" (2008), which colour-blind readers tell apart.
"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

PALETTE = {"black": "#000000", "orange": "#E69F00", "sky": "#56B4E9", "green": "#009E73",
           "yellow": "#F0E442", "blue": "#0072B2", "vermillion": "#D55E00", "purple": "#CC79A7"}
POPULAR, UNPOPULAR, NEUTRAL = PALETTE["vermillion"], PALETTE["blue"], "#8C8C8C"

LEVELS = (-60, 30)  # dB, the same for every clip, so that loud and quiet compare
MEL_TICKS = (64, 512, 1024, 2048, 4096, 8192)  # Hz; between 64 and 512 labels would touch

STYLE = {
    "font.size": 12, "axes.titlesize": 13, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.labelsize": 12, "xtick.labelsize": 11, "ytick.labelsize": 11, "legend.fontsize": 11,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(color=[PALETTE[name] for name in (
        "blue", "vermillion", "green", "orange", "sky", "purple", "black")]),
    "legend.frameon": False, "lines.linewidth": 2, "hatch.linewidth": 1.5,
    "figure.constrained_layout.use": True, "figure.dpi": 70, "savefig.dpi": 150,
}


def use_style():
    """Set the project's fonts, lines and colours for every figure from here on."""
    mpl.rcParams.update(STYLE)


def save(ax, path, **options):
    """Write the figure of an Axes to a file and close it; options are those of ``savefig``."""
    ax.figure.savefig(path, **options)
    plt.close(ax.figure)


def axes_for(ax, size=(7, 4)):
    """Return `ax`, or the Axes of a new figure of `size` inches."""
    return plt.subplots(figsize=size)[1] if ax is None else ax


def titled(ax, title, xlabel, ylabel, **more):
    """Return `ax` with its title and axis labels; counts get whole numbers."""
    if ylabel in ("tracks", "artists"):
        ax.locator_params(axis="y", integer=True)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, **more)
    return ax


def mel_image(S_db, grid, ax, cmap, levels=LEVELS):
    """Draw a spectrogram; x in s, y in mel bands with ticks at their Hz. Return the image."""
    ticks = [hz for hz in MEL_TICKS if hz < grid.sr / 2]
    image = ax.imshow(S_db, origin="lower", aspect="auto", cmap=cmap, vmin=levels[0],
                      vmax=levels[1], extent=(0, grid.seconds, -0.5, grid.n_mels - 0.5))
    ax.set_yticks(np.interp(ticks, grid.mel_frequencies(), np.arange(grid.n_mels)), ticks)
    return image
