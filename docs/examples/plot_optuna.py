"""
Search the learning rate with Optuna
====================================

Optuna searches where a grid would be too coarse: it draws learning rates of
:class:`~sknmf_unfold.DRNMFSeparator` on a logarithmic scale and concentrates on the promising ones.
A separator is a scikit-learn estimator, so the objective is a function of four lines.
"""

# %%
# The objective
# -------------
# Optuna is not needed by the package: ``pip install optuna``. The recordings for the score are of
# other speakers than those of training.
import optuna
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

X, Y = make_noisy_speech(12, duration=2.0, random_state=0)
X_dev, Y_dev = make_noisy_speech(6, duration=2.0, random_state=1)


def objective(trial):
    """Return the SDR in dB of a model with the trial's learning rate."""
    rate = trial.suggest_float("learning_rate", 1e-4, 0.2, log=True)
    separator = DRNMFSeparator(
        n_components=20, learning_rate=rate, max_epochs=4, random_state=0
    )
    pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    return pipe.score(X_dev, Y_dev)


# %%
# Twelve trials
# -------------
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=4),
)
study.enqueue_trial({"learning_rate": 1e-2})
study.optimize(objective, n_trials=12)
best = study.best_params["learning_rate"]
print(f"best: {best:.3g}, {study.best_value:.2f} dB")
print(f"default: 0.01, {study.trials[0].value:.2f} dB")

# %%
# Low rates leave training unfinished after four epochs. Far higher ones than here make the loss
# diverge: ``fit`` then warns and keeps the best weights so far.
import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
rates = [trial.params["learning_rate"] for trial in study.trials]
sdr = [trial.value for trial in study.trials]
points = ax.scatter(rates, sdr, c=range(len(rates)), cmap="cividis")
ax.axvline(1e-2, color="0.5", ls="--", label="default")
ax.set(xscale="log", xlabel="learning rate")
ax.set_ylabel("SDR of other speakers, dB")
ax.legend()
_ = figure.colorbar(points, ax=ax, label="trial")

# %%
# The best rate belongs to this number of epochs: with more of them a lower rate catches up. So
# search with the epochs that the final training will have.
