"""Data: audio files, a synthetic corpus, and mixing of recordings.

``audio_files`` reads and writes audio files; libsndfile decides their formats. Another format is
added to ``_audio_input`` (reading) and ``_audio_output`` (writing). ``audio_sequence`` reads files
when they are needed, and ``file_pairs`` pairs them. ``generated`` makes the synthetic corpus,
``simulated_rooms`` impulse responses of rooms. ``pretrained`` loads the models and ``example`` the
recording that the package carries. Mixing itself is in ``sknmf_unfold.signal``.
"""

from sknmf_unfold.signal.mixing import mix_at_snr
from sknmf_unfold.signal.mixture_dataset import MixtureDataset

from .audio_files import load_audio, save_audio
from .audio_sequence import AudioFiles
from .example import example_path, load_example
from .file_pairs import PairedFiles, paired_files
from .generated import make_noisy_speech
from .pretrained import load_pretrained
from .simulated_rooms import simulate_rooms

__all__ = [
    "AudioFiles",
    "MixtureDataset",
    "PairedFiles",
    "example_path",
    "load_audio",
    "load_example",
    "load_pretrained",
    "make_noisy_speech",
    "mix_at_snr",
    "paired_files",
    "save_audio",
    "simulate_rooms",
]
