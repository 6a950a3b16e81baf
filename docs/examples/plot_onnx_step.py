"""
The step of an exported model in ten lines of numpy
===================================================

``export_onnx`` of :class:`~sknmf_unfold.DRNMFSeparator` writes the step of one frame as an ONNX
file, for programs without Python. The same step takes ten lines of numpy, with the fitted
attributes as its weights, so nothing in the file is hidden.
"""

# %%
# A fitted model
# --------------
# With ``context=1`` a component explains one frame, and with ``level_frames=0`` all frames are
# multiplied by one factor, ``input_scale_``. Both keep the step short.
from sklearn.pipeline import Pipeline

from sknmf_unfold import STFT, DRNMFSeparator
from sknmf_unfold.datasets import make_noisy_speech

X, Y = make_noisy_speech(16, duration=2.0, level_db=-26, random_state=0)
separator = DRNMFSeparator(
    n_components=30, context=1, level_frames=0, max_epochs=8, random_state=0
)
pipe = Pipeline([("stft", STFT()), ("sep", separator)]).fit(X, Y)

# %%
# The step
# --------
# For each frame: scale it, let the activations of the last frame evolve, do one iteration of
# soft-thresholding in each layer, and turn the activations into a mask.
import numpy as np


def step(magnitude, h):
    """Map a frame and the last activations to a mask and new activations."""
    frame = separator.input_scale_ * magnitude
    h = h @ separator.dynamics_
    layers = zip(
        separator.components_,
        separator.step_sizes_,
        separator.sparsity_,
        strict=True,
    )
    for W, step_size, sparsity in layers:
        h = np.maximum(h + step_size * ((frame - h @ W) @ W.T - sparsity), 0)
    parts = np.split(h[:, np.newaxis] * separator.output_components_, 2)
    target, interference = (np.log(part.sum(axis=0) + 1e-14) for part in parts)
    ratio = target - interference
    evidence = h / (np.linalg.norm(h) + 1) @ separator.evidence_
    log_odds = separator.mask_exponent_ * ratio + evidence
    return 1 / (1 + np.exp(-log_odds)), h


# %%
# All frames of a recording, one after the other:
[noisy], [clean] = make_noisy_speech(1, level_db=-26, snr_db=3, random_state=1)
[item] = pipe["stft"].transform([noisy])
state, masks = separator.initial_activations_, []
for frame in item.magnitude():
    mask, state = step(frame, state)
    masks.append(mask)
masks = np.array(masks)

# %%
# The file
# --------
# onnxruntime is needed only to check the file. The calling program computes the STFT and its
# inverse; settings and the first state are in the metadata.
import json
import tempfile
from pathlib import Path

import onnxruntime

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "step.onnx"
    separator.export_onnx(path)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
    session = onnxruntime.InferenceSession(path)
metadata = session.get_modelmeta().custom_metadata_map
print(json.loads(metadata["stft"]))
state = np.array([json.loads(metadata["initial_state"])], np.float32)
masks_onnx = []
for frame in item.magnitude():
    inputs = {"magnitude": frame[np.newaxis], "state": state}
    both, state = session.run(None, inputs)
    masks_onnx.append(both[0, 0])

# %%
# All three agree to the rounding of float32.
[expected] = separator.predict_mask([item])
print(f"numpy: {np.abs(masks - expected).max():.0e}")
print(f"ONNX:  {np.abs(masks_onnx - expected).max():.0e}")

# %%
# The mask of the ten lines
# -------------------------
from sknmf_unfold.plotting import SeparationDisplay

enhanced = item.masked(masks).inverse()
display = SeparationDisplay.from_predictions(
    noisy, enhanced, clean, mask=masks
)

# %%
# Noisy:
from IPython.display import Audio

Audio(noisy, rate=16000)

# %%
# Enhanced by the mask of the ten lines:
Audio(enhanced, rate=16000)

# %%
# Clean:
Audio(clean, rate=16000)
