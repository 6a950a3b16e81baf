"""
Train with a loss of your own
=============================

``loss`` of :class:`~sknmf_unfold.DRNMFSeparator` may be a function of three torch tensors, which
returns one number for each sequence. Here compressed magnitudes make quiet bins count: the result
loses some SDR, which loud bins decide, and is closer to the clean recordings where they are quiet.
"""

# %%
# The loss
# --------
# The tensors are of shape (batch, frames, bins): the target's mask, and the magnitudes of mixture
# and target. Roots are kept away from 0, where their gradient is infinite.


def compressed_error(mask, mixture, target):
    """Squared error of compressed magnitudes: quiet bins count more."""
    error = (mask * mixture + 1e-8) ** 0.3 - (target + 1e-8) ** 0.3
    return error.square().mean(dim=(1, 2))


# %%
# Two models that differ in the loss alone
# ----------------------------------------
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

X, Y = make_noisy_speech(20, duration=2.0, random_state=0)
X_test, Y_test = make_noisy_speech(8, level_db=-26, random_state=1)
pipes = {}
for name, loss in {"snr": "snr", "compressed_error": compressed_error}.items():
    separator = DRNMFSeparator(
        n_components=30, loss=loss, max_epochs=8, random_state=0
    )
    pipes[name] = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)

# %%
# Each is better by its own measure
# ---------------------------------
import numpy as np

clean = STFT().fit_transform(Y_test)
for name, pipe in pipes.items():
    enhanced = STFT().fit_transform(pipe.predict(X_test))
    errors = [
        np.mean((a.magnitude() ** 0.3 - b.magnitude() ** 0.3) ** 2)
        for a, b in zip(enhanced, clean, strict=True)
    ]
    sdr = pipe.score(X_test, Y_test)
    print(
        f"{name:>16}: SDR {sdr:.2f} dB, compressed error {np.mean(errors):.4f}"
    )

# %%
# The same recording, by the model that was trained with ``"snr"``:
from sknmf_unfold.plotting import SeparationDisplay

display = SeparationDisplay.from_estimator(pipes["snr"], X_test[0], Y_test[0])

# %%
# By the model that was trained with ``compressed_error``:
display = SeparationDisplay.from_estimator(
    pipes["compressed_error"], X_test[0], Y_test[0]
)

# %%
# Noisy:
from IPython.display import Audio

Audio(X_test[0], rate=16000)

# %%
# Enhanced, trained by ``"snr"``:
Audio(pipes["snr"].predict(X_test[:1])[0], rate=16000)

# %%
# Enhanced, trained by ``compressed_error``:
Audio(pipes["compressed_error"].predict(X_test[:1])[0], rate=16000)

# %%
# Clean:
Audio(Y_test[0], rate=16000)

# %%
# A function at the top level of a module can be pickled with the model; a ``.skops`` file holds no
# code, so :func:`~sknmf_unfold.save_model` asks you to remove the loss first, by
# ``pipe.set_params(sep__loss=None)``. Prediction does not need it.
