"""Displays of separations, dictionaries, activations, masks and training.

They follow the conventions of scikit-learn's displays: the data are computed by ``from_estimator``
or ``from_predictions`` and kept, ``plot`` draws them, and the artists are attributes that end in an
underscore. They need matplotlib, which the extra ``inspect`` brings. Figures are those of
`matplotlib.pyplot`, unless axes of others are passed.
"""

from ._activations import ActivationsDisplay
from ._components import ComponentsDisplay
from ._explanation import MaskExplanationDisplay
from ._objective import ObjectiveDisplay
from ._separation import SeparationDisplay
from ._training import TrainingDisplay

__all__ = [
    "ActivationsDisplay",
    "ComponentsDisplay",
    "MaskExplanationDisplay",
    "ObjectiveDisplay",
    "SeparationDisplay",
    "TrainingDisplay",
]
