"""
Cross-validate by speaker
=========================

A model separates a voice that it was trained on better than the voice of a stranger. So all
recordings of a speaker must be on one side of each split, as
:class:`~sklearn.model_selection.GroupKFold` puts them; splits that ignore the speakers promise too
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
print(np.bincount(speakers), "recordings of the speakers")

# %%
# Two ways to split
# -----------------
# scikit-learn's splitters take lists of recordings. ``cross_val_predict`` separates each recording
# by a model that was not trained on it: by one that knows the voice from other recordings, or by
# one that does not.
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from sknmf_unfold import STFT, SupervisedNMFSeparator
from sknmf_unfold.metrics import sdr_improvement

nmf = SupervisedNMFSeparator(40, max_iter=40, random_state=0)
pipe = make_pipeline(STFT(), nmf)
folds = KFold(4, shuffle=True, random_state=0)
known = cross_val_predict(pipe, X, Y, cv=folds)
unknown = cross_val_predict(pipe, X, Y, cv=GroupKFold(4), groups=speakers)
gains = {
    "random recordings": sdr_improvement(Y, list(known), X),
    "by speaker": sdr_improvement(Y, list(unknown), X),
}
for name, values in gains.items():
    print(f"{name:>17}: SDR improvement {values.mean():.2f} dB")
difference = gains["random recordings"] - gains["by speaker"]
error = difference.std(ddof=1) / np.sqrt(len(difference))
print(f"difference: {difference.mean():.2f} dB, standard error {error:.2f} dB")
n_lower, n_all = np.sum(difference > 0), len(difference)
print(f"by speaker is lower for {n_lower} of {n_all} recordings")

# %%
# Most points are below the diagonal: the same recording is separated less well by a model that has
# never heard its speaker.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
for speaker, marker in enumerate("os^D"):
    chosen = speakers == speaker
    x, y = (values[chosen] for values in gains.values())
    ax.plot(x, y, marker, alpha=0.8, label=f"speaker {speaker}")
ax.axline((0, 0), slope=1, color="0.5", lw=1)
ax.set(
    xlabel="split by random recordings\nSDR improvement (dB)",
    ylabel="split by speaker\nSDR improvement (dB)",
)
legend = ax.legend()

# %%
# If only the mean is needed, ``cross_val_score(pipe, X, Y, cv=GroupKFold(4), groups=speakers,
# scoring=sdr_improvement_scorer)`` is shorter. A search keeps speakers apart by
# ``search.fit(X, Y, groups=speakers)``.
