"""
Separate a stream, with its latency drawn
=========================================

:class:`~sknmf_unfold.streaming.StreamingSeparator` separates sound while it arrives, in chunks of
any size. The chunks together equal ``predict`` of the whole recording; each sample is returned one
window (32 ms here) after its input.
"""

# %%
# Chunk by chunk
# --------------
# A microphone would deliver the chunks; here they are cut from a recording, 10 ms each. ``flush``
# returns what is left at the end.
import time

import numpy as np

from sknmf_unfold.datasets import load_example, load_pretrained
from sknmf_unfold.streaming import StreamingSeparator

pipe = load_pretrained("speech-low-latency")
noisy, rate, chunk_length = load_example(), 16000, 160
stream = StreamingSeparator(pipe)

pieces, milliseconds = [], []
for start in range(0, len(noisy), chunk_length):
    begin = time.process_time()
    pieces.append(stream.process(noisy[start : start + chunk_length]))
    milliseconds.append(1000 * (time.process_time() - begin))
enhanced = np.concatenate([*pieces, stream.flush()])

# %%
# Noisy:
from IPython.display import Audio

Audio(noisy, rate=rate)

# %%
# Enhanced, from the stream:
Audio(enhanced, rate=rate)

# %%
# The same samples as predict
# ---------------------------
[whole] = pipe.predict([noisy])
print(f"largest difference: {np.abs(enhanced - whole).max():.1e}")
print(f"largest sample: {whole.max():.2f}")

# %%
# Latency
# -------
# A sample can leave once all frames that contain it are complete. The grey line is the input, the
# blue one what the stream has returned at that time: it is behind by at most ``latency_`` and one
# chunk.
import matplotlib.pyplot as plt

n_in = np.minimum(np.arange(1, len(pieces) + 1) * chunk_length, len(noisy))
n_out = np.cumsum([len(piece) for piece in pieces])
delay = stream.latency_ / rate
figure, axes = plt.subplots(2, 1, figsize=(8, 6), layout="constrained")
shown = n_in <= 0.16 * rate
time_in = 1000 * n_in[shown] / rate
time_out = 1000 * n_out[shown] / rate
steps = {"where": "post"}
axes[0].step(
    time_in, time_in, color="0.5", label="passed to the stream", **steps
)
axes[0].step(time_in, time_out, color="C0", label="returned", **steps)
axes[0].plot(
    time_in,
    time_in - 1000 * delay,
    "--",
    color="C1",
    label=f"input less latency_ ({1000 * delay:.0f} ms)",
)
axes[0].set(xlabel="time of the input, ms", ylabel="samples so far, ms")
axes[0].set_ylim(0)
axes[0].legend()

word = slice(int(1.9 * rate), int(2.1 * rate))
seconds = np.arange(len(noisy))[word] / rate
axes[1].plot(seconds, noisy[word], color="0.7", label="noisy")
axes[1].plot(seconds, enhanced[word], color="C0", label="enhanced")
axes[1].plot(
    seconds + delay,
    enhanced[word],
    color="C1",
    lw=1,
    label="enhanced, as it is heard",
)
axes[1].set(xlabel="time, s", ylabel="amplitude")
axes[1].set_xlim(seconds[0], seconds[-1])
_ = axes[1].legend(loc="upper right")

# %%
# Time of a chunk
# ---------------
# A chunk of 10 ms must take less than 10 ms. These are times of the processor, so that other
# programs do not count.
figure, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
ax.hist(milliseconds, bins=np.geomspace(0.05, 20, 60), color="C0")
ax.axvline(10, color="C1", ls="--", label="real time")
ax.set(xscale="log", xlabel="time of a chunk, ms", ylabel="chunks")
_ = ax.legend()
print(f"median {np.median(milliseconds):.2f} ms")
print(f"99 % below {np.quantile(milliseconds, 0.99):.2f} ms")

# %%
# ``python -m sknmf_unfold stream --live`` connects a microphone and headphones in this way. Streams
# need no torch; ``n_streams=8`` separates eight of them side by side.
