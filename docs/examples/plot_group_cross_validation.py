"""
Cross-validate by speaker
=========================

A separator that knows a voice separates it better than the voice of a stranger. Recordings of one
speaker must therefore be on one side of every split, which
:class:`~sklearn.model_selection.GroupKFold` sees to; a split that ignores the speakers promises too
much.
"""

# %%
# Four speakers
# -------------
# :func:`~sknmf_unfold.datasets.make_noisy_speech` returns who speaks in each recording.
import numpy as np

from sknmf_unfold.datasets import make_noisy_speech

X, Y, speakers = make_noisy_speech(
    32, duration=2.0, n_speakers=4, return_speakers=True, random_state=0
)
print(np.bincount(speakers), "recordings of each speaker")

# %%
# Two ways to split
# -----------------
# Lists of recordings go through scikit-learn's splitters as they are. The scorer measures how many
# decibels of SDR the separation gains.
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator
from sknmf_unfold.metrics import sdr_improvement_scorer

pipe = make_pipeline(STFT(), SupervisedNMFSeparator(40, max_iter=60, random_state=0))
splits = {
    "random recordings": KFold(4, shuffle=True, random_state=0),
    "by speaker": GroupKFold(4),
}
scores = {
    name: cross_val_score(pipe, X, Y, groups=speakers, cv=cv, scoring=sdr_improvement_scorer)
    for name, cv in splits.items()
}
for name, values in scores.items():
    print(
        f"{name:>17}: {values.mean():.2f} dB, folds from {values.min():.2f} to {values.max():.2f}"
    )

# %%
# Every point is a fold.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
for row, (name, values) in enumerate(scores.items()):
    ax.plot(values, np.full(len(values), row), "o", ms=9, alpha=0.7)
    ax.plot(values.mean(), row, "k|", ms=24)
ax.set_yticks(range(len(scores)), scores)
ax.set(ylim=(-0.6, 1.6), xlabel="SDR improvement on held-out recordings, dB")
ax.set_title("Points: folds. Lines: their means.", fontsize="medium")
