"""Data: audio files, a synthetic corpus, and mixing of recordings.

``audio_files`` reads and writes audio files; libsndfile decides their formats. Another format is
added to ``_audio_input`` (reading) and ``_audio_output`` (writing). ``generated`` makes the
synthetic corpus, ``simulated_rooms`` impulse responses of rooms. Mixing itself is in
``sknmf_unfold.signal``.
"""

from sknmf_unfold.signal.mixing import mix_at_snr
from sknmf_unfold.signal.mixture_dataset import MixtureDataset

from .audio_files import load_audio, save_audio
from .generated import make_noisy_speech
from .simulated_rooms import simulate_rooms

__all__ = [
    "MixtureDataset",
    "load_audio",
    "make_noisy_speech",
    "mix_at_snr",
    "save_audio",
    "simulate_rooms",
]
