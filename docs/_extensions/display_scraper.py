"""Pictures of displays in the gallery: their figures are not among those of `matplotlib.pyplot`."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst


def scrape_displays(block: tuple, block_vars: dict[str, Any], gallery_conf: dict, **_: Any) -> str:
    """Save the figures of displays that an example has made in a block.

    Parameters
    ----------
    block : tuple
        Kind, text and line of the block.
    block_vars : dict
        ``example_globals``, the variables of the example, and ``image_path_iterator``.
    gallery_conf : dict
        Settings of sphinx-gallery.

    Returns
    -------
    rst : str
        The pictures in reStructuredText.
    """
    paths = []
    for display in list(block_vars["example_globals"].values()):
        figure = getattr(display, "figure_", None)
        if isinstance(figure, Figure) and _is_new(figure):
            paths.append(next(block_vars["image_path_iterator"]))
            figure.savefig(paths[-1])
            figure._scraped = True  # type: ignore[attr-defined]
    return figure_rst(paths, gallery_conf["src_dir"])


def _is_new(figure: Figure) -> bool:
    """Return whether no scraper has saved a figure, nor will."""
    in_pyplot = any(plt.figure(number) is figure for number in plt.get_fignums())
    return not in_pyplot and not hasattr(figure, "_scraped")
