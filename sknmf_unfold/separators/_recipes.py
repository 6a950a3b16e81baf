"""Recipes of training: two for each kind of network, and the parameters that override them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sknmf_unfold.signal.augmentation import check_gains, check_speed_factors
from sknmf_unfold.training.losses import resolve_loss
from sknmf_unfold.validation.options import check_choice, check_flag, check_folder, check_verbose
from sknmf_unfold.validation.parameters import (
    MAX_CONTEXT,
    MAX_LEARNING_RATE,
    check_number,
    check_size,
)

# Steps of a fiftieth, which stand for any speed between.
SPEED_FACTORS = tuple(hundredths / 100 for hundredths in range(80, 121, 2))
GAINS_DB = tuple(range(-24, 13))
# Two seconds at the default hop and sampling rate.
LEVEL_FRAMES = 250
# Each frame's level is computed from a window of as many frames.
MAX_LEVEL_FRAMES = 2000
# A parameter of the same name that is not None overrides the value.
RECIPES: dict[str, dict] = {
    "default": {
        "learning_rate": 1e-2,
        "batch_size": 16,
        "sequence_length": 125,
        "max_epochs": 50,
        "patience": 8,
        "learn_sparsity": True,
        "learn_mask_exponent": True,
        "dynamics": "full",
        "context": 8,
        "evidence": True,
        "max_gradient_norm": 1.0,
        "learning_rate_patience": 2,
        "ema_decay": 0.999,
        "loss": "snr",
        "remix": True,
        "speed_factors": SPEED_FACTORS,
        "gain_db": GAINS_DB,
        "level_frames": LEVEL_FRAMES,
    },
    "paper": {
        "learning_rate": 1e-3,
        "batch_size": 32,
        "sequence_length": 500,
        "max_epochs": 500,
        "patience": 50,
        "learn_sparsity": False,
        "learn_mask_exponent": False,
        "dynamics": "identity",
        "context": 1,
        "evidence": False,
        "max_gradient_norm": None,
        "learning_rate_patience": None,
        "ema_decay": 0.0,
        "loss": "signal_approximation",
        "remix": False,
        "speed_factors": (1.0,),
        "gain_db": (0.0,),
        "level_frames": 0,
    },
}
# For LSTMs and ReLU RNNs, which lack the parts of DR-NMF.
STACKED_RECIPES: dict[str, dict] = {
    "default": {
        "learning_rate": 1e-3,
        "batch_size": 16,
        "sequence_length": 125,
        "max_epochs": 50,
        "patience": 8,
        "max_gradient_norm": 1.0,
        "learning_rate_patience": 2,
        "ema_decay": 0.999,
        "loss": "snr",
        "remix": True,
        "speed_factors": SPEED_FACTORS,
        "gain_db": GAINS_DB,
        "level_frames": LEVEL_FRAMES,
    },
    "paper": {
        "learning_rate": 1e-4,
        "batch_size": 32,
        "sequence_length": 500,
        "max_epochs": 500,
        "patience": 50,
        "max_gradient_norm": 1.0,
        "learning_rate_patience": None,
        "ema_decay": 0.0,
        "loss": "signal_approximation",
        "remix": False,
        "speed_factors": (1.0,),
        "gain_db": (0.0,),
        "level_frames": 0,
    },
}
# Parameters of every trained separator that a recipe has a value for.
TRAINING_PARAMETERS = (
    "batch_size",
    "sequence_length",
    "max_epochs",
    "patience",
    "learning_rate",
    "loss",
    "remix",
    "speed_factors",
    "gain_db",
    "level_frames",
)
# Those of the model that DR-NMF has beside them.
DRNMF_MODEL_PARAMETERS = ("dynamics", "context", "evidence")
DRNMF_PARAMETERS = (*TRAINING_PARAMETERS, *DRNMF_MODEL_PARAMETERS)
DEEP_NMF_RECIPES = {
    name: {k: v for k, v in recipe.items() if k not in (*DRNMF_MODEL_PARAMETERS, "learn_sparsity")}
    for name, recipe in RECIPES.items()
}
# Maps of the activations from frame to frame.
DYNAMICS = ("identity", "diagonal", "full")
# Lowest values of the parameters that are whole numbers.
LOWEST_INTEGERS = {
    "batch_size": 1,
    "sequence_length": 1,
    "max_epochs": 0,
    "patience": 1,
}
# Settings that say which parts of a network are trained.
LEARN_FLAGS = ("learn_sparsity", "learn_mask_exponent", "learn_dynamics")


def resolve_recipe(recipe: str, overrides: Mapping, recipes: Mapping[str, dict] = RECIPES) -> dict:
    """Check the parameters that override a recipe, and merge them with it.

    Parameters
    ----------
    recipe : str
        Key of `recipes`.
    overrides : mapping
        Values of `TRAINING_PARAMETERS`, and for DR-NMF of `DRNMF_MODEL_PARAMETERS`; None stands for
        the value of the recipe.
    recipes : mapping, default=RECIPES
        The recipes of the kind of network.

    Returns
    -------
    settings : dict
        Values of the overrides, and the other fields of `training.recipe.Recipe`.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as described.

    Examples
    --------
    >>> resolve_recipe("paper", {"batch_size": 8, "patience": None})["batch_size"]
    8
    """
    check_choice("recipe", recipe, recipes)
    given = {name: value for name, value in overrides.items() if value is not None}
    for name in given.keys() & LOWEST_INTEGERS.keys():
        given[name] = check_number(name, given[name], low=LOWEST_INTEGERS[name], integer=True)
    if "context" in given:
        given["context"] = check_size("context", given["context"], high=MAX_CONTEXT)
    for name in given.keys() & {"remix", "evidence"}:
        check_flag(name, given[name])
    if "learning_rate" in given:
        given["learning_rate"] = check_learning_rate(given["learning_rate"])
    if "loss" in given:
        resolve_loss(given["loss"])
    if "speed_factors" in given:
        given["speed_factors"] = check_speed_factors(given["speed_factors"])
    if "gain_db" in given:
        given["gain_db"] = check_gains(given["gain_db"])
    if "level_frames" in given:
        given["level_frames"] = check_level_frames(given["level_frames"])
    if "dynamics" in given:
        check_choice("dynamics", given["dynamics"], DYNAMICS)
    return recipes[recipe] | given


def check_learning_rate(learning_rate: float) -> float:
    """Return `learning_rate` as a float if it is a number > 0 that is not too large for a step."""
    check_number("learning_rate", learning_rate, low=0, open_low=True)
    return check_number("learning_rate", learning_rate, high=MAX_LEARNING_RATE)


def check_level_frames(level_frames: int) -> int:
    """Return `level_frames` as an int if it counts frames of a running level, 0 for none."""
    return check_number("level_frames", level_frames, low=0, high=MAX_LEVEL_FRAMES, integer=True)


def check_training_parameters(separator: Any) -> None:
    """Check the parameters of all trained separators that no recipe has a value for.

    Parameters
    ----------
    separator : TrainedSeparator

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as described.
    """
    fraction = separator.validation_fraction
    check_number("validation_fraction", fraction, low=0, high=0.9, open_low=True)
    check_flag("warm_start", separator.warm_start)
    check_verbose(separator.verbose)
    if separator.checkpoint_dir is not None:
        check_folder("checkpoint_dir", separator.checkpoint_dir)
