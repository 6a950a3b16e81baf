"""Picture of the README: the recording that the package carries, before and after separation.

    python -m benchmarks.readme_picture

The model is ``speech``. Few colours make the file small: those of the spectrograms, and greys.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

from sknmf_unfold.base.atomic_files import replacing
from sknmf_unfold.datasets import load_example, load_pretrained

OUTPUT = Path(__file__).parents[1] / "docs" / "example.png"
SIZE_INCHES, DOTS_PER_INCH = (9, 2.8), 100
N_COLOURS, N_GREYS = 64, 16


def draw():
    """Draw the spectrograms of the noisy and the enhanced recording side by side.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    from sknmf_unfold.plotting import SeparationDisplay

    noisy = load_example()
    [enhanced] = load_pretrained().predict([noisy])
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    SeparationDisplay.from_predictions(noisy, enhanced, ax=axes)
    axes[0].set_xlabel(axes[1].get_xlabel())
    axes[1].set_ylabel("")
    return figure


def palette(name):
    """Make the bytes of a palette: evenly spaced colours of a colour map, and greys.

    Parameters
    ----------
    name : str
        Of the colour map.

    Returns
    -------
    palette : bytes
        Red, green and blue of one colour after another.
    """
    from matplotlib import colormaps

    colours = colormaps[name](np.linspace(0, 1, N_COLOURS))[:, :3]
    greys = np.repeat(np.linspace(0, 1, N_GREYS)[:, np.newaxis], 3, axis=1)
    return np.rint(255 * np.vstack([colours, greys])).astype(np.uint8).tobytes()


def save(figure, path):
    """Save a figure as a PNG file with the colours of its first image.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
    """
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=DOTS_PER_INCH)
    colours = Image.new("P", (1, 1))
    colours.putpalette(palette(figure.axes[0].images[0].get_cmap().name))
    few = Image.open(drawn).convert("RGB").quantize(palette=colours, dither=Image.Dither.NONE)
    with replacing(path) as unfinished:
        few.save(unfinished, format="PNG", optimize=True)


def main():
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    save(draw(), parser.parse_args().output)


if __name__ == "__main__":
    main()
