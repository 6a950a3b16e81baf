import numpy as np
import pytest

from benchmarks.difficulty import explain, gains, print_kinds, random_pairs, with_known_sources
from sknmf_unfold import STFT
from sknmf_unfold.datasets import make_noisy_speech


def test_explain_finds_what_the_components_can_make():
    rng = np.random.default_rng(0)
    components = rng.gamma(0.3, 1.0, (4, 30)).astype("float32")
    magnitude = rng.gamma(0.3, 1.0, (20, 4)).astype("float32") @ components
    np.testing.assert_allclose(explain(magnitude, components), magnitude, atol=0.02)
    # The nearest that one component comes to anything else.
    other = explain(magnitude, components[:1])
    assert np.linalg.matrix_rank(other) == 1 and np.abs(other - magnitude).max() > 1
    np.testing.assert_allclose(other.sum(axis=1), magnitude.sum(axis=1), rtol=0.05)


def test_known_sources_are_separated_and_unknown_ones_are_not():
    X, Y = make_noisy_speech(2, duration=0.5, random_state=0)
    ideal = with_known_sources(STFT(), X, Y, lambda magnitude, _: magnitude)
    assert min(gains(ideal, X, Y)) > 5
    flat = with_known_sources(STFT(), X, Y, lambda magnitude, _: np.ones_like(magnitude))
    np.testing.assert_allclose(gains(flat, X, Y), 0, atol=0.05)


def test_pairs_have_the_ratio_and_both_sources():
    rng = np.random.default_rng(0)
    clean = [rng.standard_normal(n) for n in (300, 200)]
    rest = [rng.standard_normal(n) for n in (300, 200)]
    mixtures = [x + v for x, v in zip(clean, rest, strict=True)], clean
    X, Y = random_pairs(([], [np.sin(np.arange(250.0))]), mixtures, 6, seed=0)
    for x, y, snr in zip(X, Y, (-6, -3, 0, 3, 6, 9), strict=True):
        noise = x - y
        assert 10 * np.log10(np.sum(y**2) / np.sum(noise**2)) == pytest.approx(snr)
        matches = [np.corrcoef(noise, np.resize(v, 250))[0, 1] for v in rest]
        assert max(matches) == pytest.approx(1)


def test_kinds_are_told_apart(capsys):
    kinds = [["music"], ["music", "people"], ["people"], ["people"]]
    entries = [{"segments": [[kind, 0, 0.0] for kind in each]} for each in kinds]
    print_kinds(np.array([1.0, 2.0, 4.0, 6.0]), np.full(4, 9.0), entries)
    rows = {line[:24].strip(): line[24:].split() for line in capsys.readouterr().out.splitlines()}
    assert rows["music alone"] == ["1", "1.00", "9.00"]
    assert rows["people alone"] == ["2", "5.00", "9.00"]
    assert rows["people among others"] == rows["music among others"] == ["1", "2.00", "9.00"]
    assert "effects alone" not in rows
