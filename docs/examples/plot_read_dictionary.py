"""
Read a dictionary, before and after training
============================================

A component of :class:`~sknmf_unfold.DRNMFSeparator` is a spectrum that can be read: a voice at some
pitch, a hiss, the tone of an alarm. Training starts from the dictionaries of a sparse NMF, so each
component can be compared with what it was before.
"""

# %%
# A small model
# -------------
# Twelve components for each of the two sources are few enough to look at.
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

X, Y = make_noisy_speech(24, n_speakers=6, random_state=0)
separator = DRNMFSeparator(
    n_components=12, batch_size=4, max_epochs=15, random_state=0
)
pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)

# %%
# Before and after
# ----------------
# Each column is a component and keeps its place in all rows. Ticks are the components' indices, of
# the target from 0 to 11 and of the interference from 12 to 23; columns are ordered by the spectral
# centroid before training. The target has harmonics below about 4 kHz; the interference has rumble,
# single tones and hiss. Training keeps what a component is. It changes most bins by a few dB, and
# more in some components: number 18 gains up to 9 dB above 3 kHz.
from sknmf_unfold.plotting import ActivationsDisplay, ComponentsDisplay

components = ComponentsDisplay.from_estimator(separator, compare_to="start")

# %%
# A table of components
# ---------------------
# ``component_summary`` has a row for each component: where its spectrum is, how long its envelope
# lasts, its share of all activations on given recordings, and how far training moved it. The
# table's index and the tick labels are the same. These are the components that are used most.
X_test, Y_test = make_noisy_speech(1, snr_db=3, level_db=-26, random_state=1)
spectrograms = pipe["stft"].transform(X_test)
summary = separator.component_summary(spectrograms)
most = summary.sort_values("usage", ascending=False).head(8)
most.astype(dict.fromkeys(["duration_ms", "change_db"], float)).round(2)

# %%
# The component of the interference that is used most, before and after:
import matplotlib.pyplot as plt
import numpy as np

is_interference = summary["source"] == "interference"
chosen = summary.loc[is_interference, "usage"].idxmax()
frequencies = np.arange(257) * 16000 / 512
figure, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
for name, style, spectrum in [
    ("before", "--", separator.initial_components_[chosen]),
    ("after, last layer", "-", separator.components_[-1, chosen]),
]:
    level = 20 * np.log10(spectrum / np.linalg.norm(spectrum) + 1e-4)
    ax.plot(frequencies, level, style, label=name)
ax.set(xlabel="Frequency (Hz)", ylabel="Level (dB)", xlim=(0, 8000))
ax.set_title(f"Component {chosen}")
legend = ax.legend()

# %%
# When it is active
# -----------------
# ``transform`` returns the activations, in the order of the table. The display sorts them by
# spectral centroid, after training; its tick labels are the table's index too. Those of the target
# follow the words.
activations = ActivationsDisplay.from_estimator(pipe, X_test[0])

# %%
# The recording:
from IPython.display import Audio

Audio(X_test[0], rate=16000)

# %%
# Enhanced:
Audio(pipe.predict(X_test)[0], rate=16000)

# %%
# Clean:
Audio(Y_test[0], rate=16000)
