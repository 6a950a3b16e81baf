"""
Clean a recording with the model that the package carries
=========================================================

Two calls clean a recording: :func:`~sknmf_unfold.datasets.load_pretrained` loads a trained model,
and ``predict`` separates speech from the rest. The model is a stock scikit-learn pipeline of
:class:`~sknmf_unfold.STFT` and :class:`~sknmf_unfold.DRNMFSeparator`; no training is needed.
"""

# %%
# A recording in a file
# ---------------------
# :func:`~sknmf_unfold.datasets.load_audio` reads WAV, FLAC, Ogg and other formats, mixes channels
# down to mono and resamples to 16 kHz. Here it reads the recording that the package carries: a
# voice on a market and in a stadium. Put the path of your own file in its place.
from IPython.display import Audio

from sknmf_unfold.datasets import example_path, load_audio, load_pretrained

[noisy] = load_audio([example_path()])
print(f"{len(noisy) / 16000:.1f} s, {noisy.dtype}")

# %%
# The noisy recording:
Audio(noisy, rate=16000)

# %%
# Separate
# --------
# Like every separator, the pipeline takes a list of waveforms and returns a list of waveforms of
# the same lengths.
pipe = load_pretrained("speech")
[enhanced] = pipe.predict([noisy])

# %%
# The enhanced recording:
Audio(enhanced, rate=16000)

# %%
# Look at the mask
# ----------------
# The separator multiplies the spectrogram of the recording by a mask between 0 and 1. The mask is
# high along the harmonics of the voice and low before the first word.
from sknmf_unfold.plotting import SeparationDisplay

display = SeparationDisplay.from_estimator(pipe, noisy)

# %%
# Take away less
# --------------
# A mask can also take away too much. ``max_attenuation`` bounds the attenuation, in dB, at any time
# and frequency. Some noise then remains, and faults of the mask are less audible.
[gentle] = pipe.predict([noisy], max_attenuation=12)

# %%
# Enhanced, by at most 12 dB:
Audio(gentle, rate=16000)

# %%
# In the first 0.2 s nobody speaks. What is left of their noise:
import numpy as np

pause = slice(0, int(0.2 * 16000))
for name, waveform in {"no bound": enhanced, "at most 12 dB": gentle}.items():
    left = np.sum(waveform[pause] ** 2) / np.sum(noisy[pause] ** 2)
    print(f"{name:>14}: {10 * np.log10(left):.1f} dB")

# %%
# ``save_audio("enhanced.wav", enhanced)`` writes the result. The command
# ``python -m sknmf_unfold separate noisy.wav`` does all of this, and keeps the channels and the
# sampling rate of the file.
