import numpy as np
import pytest

from sknmf_unfold.runtime.level import (
    MAX_SCALE,
    MIN_RELATIVE_LEVEL,
    REFERENCE_LEVEL,
    InputLevel,
    MasksAtReferenceLevel,
    TrainingLevel,
    at_reference_level,
)
from tests.oracles.level import at_running_level

SETTINGS = {"reference": REFERENCE_LEVEL, "faintest": MIN_RELATIVE_LEVEL}


def frames(n_frames, n_streams=3, n_freqs=4, seed=0):
    """Magnitudes whose level wanders, with a pause of silence."""
    rng = np.random.default_rng(seed)
    gains = np.exp(np.cumsum(0.3 * rng.standard_normal((n_streams, n_frames)), axis=1))
    magnitude = rng.gamma(1.0, 1.0, (n_streams, n_frames, n_freqs)) * gains[..., np.newaxis]
    magnitude[0, n_frames // 3 : n_frames // 2] = 0
    return magnitude


def expected(magnitude, n_frames):
    return np.stack([at_running_level(x, n_frames, **SETTINGS) for x in magnitude])


def in_parts(level, magnitude, bounds):
    past, parts = None, []
    for part in np.split(magnitude, bounds, axis=1):
        levelled, past = level(part, past)
        parts.append(levelled)
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("n_level", [1, 2, 7, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frames_are_divided_by_the_level_of_the_last_frames(n_level, dtype):
    magnitude = frames(60).astype(dtype)
    copy = magnitude.copy()
    tolerance = 1e-6 if dtype == "float32" else 1e-12
    for bounds in ([], [1, 2, 20, 59]):
        actual = in_parts(InputLevel(1.0, n_level), magnitude, bounds)
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, expected(magnitude, n_level), rtol=tolerance)
    np.testing.assert_array_equal(magnitude, copy)


@pytest.mark.parametrize("gain_db", [-60, -20, 30])
def test_a_running_level_hears_no_gain(gain_db):
    magnitude, gain = frames(60), 10 ** (gain_db / 20)
    for scale in (1.0, 37.0):
        level = InputLevel(scale, 7)
        np.testing.assert_allclose(level(gain * magnitude)[0], level(magnitude)[0], rtol=1e-12)


def test_a_constant_scale_is_all_without_frames():
    magnitude = frames(9)
    level = InputLevel(0.25)
    np.testing.assert_array_equal(level(magnitude)[0], 0.25 * magnitude)
    assert InputLevel().is_identity and not level.is_identity
    assert not InputLevel(1.0, 3).is_identity


def test_silence_stays_silent_and_a_pause_does_not_raise_what_follows():
    level = InputLevel(1.0, 50)
    silence, speech = np.zeros((1, 10, 4), np.float32), np.ones((1, 5, 4), np.float32)
    assert (level(silence)[0] == 0).all()
    together = np.concatenate([speech, np.repeat(silence, 3, axis=1), speech], axis=1)
    np.testing.assert_allclose(level(together)[0][:, -5:], REFERENCE_LEVEL, rtol=1e-6)


def test_what_is_nearly_silent_is_not_raised_without_bounds():
    hiss = np.full((1, 10, 4), 1e-3 * MIN_RELATIVE_LEVEL * REFERENCE_LEVEL)
    np.testing.assert_allclose(InputLevel(1.0, 5)(hiss)[0], 1e-3 * REFERENCE_LEVEL)


@pytest.mark.parametrize(("dtype", "burst"), [("float32", 1e22), ("float64", 1e200)])
def test_a_burst_is_over_when_it_has_left_the_window(dtype, burst):
    magnitude = np.ones((1, 40, 4), dtype)
    magnitude[0, 5:15] = burst
    for bounds in ([], list(range(1, 40))):
        actual = in_parts(InputLevel(1.0, 8), magnitude, bounds)
        assert np.isfinite(actual).all()
        np.testing.assert_allclose(actual[0, 5:15], REFERENCE_LEVEL, rtol=1e-6)
        # The last frame of the burst is the 15th.
        np.testing.assert_allclose(actual[0, 22:], REFERENCE_LEVEL, rtol=1e-6)


def test_the_level_of_a_training_set_weighs_frames_by_themselves():
    rng = np.random.default_rng(0)
    recordings = [rng.gamma(0.5, 1.0, (n, 5)) for n in (7, 3)]
    means = np.concatenate([x.mean(axis=1) for x in recordings])
    training = TrainingLevel(recordings)
    assert training.level == pytest.approx((means**2).sum() / means.sum(), rel=1e-12)
    assert training.scale == pytest.approx(REFERENCE_LEVEL / training.level, rel=1e-12)
    for i, recording in enumerate(recordings):
        assert training.levels[i] == pytest.approx(TrainingLevel([recording]).level, rel=1e-12)
    np.testing.assert_allclose(training.scales * training.levels, REFERENCE_LEVEL)


def test_the_scale_of_a_training_set_undoes_a_gain():
    recordings = list(frames(20))
    scale = TrainingLevel(recordings).scale
    for gain in (2.0**-10, 2.0**10):
        assert TrainingLevel([gain * x for x in recordings]).scale == scale / gain
    assert TrainingLevel([np.full((3, 4), 1e300)]).scale == pytest.approx(0, abs=1e-29)
    assert TrainingLevel([np.full((3, 4), 1e-300)]).scale == MAX_SCALE


def test_silent_recordings_have_the_scale_of_the_others():
    silence = np.zeros((3, 4))
    assert TrainingLevel([silence]).scale == 1
    training = TrainingLevel([silence, np.full((2, 4), 3.0)])
    np.testing.assert_allclose(training.scales, REFERENCE_LEVEL / 3, rtol=1e-12)
    assert training.scale == pytest.approx(REFERENCE_LEVEL / 3, rel=1e-12)


def count_frames(magnitude, state):
    """A step that gives back its frames, and carries how many there were."""
    seen = np.zeros(len(magnitude)) if state is None else state
    return magnitude, seen + magnitude.shape[1]


def test_a_step_carries_both_states_and_recordings_may_leave():
    magnitude = frames(30)
    step = at_reference_level(count_frames, InputLevel(2.0, 7))
    first, state = step(magnitude[:, :10], None)
    np.testing.assert_allclose(first, expected(magnitude, 7)[:, :10], rtol=1e-12)
    # The first recording has ended.
    rest, state = step(magnitude[1:, 10:], state[1:])
    np.testing.assert_allclose(rest, expected(magnitude, 7)[1:, 10:], rtol=1e-12)
    np.testing.assert_array_equal(state.second, [30, 30])
    assert at_reference_level(count_frames, InputLevel()) is count_frames


class Echo:
    """Masks that are the frames themselves."""

    def __init__(self):
        self.resets = 0

    def __call__(self, magnitude):
        return magnitude

    def reset(self):
        self.resets += 1


def test_masks_of_streams_begin_again():
    magnitude = frames(30)
    masks = MasksAtReferenceLevel(Echo(), InputLevel(1.0, 7))
    for _ in range(2):
        parts = [masks(part) for part in np.split(magnitude, [1, 2, 29], axis=1)]
        actual = np.concatenate(parts, axis=1)
        np.testing.assert_allclose(actual, expected(magnitude, 7), rtol=1e-12)
        masks.reset()
    assert masks._masks.resets == 2
