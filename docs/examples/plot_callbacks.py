"""
Callbacks: one that stops training, one that logs it
====================================================

All estimators support the callbacks of scikit-learn (from 1.9 on): ``set_callbacks`` takes any
object with four methods. :class:`~sknmf_unfold.DRNMFSeparator` calls them after every epoch, and
stops when one returns True.
"""

# %%
# A callback that stops
# ---------------------
# ``on_fit_task_end`` gets the estimator as it would be if training ended now. The fit itself is a
# task too, whose parts are the epochs; only they have a validation loss to look at here.


class StopAt:
    """Stop training once the validation loss is low enough."""

    def __init__(self, loss):
        self.loss = loss

    def setup(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        return fitted_estimator.history_["validation_loss"][-1] < self.loss

    def teardown(self, estimator, context): ...


# %%
# A callback that logs
# --------------------
# It measures after every epoch what the history does not have: the SDR of a recording, and how far
# the dictionaries have moved.
import numpy as np

from sknmf_unfold import STFT
from sknmf_unfold.datasets import make_noisy_speech

[noisy], [clean] = make_noisy_speech(1, snr_db=0, random_state=1)


class Log:
    """Keep the SDR of a recording, and how far components have turned."""

    def __init__(self, noisy, clean):
        self.items, self.clean = STFT().fit_transform([noisy]), [clean]
        self.sdr, self.degrees = [], []

    def setup(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "epoch":
            self.sdr.append(fitted_estimator.score(self.items, self.clean))
            start = fitted_estimator.initial_components_
            now = fitted_estimator.components_[-1]
            cosines = np.sum(start * now, axis=1)
            cosines /= np.linalg.norm(start, axis=1)
            self.degrees.append(np.degrees(np.arccos(np.minimum(cosines, 1))))

    def teardown(self, estimator, context): ...


# %%
# Train with both
# ---------------
from sklearn.pipeline import Pipeline

from sknmf_unfold import DRNMFSeparator

X, Y = make_noisy_speech(20, duration=2.0, random_state=0)
log = Log(noisy, clean)
separator = DRNMFSeparator(
    n_components=20, batch_size=4, max_epochs=30, random_state=0
)
separator.set_callbacks(StopAt(-10.25), log)
pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
history = separator.history_
print(f"stopped after epoch {history['epoch'][-1]} of {separator.max_epochs}")

# %%
# The log
# -------
# Components turn further in every epoch, and those of the two sources by about as much.
import matplotlib.pyplot as plt

epochs = history["epoch"]
figure, axes = plt.subplots(
    3, 1, figsize=(7, 7), sharex=True, layout="constrained"
)
axes[0].plot(epochs, history["validation_loss"], "o-")
axes[0].axhline(-10.25, color="0.5", ls="--", label="StopAt(-10.25)")
axes[0].set(ylabel="validation loss, dB")
axes[0].legend()
axes[1].plot(epochs[1:], log.sdr, "o-")
axes[1].set(ylabel="SDR of a recording, dB")
target, interference = np.split(np.array(log.degrees), 2, axis=1)
turns = {"target": target, "interference": interference}
for (name, degrees), style in zip(turns.items(), ["o-", "s--"], strict=True):
    axes[2].plot(epochs[1:], np.median(degrees, axis=1), style, label=name)
axes[2].set(xlabel="epoch", ylabel="turn of components,\nmedian, degrees")
_ = axes[2].legend()

# %%
# scikit-learn has callbacks too, such as ``sklearn.callback.ProgressBar``, and takes them on a
# pipeline or a search: ``search.set_callbacks(ProgressBar())``. ``verbose=1`` shows progress in any
# version.
