"""Data: a generated corpus, audio files, mixing."""

from .audio_files import load_audio, save_audio
from .generated import make_noisy_speech
from .mixing import mix_at_snr

__all__ = ["load_audio", "make_noisy_speech", "mix_at_snr", "save_audio"]
