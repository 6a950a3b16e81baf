"""The table of components, against loops over components, bins and frames."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.separators import DeepNMFSeparator
from tests._factories import drnmf, stft, supervised

RNG = np.random.default_rng(0)
WAVES = [0.1 * RNG.standard_normal(n) for n in (900, 700)]
TARGETS = [0.5 * wave for wave in WAVES]
ITEMS = stft(sample_rate=8000).transform(WAVES)
MAGNITUDES = [item.magnitude() for item in ITEMS]


@pytest.fixture(scope="module")
def separator():
    model = DRNMFSeparator(2, nmf=supervised(), max_epochs=3, context=3, random_state=0)
    return model.fit(ITEMS, TARGETS)


def log_spectral_distance(after, before, loudest):
    """Root mean square of the difference in dB, levels below -60 dB counting as -60 dB."""
    total = 0.0
    for a, b in zip(after, before, strict=True):
        decibels = [20 * np.log10(x / loudest) if x > 0 else -np.inf for x in (a, b)]
        high, low = (max(level, -60.0) for level in decibels)
        total += (high - low) ** 2
    return np.sqrt(total / len(after))


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_every_number_of_a_drnmf(separator, layer):
    summary = separator.component_summary(ITEMS, layer=layer)
    assert summary.index.name == "component" and list(summary.index) == list(range(6))
    assert list(summary["source"]) == ["target"] * 3 + ["interference"] * 3
    activations = separator.transform(ITEMS, layer=layer)
    total = sum(h for part in activations for frame in part for h in frame)
    before = separator.initial_components_
    loudest = max(separator.components_[layer].max(), before.max())
    for i, row in summary.to_dict("index").items():
        spectrum, envelope = separator.components_[layer][i], separator.envelopes_[layer][i]
        hz = [k * 8000 / 64 for k in range(33)]
        assert row["peak_hz"] == hz[max(range(33), key=lambda k: spectrum[k])]
        weighted = sum(f * w for f, w in zip(hz, spectrum, strict=True))
        assert row["centroid_hz"] == pytest.approx(weighted / sum(spectrum))
        spread = sum(a**2 for a in envelope) ** 2 / sum(a**4 for a in envelope)
        assert row["duration_ms"] == pytest.approx(1000 * (64 + (spread - 1) * 16) / 8000)
        used = sum(frame[i] for part in activations for frame in part)
        assert row["usage"] == pytest.approx(used / total)
        expected = log_spectral_distance(spectrum, before[i], loudest)
        assert row["change_db"] == pytest.approx(expected)
    assert summary["change_db"].min() > 0


def test_without_recordings_there_is_no_usage(separator):
    columns = ["source", "peak_hz", "centroid_hz", "duration_ms", "change_db"]
    assert list(separator.component_summary().columns) == columns


def test_without_training_nothing_has_changed():
    model = drnmf(max_epochs=0).fit(ITEMS, TARGETS)
    np.testing.assert_allclose(model.component_summary()["change_db"], 0, atol=1e-9)


def test_without_the_start_there_is_no_change():
    model = drnmf().fit(ITEMS, TARGETS)
    model.initial_components_ = np.empty((0, 33))
    assert "change_db" not in model.component_summary()


def test_a_supervised_nmf():
    model = supervised().fit(ITEMS, TARGETS)
    summary = model.component_summary(ITEMS)
    assert list(summary.columns) == ["source", "peak_hz", "centroid_hz", "duration_ms", "usage"]
    # One frame of 64 samples at 8 kHz.
    assert (summary["duration_ms"] == 8).all()
    activations = np.concatenate(model.transform(ITEMS))
    np.testing.assert_allclose(summary["usage"], activations.sum(0) / activations.sum())
    peaks = np.vstack([model.target_components_, model.interference_components_]).argmax(1)
    np.testing.assert_array_equal(summary["peak_hz"], peaks * 125.0)


def test_a_deep_nmf_has_the_dictionaries_of_its_updates():
    model = DeepNMFSeparator(3, nmf=supervised(), n_trained_layers=2, max_epochs=3, random_state=0)
    model.fit(ITEMS, TARGETS)
    changes = [model.component_summary(layer=k)["change_db"] for k in range(3)]
    assert not changes[0].any() and not changes[1].any() and changes[2].all()
    assert (model.component_summary(ITEMS, layer=1)["duration_ms"] == 8).all()


def test_equal_amplitudes_span_the_whole_context(separator):
    whole = np.full_like(separator.envelopes_, 3**-0.5)
    model = drnmf(context=3).fit(ITEMS, TARGETS)
    model.envelopes_ = whole[:1].repeat(len(model.envelopes_), axis=0)
    np.testing.assert_allclose(model.component_summary()["duration_ms"], 1000 * (64 + 32) / 8000)


def test_bare_magnitudes_have_frequencies_of_a_chosen_rate_and_no_duration():
    model = drnmf().fit(MAGNITUDES, [0.5 * x for x in MAGNITUDES])
    summary = model.component_summary(MAGNITUDES, sample_rate=4000)
    np.testing.assert_array_equal(summary["peak_hz"], model.components_[-1].argmax(1) * 4000 / 64)
    assert summary["duration_ms"].isna().all()
    default = model.component_summary()
    np.testing.assert_allclose(default["centroid_hz"], 4 * summary["centroid_hz"])


@pytest.mark.parametrize("make", [drnmf, supervised])
def test_silence_one_frame_and_output_containers(make):
    model = make().fit(ITEMS, TARGETS).set_output(transform="pandas")
    silent = stft(sample_rate=8000).transform([np.zeros(200)])
    assert not model.component_summary(silent)["usage"].any()
    short = stft(sample_rate=8000).transform([WAVES[0][:1]])
    assert np.isfinite(model.component_summary(short)["usage"]).all()
    assert model.component_summary(ITEMS)["usage"].sum() == pytest.approx(1)


def test_a_rate_of_the_stft_is_not_replaced(separator):
    with pytest.raises(ValueError, match=r"`sample_rate` is 16000 but the STFT .* 8000 Hz; pass"):
        separator.component_summary(sample_rate=16000)
    assert len(separator.component_summary(sample_rate=8000)) == 6
    with pytest.raises(ValueError, match="`sample_rate` must be a finite number > 0"):
        separator.component_summary(sample_rate=0)


def test_bad_input(separator):
    with pytest.raises(ValueError, match="`layer` must be"):
        separator.component_summary(layer=2)
    with pytest.raises(ValueError, match="X was made with"):
        separator.component_summary(STFT(64, 32, sample_rate=8000).transform(WAVES))
    for make in (drnmf, supervised):
        with pytest.raises(NotFittedError):
            make().component_summary()


@pytest.mark.parametrize("make", [drnmf, supervised])
def test_missing_pandas_names_the_extra(make, monkeypatch):
    model = make().fit(ITEMS, TARGETS)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pip install "sknmf_unfold\[inspect\]"'):
        model.component_summary()
