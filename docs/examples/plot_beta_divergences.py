"""
Kullback-Leibler and Itakura-Saito NMF
======================================

``beta_loss`` of :class:`~sknmf_unfold.SparseNMF` says which errors count: the Frobenius norm counts
loud bins, Itakura-Saito counts the error of each bin relative to its level, and Kullback-Leibler is
between them. So only Itakura-Saito finds a note that is 30 dB quieter than the others.
"""

# %%
# Two loud notes and a quiet one
# ------------------------------
# Eight chords of three notes, and a faint hiss. The quiet note, the highest, also sounds alone: in
# the fourth and in the last chord.
import numpy as np
from IPython.display import Audio

rate, n_times = 16000, 8000
rng = np.random.default_rng(0)
time = np.arange(n_times) / rate
notes = []
for frequency, level_db in [(220, -20), (330, -20), (1046.5, -50)]:
    harmonics = [k for k in range(1, 9) if k * frequency < 7500]
    phases = rng.uniform(0, 2 * np.pi, len(harmonics))
    tones = [
        np.sin(2 * np.pi * frequency * k * time + p) / k
        for k, p in zip(harmonics, phases, strict=True)
    ]
    envelope = np.minimum(1, time / 0.02) * np.exp(-3 * time)
    notes.append(10 ** (level_db / 20) * envelope * np.sum(tones, axis=0))

chords = [(0,), (1,), (0, 1), (2,), (0, 2), (1, 2), (0, 1, 2), (2,)]
parts = np.zeros((3, len(chords) * n_times))
for i, chord in enumerate(chords):
    for j in chord:
        parts[j, i * n_times : (i + 1) * n_times] = notes[j]
mixture = parts.sum(axis=0) + 1e-5 * rng.standard_normal(parts.shape[1])

# %%
# The mixture:
Audio(mixture, rate=rate)

# %%
# Three divergences
# -----------------
# All are fitted to the power spectrogram, with three components and no sparsity. The peak of the
# quiet note is at 1047 Hz.
from sknmf_unfold import STFT, SparseNMF

stft = STFT(n_fft=1024, hop_length=256, window="hann")
[item] = stft.fit_transform([mixture])
power = item.magnitude() ** 2
models = {}
for beta_loss in ["frobenius", "kullback-leibler", "itakura-saito"]:
    nmf = SparseNMF(
        3, beta_loss=beta_loss, sparsity=0, max_iter=300, random_state=0
    )
    models[beta_loss] = nmf.fit(power)
    peaks = np.sort(nmf.components_.argmax(axis=1)) * rate / 1024
    print(f"{beta_loss:>16}: peaks of the components at {peaks.round()} Hz")

# %%
# The components in dB; the grey line is the quiet note. With the Frobenius norm and with
# Kullback-Leibler all three components are for the two loud notes.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(
    1, 3, figsize=(10, 3.6), sharey=True, layout="constrained"
)
frequencies = np.arange(513) * rate / 1024
for ax, (beta_loss, nmf) in zip(axes, models.items(), strict=True):
    spectra = nmf.components_
    spectra = spectra[np.argsort(spectra @ frequencies / spectra.sum(axis=1))]
    for style, component in zip(["-", "--", ":"], spectra, strict=True):
        ax.plot(frequencies, 10 * np.log10(component + 1e-9), style)
    ax.axvline(1046.5, color="0.6", ls="--", lw=1)
    ax.set(title=beta_loss, xlabel="Frequency (Hz)")
    ax.set(xlim=(0, 4000), ylim=(-80, 5))
axes[0].set_ylabel("Level (dB)")

# %%
# Take out the quiet note
# -----------------------
# The component that is strongest at 1047 Hz, divided by the sum of all, is a mask for the note.
from sknmf_unfold.metrics import sdr

bin_of_note = round(1046.5 * 1024 / rate)
estimates = {}
for beta_loss, nmf in models.items():
    activations, components = nmf.transform(power), nmf.components_
    j = components[:, bin_of_note].argmax()
    mask = np.outer(activations[:, j], components[j])
    mask /= activations @ components + 1e-12
    estimates[beta_loss] = item.masked(mask).inverse()
    quality = sdr(parts[2], estimates[beta_loss])
    print(f"{beta_loss:>16}: SDR {quality:6.1f} dB")

# %%
# By the Frobenius norm (players bring every sound to the same peak):
Audio(estimates["frobenius"], rate=rate)

# %%
# By Itakura-Saito:
Audio(estimates["itakura-saito"], rate=rate)

# %%
# The quiet note itself:
Audio(parts[2], rate=rate)

# %%
# Itakura-Saito has its price: it spends components on faint noise as readily as on loud sounds, and
# it needs more iterations. The separators use the Frobenius norm by default, which is also the one
# that DR-NMF unfolds.
