import json

import numpy as np
import pytest

from benchmarks import open_speech, open_speech_sources
from benchmarks import open_speech_mixing as mixing
from benchmarks.table1 import parse_model, separate

RATE = mixing.RATE


def prompts(n=40, seed=0):
    rng = np.random.RandomState(seed)
    return [rng.standard_normal(rng.randint(RATE // 2, 12 * RATE // 5)) for _ in range(n)]


def level_db(waveform):
    return 20 * np.log10(mixing.rms(waveform))


def test_speakers_of_the_parts_are_disjoint():
    parts = [set(speakers.values()) for speakers in open_speech_sources.SPEECH.values()]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 14


def test_interference_never_has_a_target_speaker():
    spoken = [
        "x/symbols/math/0.ogg",
        "x/dreydl-nun.ogg",
        "x/cat_desc.ogg",
        "x/cat_desc_el.ogg",
        "x/1_el.ogg",
        "x/2_zh_tw.ogg",
        "x/3_en_GB.ogg",
    ]
    assert all(open_speech_sources.SPOKEN_STAMP.search(path) for path in spoken)
    assert not open_speech_sources.SPOKEN_STAMP.search("x/white_cat.ogg")


def test_utterances_have_their_lengths_and_level():
    long = [np.random.RandomState(1).standard_normal(20 * RATE)]
    utterances = mixing.join_prompts(prompts() + long, np.random.RandomState(0))
    for utterance in utterances:
        assert 3 * RATE <= len(utterance) <= 8 * RATE
        assert level_db(utterance) == pytest.approx(-26, abs=1e-4)
        assert abs(utterance.mean()) < 1e-7
    total = sum(map(len, prompts())) + 20 * RATE
    assert sum(map(len, utterances)) > 0.95 * total, "prompts are lost"


def test_no_clicks_where_prompts_are_joined():
    constant = [np.ones(RATE) for _ in range(8)]
    [utterance, *_] = mixing.join_prompts(constant, np.random.RandomState(0))
    swing = utterance.max() - utterance.min()
    assert np.abs(np.diff(utterance)).max() < 0.02 * swing


def test_trim_keeps_the_sound_and_a_margin():
    sound = np.random.RandomState(0).standard_normal(RATE)
    trimmed = mixing.trim(np.concatenate([np.zeros(RATE), sound, np.zeros(2 * RATE)]))
    assert RATE <= len(trimmed) <= RATE + 2 * 800 + 320
    np.testing.assert_allclose(np.sum(trimmed**2), np.sum(sound**2), rtol=1e-12)


def test_parts_share_no_sample_of_interference():
    # Every sample has a value of its own, so any that is in two parts shows.
    sizes = [RATE] * 60 + [30 * RATE] * 10
    starts = np.cumsum([0, *sizes[:-1]])
    recordings = [np.arange(s, s + n, dtype=float) for s, n in zip(starts, sizes, strict=True)]
    tracks = mixing.split_recordings(recordings, np.random.RandomState(0))
    samples = {name: np.concatenate(pieces) for name, pieces in tracks.items()}
    everything = np.concatenate(list(samples.values()))
    assert len(everything) == len(np.unique(everything)) == sum(sizes)
    first_of = np.searchsorted(starts, everything, side="right")
    assert first_of.max() == 70
    recording_of = {k: set(np.searchsorted(starts, v, side="right")) for k, v in samples.items()}
    for unseen in ("dev-unseen", "test-unseen"):
        assert recording_of[unseen], "no recording is held out"
        assert not recording_of[unseen] & recording_of["train"]
    # A long recording that is heard in training has other stretches in the matched parts.
    long_in_train = {i for i in recording_of["train"] if i > 60}
    assert long_in_train <= recording_of["dev-matched"] & recording_of["test-matched"]


def test_groups_are_never_divided_between_training_and_unseen():
    groups = [f"language {i % 20}" for i in range(400)]
    recordings = [np.full(RATE, i) for i in range(400)]
    tracks = mixing.split_recordings(recordings, np.random.RandomState(0), groups)
    heard = {name: {groups[x[0]] for x in pieces} for name, pieces in tracks.items()}
    assert len(heard["dev-unseen"]) == len(heard["test-unseen"]) == 2
    known = heard["train"] | heard["dev-matched"] | heard["test-matched"]
    assert not known & (heard["dev-unseen"] | heard["test-unseen"])
    assert not heard["dev-unseen"] & heard["test-unseen"]


def test_people_are_grouped_by_language():
    paths = ["p/ktuberling/sounds/sr@latin/oko.ogg", "p/klettres/en_GB/alpha/U0061.ogg"]
    assert [open_speech_sources.group("people", path) for path in paths] == ["sr", "en"]
    assert open_speech_sources.group("music", "p/a.ogg") == "p/a.ogg"


def test_copies_and_silence_are_left_out():
    first, second, *_ = prompts()
    recordings = [first, np.zeros(RATE), second, first.copy(), first[:100]]
    assert mixing.distinct(recordings) == [0, 2]


def test_prompts_without_a_voice_are_no_targets(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    for name in ("beep", "tt-monkeys", "tt-monkeysintro", "hello"):
        (folder / f"{name}.g722").touch()
    found = open_speech_sources.speech_files(tmp_path, "p", "*.g722")
    assert found == ["p/hello.g722", "p/tt-monkeysintro.g722"]


def test_mixture_has_the_snr_of_its_plan():
    rng = np.random.RandomState(0)
    tracks = {kind: 0.1 * rng.standard_normal(20 * RATE) for kind in ("music", "people", "effects")}
    lengths = {kind: len(track) for kind, track in tracks.items()}
    [utterance, *_] = mixing.join_prompts(prompts(), rng)
    kinds = set()
    for snr in mixing.SNRS:
        plan = mixing.plan_mixture(lengths, len(utterance), snr, rng)
        kinds.add(len(plan["segments"]))
        mixture = mixing.mix(utterance, tracks, plan)
        assert mixture.dtype == np.float32
        measured = level_db(utterance) - level_db(mixture.astype(float) - utterance)
        assert measured == pytest.approx(snr, abs=1e-3)
    assert kinds <= {1, 2, 3} and len(kinds) > 1


def test_silent_stretches_are_drawn_again():
    for seed in range(10):
        rng = np.random.RandomState(seed)
        plan = mixing.plan_mixture({"a": 1000}, 10, 0, rng, lambda kind, start: start > 500)
        assert plan["segments"][0][1] > 500


def test_plans_repeat_with_the_seed():
    first, second = (
        mixing.plan_mixture({"a": 10**6, "b": 10**6}, 100, 3, np.random.RandomState(5))
        for _ in range(2)
    )
    assert first == second


def test_utterances_are_chosen_in_turn():
    speakers = {"a": [[0, 4 * RATE]] * 3, "b": [[0, 4 * RATE], [9, 9 + 4 * RATE]]}
    chosen = mixing.choose_utterances(speakers, 40 / 3600, np.random.RandomState(0))
    assert [speaker for speaker, *_ in chosen] == ["a", "b"] * 5
    spans = [span for speaker, *span in chosen if speaker == "b"]
    assert sorted(spans[:2]) == sorted(spans[2:4]) and spans[0] != spans[1]


def write_corpus(folder, seed, version=open_speech.VERSION):
    """A corpus of one utterance and one track, as `build` leaves it."""
    rng = np.random.RandomState(seed)
    for name in ("speech-a", "music-dev-matched"):
        np.save(folder / f"{name}.npy", rng.randint(-3000, 3000, 4 * RATE).astype("<i2"))
    entry = {"speaker": "a", "span": [0, 3 * RATE], "part": "dev-matched", "snr": 3}
    manifest = {
        "version": version,
        "seed": seed,
        "arrays": {"speech-a": "", "music-dev-matched": ""},
        "mixtures": {"dev-matched": [entry | {"segments": [["music", 7, 0.0]]}]},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_load_takes_the_corpus_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(open_speech, "build", lambda cache: pytest.fail("built again"))
    write_corpus(tmp_path, seed=5)
    [x], [y], [entry] = open_speech.load("dev", cache=tmp_path, return_entries=True)
    assert x.dtype == y.dtype == np.float32 and len(x) == len(y) == 3 * RATE
    assert level_db(y) - level_db(x.astype(float) - y) == pytest.approx(entry["snr"], abs=1e-3)


def test_build_keeps_only_what_has_its_version_and_seed(tmp_path, monkeypatch):
    calls = []
    fake = {"version": open_speech.VERSION, "seed": 1}
    monkeypatch.setattr(open_speech, "_build", lambda *args: calls.append(args) or dict(fake))
    write_corpus(tmp_path, seed=0)
    open_speech.build(tmp_path, seed=0, verbose=False)
    assert not calls
    for _ in range(2):
        open_speech.build(tmp_path, seed=1, verbose=False)
    assert len(calls) == 1
    write_corpus(tmp_path, seed=1, version=-1)
    open_speech.build(tmp_path, seed=1, verbose=False)
    assert len(calls) == 2


def test_interrupted_build_leaves_no_manifest(tmp_path, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(open_speech, "_build", interrupted)
    write_corpus(tmp_path, seed=0)
    with pytest.raises(KeyboardInterrupt):
        open_speech.build(tmp_path, seed=1, verbose=False)
    assert not (tmp_path / "manifest.json").exists()


def test_unknown_parts_are_named(tmp_path):
    with pytest.raises(ValueError, match="part='train'"):
        open_speech.load("train", cache=tmp_path)
    with pytest.raises(ValueError, match="condition='seen'"):
        open_speech.load("dev", "seen", cache=tmp_path)


def test_licences_are_read_from_both_kinds_of_copyright_file(tmp_path):
    path = tmp_path / "usr/share/doc/p/copyright"
    path.parent.mkdir(parents=True)
    path.write_text("License: GPL-2+\nLicense: CC-BY-3.0 or MIT\n")
    assert open_speech_sources._licences("p", tmp_path) == ["CC-BY-3.0 or MIT", "GPL-2+"]
    path.write_text("License:\n see /usr/share/common-licenses/GPL-2 file.")
    assert open_speech_sources._licences("p", tmp_path) == ["GPL-2"]


def test_model_names():
    assert parse_model("drnmf-2x200") == ("drnmf", 2, 200)
    assert parse_model("drnmf-2x200+") == ("drnmf+", 2, 200)
    with pytest.raises(Exception, match="wanted noisy"):
        parse_model("lstm-2x200+")
    with pytest.raises(Exception, match="even N"):
        parse_model("snmf-201")


def test_separate_predicts_and_measures_the_formula(speech):
    from sklearn.pipeline import make_pipeline

    from sknmf_unfold import STFT, SupervisedNMFSeparator

    X, Y = speech
    pipe = make_pipeline(STFT(), SupervisedNMFSeparator(3, max_iter=5, n_iter=5, random_state=0))
    pipe.fit(X, Y)
    masks = pipe[1].predict_mask(pipe[0].transform(X))
    entries = [
        (y.magnitude() - mask * x.magnitude()).ravel() ** 2
        for x, y, mask in zip(pipe[0].transform(X), pipe[0].transform(Y), masks, strict=True)
    ]
    estimates, loss = separate(pipe, X, Y)
    assert loss == pytest.approx(np.concatenate(entries).mean(), rel=1e-5)
    for estimate, predicted in zip(estimates, pipe.predict(X), strict=True):
        np.testing.assert_allclose(estimate, predicted, atol=1e-6)
