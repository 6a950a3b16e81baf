"""What DR-NMF is compared with: `LSTMSeparator` and `RNNSeparator`."""

from __future__ import annotations

from ._stacked_rnn import StackedSeparator


class LSTMSeparator(StackedSeparator):
    r"""Separation with a stacked LSTM that makes a sigmoid mask.

    The conventional network to compare `DRNMFSeparator` with: it hears the logarithms of the
    magnitudes, standardised bin by bin, and is trained for the same loss in the same way.

    Parameters
    ----------
    n_layers : int, default=2
        Number of layers.
    n_units : int, default=54
        Units of a layer. 54 in 2 layers have about as many weights as DR-NMF of 2 layers and 200
        components, 250 in 5 layers as DR-NMF of 5 layers and 2000.
    recipe : {"default", "paper"}, default="default"
        How to train: the defaults of the following parameters, see Notes.
    learning_rate : float or None, default=None
        Adam's. None, here and below: what `recipe` says.
    batch_size : int or None, default=None
        Sequences in a batch.
    sequence_length : int or None, default=None
        Frames a sequence at most; longer recordings are cut into equal parts for training.
    max_epochs : int or None, default=None
        Passes over the training data at most; 0 leaves the weights as they were drawn.
    patience : int or None, default=None
        Epochs without a better validation loss before training stops.
    loss : str, callable or None, default=None
        Loss that training lowers: the name of one, or a function, see `DRNMFSeparator`.
    remix : bool or None, default=None
        Whether every epoch pairs targets and interference of the recordings anew, see
        `DRNMFSeparator`.
    speed_factors : list of float, a distribution or None, default=None
        With `remix`, how fast to play each target and each stretch, pitch and all; see
        `datasets.MixtureDataset`.
    gain_db : list of float, a distribution or None, default=None
        With `remix`, by how much to raise each mixture and its target, in dB; see
        `datasets.MixtureDataset`.
    level_frames : int or None, default=None
        Frames over which a running level is measured, to which each frame is brought before
        anything else, see `DRNMFSeparator`; 0 for none.
    validation_fraction : float, default=0.1
        Part of the recordings kept from training to watch the loss on; ignored where ``fit`` gets
        ``validation_data``.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last one, with a new optimiser.
    checkpoint_dir : str, PathLike or None, default=None
        Folder for a file that ``fit`` replaces after every epoch and deletes at its end. After a
        kill the same ``fit`` resumes from there, to the same bits. Different fits, as of a search,
        can share a folder.
    device : str, default="auto"
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or another torch device. A
        model that was fitted on a GPU predicts on the CPU where there is none.
    random_state : int, RandomState instance or None, default=None
        Draws the weights, the validation part and the batches.
    verbose : int, default=0
        Whether to show progress bars.

    Attributes
    ----------
    weights_ : dict of ndarray
        By the names that torch gives them, and ``output_weights`` (n_freqs, n_units),
        ``output_biases`` (n_freqs,), ``floor`` (), ``offset`` and ``scale`` (n_freqs,).
    history_ : dict of lists
        ``epoch`` (0 is before training), ``train_loss``, ``validation_loss``, ``learning_rate``,
        ``seconds``.
    best_epoch_ : int
        The epoch whose weights were kept.
    n_parameters_ : int
        Number of trained parameters.
    input_scale_ : float
        What magnitudes are multiplied by to bring the training set to the reference level; 1 for
        ``recipe="paper"``.
    level_frames_ : int
        Frames of the running level; 0 for none.
    stft_settings_ : dict or None
        STFT settings of the spectrograms it was fitted on, None for bare magnitudes.
    n_features_in_ : int
        Number of bins.

    Notes
    -----
    ====================  =============  ====================
    recipe                "default"      "paper"
    ====================  =============  ====================
    learning_rate         1e-3           1e-4
    batch_size            16             32
    sequence_length       125            500
    loss                  snr            signal_approximation
    remix                 True           False
    speed_factors         0.8 to 1.2     1
    gain_db               -24 to 12      0
    level_frames          250            0
    max_epochs            50             500
    patience              8              50
    gradient norm         <= 1           <= 1
    halve learning_rate   after 2        never
    weight average        0.999          0
    ====================  =============  ====================

    See `DRNMFSeparator` for what they mean.

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
        n_layers=2,
        n_units=54,
        *,
        recipe="default",
        learning_rate=None,
        batch_size=None,
        sequence_length=None,
        max_epochs=None,
        patience=None,
        loss=None,
        remix=None,
        speed_factors=None,
        gain_db=None,
        level_frames=None,
        validation_fraction=0.1,
        warm_start=False,
        checkpoint_dir=None,
        device="auto",
        random_state=None,
        verbose=0,
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


class RNNSeparator(StackedSeparator):
    r"""Separation with a stacked ReLU RNN that makes a sigmoid mask.

    The conventional recurrent network that is closest to `DRNMFSeparator`, which differs by what
    unfolding gives it: each layer here hears its own past and the layer below,
    :math:`h^{(k)}_t = \mathrm{relu}(b^{(k)} + W^{(k)} h^{(k)}_{t-1} + V^{(k)} h^{(k-1)}_t)`. What
    goes in, and how it is trained, is as in `LSTMSeparator`.

    Parameters
    ----------
    n_layers : int, default=2
        Number of layers.
    n_units : int, default=157
        Units of a layer. 157 in 2 layers have about as many weights as DR-NMF of 2 layers and 200
        components.
    recipe : {"default", "paper"}, default="default"
        How to train: the defaults of the following parameters, see Notes.
    learning_rate : float or None, default=None
        Adam's. None, here and below: what `recipe` says.
    batch_size : int or None, default=None
        Sequences in a batch.
    sequence_length : int or None, default=None
        Frames a sequence at most; longer recordings are cut into equal parts for training.
    max_epochs : int or None, default=None
        Passes over the training data at most; 0 leaves the weights as they were drawn.
    patience : int or None, default=None
        Epochs without a better validation loss before training stops.
    loss : str, callable or None, default=None
        Loss that training lowers: the name of one, or a function, see `DRNMFSeparator`.
    remix : bool or None, default=None
        Whether every epoch pairs targets and interference of the recordings anew, see
        `DRNMFSeparator`.
    speed_factors : list of float, a distribution or None, default=None
        With `remix`, how fast to play each target and each stretch, pitch and all; see
        `datasets.MixtureDataset`.
    gain_db : list of float, a distribution or None, default=None
        With `remix`, by how much to raise each mixture and its target, in dB; see
        `datasets.MixtureDataset`.
    level_frames : int or None, default=None
        Frames over which a running level is measured, to which each frame is brought before
        anything else, see `DRNMFSeparator`; 0 for none.
    validation_fraction : float, default=0.1
        Part of the recordings kept from training to watch the loss on; ignored where ``fit`` gets
        ``validation_data``.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last one, with a new optimiser.
    checkpoint_dir : str, PathLike or None, default=None
        Folder for a file that ``fit`` replaces after every epoch and deletes at its end. After a
        kill the same ``fit`` resumes from there, to the same bits. Different fits, as of a search,
        can share a folder.
    device : str, default="auto"
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or another torch device. A
        model that was fitted on a GPU predicts on the CPU where there is none.
    random_state : int, RandomState instance or None, default=None
        Draws the weights, the validation part and the batches.
    verbose : int, default=0
        Whether to show progress bars.

    Attributes
    ----------
    weights_ : dict of ndarray
        By the names that torch gives them, and ``output_weights`` (n_freqs, n_units),
        ``output_biases`` (n_freqs,), ``floor`` (), ``offset`` and ``scale`` (n_freqs,).
    history_ : dict of lists
        ``epoch`` (0 is before training), ``train_loss``, ``validation_loss``, ``learning_rate``,
        ``seconds``.
    best_epoch_ : int
        The epoch whose weights were kept.
    n_parameters_ : int
        Number of trained parameters.
    input_scale_ : float
        What magnitudes are multiplied by to bring the training set to the reference level; 1 for
        ``recipe="paper"``.
    level_frames_ : int
        Frames of the running level; 0 for none.
    stft_settings_ : dict or None
        STFT settings of the spectrograms it was fitted on, None for bare magnitudes.
    n_features_in_ : int
        Number of bins.

    Notes
    -----
    ====================  =============  ====================
    recipe                "default"      "paper"
    ====================  =============  ====================
    learning_rate         1e-3           1e-4
    batch_size            16             32
    sequence_length       125            500
    loss                  snr            signal_approximation
    remix                 True           False
    speed_factors         0.8 to 1.2     1
    gain_db               -24 to 12      0
    level_frames          250            0
    max_epochs            50             500
    patience              8              50
    gradient norm         <= 1           <= 1
    halve learning_rate   after 2        never
    weight average        0.999          0
    ====================  =============  ====================

    See `DRNMFSeparator` for what they mean.

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
        n_layers=2,
        n_units=157,
        *,
        recipe="default",
        learning_rate=None,
        batch_size=None,
        sequence_length=None,
        max_epochs=None,
        patience=None,
        loss=None,
        remix=None,
        speed_factors=None,
        gain_db=None,
        level_frames=None,
        validation_fraction=0.1,
        warm_start=False,
        checkpoint_dir=None,
        device="auto",
        random_state=None,
        verbose=0,
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
