"""
Train on a folder of voices and a folder of noise
=================================================

Clean voices in one folder and noise in another are enough to train a separator: pairs of noisy and
clean recordings are not needed. :class:`~sknmf_unfold.datasets.MixtureDataset` mixes them anew in
every epoch, and :class:`~sknmf_unfold.DRNMFSeparator` trains on the mixtures.
"""

# %%
# Two folders
# -----------
import tempfile
from pathlib import Path

from sknmf_unfold.datasets import (
    MixtureDataset,
    load_audio,
    make_noisy_speech,
    save_audio,
)

folder = tempfile.TemporaryDirectory()

# %%
# We write such folders, with generated voices and noises, into the temporary directory. With your
# own: ``voices, noises = Path("voices"), Path("noises")`` instead of this block.
voices, noises = Path(folder.name) / "voices", Path(folder.name) / "noises"
voices.mkdir()
noises.mkdir()
mixtures, targets = make_noisy_speech(
    40, n_speakers=8, level_db=-30, random_state=0
)
for i, (mixture, target) in enumerate(zip(mixtures, targets, strict=True)):
    save_audio(voices / f"{i:02}.flac", target)
    save_audio(noises / f"{i:02}.wav", mixture - target)

# %%
# Read them
# ---------
# The last fifth of the files of each folder is held out, for validation: it decides when training
# stops and which weights are kept. With real recordings hold out whole speakers. FLAC and WAV are
# read here; change the endings to those of your files.
clean = load_audio(sorted(voices.rglob("*.flac")))
noise = load_audio(sorted(noises.rglob("*.wav")))
n_clean, n_noise = int(0.8 * len(clean)), int(0.8 * len(noise))
print(f"{sum(map(len, clean)) / 16000:.0f} s of voices")
print(f"{sum(map(len, noise)) / 16000:.0f} s of noise")

# %%
# Mix them
# --------
# The keywords of :class:`~sknmf_unfold.datasets.MixtureDataset` are the conditions in which the
# model shall work; lists are drawn from, and distributions of ``scipy.stats`` too. Rooms,
# equalisers, telephone bands and hiss are further keywords.
from scipy import stats

conditions = {
    "snr_db": stats.uniform(-5, 15),
    "gain_db": stats.uniform(-20, 20),
}
training = MixtureDataset(
    clean[:n_clean],
    noise[:n_noise],
    speed_factors=[0.9, 1.0, 1.1],
    **conditions,
)
validation = MixtureDataset(clean[n_clean:], noise[n_noise:], **conditions)
X, Y = training.draw()

# %%
# Train
# -----
# ``X`` and ``Y``, one draw of mixtures, set the level and the first dictionaries. All epochs draw
# others, from ``training_mixtures``.
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator

separator = DRNMFSeparator(n_components=40, max_epochs=12, random_state=0)
pipe = Pipeline([("stft", STFT()), ("sep", separator)])
pipe.fit(
    X,
    Y,
    sep__training_mixtures=training,
    sep__validation_data=validation.draw(),
)

# %%
# The learning curves say whether more epochs would help: the validation loss, the energy of the
# error relative to that of the mixture in dB, still falls at the end.
from sknmf_unfold.plotting import TrainingDisplay

display = TrainingDisplay.from_estimator(pipe)

# %%
# Other voices in other noise
# ---------------------------
# Another seed generates other speakers, so nothing of this test was in the training.
from sknmf_unfold.metrics import mean_sdr

X_test, Y_test = make_noisy_speech(8, level_db=-30, random_state=1)
print(f"mixtures: {mean_sdr(Y_test, X_test):5.2f} dB SDR")
print(f"enhanced: {pipe.score(X_test, Y_test):5.2f} dB SDR")
enhanced = pipe.predict(X_test)

# %%
# One of the mixtures:
from IPython.display import Audio

Audio(X_test[0], rate=16000)

# %%
# Enhanced:
Audio(enhanced[0], rate=16000)

# %%
# Clean:
Audio(Y_test[0], rate=16000)

# %%
# Its spectrograms, and the mask:
from sknmf_unfold.plotting import SeparationDisplay

display = SeparationDisplay.from_estimator(pipe, X_test[0], Y_test[0])

# %%
# Keep the model
# --------------
# A ``.skops`` file runs no code when it is loaded, whoever made it.
from sknmf_unfold import load_model, save_model

path = Path(folder.name) / "model.skops"
save_model(pipe, path)
print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
same = load_model(path)
folder.cleanup()

# %%
# The command ``python -m sknmf_unfold fit --clean voices/ --noise noises/ -o model.skops`` does all
# of this without a program.
