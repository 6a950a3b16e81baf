"""``stream --live``: microphone to loudspeaker, with a module in place of sounddevice."""

import signal
import sys
from types import ModuleType

import numpy as np
import pytest

from sknmf_unfold.cli._resampled_stream import ResampledStream
from sknmf_unfold.cli.main import main
from sknmf_unfold.streaming import StreamingSeparator
from tests._stream_command import store_model


class PortAudioError(Exception):
    pass


class FakeStream:
    """A sound card of one rate, whose microphone hears a waveform and then Ctrl-C."""

    def __init__(self, module, **settings):
        self.module, self.settings = module, settings
        module.opened.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read(self, n_times):
        heard, self.module.heard = np.split(self.module.heard, [n_times])
        if not len(heard):
            signal.raise_signal(signal.SIGINT)
        return heard.astype("float32")[:, np.newaxis], len(self.module.played) == 3

    def write(self, samples):
        assert samples.dtype == np.float32 and samples.flags["C_CONTIGUOUS"]
        assert samples.shape[1] == 1
        self.module.played.append(samples[:, 0])
        return False


@pytest.fixture
def card(monkeypatch):
    module = ModuleType("sounddevice")
    module.PortAudioError, module.opened, module.played = PortAudioError, [], []
    module.rates = [16000]

    def check(device, *, channels, samplerate):
        assert channels == 1
        if samplerate not in module.rates:
            raise PortAudioError("Invalid sample rate")

    def query(device=None, kind=None):
        return "0 Microphone\n1 Loudspeaker" if kind is None else {"default_samplerate": 48000.0}

    module.check_input_settings = module.check_output_settings = check
    module.query_devices = query
    module.Stream = lambda **settings: FakeStream(module, **settings)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory, speech):
    return store_model(tmp_path_factory.mktemp("live"), speech)


def live(model, *arguments):
    settings = ["--model", str(model.path), *map(str, arguments)]
    return main(["stream", "--live", *settings])


def test_the_loudspeaker_plays_what_predict_gives(model, card, capsys):
    card.heard = model.x[:12_800]
    assert live(model) == 0
    expected = model.pipe.predict([model.x[:12_800]])[0]
    assert card.opened[0].settings == {
        "samplerate": 16000,
        "blocksize": 128,
        "device": (None, None),
        "channels": 1,
        "dtype": "float32",
    }
    played = np.concatenate(card.played)
    # A chunk and the frame that is not complete yet come first, as silence.
    delay = 128 + 512 - 128
    assert len(played) == 128 + 12_800 and not played[:delay].any()
    n_times = len(played) - delay
    np.testing.assert_allclose(played[delay:], expected[:n_times], rtol=0, atol=1e-6)
    errors = capsys.readouterr().err
    assert "Ctrl-C" in errors and "0.8 s of sound" in errors and ", 1 gaps" in errors


def test_a_card_of_another_rate(model, card):
    card.rates, card.heard = [48000], np.repeat(model.x[:8000], 3)
    assert live(model, "--input-device", 3, "--output-device", "speaker") == 0
    settings = card.opened[0].settings
    assert settings["samplerate"] == 48000 and settings["blocksize"] == 384
    assert settings["device"] == (3, "speaker")
    played = np.concatenate(card.played)
    stream = ResampledStream(StreamingSeparator(model.pipe), 48000)
    expected = stream.process(np.repeat(model.x[:8000], 3))
    # Silence of whole chunks until the first samples are finished; then all that were.
    delay = len(played) - len(expected)
    assert delay % 384 == 0 and 1500 < delay < 6000 and not played[:delay].any()
    np.testing.assert_allclose(played[delay:], expected, rtol=0, atol=1e-4)


def test_rate_and_chunk_where_told(model, card):
    card.heard = model.x[:8000]
    assert live(model, "--rate", 44100, "--chunk", 1000) == 0
    assert card.opened[0].settings["samplerate"] == 44100
    assert card.opened[0].settings["blocksize"] == 1000


def test_devices_are_listed(card, capsys):
    assert main(["stream", "--list-devices"]) == 0
    assert capsys.readouterr().out == "0 Microphone\n1 Loudspeaker\n"


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as info:
        main([str(each) for each in arguments])
    assert info.value.code == 2
    return capsys.readouterr().err


def test_what_stands_in_the_way(model, card, capsys, monkeypatch):
    model = ["--model", model.path]
    assert "leave out all files" in fails(capsys, "stream", "--live", "in.wav")
    assert "are for --live" in fails(capsys, "stream", "in.wav", "--input-device", 1)
    assert "or --live" in fails(capsys, "stream")

    def absent(**settings):
        raise PortAudioError("Error querying device -1")

    card.Stream = absent
    message = fails(capsys, "stream", "--live", *model)
    assert message == (
        "error: sound device: Error querying device -1; --list-devices shows the devices.\n"
    )
    # None makes its import fail as if it were not there.
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    message = fails(capsys, "stream", "--live", *model)
    assert "pip install 'sknmf_unfold[live]'" in message
    assert "sknmf_unfold[live]" in fails(capsys, "stream", "--list-devices")


def test_a_missing_library_is_named(monkeypatch, capsys, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert "apt install libportaudio2" in fails(capsys, "stream", "--list-devices")
