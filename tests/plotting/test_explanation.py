"""`MaskExplanationDisplay`: terms, parts of the components, the stretch and bad input."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.pipeline import make_pipeline

from sknmf_unfold.plotting import MaskExplanationDisplay
from tests._factories import drnmf, stft, supervised

RNG = np.random.default_rng(0)
WAVES = [0.1 * RNG.standard_normal(n) for n in (900, 700)]
TARGETS = [0.5 * wave for wave in WAVES]
draw = MaskExplanationDisplay.from_estimator
TIMES = {"start": 0.01, "stop": 0.03}


def fitted(**settings):
    """A pipeline with evidence, if it has any, as strong as after much training."""
    pipe = make_pipeline(stft(), drnmf(**settings)).fit(WAVES, TARGETS)
    rng = np.random.default_rng(1)
    for name in ("evidence_", "gru_evidence_"):
        setattr(pipe[-1], name, rng.uniform(-2, 2, getattr(pipe[-1], name).shape))
    pipe[-1].mask_exponent_ = np.array(1.3)
    return pipe


@pytest.fixture(scope="module")
def pipe():
    return fitted(n_gru_units=4)


def values_of(display):
    return [np.asarray(image.get_array()).T for image in display.images_]


def test_the_terms_add_up_to_the_log_odds_of_the_mask(pipe):
    display = draw(pipe, WAVES[0], **TIMES)
    *terms, total = values_of(display)
    assert len(terms) == 3 and all(np.abs(term).max() > 0.1 for term in terms)
    [mask] = pipe[-1].predict_mask(pipe[0].transform([WAVES[0]]))
    # Frame t is centred on sample (t + 1) * 16 - 32.
    chosen = [t for t in range(len(mask)) if 0.01 <= ((t + 1) * 16 - 32) / 16000 <= 0.03]
    logit = np.log(mask[chosen] / (1 - mask[chosen]))
    np.testing.assert_allclose(total, logit, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.sum(terms, axis=0), total)
    titles = [ax.get_title() for ax in display.axes_[:4]]
    assert titles == ["Estimates", "Evidence", "GRU units", "Sum: log-odds of the mask"]


def test_images_share_one_scale_about_zero(pipe):
    display = draw(pipe, WAVES[0], **TIMES)
    [(low, high)] = {image.get_clim() for image in display.images_}
    assert low == -high < 0
    assert display.colorbar_.ax.get_ylabel() == "Log-odds (nats)"
    left, right, _, top = display.images_[0].get_extent()
    assert left >= 0.01 - 16 / 16000 and right <= 0.03 + 16 / 16000 and top > 8000
    assert display.axes_[3].get_xlabel() == "Time (s)"
    display.figure_.draw_without_rendering()


def test_parts_of_the_components_by_their_formula(pipe):
    display = draw(pipe, WAVES[0], **TIMES)
    [item] = items = pipe[0].transform([WAVES[0]])
    separator, [activations] = pipe[-1], pipe[-1].transform(items)
    n_frames = len(values_of(display)[0])
    first = round((0.01 * 16000 + 32) / 16) - 1
    h, power = (
        activations[first : first + n_frames],
        item.magnitude()[first : first + n_frames] ** 2,
    )
    W, floor = separator.output_components_, np.finfo(float).eps ** 2
    estimates, evidence = np.zeros(6), np.zeros(6)
    for t, frame in enumerate(h):
        share = frame / (np.sqrt(sum(frame**2)) + 1)
        for f in range(33):
            y, v = (sum(frame[part] * W[part, f]) + floor for part in (slice(3), slice(3, None)))
            mean = (y - v) / (np.log(y) - np.log(v))
            weight = power[t, f] / power.sum()
            for i in range(6):
                sign = 1 if i < 3 else -1
                estimates[i] += weight * sign * 1.3 * frame[i] * W[i, f] / mean
                evidence[i] += weight * share[i] * separator.evidence_[i, f]
    np.testing.assert_allclose(display.contributions["estimates"], estimates, rtol=1e-9)
    np.testing.assert_allclose(display.contributions["evidence"], evidence, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_the_components_add_up_to_the_terms(pipe, dtype):
    waveform = WAVES[0].astype(dtype)
    display = draw(pipe, waveform)
    power = pipe[0].transform([WAVES[0]])[0].magnitude() ** 2
    for name, parts in display.contributions.items():
        mean = np.sum(display.terms[name] * power) / power.sum()
        assert parts.sum() == pytest.approx(mean, rel=1e-4, abs=1e-6)
    # Components of the target never lower the term of the estimates, others never raise it.
    estimates = display.contributions["estimates"]
    assert (estimates[:3] >= 0).all() and (estimates[3:] <= 0).all()


def test_bars_are_the_largest_parts(pipe):
    display = draw(pipe, WAVES[0], n_components=4)
    totals = sum(display.contributions.values())
    assert np.abs(totals[display.components_]).min() >= np.sort(np.abs(totals))[2]
    widths = [[bar.get_width() for bar in bars] for bars in display.bars_]
    for found, parts in zip(widths, display.contributions.values(), strict=True):
        np.testing.assert_array_equal(found, parts[display.components_])
    labels = [label.get_text() for label in display.axes_[-1].get_yticklabels()]
    output = pipe[-1].output_components_
    for label, i in zip(labels, display.components_, strict=True):
        source = "target" if i < 3 else "interference"
        assert label == f"{i}: {source}, {output[i].argmax() * 16000 / 64:.0f} Hz"
    # The largest is at the top.
    low, high = display.axes_[-1].get_ylim()
    assert low > high


def test_more_bars_than_components(pipe):
    assert len(draw(pipe, WAVES[0], n_components=100).components_) == 6


def test_terms_that_a_model_does_not_have_are_left_out():
    display = draw(fitted(), WAVES[0])
    assert [ax.get_title() for ax in display.axes_[:2]] == ["Estimates", "Evidence"]
    assert len(display.axes_) == 4 and len(display.bars_) == 2
    display = draw(fitted(evidence=False), WAVES[0])
    assert len(display.axes_) == 3 and len(display.bars_) == 1
    estimates, total = values_of(display)
    np.testing.assert_array_equal(estimates, total)
    display.figure_.draw_without_rendering()


def test_the_whole_recording_has_all_frames(pipe):
    [item] = pipe[0].transform([WAVES[0]])
    assert len(values_of(draw(pipe, WAVES[0]))[0]) == len(item)
    # A stretch depends on the frames before it.
    whole, part = values_of(draw(pipe, WAVES[0]))[0], values_of(draw(pipe, WAVES[0], **TIMES))[0]
    places = range(len(whole) - len(part) + 1)
    assert min(np.abs(whole[i : i + len(part)] - part).max() for i in places) < 1e-9


@pytest.mark.parametrize("waveform", [np.zeros(300), [0.1], np.zeros(1)])
def test_silence_and_one_sample(pipe, waveform):
    display = draw(pipe, waveform)
    display.figure_.draw_without_rendering()
    assert all(np.isfinite(values).all() for values in values_of(display))


def test_one_frame(pipe):
    centre = (10 * 16 - 32) / 16000
    assert len(values_of(draw(pipe, WAVES[0], start=centre, stop=centre))[0]) == 1


def test_axes_are_used(pipe):
    axes = Figure().subplots(5)
    assert list(draw(pipe, WAVES[0], ax=axes).axes_) == list(axes)
    with pytest.raises(ValueError, match="`ax` must be 5 axes, one a panel; got 4"):
        draw(pipe, WAVES[0], ax=axes[:4])


def test_bad_input(pipe):
    with pytest.raises(TypeError, match="`pipe` must end in a DRNMFSeparator"):
        draw(make_pipeline(stft(), supervised()).fit(WAVES, TARGETS), WAVES[0])
    with pytest.raises(TypeError, match="`pipe` must be a Pipeline of STFT"):
        draw(pipe[-1], WAVES[0])
    with pytest.raises(
        ValueError, match="No frame is centred between `start`=5 and `stop`=6 s; the"
    ):
        draw(pipe, WAVES[0], start=5, stop=6)
    with pytest.raises(ValueError, match="No frame is centred"):
        draw(pipe, WAVES[0], start=0.03, stop=0.01)
    with pytest.raises(ValueError, match="`start` must be a finite number >= 0; got -1"):
        draw(pipe, WAVES[0], start=-1)
    with pytest.raises(TypeError, match="`stop` must be a finite number"):
        draw(pipe, WAVES[0], stop="end")
    with pytest.raises(ValueError, match="`n_components` must be a whole number >= 1; got 0"):
        draw(pipe, WAVES[0], n_components=0)
