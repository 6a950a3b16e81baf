"""Fits a separator with a checkpoint; the test of kills runs it as a child process.

python fit_in_child.py CHECKPOINT_FOLDER RESULT.npz
"""

import sys

import numpy as np
import torch

from sknmf_unfold import DRNMFSeparator, SupervisedNMFSeparator


def main(folder, result):
    rng = np.random.RandomState(0)
    X = [rng.gamma(0.5, 1.0, (rng.randint(150, 250), 33)) for _ in range(12)]
    Y = [x * np.linspace(1, 0, 33) for x in X]
    separator = DRNMFSeparator(
        2,
        nmf=SupervisedNMFSeparator(8, sparsity=0.1, max_iter=5),
        sparsity=0.1,
        batch_size=2,
        sequence_length=60,
        max_epochs=40,
        patience=40,
        random_state=0,
        checkpoint_dir=folder,
    )
    print("fitting", flush=True)
    assert torch.get_num_threads() == 1
    separator.fit(X, Y)
    history = {k: v for k, v in separator.history_.items() if not k.endswith("seconds")}
    np.savez(
        result, components=separator.components_, masks=separator.predict_mask(X)[0], **history
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
