"""All displays: without matplotlib, in notebooks, and colours that print."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sknmf_unfold import plotting
from sknmf_unfold.plotting._figures import diverging_colours
from tests._factories import drnmf, nmf, stft

RNG = np.random.default_rng(0)
WAVES = [0.1 * RNG.standard_normal(n) for n in (900, 700)]


@pytest.fixture(scope="module")
def draw():
    pipe = make_pipeline(stft(), drnmf()).fit(WAVES, [0.5 * wave for wave in WAVES])
    model = nmf().fit(RNG.gamma(0.5, 2.0, (30, 9)))
    return {
        "separation": lambda: plotting.SeparationDisplay.from_estimator(pipe, WAVES[0]),
        "predictions": lambda: plotting.SeparationDisplay.from_predictions(*2 * WAVES[:1]),
        "components": lambda: plotting.ComponentsDisplay.from_estimator(pipe, compare_to="start"),
        "activations": lambda: plotting.ActivationsDisplay.from_estimator(pipe, WAVES[0]),
        "explanation": lambda: plotting.MaskExplanationDisplay.from_estimator(pipe, WAVES[0]),
        "training": lambda: plotting.TrainingDisplay.from_estimator(pipe),
        "objective": lambda: plotting.ObjectiveDisplay.from_estimator(model),
    }


DISPLAYS = "separation predictions components activations explanation training objective".split()


@pytest.mark.parametrize("name", DISPLAYS)
def test_missing_matplotlib_names_the_extra(draw, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "sknmf_unfold\[inspect\]"'):
        draw[name]()


@pytest.mark.parametrize("name", DISPLAYS)
def test_nothing_is_cut_off_and_notebooks_show_it(draw, name):
    figure = draw[name]().figure_
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert (
        box.x0 >= -0.01 and box.y0 >= -0.01 and box.x1 <= width + 0.01 and box.y1 <= height + 0.01
    )
    assert figure.number in plt.get_fignums()


def test_lightness_tells_signs_apart():
    colours = diverging_colours()(np.linspace(0, 1, 101))[:, :3]
    lightness = colours @ [0.299, 0.587, 0.114]
    assert (np.diff(lightness) > 0).all()
    # Grey in the middle: neither sign.
    assert np.ptp(colours[50]) < 0.05


def test_every_display_is_public():
    names = [name for name in plotting.__all__ if name.endswith("Display")]
    assert len(names) == 6
    for name in names:
        assert hasattr(getattr(plotting, name), "plot")
