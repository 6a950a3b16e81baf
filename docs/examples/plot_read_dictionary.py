"""
Read a dictionary, before and after training
============================================

A component of :class:`~sknmf_unfold.DRNMFSeparator` is a spectrum that can be read: a vowel, a
hiss, a tone of an alarm. Training starts from the dictionaries of a sparse NMF, so every component
can be compared with what it was before.
"""

# %%
# A small model
# -------------
# Twelve components for each of the two sources are enough to look at.
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

X, Y = make_noisy_speech(24, n_speakers=6, random_state=0)
separator = DRNMFSeparator(n_components=12, max_epochs=10, random_state=0)
pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)

# %%
# Dictionaries before and after
# -----------------------------
# Each column is a component, and keeps its place in all rows. The components are ordered by the
# spectral centroid that they had before training.
from sknmf_unfold.plotting import ComponentsDisplay

display = ComponentsDisplay.from_estimator(separator, compare_to="start")
