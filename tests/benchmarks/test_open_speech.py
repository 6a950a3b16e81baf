import json
import zipfile

import numpy as np
import pytest

from benchmarks import (
    open_speech,
    open_speech_build,
    open_speech_packages,
    open_speech_sources,
    open_speech_variety,
)
from benchmarks import open_speech_mixing as mixing
from benchmarks.table1 import parse_model, separate, snr_row
from sknmf_unfold.datasets import MixtureDataset

RATE = mixing.RATE


def prompts(n=40, seed=0):
    rng = np.random.RandomState(seed)
    return [rng.standard_normal(rng.randint(RATE // 2, 12 * RATE // 5)) for _ in range(n)]


def level_db(waveform):
    return 20 * np.log10(mixing.rms(waveform))


def test_voices_of_the_parts_are_disjoint():
    parts = [set(voices.values()) for voices in open_speech_sources.SPEECH.values()]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert len(parts[0]) >= 40 and len(parts[1]) >= 6 and len(parts[2]) >= 6
    names = [name for voices in open_speech_sources.SPEECH.values() for name in voices]
    assert len(set(names)) == len(names)


def volunteers(part):
    """Languages of the voices of volunteers, any of whom may have read for two collections."""
    return {
        name.partition("-")[2][:2]
        for name in open_speech_sources.SPEECH[part]
        if name.startswith(("letters-", "potato-", "stamps-"))
    }


def test_volunteers_of_one_language_are_in_one_part():
    languages = [volunteers(part) for part in ("train", "dev", "test")]
    languages.append({language[:2] for language in open_speech_sources.PEOPLE if language != "nds"})
    assert sum(map(len, languages)) == len(set.union(*languages))


def test_all_packages_have_credits():
    assert set(open_speech_sources.CREDITS) == set(open_speech_sources.packages())


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def test_wild_recordings_are_nowhere_else(tmp_path):
    music = "naev-data/dat/snd/music"
    touch(tmp_path, f"{music}/peace1.ogg", f"{music}/mission.ogg", f"{music}/empire1.ogg")
    assert open_speech_sources.interference_files(tmp_path, "music") == [f"{music}/empire1.ogg"]
    wild = open_speech_sources.wild_files(tmp_path, "test", "music")
    assert wild == [f"{music}/mission.ogg", f"{music}/peace1.ogg"]
    assert open_speech_sources.wild_files(tmp_path, "dev", "music") == []


def test_interference_never_has_a_target_voice():
    stamps, hedgehogs = "tuxpaint-stamps-default", "hedgewars-data/Data/Sounds"
    spoken = [
        f"{stamps}/symbols/math/0.ogg",
        f"{stamps}/dreydl-nun.ogg",
        f"{stamps}/cat_desc.ogg",
        f"{stamps}/cat_desc_el.ogg",
        f"{stamps}/1_el.ogg",
        f"{stamps}/2_zh_tw.ogg",
        f"{stamps}/3_en_GB.ogg",
        f"{hedgehogs}/Yoohoo.ogg",
        "freedroidrpg-data/sound/effects/bot_sounds/voice_samples/1.ogg",
    ]
    assert all(open_speech_sources.SPOKEN.search(path) for path in spoken)
    sounds = f"{stamps}/white_cat.ogg", f"{hedgehogs}/bump.ogg", "wesnoth/sounds/bow_hit.ogg"
    assert not any(open_speech_sources.SPOKEN.search(path) for path in sounds)


def test_effects_of_hedgehogs_have_no_voices(tmp_path):
    folder = "hedgewars-data/Data/Sounds"
    touch(tmp_path, f"{folder}/voices/British/Hello.ogg", f"{folder}/bump.ogg")
    found = open_speech_sources.interference_files(tmp_path, "effects")
    assert found == [f"{folder}/bump.ogg"]


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
    names = ["beep.g722", "tt-monkeys.g722", "tt-monkeysintro.g722", "voices/Pirate/Laugh.g722"]
    names += ["voices/Pirate/Hello.g722", "silence/1.g722"]
    touch(tmp_path, *(f"p/{name}" for name in names))
    found = open_speech_sources.speech_files(tmp_path, "p", "*.g722")
    assert found == ["p/tt-monkeysintro.g722", "p/voices/Pirate/Hello.g722"]


def test_rumble_is_removed_and_the_voice_stays():
    time = np.arange(2 * RATE) / RATE
    low, voice = np.sin(2 * np.pi * 10 * time), np.sin(2 * np.pi * 200 * time)
    assert level_db(mixing.remove_rumble(low)) < level_db(low) - 25
    assert level_db(mixing.remove_rumble(voice)) == pytest.approx(level_db(voice), abs=0.1)
    assert len(mixing.remove_rumble(np.zeros(0))) == 0


def test_mixture_has_the_snr_of_its_plan():
    rng = np.random.RandomState(0)
    tracks = {kind: 0.1 * rng.standard_normal(20 * RATE) for kind in ("music", "people", "effects")}
    lengths = {kind: len(track) for kind, track in tracks.items()}
    [utterance, *_] = mixing.join_prompts(prompts(), rng)
    kinds = set()
    for snr in mixing.SNRS:
        plan = mixing.plan_mixture(lengths, len(utterance), snr, rng)
        kinds.add(len(plan["segments"]))
        mixture, target = mixing.mix(utterance, tracks, plan)
        assert mixture.dtype == target.dtype == np.float32
        measured = level_db(target) - level_db(mixture.astype(float) - target)
        assert measured == pytest.approx(snr, abs=1e-3)
        assert mixing.snr_db(mixture, target) == pytest.approx(measured, abs=0.01)
        assert level_db(target) == pytest.approx(-26 + plan["gain_db"], abs=1e-3)
        assert mixing.gain_db(target) == pytest.approx(plan["gain_db"], abs=0.01)
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


def test_levels_of_targets_are_spread_over_30_db():
    rng = np.random.RandomState(0)
    plans = [mixing.plan_mixture({"a": 1000}, 10, 0, rng) for _ in range(500)]
    levels = np.array([plan["gain_db"] for plan in plans]) - 26
    assert -45 <= levels.min() < -44 and -16 < levels.max() <= -15
    assert levels.mean() == pytest.approx(-30, abs=1.5)


def test_utterances_are_chosen_in_turn_until_all_were_taken():
    speakers = {"a": [[0, 4 * RATE]], "b": [[i, i + 4 * RATE] for i in range(3)]}
    chosen = mixing.choose_utterances(speakers, 32 / 3600, np.random.RandomState(0))
    assert [speaker for speaker, *_ in chosen] == ["a", "b", "b", "b"] * 2
    for half in chosen[:4], chosen[4:]:
        assert sorted(span for speaker, *span in half if speaker == "b") == speakers["b"]


def test_kinds_have_their_shares_of_time():
    tracks = {"a": np.zeros(1000), "b": np.zeros(110), "c": np.zeros(70)}
    shares = {"a": 0.4, "b": 0.4, "c": 0.2}
    stretches = mixing.balance(tracks, shares, longest=100)
    assert max(map(len, stretches)) <= 100
    seconds = {
        name: sum(len(x) for x in stretches if np.shares_memory(x, track))
        for name, track in tracks.items()
    }
    assert seconds == {"a": 1000, "b": 9 * 110, "c": 7 * 70}


def write_corpus(folder, seed, version=open_speech.VERSION):
    """A corpus of one utterance and one track, as `build` leaves it."""
    rng = np.random.RandomState(seed)
    for name in ("speech-a", "music-dev-matched"):
        np.save(folder / f"{name}.npy", rng.randint(-3000, 3000, 4 * RATE).astype("<i2"))
    entry = {"speaker": "a", "span": [0, 3 * RATE], "part": "dev-matched", "snr": 3}
    entry |= {"gain_db": -6.0, "condition": "matched", "segments": [["music", 7, 0.0]]}
    manifest = {
        "version": version,
        "seed": seed,
        "sample_rate": RATE,
        "utterances": {"train": {"a": [[0, 3 * RATE]]}},
        "mixtures": {"dev-matched": [entry]},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_load_takes_the_corpus_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(open_speech, "build", lambda cache: pytest.fail("built again"))
    write_corpus(tmp_path, seed=5)
    [x], [y], [entry] = open_speech.load("dev", cache=tmp_path, return_entries=True)
    assert x.dtype == y.dtype == np.float32 and len(x) == len(y) == 3 * RATE
    assert level_db(y) - level_db(x.astype(float) - y) == pytest.approx(entry["snr"], abs=1e-3)
    stored = np.load(tmp_path / "speech-a.npy")[: 3 * RATE] / 32767
    np.testing.assert_allclose(y, 10 ** (-6 / 20) * stored, rtol=1e-5, atol=1e-9)


def write_sources(folder):
    """Make a corpus of one training voice, one track of each kind, and rooms."""
    write_corpus(folder, seed=0)
    rng = np.random.RandomState(1)
    for kind in open_speech.SHARES:
        np.save(folder / f"{kind}-train.npy", rng.randint(-3000, 3000, 70 * RATE).astype("<i2"))
    np.save(folder / "rooms-train.npy", np.arange(5, dtype=np.float32))
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rooms": {"train": [2, 3]}}))


def test_sources_of_training_make_mixtures(tmp_path, monkeypatch):
    write_sources(tmp_path)
    monkeypatch.setattr(open_speech_variety, "GENERATED_SECONDS", 24)
    clean, interference = open_speech.load_sources(tmp_path)
    assert [len(x) for x in clean] == [3 * RATE]
    assert all(x.dtype == np.float32 and len(x) <= 60 * RATE for x in clean + interference)
    assert [len(room) for room in open_speech.rooms(tmp_path)["train"]] == [2, 3]
    settings = open_speech.CONDITIONS_OF_TRAINING
    [[x], [y]] = MixtureDataset(clean, interference, **settings).draw()
    assert len(x) == len(y) > 2 * RATE


def test_voices_with_few_utterances_are_heard_more_often():
    long, short, tiny = np.zeros(900), np.zeros(100), np.zeros(1)
    clean = mixing.balance_voices({"a": [long], "b": [short, short], "c": [tiny]})
    counts = [sum(x is each for x in clean) for each in (long, short, tiny)]
    # The roots of 900 / 900, 900 / 200 and, at most 5, of 900 / 1.
    assert counts == [1, 2 * 2, 5]


def test_varied_interference_is_faster_slower_and_backwards():
    tone = np.sin(2 * np.pi * 1000 / RATE * np.arange(RATE)).astype(np.float32)
    longer = open_speech_variety.varied(tone)
    forwards, backwards = np.split(longer, 2)
    np.testing.assert_array_equal(forwards, backwards[::-1])
    np.testing.assert_array_equal(forwards[:RATE], tone)
    start = RATE
    for speed in open_speech_variety.SPEEDS:
        part = forwards[start : start + round(RATE / speed)]
        peak = np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() * RATE / len(part)
        assert peak == pytest.approx(1000 * speed, abs=2)
        start += len(part)
    assert len(forwards) == pytest.approx(start, abs=2)


def test_generated_noise_differs_from_piece_to_piece():
    track = open_speech_variety.generated_noise(0, 96)
    np.testing.assert_array_equal(track, open_speech_variety.generated_noise(0, 96))
    pieces = np.split(track, 8)
    assert track.dtype == np.float32
    assert [level_db(piece) for piece in pieces] == pytest.approx([mixing.LEVEL_DB] * 8, abs=0.5)
    spectra = np.array(
        [np.abs(np.fft.rfft(piece))[: 6 * RATE].reshape(-1, 800) for piece in pieces]
    )
    shapes = 20 * np.log10(np.sqrt((spectra**2).mean(axis=2)))
    distances = [np.abs(a - b).mean() for i, a in enumerate(shapes) for b in shapes[:i]]
    assert min(distances) > 2


def test_wild_mixtures_are_stored_with_their_facts(tmp_path):
    rng = np.random.RandomState(0)
    speech = np.round(3000 * rng.standard_normal(8 * RATE)).astype("<i2")
    np.save(tmp_path / "speech-a.npy", speech)
    chosen = [["a", 0, 3 * RATE], ["a", 3 * RATE, 8 * RATE]]
    sounds = [0.1 * rng.standard_normal(20 * RATE)], [np.array([1.0, 0, 0.1])]
    manifest = {"arrays": {}, "version": open_speech.VERSION}
    entries = open_speech_build._build_wild(tmp_path, manifest, "dev", chosen, sounds, rng)
    manifest["mixtures"] = {"dev-wild": entries}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    X, Y, found = open_speech.load("dev", "wild", cache=tmp_path, return_entries=True)
    assert found == entries and {entry["condition"] for entry in entries} == {"wild"}
    assert [len(x) for x in X] == [len(y) for y in Y] == [3 * RATE, 5 * RATE]
    for x, y, entry in zip(X, Y, found, strict=True):
        measured = level_db(y) - level_db(x.astype(float) - y)
        assert entry["snr"] == pytest.approx(measured, abs=0.01)
        assert entry["gain_db"] == pytest.approx(level_db(y) + 26, abs=0.01)


def test_build_keeps_only_what_has_its_version_and_seed(tmp_path, monkeypatch):
    calls = []
    fake = {"version": open_speech.VERSION, "seed": 1}
    monkeypatch.setattr(open_speech, "build_corpus", lambda *a: calls.append(a) or dict(fake))
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

    monkeypatch.setattr(open_speech, "build_corpus", interrupted)
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
    assert open_speech_packages.read_licences("p", tmp_path) == ["CC-BY-3.0 or MIT", "GPL-2+"]
    path.write_text("License:\n see /usr/share/common-licenses/GPL-2 file.")
    assert open_speech_packages.read_licences("p", tmp_path) == ["GPL-2"]


def test_sounds_are_unpacked_from_archives_and_all_else_is_deleted(tmp_path):
    touch(tmp_path, "doc/copyright", "sounds/a.ogg", "picture.png")
    with zipfile.ZipFile(tmp_path / "pak0.pk3", "w") as archive:
        archive.writestr("sound/b.wav", "")
        archive.writestr("models/b.md3", "")
    open_speech_packages.keep_sounds(tmp_path)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["doc/copyright", "pak0/sound/b.wav", "sounds/a.ogg"]


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_decoded_recordings_keep_their_tone_and_length(tmp_path, rate):
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("av")
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(3 * rate) / rate)
    soundfile.write(tmp_path / "a.wav", tone, rate)
    decoded = open_speech_packages.decode(tmp_path / "a.wav")
    assert len(decoded) == pytest.approx(3 * RATE, abs=1)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(decoded)) / RATE)
    middle = slice(RATE, 2 * RATE)
    np.testing.assert_allclose(decoded[middle], expected[middle], atol=2e-3)
    short = open_speech_packages.decode(tmp_path / "a.wav", max_seconds=1)
    assert RATE - 1 <= len(short) < 1.5 * RATE


def test_files_that_are_no_sounds_give_nothing(tmp_path):
    pytest.importorskip("av")
    (tmp_path / "a.wav").write_text("no sound")
    assert len(open_speech_packages.decode(tmp_path / "a.wav")) == 0


def test_licence_table_has_a_row_for_each_package():
    fact = {"package": "p", "version": "1", "sound_licence": "GPL-2", "makers": "m"}
    rows = open_speech.licence_table({"packages": [fact | {"content": "voice a", "sha256": "0"}]})
    assert rows == [("p", "1", "GPL-2", "m", "voice a")]


def test_wild_mixtures_are_reported_by_rounded_snr():
    assert [snr_row({"snr": snr, "condition": "wild"}) for snr in (-2.4, 12.6)] == [0, 15]
    assert snr_row({"snr": -3, "condition": "matched"}) == snr_row({"snr": -3}) == -3


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
