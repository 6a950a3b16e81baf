"""
Start from a fitted NMF, with the target's dictionary frozen
============================================================

A dictionary of the target need not be learned again for every noise:
:meth:`~sknmf_unfold.SupervisedNMFSeparator.fit_interference` learns that of the noise beside it,
and :class:`~sknmf_unfold.DRNMFSeparator` starts from both. scikit-learn's
:class:`~sklearn.frozen.FrozenEstimator` keeps fitted dictionaries in a search, which would
otherwise discard them.
"""

# %%
# The target, once
# ----------------
# A dictionary of speech needs clean recordings only. The sparsity weight is in the units of the
# spectrograms, and 1 suits speech of about -26 dBFS.
from sknmf_unfold import STFT, SparseNMF
from sknmf_unfold.datasets import make_noisy_speech

mixtures, clean = make_noisy_speech(
    24, duration=2.0, level_db=-26, n_speakers=6, random_state=0
)
stft = STFT()
speech = SparseNMF(30, random_state=0).fit(stft.fit_transform(clean))

# %%
# Two places with noises of their own
# -----------------------------------
# A fan is steady, low noise; the kitchen has the noises of the generated recordings.
import numpy as np
from scipy.signal import lfilter

from sknmf_unfold.datasets import mix_at_snr

rng = np.random.default_rng(0)


def add_fan(waveform):
    """Mix a waveform with low-pass noise, at an SNR of 0 dB."""
    noise = lfilter([1.0], [1.0, -0.97], rng.standard_normal(len(waveform)))
    return mix_at_snr(waveform, noise, 0.0).astype(np.float32)


fan = [add_fan(waveform) for waveform in clean]
places = {"fan": fan, "kitchen": mixtures}

# %%
# Beside the same dictionary of speech we learn one of each noise.
from sknmf_unfold import SupervisedNMFSeparator

nmfs = {}
for place, X in places.items():
    nmf = SupervisedNMFSeparator(30, random_state=0)
    nmfs[place] = nmf.fit_interference(stft.transform(X), speech.components_)
    same = np.allclose(nmf.target_components_, speech.components_)
    print(f"{place:>7}: the dictionary of speech is unchanged: {same}")

# %%
# The two dictionaries of noise: that of the fan is smooth and low, that of the kitchen has tones.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(
    1, 2, figsize=(9, 3.6), sharey=True, layout="constrained"
)
for ax, (place, nmf) in zip(axes, nmfs.items(), strict=True):
    components = nmf.interference_components_
    sums = np.maximum(components.sum(axis=1), 1e-12)
    order = np.argsort(components @ np.arange(257) / sums)
    levels = 20 * np.log10(components[order] / components.max() + 1e-3)
    extent = (-0.5, 29.5, 0, 8000)
    image = ax.imshow(levels.T, origin="lower", aspect="auto", extent=extent)
    ax.set(title=f"Interference: {place}")
    ax.set_xlabel("Component rank by spectral centroid")
axes[0].set_ylabel("Frequency (Hz)")
bar = figure.colorbar(image, ax=axes, label="Level (dB re maximum)")

# %%
# Search without fitting the NMF again
# ------------------------------------
# ``nmf=`` takes fitted dictionaries. A search clones its estimator, and a clone is not fitted; in a
# ``FrozenEstimator`` the dictionaries stay.
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sknmf_unfold import DRNMFSeparator

nmf = nmfs["fan"]
separator = DRNMFSeparator(
    nmf=FrozenEstimator(nmf), max_epochs=4, random_state=0
)
pipe = Pipeline([("stft", STFT()), ("sep", separator)])
search = GridSearchCV(pipe, {"sep__n_layers": [1, 3]}, cv=2)
search.fit(places["fan"], clean)
best = search.best_estimator_
print(search.best_params_, f"{search.best_score_:.2f} dB")
start = best["sep"].initial_components_
print("training started from it:", np.allclose(start, nmf.components_))

# %%
# Training moves all dictionaries, also that of the target, and separates better than the NMF:
X_test, Y_test = make_noisy_speech(
    6, duration=3.0, level_db=-26, random_state=1
)
X_test = [add_fan(waveform) for waveform in Y_test]
nmf_pipe = Pipeline([("stft", best["stft"]), ("sep", nmf)])
print(f"sparse NMF: {nmf_pipe.score(X_test, Y_test):5.2f} dB SDR")
print(f"DR-NMF:     {best.score(X_test, Y_test):5.2f} dB SDR")

# %%
# Noisy:
from IPython.display import Audio

Audio(X_test[0], rate=16000)

# %%
# Enhanced:
[enhanced] = best.predict(X_test[:1])
Audio(enhanced, rate=16000)

# %%
# Clean:
Audio(Y_test[0], rate=16000)

# %%
# Train on, in another place
# --------------------------
# ``warm_start=True`` starts a fit from the weights of the last one, here for the kitchen: a few
# epochs on its recordings adapt the model.
X_kitchen, Y_kitchen = make_noisy_speech(6, level_db=-26, random_state=1)
before = best.score(X_kitchen, Y_kitchen)
best.set_params(sep__warm_start=True).fit(places["kitchen"], clean)
print(f"kitchen, trained with the fan:  {before:5.2f} dB SDR")
sdr = best.score(X_kitchen, Y_kitchen)
print(f"kitchen, trained on:            {sdr:5.2f} dB SDR")
