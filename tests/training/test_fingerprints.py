"""Descriptions of what a fit depends on."""

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

from sknmf_unfold import SparseNMF
from sknmf_unfold.training.fingerprints import describe


def test_descriptions_tell_values_apart_and_are_the_same_for_the_same():
    def values():
        fitted = SparseNMF(3, sparsity=0.1, random_state=0).fit(np.eye(4))
        return [3, "auto", None, 0.5, np.arange(3.0), np.random.RandomState(0), fitted]

    descriptions = [describe(value) for value in values()]
    assert descriptions == [describe(value) for value in values()]
    others = [4, "3", np.arange(4.0), np.arange(3), np.random.RandomState(1), SparseNMF(3)]
    descriptions += [describe(value) for value in others]
    assert len(set(descriptions)) == len(descriptions) == 13


def test_a_memory_map_counts_as_its_array(tmp_path):
    array = np.arange(30.0).reshape(5, 6)
    np.save(tmp_path / "a.npy", array)
    assert describe(np.load(tmp_path / "a.npy", mmap_mode="r")) == describe(array)


class Levels:
    """A distribution from elsewhere, with a set, whose order is another in every process."""

    def __init__(self, names):
        self.names = set(names)

    def rvs(self, size, random_state):
        return random_state.uniform(size=size)


# One line of a program: what each process makes anew.
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
from sknmf_unfold.training.fingerprints import describe
print([describe(value) for value in {VALUES}])
"""


def described_elsewhere(seed):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
        "PYTHONHASHSEED": seed,
    }
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_every_process_describes_the_same():
    described = [described_elsewhere(seed).stdout for seed in ("1", "2", "3")]
    assert described[0] == described[1] == described[2]
    values = eval(described[0])
    # Only the two ways to the same distribution are alike.
    assert values[0] == values[1] and len(set(values)) == len(values) - 1 == 13


def test_a_distribution_counts_by_its_own_parameters():
    one = scipy.stats.uniform(0.8, 0.4)
    one.dist.random_state = 5
    assert describe(one) == describe(scipy.stats.uniform(0.8, 0.4))
    others = [scipy.stats.uniform(0.8, 0.5), scipy.stats.norm(0.8, 0.4), Levels("ab"), Levels("c")]
    assert len({describe(value) for value in [one, *others]}) == 5


def test_content_counts_and_not_which_object_it_is_in():
    array = np.arange(3.0)
    assert describe([array, array]) == describe([array, array.copy()])
    assert describe(np.ones((3, 4))[:, ::2]) == describe(np.ones((3, 2)))
    assert describe(np.float64(0.5)) == describe(0.5) == "0.5"
    assert describe((1, 2)) != describe([1, 2]) != describe(np.array([1, 2]))
    assert describe({1: 2}) != describe({2: 1})
    assert describe(functools.partial(np.add, 1)) != describe(functools.partial(np.add, 2))
    adders = [lambda x, n=n: x + n for n in (1, 1, 2)]
    assert describe(adders[0]) == describe(adders[1]) != describe(adders[2])
    around: list = []
    around.append(around)
    assert describe(around) == describe(copy.deepcopy(around))


def test_objects_of_one_process_are_refused():
    for foreign in (threading.Lock(), (i for i in range(3))):
        with pytest.raises(TypeError, match="a list that other processes cannot recognise: cannot"):
            describe([1, foreign])
