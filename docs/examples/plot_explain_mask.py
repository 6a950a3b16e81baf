r"""
Explain a mask: a vowel and a noise
===================================

The mask of :class:`~sknmf_unfold.DRNMFSeparator` is made of log-odds that can be taken apart: what
the dictionaries estimate, and the weight of evidence of each component. Here we follow a vowel that
the mask keeps, and a noise that it takes away, down to the components that decide.
"""

# %%
# A small model, and a recording that it has not seen
# ---------------------------------------------------
# The voice, of another speaker than in training, pauses between 1.7 and 1.9 s, and the noise goes
# on.
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

X, Y = make_noisy_speech(24, n_speakers=8, random_state=0)
separator = DRNMFSeparator(
    n_components=30, batch_size=4, max_epochs=12, random_state=0
)
pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)
X_test, Y_test = make_noisy_speech(8, snr_db=3, level_db=-26, random_state=1)
noisy, clean = X_test[7], Y_test[7]

# %%
from sknmf_unfold.plotting import MaskExplanationDisplay, SeparationDisplay

separation = SeparationDisplay.from_estimator(pipe, noisy, clean)

# %%
# Noisy:
from IPython.display import Audio

Audio(noisy, rate=16000)

# %%
# Enhanced:
[enhanced] = pipe.predict([noisy])
Audio(enhanced, rate=16000)

# %%
# Clean:
Audio(clean, rate=16000)

# %%
# The terms
# ---------
# For the mask M in each frame and bin, ``explain_mask`` returns the terms of
#
# .. math:: \log \frac{M}{1 - M} = p \log \frac{\hat Y}{\hat V} + \frac{h}{\|h\| + 1} E
#
# in nats: the ratio of the estimates of both dictionaries, and the evidence of the components. At 0
# the mask is one half; 1 nat more multiplies the odds of the target by 2.7. Together they are the
# mask:
import numpy as np

spectrograms = pipe["stft"].transform([noisy])
[terms] = separator.explain_mask(spectrograms)
[mask] = separator.predict_mask(spectrograms)
rebuilt = 1 / (1 + np.exp(-terms["estimates"] - terms["evidence"]))
print(f"largest difference: {np.abs(mask - rebuilt).max():.0e}")

# %%
# The vowel
# ---------
# Yellow raises the mask, blue lowers it. Below 2 kHz, where the formants of the vowel are, the
# estimates are for the target. Above 4 kHz, where there is next to nothing of it, they are for the
# interference. The evidence is smaller: it starts at 0, and this training took seconds.
vowel = MaskExplanationDisplay.from_estimator(
    pipe, noisy, start=2.28, stop=2.38, n_components=6
)

# %%
# The bars say which components raised or lowered the log-odds most, where the sound is. The longest
# are of components of the target whose peaks are near 500 Hz; the rumble of the interference, with
# its peak below 100 Hz, is against them. ``component_summary`` says more about these components.
summary = separator.component_summary(spectrograms)
summary.loc[vowel.components_].round(2)

# %%
# The noise
# ---------
# In the pause nearly everything is for the interference.
noise = MaskExplanationDisplay.from_estimator(
    pipe, noisy, start=1.68, stop=1.84, n_components=6
)

# %%
# The rumble, which was against the vowel too, now has the longest bar. Some components of the
# target still take a part of the noise for a voice: the bins that stay yellow.
summary.loc[noise.components_].round(2)

# %%
# The mean log-odds of both stretches below 2 kHz, by term:
for name, display in {"vowel": vowel, "noise": noise}.items():
    terms = display.terms.items()
    means = [f"{term} {values[:, :64].mean():5.2f}" for term, values in terms]
    print(name, *means, "nats")
