"""Checked input is not checked again: calls of the checks of waveforms are counted."""

import numpy as np
import pytest

from sknmf_unfold.validation import recordings, sequences, targets
from sknmf_unfold.validation.sequences import check_sequences
from sknmf_unfold.validation.targets import check_targets
from tests.validation._data import ITEMS, MAGNITUDES, TABLE, WAVES, Model

DATA = {
    "spectrograms": (ITEMS, WAVES),
    "magnitudes": (MAGNITUDES, MAGNITUDES),
    "table": (TABLE, TABLE / 2),
}
CHECKS = {
    sequences: ("check_source", "check_magnitude", "check_magnitude_table", "check_peak"),
    targets: ("check_source", "check_magnitudes", "check_table_targets", "check_peak"),
}


@pytest.fixture
def calls(monkeypatch):
    """Names of the checks that were called, one for each recording or table."""
    names = []

    def counted(name, check):
        return lambda *args, **kwargs: names.append(name) or check(*args, **kwargs)

    for module, checks in CHECKS.items():
        for name in checks:
            monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    return names


def test_every_recording_is_checked_once(calls):
    X, y = DATA["spectrograms"]
    checked = check_sequences(Model(), X, reset=True)
    check_targets(y, checked)
    assert calls == 3 * ["check_source", "check_peak"] + 3 * ["check_source"] + 3 * ["check_peak"]


@pytest.mark.parametrize("kind", DATA)
def test_checked_input_passes_untouched(kind, calls):
    X, y = DATA[kind]
    checked = check_sequences(Model(), X, reset=True, name="data")
    checked_targets = check_targets(y, checked)
    assert len(calls) > 0
    calls.clear()
    model = Model()
    model.feature_names_in_ = np.array(["a"])
    assert check_sequences(model, checked, reset=True) is checked
    assert model.n_features_in_ == checked.n_freqs and not hasattr(model, "feature_names_in_")
    assert check_sequences(model, checked, reset=False) is checked
    assert check_targets(checked_targets, checked) is checked_targets
    # As inner estimators get them: targets in place of mixtures, and parts of them.
    assert check_sequences(model, checked_targets, reset=False) is checked_targets
    part = checked.subset(np.array([0, 2]))
    assert check_sequences(model, part, reset=False) is part
    assert calls == []


@pytest.mark.parametrize("kind", DATA)
def test_checked_input_must_have_the_bins_of_the_fit(kind):
    checked = check_sequences(Model(), DATA[kind][0], reset=True, name="data")
    model = Model()
    model.n_features_in_ = 5
    with pytest.raises(ValueError, match=r"^data has \d+ features.*Model is expecting 5 features"):
        check_sequences(model, checked, reset=False)
    assert model.n_features_in_ == 5


def test_waveforms_are_not_copied():
    X, y = DATA["spectrograms"]
    checked = check_sequences(Model(), X, reset=True)
    checked_targets = check_targets(y, checked)
    for wave, mixture, target in zip(WAVES, checked.items, checked_targets.items, strict=True):
        assert np.shares_memory(wave, mixture.waveform) and np.shares_memory(wave, target.waveform)


def test_lists_of_waveforms_are_checked_once(monkeypatch):
    labels, check = [], recordings.check_finite
    monkeypatch.setattr(recordings, "check_finite", lambda *a: labels.append(a[1]) or check(*a))
    recordings.check_waveforms(WAVES)
    assert labels == ["X[0]", "X[1]", "X[2]"]
