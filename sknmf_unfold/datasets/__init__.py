"""Data: a generated corpus, audio files, mixing."""

from sknmf_unfold.signal.mixing import mix_at_snr
from sknmf_unfold.signal.mixture_dataset import MixtureDataset

from .audio_files import load_audio, save_audio
from .generated import make_noisy_speech

__all__ = ["MixtureDataset", "load_audio", "make_noisy_speech", "mix_at_snr", "save_audio"]
