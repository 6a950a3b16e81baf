"""Input of the metrics, accepted and refused, through their public functions."""

import numpy as np
import pytest

from sknmf_unfold.metrics import sdr, si_sdr, si_sdr_improvement


def white(seed=0, n_times=700):
    return np.random.default_rng(seed).standard_normal(n_times)


def test_lists_arrays_and_single_waveforms_agree():
    references = np.stack([white(i, 700) for i in range(3)])
    estimates = references + 0.5 * white(9, 700)
    one_by_one = [sdr(r, e) for r, e in zip(references, estimates, strict=True)]
    assert all(isinstance(value, float) for value in one_by_one)
    ragged = np.empty(3, dtype=object)
    ragged[:] = list(references)
    for signals in (references, list(references), tuple(references.tolist()), ragged):
        values = sdr(signals, list(estimates))
        assert values.shape == (3,) and values.dtype == np.float64
        np.testing.assert_array_equal(values, one_by_one)


def test_lengths_may_differ_between_pairs():
    signals = [white(0, 300), white(1, 1), white(2, 900)]
    assert sdr(signals, [s + 0.1 * white(3, len(s)) for s in signals]).shape == (3,)


def test_inputs_are_not_changed():
    reference, estimate = 1e4 * white(0, 300), 1e4 * white(1, 300)
    copies = reference.copy(), estimate.copy()
    sdr(reference, estimate)
    si_sdr(reference, estimate)
    np.testing.assert_array_equal(reference, copies[0])
    np.testing.assert_array_equal(estimate, copies[1])


@pytest.mark.parametrize("metric", [sdr, si_sdr])
def test_float32_and_pcm(metric):
    reference, estimate = white(1, 900), white(1, 900) + 0.3 * white(2, 900)
    wanted = metric(reference, estimate)
    assert metric(reference.astype("f4"), estimate.astype("f4")) == pytest.approx(wanted, abs=1e-4)
    pcm = [np.round(5000 * signal).astype("int16") for signal in (reference, estimate)]
    assert metric(*pcm) == pytest.approx(wanted, abs=1e-2)
    assert metric(pcm[0], estimate) == pytest.approx(wanted, abs=1e-2)
    # int16 would overflow in the products.
    assert metric(*pcm) == pytest.approx(metric(pcm[0] / 32768, pcm[1] / 32768), abs=1e-9)


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (
            [np.ones(4)] * 3 + [np.ones(16000)],
            [np.ones(4)] * 3 + [np.ones(16128)],
            r"reference\[3\] has 16000 samples but estimate\[3\] has 16128",
        ),
        (np.ones(5), np.ones(6), "reference has 5 samples but estimate has 6"),
        ([np.ones(5)] * 2, [np.ones(5)], "reference has 2 waveforms but estimate has 1"),
        (np.ones(5), [np.ones(5)], "reference and estimate must both be one waveform"),
        (np.ones(5), [1, 1, np.nan, 1, 1.0], "estimate contains NaN at sample 2"),
        (
            [np.ones(2), [1, np.inf]],
            np.ones((2, 2)),
            r"reference\[1\] contains infinity at sample 1",
        ),
        (np.ones((2000, 2)), np.ones((2000, 2)), "stereo or transposed"),
        ([np.ones((2000, 2))], [np.ones((2000, 2))], "stereo or transposed"),
        (np.ones((2, 3, 4)), np.ones((2, 3, 4)), r"reference\[0\] .* waveform is 1-D"),
        (np.ones(3) + 1j, np.ones(3), "Complex data not supported"),
        ([], [], "reference is empty"),
        (np.ones(0), np.ones(0), "reference is empty"),
        ([np.ones(0)], [np.ones(0)], r"reference\[0\] is empty"),
    ],
)
@pytest.mark.parametrize("metric", [sdr, si_sdr])
def test_errors_say_what_is_wrong(metric, reference, estimate, message):
    with pytest.raises(ValueError, match=message):
        metric(reference, estimate)


def test_errors_name_the_mixture():
    with pytest.raises(ValueError, match=r"but mixture\[0\] has 4"):
        si_sdr_improvement([np.ones(5)], [np.ones(5)], [np.ones(4)])


@pytest.mark.parametrize("wrong", [None, 3.0, np.array(["a", "b"]), np.array([True, False])])
def test_what_is_no_waveform_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="reference"):
        sdr(wrong, np.ones(2))
