"""Fingerprints of parameters and data."""

import copy
import functools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from sknmf_unfold import SparseNMF
from sknmf_unfold.training.fingerprints import HASHED, fingerprint


def test_fingerprints_tell_values_apart_and_are_the_same_for_the_same():
    def values():
        fitted = SparseNMF(3, sparsity=0.1, random_state=0).fit(np.eye(4))
        return [3, "auto", None, 0.5, np.arange(3.0), np.random.RandomState(0), fitted]

    fingerprints = [fingerprint(value) for value in values()]
    assert fingerprints == [fingerprint(value) for value in values()]
    others = [4, "3", np.arange(4.0), np.arange(3), np.random.RandomState(1), SparseNMF(3)]
    fingerprints += [fingerprint(value) for value in others]
    assert len(set(fingerprints)) == len(fingerprints) == 13


def test_a_memory_map_counts_as_its_array(tmp_path):
    array = np.arange(30.0).reshape(5, 6)
    np.save(tmp_path / "a.npy", array)
    assert fingerprint(np.load(tmp_path / "a.npy", mmap_mode="r")) == fingerprint(array)


class Levels:
    """A distribution from elsewhere, with a set, whose order differs between processes."""

    def __init__(self, names):
        self.names = set(names)

    def rvs(self, size, random_state):
        return random_state.uniform(size=size)


# One line of a program: each process makes them for itself.
VALUES = """[
    stats.uniform(0.8, 0.4), copy.deepcopy(stats.uniform(0.8, 0.4)), stats.norm(1, scale=0.1),
    stats.rv_discrete(values=([1, 2], [0.5, 0.5])), stats.multivariate_normal([0, 1]),
    stats.rv_histogram(np.histogram(np.arange(10.0), 3)), {"a", "b", "c"}, {"b": 1, "a": {2, 3}},
    np.random.RandomState(0), np.random.default_rng(0), np.random, lambda x: x + 1,
    functools.partial(np.add, 1), SparseNMF(3, random_state=0).fit(np.eye(4)),
]"""
PROGRAM = f"""
import copy, functools
import numpy as np
from scipy import stats
from sknmf_unfold import SparseNMF
from sknmf_unfold.training.fingerprints import fingerprint
print([fingerprint(value) for value in {VALUES}])
"""


def described_elsewhere(seed):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
        "PYTHONHASHSEED": seed,
    }
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_every_process_describes_the_same():
    described = [described_elsewhere(seed).stdout for seed in ("1", "2")]
    assert described[0] == described[1]
    values = eval(described[0])
    # Only the two ways to the same distribution are alike.
    assert values[0] == values[1] and len(set(values)) == len(values) - 1 == 13


def test_a_distribution_counts_by_its_own_parameters():
    one = scipy.stats.uniform(0.8, 0.4)
    one.dist.random_state = 5
    assert fingerprint(one) == fingerprint(scipy.stats.uniform(0.8, 0.4))
    others = [scipy.stats.uniform(0.8, 0.5), scipy.stats.norm(0.8, 0.4), Levels("ab"), Levels("c")]
    assert len({fingerprint(value) for value in [one, *others]}) == 5


def test_content_counts_and_not_which_object_it_is_in():
    array = np.arange(3.0)
    assert fingerprint([array, array]) == fingerprint([array, array.copy()])
    assert fingerprint(np.ones((3, 4))[:, ::2]) == fingerprint(np.ones((3, 2)))
    assert fingerprint(np.float64(0.5)) == fingerprint(0.5) == "0.5"
    assert fingerprint((1, 2)) != fingerprint([1, 2]) != fingerprint(np.array([1, 2]))
    assert fingerprint({1: 2}) != fingerprint({2: 1})
    assert fingerprint(functools.partial(np.add, 1)) != fingerprint(functools.partial(np.add, 2))
    adders = [lambda x, n=n: x + n for n in (1, 1, 2)]
    assert fingerprint(adders[0]) == fingerprint(adders[1]) != fingerprint(adders[2])
    around: list = []
    around.append(around)
    assert fingerprint(around) == fingerprint(copy.deepcopy(around))


def test_objects_of_one_process_are_refused():
    for foreign in (threading.Lock(), (i for i in range(3))):
        with pytest.raises(TypeError, match="a list that other processes cannot recognise: cannot"):
            fingerprint([1, foreign])


def loss(mask, mixture, target, power=2):
    return (mask * mixture - target).abs().pow(power).mean(dim=(1, 2))


class Loss:
    """A loss with a parameter."""

    def __init__(self, power):
        self.power = power

    def __call__(self, mask, mixture, target):
        return loss(mask, mixture, target, self.power)


def code(text):
    """A function from its text, as if it were written in a module of its own."""
    names = {"__name__": "losses"}
    exec(text, names)
    return names["loss"]


def test_functions_count_by_name_and_code():
    text = "def loss(mask, mixture, target):\n    return {}"
    one = code(text.format("mask + 1"))
    assert fingerprint(one) == fingerprint(code("# A comment.\n\n" + text.format("mask + 1")))
    others = ["mask + 2", "mask - 1", "mixture + 1", "mask.abs()", "(lambda: mask + 1)()"]
    others += ["(lambda: mask + 2)()", "(lambda: (lambda: mask + 3)())()"]
    prints = [fingerprint(code(text.format(each))) for each in others]
    marked = code(text.format("mask + 1"))
    marked.input = "complex"
    renamed = code(text.format("mask + 1"))
    renamed.__module__ = "other"
    prints += [fingerprint(each) for each in (one, marked, renamed, loss)]
    assert len(set(prints)) == len(prints)


def test_callable_objects_count_by_state_and_code():
    assert fingerprint(Loss(2)) == fingerprint(Loss(2)) != fingerprint(Loss(1))
    before, call = fingerprint(Loss(2)), Loss.__call__
    try:
        Loss.__call__ = lambda self, *x: loss(*x, 2 * self.power)
        assert fingerprint(Loss(2)) != before
    finally:
        Loss.__call__ = call
    layers = [torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)]
    assert len({fingerprint(each) for each in layers}) == 2
    layers[1].load_state_dict(layers[0].state_dict())
    assert fingerprint(layers[0]) == fingerprint(layers[1])


def test_a_closure_over_a_variable_without_value_is_refused():
    def closed():
        return later

    with pytest.raises(TypeError, match="a function that other processes cannot recognise: Cell"):
        fingerprint(closed)
    later = 1
    assert fingerprint(closed) != HASHED
