"""Documentation that the trained separators share, written once and inserted in each docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

Class = TypeVar("Class", bound=type)

TRAINING_PARAMETERS = """\
recipe : {"default", "paper"}, default="default"
    Values of the following parameters where they are None, see Notes.
learning_rate : float or None, default=None
    Learning rate of Adam.
batch_size : int or None, default=None
    Number of sequences in a batch.
sequence_length : int or None, default=None
    Largest number of frames of a sequence; longer recordings are cut into equal parts for training.
max_epochs : int or None, default=None
    Largest number of passes over the training data; 0 leaves the first weights as they are.
patience : int or None, default=None
    Number of epochs without a lower validation loss before training stops.
loss : str, callable or None, default=None
    Loss that training lowers: ``"signal_approximation"``, ``"phase_sensitive"``, ``"snr"``,
    ``"si_sdr"`` or ``"snr_compressed"``, see Notes, or your own function ``loss(mask, mixture,
    target)``. Its arguments are torch tensors of shape (batch, frames, bins): the target's mask,
    and the magnitudes of mixture and target, or their complex frames if the function has the
    attribute ``input = "complex"``, which needs spectrograms. The sequences have one length and no
    padding. It returns a tensor of shape (batch,), one number for each sequence, less is better;
    training lowers the mean over all sequences.
remix : bool or None, default=None
    Whether recordings are remixed every epoch (dynamic mixing): each target with stretches of the
    interference of other recordings, at the signal-to-noise ratios of the recordings, see
    `datasets.MixtureDataset`. This reduces overfitting on little data. It needs spectrograms.
speed_factors : list of float, a distribution or None, default=None
    With `remix`, factors of the playing speed of each target and each stretch, which change the
    pitch too; see `datasets.MixtureDataset`.
gain_db : list of float, a distribution or None, default=None
    With `remix`, gains of each mixture and its target, in dB; see `datasets.MixtureDataset`.
level_frames : int or None, default=None
    Number of frames over which a running level is measured. Each frame is divided by it first, so
    that results do not depend on the level of a recording. 250 are two seconds at the default hop.
    With 0 frames are only multiplied by one factor, which brings the training set to the reference
    level; with 0 and ``recipe="paper"`` they are left as they are.
"""

FIT_PARAMETERS = """\
validation_fraction : float, default=0.1
    Part of the recordings that is not trained on, for the validation loss; ignored where ``fit``
    gets ``validation_data``.
warm_start : bool, default=False
    Whether ``fit`` starts from the weights of the last fit, with a new optimiser.
checkpoint_dir : str, PathLike or None, default=None
    Folder for a checkpoint, which ``fit`` replaces after every epoch and deletes at its end. The
    same ``fit`` resumes from it after a kill, to the same bits. Different fits, as of a search, can
    share a folder.
device : str, default="auto"
    ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or another torch device. A model
    that was fitted on a GPU predicts on the CPU where there is none.
random_state : int, RandomState instance or None, default=None
    Seed of the first weights, the validation part and the batches.
verbose : int, default=0
    Whether to show progress bars.
"""

TRAINING_ATTRIBUTES = """\
history_ : dict of lists
    ``epoch`` (0 is before training), ``train_loss``, ``validation_loss``, ``learning_rate``,
    ``seconds``, and ``data_wait_seconds``, the part of these seconds in which training waited for
    data; both are sums over the epochs so far.
best_epoch_ : int
    Epoch whose weights were kept.
n_parameters_ : int
    Number of trained parameters.
"""

BASIC_ATTRIBUTES = """\
input_scale_ : float
    Factor of the magnitudes that brings the training set to the reference level; 1 for
    ``recipe="paper"``.
level_frames_ : int
    Number of frames of the running level; 0 for none.
stft_settings_ : dict or None
    STFT settings of the spectrograms that it was fitted on, None for bare magnitudes.
n_features_in_ : int
    Number of bins.
"""

TRAINING_NOTES = """\
``learning_rate_patience`` epochs without a lower validation loss halve the learning rate. The
weights that are validated and kept are an exponential moving average over the steps of training,
which keeps ``ema_decay`` of itself at each step, less at the first ones.
"""

LOSSES = """\
``"signal_approximation"`` [1]_ is the mean over frames and bins of ``(|Y| - mask * |X|) ** 2``;
``"phase_sensitive"`` [2]_ that of ``|Y - mask * X| ** 2``, up to a constant; ``"snr"`` [3]_ is the
energy of the error of the separated waveform over that of the mixture, in dB, for each sequence;
``"si_sdr"`` [3]_ is the negative SI-SDR, in dB; ``"snr_compressed"`` is the mean of ``"snr"`` and
the same ratio of magnitudes raised to the power of 0.3, which counts weak bands and pauses too. All
but the first need spectrograms, which know their phase; on magnitudes both recipes use the first.
"""

LOSS_REFERENCES = """\
.. [2] Erdogan, Hershey, Watanabe, Le Roux, "Phase-sensitive and recognition-boosted speech
   separation using deep recurrent neural networks", ICASSP 2015.
.. [3] Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019.
"""

N_COMPONENTS = """\
n_components : int or None, default=None
    Number of components of each of the two sources (the paper's N counts both). None takes that of
    `nmf`, 100 without one; another number than that of `nmf` is refused.
"""

NMF = """\
nmf : SupervisedNMFSeparator, SparseNMF or None, default=None
    Estimator of the first dictionaries. Fitted, or in scikit-learn's ``FrozenEstimator`` (which
    survives ``clone`` in a grid search), it is used as it is. Unfitted, a clone is fitted inside
    ``fit`` with its own parameters, which a grid search reaches as ``nmf__sparsity`` and so on;
    only its ``random_state=None`` is drawn from that of this estimator. None is a
    `SupervisedNMFSeparator` with `n_components`, `sparsity` and `verbose` of this estimator. A
    `SparseNMF` is the target's dictionary; the interference's is learned beside it with `sparsity`
    and `verbose` of this estimator.
"""

SPARSITY = """\
sparsity : float, default=1.0
    Weight lambda of the sum of the activations, at the start, in the units of magnitudes at the
    reference level, which is about that of speech at -26 dBFS in as much noise.
"""

# Widths of the columns of the table of recipes.
NAME_WIDTH, VALUE_WIDTH = 24, 22


def recipe_table(recipes: Mapping[str, Mapping[str, object]]) -> str:
    """Draw the table of recipes.

    Parameters
    ----------
    recipes : mapping of str to mapping
        Settings by the name of the recipe.

    Returns
    -------
    table : str
        In reStructuredText.

    Examples
    --------
    >>> print(recipe_table({"default": {"patience": 8}, "paper": {"patience": 50}}))
    ========================  ======================  ======================
    recipe                    "default"               "paper"
    ========================  ======================  ======================
    patience                  8                       50
    ========================  ======================  ======================
    """
    rule = "  ".join(["=" * NAME_WIDTH, *["=" * VALUE_WIDTH] * len(recipes)])
    rows = [["recipe", *(f'"{name}"' for name in recipes)]]
    for setting in next(iter(recipes.values())):
        rows.append([setting, *(_shown(recipe[setting]) for recipe in recipes.values())])
    lines = [
        "  ".join([row[0].ljust(NAME_WIDTH), *(x.ljust(VALUE_WIDTH) for x in row[1:])])
        for row in rows
    ]
    lines = [line.rstrip() for line in lines]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def _shown(value):
    """Show a setting; of a list of numbers the lowest and the highest."""
    if isinstance(value, tuple):
        low, high = min(value), max(value)
        return f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def insert_docs(**texts: str) -> Callable[[Class], Class]:
    """Insert texts in the docstring of a class, a decorator.

    Parameters
    ----------
    **texts : str
        By the name that stands for each, in braces on a line of its own.

    Returns
    -------
    decorate : callable

    Examples
    --------
    >>> @insert_docs(parameters="a : int")
    ... class Example:
    ...     '''Example.
    ...
    ...     {parameters}
    ...     '''
    >>> print(Example.__doc__.splitlines()[2])
        a : int
    """

    def decorate(cls):
        # Python without docstrings has nothing to insert in.
        doc = cls.__doc__ or ""
        for name, text in texts.items():
            for line in doc.splitlines():
                if line.strip() == f"{{{name}}}":
                    indent = line[: len(line) - len(line.lstrip())]
                    lines = (indent + each if each else "" for each in text.strip().splitlines())
                    doc = doc.replace(line, "\n".join(lines))
        cls.__doc__ = doc or None
        return cls

    return decorate


def trained_docs(
    recipes: Mapping[str, Mapping[str, object]], **texts: str
) -> Callable[[Class], Class]:
    """Insert the texts that all trained separators share, a decorator.

    Parameters
    ----------
    recipes : mapping of str to mapping
        Their recipes.
    **texts : str
        Further texts, see `insert_docs`.

    Returns
    -------
    decorate : callable
    """
    return insert_docs(
        **texts,
        training_parameters=TRAINING_PARAMETERS,
        fit_parameters=FIT_PARAMETERS,
        training_attributes=TRAINING_ATTRIBUTES + BASIC_ATTRIBUTES,
        n_components=N_COMPONENTS,
        nmf=NMF,
        sparsity=SPARSITY,
        nmf_parameters=N_COMPONENTS + NMF + SPARSITY,
        losses=LOSSES,
        loss_references=LOSS_REFERENCES,
        recipes=f"{recipe_table(recipes)}\n\n{TRAINING_NOTES}",
    )
