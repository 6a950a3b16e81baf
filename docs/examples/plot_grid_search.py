"""
Choose the size of the model by grid search
===========================================

The number of layers (K) and the number of components (N) of
:class:`~sknmf_unfold.DRNMFSeparator` are ordinary parameters, so scikit-learn's
:class:`~sklearn.model_selection.GridSearchCV` chooses them. More components help most here; further
layers help less, and both cost time.
"""

# %%
# The search
# ----------
# The recordings and the number of epochs are small, to be fast; take more of both for a search of
# your own. The score is the mean SDR in dB of separated recordings that were not trained on.
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

X, Y = make_noisy_speech(16, duration=2.0, n_speakers=4, random_state=0)
separator = DRNMFSeparator(max_epochs=5, random_state=0)
pipe = Pipeline([("stft", STFT()), ("sep", separator)])
grid = {"sep__n_layers": [1, 2, 4], "sep__n_components": [5, 20, 60]}
folds = KFold(2, shuffle=True, random_state=0)
search = GridSearchCV(pipe, grid, cv=folds, refit=False)
search.fit(X, Y)
print(search.best_params_, f"{search.best_score_:.2f} dB")

# %%
# Score and time
# --------------
# ``cv_results_`` has the score and the time of each fit.
import matplotlib.pyplot as plt
import numpy as np

results = search.cv_results_
shape = len(grid["sep__n_components"]), len(grid["sep__n_layers"])
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for ax, key, label in zip(
    axes,
    ["mean_test_score", "mean_fit_time"],
    ["mean SDR of held-out recordings, dB", "time of a fit, s"],
    strict=True,
):
    # scikit-learn sorts the grid by the names of the parameters.
    values = np.reshape(results[key], shape)
    image = ax.imshow(values, cmap="cividis")
    for i, j in np.ndindex(shape):
        shade = "black" if image.norm(values[i, j]) > 0.5 else "white"
        text = f"{values[i, j]:.1f}"
        ax.text(j, i, text, ha="center", va="center", color=shade)
    ax.set_xticks(range(shape[1]), grid["sep__n_layers"])
    ax.set_yticks(range(shape[0]), grid["sep__n_components"])
    ax.set(xlabel="layers (K)", ylabel="components of each source (N)")
    figure.colorbar(image, ax=ax, label=label)

# %%
# Two folds of eight recordings leave differences of a few tenths of a decibel open: the deviation
# between the folds is as large.
for n_components, n_layers, score, deviation in zip(
    results["param_sep__n_components"],
    results["param_sep__n_layers"],
    results["mean_test_score"],
    results["std_test_score"],
    strict=True,
):
    size = f"N = {n_components:2}, K = {n_layers}"
    print(f"{size}: {score:5.2f} +- {deviation:.2f} dB")

# %%
# The dictionaries may have parameters of their own: with
# ``DRNMFSeparator(nmf=SupervisedNMFSeparator())`` the search reaches them as
# ``sep__nmf__sparsity``. ``n_jobs=-1`` fits the candidates in parallel, and
# ``sep__checkpoint_dir`` lets a search that was killed resume.
