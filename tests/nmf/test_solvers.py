import numpy as np
import pytest

from sknmf_unfold import SparseNMF
from sknmf_unfold.nmf import solvers
from sknmf_unfold.nmf.solvers import SOLVER_NAMES, SOLVERS, find_solver, solver_for


@pytest.mark.parametrize(
    ("name", "beta", "settings", "expected"),
    [
        ("auto", 2, {}, ("cd", False)),
        ("auto", 2, {"in_batches": True}, ("cd", False)),
        ("auto", 2, {"on_device": True}, ("mu", True)),
        ("auto", 1, {"in_batches": True}, ("mu", False)),
        ("mu", 2, {}, ("mu", False)),
        ("mu", 2, {"in_batches": True}, ("mu", False)),
        ("mu", 0.5, {"on_device": True}, ("mu", True)),
        ("cd", 2, {"in_batches": True}, ("cd", False)),
        ("cd", 1, {}, None),
        ("cd", 2, {"on_device": True}, None),
        ("auto", 2, {"on_device": True, "in_batches": True}, None),
    ],
)
def test_the_first_row_that_suits(name, beta, settings, expected):
    row = find_solver(name, beta, **settings)
    assert (row and (row.name, row.on_device)) == expected
    if settings.get("in_batches") and row is not None:
        assert row.batches is not None


def test_every_name_has_rows_in_numpy():
    assert SOLVER_NAMES == ("auto", "cd", "mu")
    for name in SOLVER_NAMES:
        assert not solver_for(name, 2).on_device
    # Each row is the first one for some choice.
    for row in SOLVERS:
        beta = 1 if row.beta is None else row.beta
        assert find_solver(row.name, beta, on_device=row.on_device) is row


def test_a_divergence_that_a_solver_does_not_minimise():
    with pytest.raises(ValueError, match=r"`solver`='cd' minimises beta_loss='frobenius' only; go"):
        solver_for("cd", 1.5)


def test_a_solver_without_batches(monkeypatch):
    monkeypatch.setattr(solvers, "SOLVERS", [row._replace(batches=None) for row in SOLVERS])
    X = np.random.RandomState(0).gamma(0.5, 1.0, (30, 6))
    nmf = SparseNMF(2, sparsity=0.1, random_state=0)
    assert len(nmf.fit(X).objective_curve_) == nmf.n_iter_ + 1
    for call in (nmf.set_params(solver="cd", batch_size=10).fit, nmf.partial_fit):
        with pytest.raises(ValueError, match="`solver`='cd' does not learn from batches"):
            call(X)
