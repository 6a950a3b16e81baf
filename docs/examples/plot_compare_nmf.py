"""
SparseNMF beside scikit-learn's NMF
===================================

:class:`~sknmf_unfold.SparseNMF` has components of unit norm and one sparsity weight, lambda, on the
sum of the activations. :class:`sklearn.decomposition.NMF` has components of any norm, and so needs
weights on both factors: with ``alpha_W`` alone activations shrink, components grow, and nothing
becomes sparse.
"""

# %%
# The same lambda in both
# -----------------------
# The data are 1797 digits of 8 x 8 pixels. What scikit-learn calls W, ``transform(X)``, are the
# activations; its H is ``components_``. It minimises half of the squared error, plus
# ``alpha_W * l1_ratio * n_features`` times the sum of the activations, plus
# ``alpha_H * l1_ratio * n_samples`` times the sum of the components, where ``alpha_H`` is by
# default ``alpha_W``. So ``alpha_W = lambda / n_features`` weighs activations as
# ``sparsity=lambda`` does:
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from sknmf_unfold import SparseNMF

X = load_digits().data / 16
n_features = X.shape[1]


def make_models(sparsity):
    """Make the three models for a sparsity weight lambda."""
    shared = {"n_components": 16, "max_iter": 300, "random_state": 0}
    alpha = {"alpha_W": sparsity / n_features, "l1_ratio": 1}
    return {
        "SparseNMF": SparseNMF(sparsity=sparsity, **shared),
        "NMF, alpha_H=0": NMF(alpha_H=0.0, **alpha, **shared),
        'NMF, alpha_H="same"': NMF(**alpha, **shared),
    }


# %%
# Fit them for several lambda
# ---------------------------
# An activation counts as zero below a millionth. The norms of scikit-learn's components are theirs
# to choose.
sparsities = [0.0, 0.1, 0.3, 1.0]
names = list(make_models(0.0))
zeros, errors, fitted = (dict.fromkeys(names, ()) for _ in range(3))
# With alpha_H=0 components grow for ever, and scikit-learn warns that it has not converged.
warnings.simplefilter("ignore", ConvergenceWarning)
for sparsity in sparsities:
    for name, model in make_models(sparsity).items():
        activations = model.fit_transform(X)
        norms = np.linalg.norm(model.components_, axis=1)
        error = np.linalg.norm(X - activations @ model.components_)
        error /= np.linalg.norm(X)
        zeros[name] += (np.mean(activations < 1e-6),)
        errors[name] += (error,)
        fitted[name] += (model,)
        print(
            f"lambda {sparsity:3.1f} {name:>20}: "
            f"zeros {zeros[name][-1]:.2f}, error {error:.2f}, "
            f"largest norm {norms.max():6.1f}"
        )

# %%
# With ``alpha_H=0`` neither zeros nor error depend on lambda: only the norms of the components do.
# With both weights scikit-learn's activations become sparse too, but less so at the same lambda,
# and its components do as well.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for name, style in zip(names, ["o-", "s--", "^:"], strict=True):
    axes[0].plot(sparsities, zeros[name], style, label=name)
    axes[1].plot(sparsities, errors[name], style, label=name)
axes[0].set(xlabel="lambda", ylabel="share of activations that are 0")
axes[0].set_ylim(0, 1)
axes[1].set(xlabel="lambda", ylabel="relative error", ylim=(0, None))
legend = axes[0].legend()

# %%
# Components
# ----------
# At lambda = 0.3, each scaled to its largest value. The more activations are 0, the more of a digit
# a single component has to explain: those of SparseNMF become whole strokes and digits. Those of
# scikit-learn get zeros of their own, and some are all zero.
figure, axes = plt.subplots(3, 16, figsize=(10, 2.6), layout="constrained")
for row, name in zip(axes, names, strict=True):
    for ax, component in zip(row, fitted[name][2].components_, strict=True):
        high = max(component.max(), 1e-9)
        ax.imshow(component.reshape(8, 8), cmap="cividis", vmin=0, vmax=high)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")

# %%
# Names
# -----
# =============================  ==================================  ==============================
# scikit-learn's NMF             SparseNMF
# =============================  ==================================  ==============================
# ``alpha_W * n_features``       ``sparsity`` (lambda)               with ``l1_ratio=1``
# ``alpha_H``                    unit norms instead
# ``l1_ratio``                   l1 only
# ``beta_loss``                  ``beta_loss``                       the same values
# ``solver="cd"`` or ``"mu"``    ``solver="auto"`` takes the faster
# =============================  ==================================  ==============================
