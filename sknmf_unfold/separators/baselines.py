"""Conventional recurrent networks to compare DR-NMF with: `LSTMSeparator`, `RNNSeparator`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike

import numpy as np

from sknmf_unfold.signal.augmentation import Distribution

from ._docs import trained_docs
from ._recipes import STACKED_RECIPES
from ._stacked_rnn import StackedSeparator


@trained_docs(STACKED_RECIPES)
class LSTMSeparator(StackedSeparator):
    r"""Separation with a stacked LSTM that makes a sigmoid mask.

    The conventional network to compare `DRNMFSeparator` with. Its inputs are logarithms of
    magnitudes, standardised bin by bin; it is trained with the same loss in the same way.

    Parameters
    ----------
    n_layers : int, default=2
        Number of layers.
    n_units : int, default=54
        Units of a layer. 54 in 2 layers have about as many weights as DR-NMF of 2 layers and 200
        components, 250 in 5 layers as DR-NMF of 5 layers and 2000.
    {training_parameters}
    {fit_parameters}

    Attributes
    ----------
    weights_ : dict of ndarray
        By the names that torch gives them, and ``output_weights`` (n_freqs, n_units),
        ``output_biases`` (n_freqs,), ``floor`` (), ``offset`` and ``scale`` (n_freqs,).
    {training_attributes}

    Notes
    -----
    {recipes}

    See `DRNMFSeparator` for the losses.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017.

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sknmf_unfold import STFT
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> from sknmf_unfold.separators import LSTMSeparator
    >>> X, Y = make_noisy_speech(4, duration=1.0, random_state=0)
    >>> separator = LSTMSeparator(n_units=10, max_epochs=2, random_state=0)
    >>> pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    >>> [len(x) for x in pipe.predict(X)]
    [16000, 16000, 16000, 16000]
    """

    _kind = "lstm"

    def __init__(
        self,
        n_layers: int = 2,
        n_units: int = 54,
        *,
        recipe: str = "default",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        sequence_length: int | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        loss: str | Callable | None = None,
        remix: bool | None = None,
        speed_factors: Sequence[float] | Distribution | None = None,
        gain_db: Sequence[float] | Distribution | None = None,
        level_frames: int | None = None,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        checkpoint_dir: str | PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.n_layers = n_layers
        self.n_units = n_units
        self.recipe = recipe
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.sequence_length = sequence_length
        self.max_epochs = max_epochs
        self.patience = patience
        self.loss = loss
        self.remix = remix
        self.speed_factors = speed_factors
        self.gain_db = gain_db
        self.level_frames = level_frames
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.verbose = verbose


@trained_docs(STACKED_RECIPES)
class RNNSeparator(StackedSeparator):
    r"""Separation with a stacked ReLU RNN that makes a sigmoid mask.

    The conventional recurrent network that is closest to `DRNMFSeparator`. Here each layer takes
    its own state and the units of the layer below,
    :math:`h^{(k)}_t = \mathrm{relu}(b^{(k)} + W^{(k)} h^{(k)}_{t-1} + V^{(k)} h^{(k-1)}_t)`. Inputs
    and training are those of `LSTMSeparator`.

    Parameters
    ----------
    n_layers : int, default=2
        Number of layers.
    n_units : int, default=157
        Units of a layer. 157 in 2 layers have about as many weights as DR-NMF of 2 layers and 200
        components.
    {training_parameters}
    {fit_parameters}

    Attributes
    ----------
    weights_ : dict of ndarray
        By the names that torch gives them, and ``output_weights`` (n_freqs, n_units),
        ``output_biases`` (n_freqs,), ``floor`` (), ``offset`` and ``scale`` (n_freqs,).
    {training_attributes}

    Notes
    -----
    {recipes}

    See `DRNMFSeparator` for the losses.

    References
    ----------
    .. [1] Wisdom, Powers, Pitton, Atlas, "Deep recurrent NMF for speech separation by unfolding
       iterative thresholding", WASPAA 2017, equation 5.

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from sknmf_unfold import STFT
    >>> from sknmf_unfold.datasets import make_noisy_speech
    >>> from sknmf_unfold.separators import RNNSeparator
    >>> X, Y = make_noisy_speech(4, duration=1.0, random_state=0)
    >>> separator = RNNSeparator(n_units=10, max_epochs=2, random_state=0)
    >>> pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
    >>> [len(x) for x in pipe.predict(X)]
    [16000, 16000, 16000, 16000]
    """

    _kind = "relu"

    def __init__(
        self,
        n_layers: int = 2,
        n_units: int = 157,
        *,
        recipe: str = "default",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        sequence_length: int | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        loss: str | Callable | None = None,
        remix: bool | None = None,
        speed_factors: Sequence[float] | Distribution | None = None,
        gain_db: Sequence[float] | Distribution | None = None,
        level_frames: int | None = None,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        checkpoint_dir: str | PathLike | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ):
        self.n_layers = n_layers
        self.n_units = n_units
        self.recipe = recipe
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.sequence_length = sequence_length
        self.max_epochs = max_epochs
        self.patience = patience
        self.loss = loss
        self.remix = remix
        self.speed_factors = speed_factors
        self.gain_db = gain_db
        self.level_frames = level_frames
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.checkpoint_dir = checkpoint_dir
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
