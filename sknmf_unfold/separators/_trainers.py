"""The trainer of a separator: from a start, from a saved state, or from that of rank 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sknmf_unfold.base.tensors import resolve_device, to_tensor, tree_to_numpy, tree_to_tensors
from sknmf_unfold.training.ranks import find_ranks

from ._recipes import LEARN_FLAGS

if TYPE_CHECKING:
    from sknmf_unfold.training.loop import Trainer


def make_trainer(
    separator: Any, start: dict, settings: dict, dtype: np.dtype, rng: np.random.RandomState
) -> Trainer:
    """Make a trainer of the network with some values.

    Parameters
    ----------
    separator : TrainedSeparator
    start : dict of Tensor
        Values of the network.
    settings : dict
        Of recipe and parameters.
    dtype : numpy.dtype
        Of the recordings.
    rng : numpy.random.RandomState
        Shuffles.

    Returns
    -------
    trainer : Trainer
    """
    from sknmf_unfold.networks.level import LevelledNetwork
    from sknmf_unfold.training.batch_loss import make_batch_loss
    from sknmf_unfold.training.loop import Trainer
    from sknmf_unfold.training.recipe import Recipe

    device, settings = resolve_device(separator.device), dict(settings)
    loss = make_batch_loss(settings.pop("loss"), separator.stft_settings_)
    # Settings of the data, not of the trainer.
    del settings["remix"], settings["speed_factors"], settings["gain_db"]
    n_frames = settings.pop("level_frames")
    learned = {name: settings.pop(name) for name in LEARN_FLAGS if name in settings}
    like = to_tensor(np.zeros(0, dtype), device)
    values = {name: value.to(like) for name, value in start.items()}
    network = LevelledNetwork(separator._make_network(values, **learned), n_frames)
    return Trainer(network, Recipe(**settings), rng, loss, find_ranks())


def restored_trainer(separator: Any, plan: dict, settings: dict, dtype: np.dtype) -> Trainer:
    """Make a trainer with a state that was saved.

    Parameters
    ----------
    separator : TrainedSeparator
    plan : dict
        ``start``, and ``trainer``, the state, which is taken out.
    settings, dtype
        As for `make_trainer`.

    Returns
    -------
    trainer : Trainer
    """
    # The saved state replaces this generator's; numpy's global one must stay as it is.
    trainer = separator._make_trainer(plan["start"], settings, dtype, np.random.RandomState())
    trainer.load_state_dict(plan.pop("trainer"))
    return trainer


def trainer_from_first(
    separator: Any, begin: Callable[[], tuple[dict, Trainer]], settings: dict, dtype: np.dtype
) -> tuple[dict, Trainer]:
    """Begin training in rank 0, and in the others with the same plan and state.

    Parameters
    ----------
    separator : TrainedSeparator
    begin : callable
        Returns a plan, which has ``start`` and ``is_first``, and a trainer.
    settings, dtype
        As for `make_trainer`.

    Returns
    -------
    plan : dict
    trainer : Trainer
    """
    ranks = find_ranks()
    begun = ranks.from_first(begin, _as_arrays)
    if ranks.is_first:
        return begun
    plan = tree_to_tensors(begun)
    trainer = restored_trainer(separator, plan, settings, dtype)
    if plan["is_first"]:
        separator._remember_start(plan["start"])
    return plan, trainer


def _as_arrays(begun):
    """Turn plan and trainer into what any machine can read, whichever device it has."""
    plan, trainer = begun
    return tree_to_numpy(plan | {"trainer": trainer.state_dict()})
