"""Check of the STFT settings of a fitted model."""

from __future__ import annotations

from sknmf_unfold.signal.windows import check_stft_settings
from sknmf_unfold.validation.fitted import refuse
from sknmf_unfold.validation.messages import shown


def check_fitted_stft(owner, attributes):
    """Raise ``ValueError`` unless a model's STFT settings are those of an STFT of its bins."""
    name, wants = "stft_settings_", "be None or the settings of an STFT"
    settings = attributes.get(name, "nothing of that name")
    if settings is None:
        return
    if not isinstance(settings, dict):
        refuse(owner, name, wants, shown(settings))
    try:
        n_fft = check_stft_settings(**settings)["n_fft"]
    except (ValueError, TypeError) as error:
        refuse(owner, name, wants, f"{shown(settings)} ({error})")
    if n_fft // 2 + 1 != attributes["n_features_in_"]:
        wants = f"have an n_fft of {attributes['n_features_in_']} bins (n_features_in_)"
        refuse(owner, name, wants, f"{n_fft}, which has {n_fft // 2 + 1}")
