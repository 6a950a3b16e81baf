import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sknmf_unfold.training.batches import LazyFrames, Pairs


def pairs(lengths, n_freqs=3):
    rng = np.random.default_rng(0)
    mixtures = [rng.random((n, n_freqs), np.float32) for n in lengths]
    return Pairs(mixtures, [0.5 * x for x in mixtures])


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    batch_size=st.integers(1, 10),
    seed=st.integers(0, 3),
)
def test_batches_have_every_sequence_once_and_the_least_padding(lengths, batch_size, seed):
    data = pairs(lengths)
    batches = data.batches(batch_size, np.random.RandomState(seed))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert sorted(map(len, batches))[1:] == [batch_size] * (len(batches) - 1)
    assert len(batches) == -(-len(lengths) // batch_size)
    # No sequence is longer than one of a batch of longer ones.
    ranges = sorted((min(lengths[i] for i in b), max(lengths[i] for i in b)) for b in batches)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))


def test_batches_and_their_order_are_drawn():
    data = pairs([5] * 40)
    rng = np.random.RandomState(0)
    first, second = (data.batches(4, rng) for _ in range(2))
    assert not np.array_equal(first, second)
    again = data.batches(4, np.random.RandomState(0))
    np.testing.assert_array_equal(first, again)
    starts = [np.mean([len(pairs(range(1, 41)).mixtures[i]) for i in b]) for b in first]
    assert starts != sorted(starts)


@pytest.mark.parametrize("lengths", [(4, 2, 7), (3,), (2, 2)])
def test_a_batch_is_padded_and_lies_frames_first(lengths):
    data = pairs(lengths)
    mixture, target, n_frames = data.batch(range(len(lengths)), torch.device("cpu"))
    assert mixture.shape == target.shape == (len(lengths), max(lengths), 3)
    assert n_frames.tolist() == list(lengths)
    assert mixture.transpose(0, 1).is_contiguous() and target.transpose(0, 1).is_contiguous()
    for i, n in enumerate(lengths):
        np.testing.assert_array_equal(mixture[i, :n], data.mixtures[i])
        np.testing.assert_array_equal(target[i, :n], data.targets[i])
        assert not mixture[i, n:].any() and not target[i, n:].any()


@given(n_frames=st.integers(1, 200), longest=st.integers(1, 60))
def test_segments_are_equal_parts(n_frames, longest):
    frames = np.arange(n_frames, dtype=np.float32)[:, np.newaxis]
    lazy = LazyFrames(lambda start, stop: frames[start:stop], frames.shape, frames.dtype)
    cut = Pairs([frames, lazy], [lazy, frames]).segments(longest)
    expected = np.array_split(frames, -(-n_frames // longest)) * 2
    for part in (cut.mixtures, cut.targets):
        assert len(part) == len(expected)
        for one, other in zip(part, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            assert len(one) == len(other) <= longest
