import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sknmf_unfold.training.batches import Pairs
from sknmf_unfold.training.loop import Trainer
from sknmf_unfold.training.recipe import Recipe

CPU = torch.device("cpu")


class Share(torch.nn.Module):
    """One mask for all frames and bins, the same whatever it hears."""

    def __init__(self, logit=0.0):
        super().__init__()
        self.logit = torch.nn.Parameter(torch.tensor(logit, dtype=torch.float64))

    def forward(self, magnitude, state=None):
        mask = torch.sigmoid(self.logit).expand(magnitude.shape)
        return torch.stack([mask, 1 - mask], dim=1), state


class Filter(torch.nn.Module):
    """A mask for each bin, and a part that is not trained."""

    def __init__(self, n_freqs=3):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.linspace(-1, 1, n_freqs, dtype=torch.float64))
        self.frozen = torch.nn.Parameter(torch.ones(2, dtype=torch.float64), requires_grad=False)

    def forward(self, magnitude, state=None):
        mask = torch.sigmoid(self.logits * magnitude * self.frozen.sum())
        return torch.stack([mask, 1 - mask], dim=1), state


def recipe(**changes):
    defaults = {
        "learning_rate": 0.1,
        "batch_size": 2,
        "sequence_length": 10,
        "max_epochs": 12,
        "patience": 3,
    }
    return Recipe(**(defaults | changes))


def pairs(lengths=(4, 7, 2, 5, 3), share=None, n_freqs=3, dtype="float64", seed=0):
    """Mixtures, and as targets a `share` of them, or a random share of each entry."""
    rng = np.random.default_rng(seed)
    mixtures = [rng.uniform(0.5, 2, (n, n_freqs)).astype(dtype) for n in lengths]
    shares = [rng.uniform(size=x.shape) if share is None else share for x in mixtures]
    targets = [(x * s).astype(dtype) for x, s in zip(mixtures, shares, strict=True)]
    return Pairs(mixtures, targets)


def run(trainer, train, validation):
    """Train to the end; return the history and the best epoch, whose weights the network has."""
    trainer.begin(train, validation)
    while trainer.unfinished:
        loss = trainer.epoch()
        np.testing.assert_equal(loss, trainer.history["validation_loss"][-1])
    trainer.restore_best()
    return trainer.history, trainer.best.epoch


def fit(network, train, validation, seed=0, **changes):
    trainer = Trainer(network, recipe(**changes), np.random.RandomState(seed))
    return trainer, *run(trainer, train, validation)


def loss_loop(network, data):
    """Mean of (target - mask * mixture) ** 2 over all frames and bins, one recording at a time."""
    errors = []
    with torch.no_grad():
        for mixture, target in zip(data.mixtures, data.targets, strict=True):
            mask = network(torch.from_numpy(mixture)[None])[0][0, 0].numpy()
            errors.append((target - mask * mixture).ravel() ** 2)
    return np.concatenate(errors).mean()


# Pairs


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 12))
def test_segments_are_equal_parts_that_make_up_the_whole(lengths, sequence_length):
    whole = pairs(lengths)
    segments = whole.segments(sequence_length)
    assert len(segments) == len(segments.n_frames) == sum(-(-n // sequence_length) for n in lengths)
    assert segments.n_frames.max() <= sequence_length
    start = 0
    for mixture, target in zip(whole.mixtures, whole.targets, strict=True):
        n_parts = -(-len(mixture) // sequence_length)
        part = slice(start, start + n_parts)
        assert np.ptp(segments.n_frames[part]) <= 1
        np.testing.assert_array_equal(np.concatenate(segments.mixtures[part]), mixture)
        np.testing.assert_array_equal(np.concatenate(segments.targets[part]), target)
        start += n_parts


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_are_padded_with_zeros(dtype):
    data = pairs(dtype=dtype)
    mixture, target, n_frames = data.batch([3, 0, 1], CPU)
    assert mixture.shape == target.shape == (3, 7, 3)
    assert mixture.dtype == target.dtype == getattr(torch, dtype)
    assert n_frames.tolist() == [5, 4, 7]
    for row, source in ((mixture, data.mixtures), (target, data.targets)):
        for i, index in enumerate((3, 0, 1)):
            n = len(source[index])
            np.testing.assert_array_equal(row[i, :n], source[index])
            np.testing.assert_array_equal(row[i, n:], 0)


# Steps


def test_a_step_is_adam_on_the_mean_over_unpadded_entries():
    data = pairs()
    network, expected = Filter(), Filter()
    trainer = Trainer(network, recipe(), np.random.RandomState(0))
    optimizer = torch.optim.Adam([expected.logits], lr=0.1)
    for indices in ([1, 2], [0, 3, 4], [2]):
        before = loss_loop(
            network, Pairs(*([xs[i] for i in indices] for xs in (data.mixtures, data.targets)))
        )
        total, count = trainer.train_step(data.batch(indices, CPU))
        assert type(total) is float
        assert count == 3 * sum(len(data.mixtures[i]) for i in indices)
        assert total / count == pytest.approx(before, rel=1e-13)
        # The same step on all frames of the batch below each other.
        mixture, target = (
            torch.from_numpy(np.concatenate([xs[i] for i in indices]))
            for xs in (data.mixtures, data.targets)
        )
        optimizer.zero_grad()
        masks, _ = expected(mixture[None])
        (target - masks[0, 0] * mixture).square().mean().backward()
        optimizer.step()
        torch.testing.assert_close(network.logits, expected.logits, rtol=1e-12, atol=0)
    assert torch.equal(network.frozen, Filter().frozen)
    assert [p is network.logits for p in trainer.parameters] == [True]


def test_validation_is_identity():
    network, data = Filter(), pairs()
    trainer = Trainer(network, recipe(), np.random.RandomState(0))
    before, expected = network.logits.detach().clone(), loss_loop(network, data)
    # Nor does it record what only a gradient needs.
    recording = []
    for module in (network, trainer.average):
        module.register_forward_hook(lambda *_: recording.append(torch.is_grad_enabled()))
    total, count = trainer.validation_step(data.batch(range(5), CPU))
    assert total / count == pytest.approx(expected, rel=1e-13)
    assert torch.equal(network.logits, before)
    assert network.logits.grad is None
    assert recording == [False]
    trainer.train_step(data.batch(range(5), CPU))
    assert recording == [False, True]


@pytest.mark.parametrize("ema_decay", [0.0, 0.5, 0.95])
def test_weights_are_averaged_over_the_steps(ema_decay):
    data, network = pairs(), Filter()
    trainer = Trainer(network, recipe(ema_decay=ema_decay), np.random.RandomState(0))
    assert torch.equal(trainer.average.logits, network.logits)
    average = None
    for step in range(30):
        trainer.train_step(data.batch([step % 5, (step + 2) % 5], CPU))
        weights = network.logits.detach().numpy().copy()
        kept = min(ema_decay, (1 + step) / (10 + step)) if step else 0.0
        average = weights if not kept else kept * average + (1 - kept) * weights
        actual = trainer.average.logits.detach().numpy()
        np.testing.assert_allclose(actual, average, rtol=1e-12)
    assert (np.abs(average - weights).max() > 0.01) == (ema_decay > 0)
    total, count = trainer.validation_step(data.batch(range(5), CPU))
    assert total / count == pytest.approx(loss_loop(trainer.average, data), rel=1e-13)


def test_the_average_is_what_is_kept():
    train, validation = pairs(), pairs((6, 1, 11), seed=1)
    network = Filter()
    trainer, history, best_epoch = fit(network, train, validation, ema_decay=0.9, max_epochs=3)
    assert best_epoch == 3
    assert torch.equal(network.logits, trainer.average.logits)
    assert loss_loop(network, validation) == pytest.approx(history["validation_loss"][-1])


def test_long_gradients_are_shortened_and_short_ones_left():
    data = pairs()
    gradients = {}
    for norm in (None, 1e-3, 1e3):
        network = Filter()
        trainer = Trainer(network, recipe(max_gradient_norm=norm), np.random.RandomState(0))
        trainer.train_step(data.batch(range(5), CPU))
        gradients[norm] = network.logits.grad
    length = float(gradients[None].norm())
    assert length > 0.01
    torch.testing.assert_close(gradients[1e3], gradients[None], rtol=1e-14, atol=0)
    assert float(gradients[1e-3].norm()) == pytest.approx(1e-3, rel=1e-4)
    torch.testing.assert_close(
        gradients[1e-3] * (length / 1e-3), gradients[None], rtol=1e-4, atol=0
    )


def test_an_epoch_sees_every_segment_once_in_a_new_order():
    seen = []
    train = pairs((9, 4, 6))
    trainer = Trainer(Share(), recipe(sequence_length=3, batch_size=2), np.random.RandomState(0))
    trainer.train_step = lambda batch: seen.append(batch) or (0.0, 1)
    run(trainer, train, train)
    segments = train.segments(3)
    per_epoch = math.ceil(len(segments) / 2)
    assert len(segments) == 7 and len(seen) == per_epoch * 3
    orders = []
    for epoch in range(3):
        batches = seen[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert sorted(len(mixture) for mixture, _, _ in batches) == [1, 2, 2, 2]
        heads = [float(row[0, 0]) for mixture, _, _ in batches for row in mixture]
        assert sorted(heads) == sorted(float(x[0, 0]) for x in segments.mixtures)
        orders.append(heads)
    assert orders[0] != orders[1] != orders[2] != orders[0]


# Epochs


def test_history_tells_what_happened():
    train, validation = pairs(), pairs((6, 1, 11), seed=1)
    network = Filter()
    before = loss_loop(network, train), loss_loop(network, validation)
    # One batch of whole sequences: the training loss is that of the weights before each step.
    trainer = Trainer(network, recipe(batch_size=5), np.random.RandomState(0))
    history, best_epoch = run(trainer, train, validation)
    assert list(history) == [
        "epoch",
        "train_loss",
        "validation_loss",
        "learning_rate",
        "seconds",
        "data_wait_seconds",
    ]
    assert history["epoch"] == list(range(13))
    assert {len(values) for values in history.values()} == {13}
    assert math.isnan(history["train_loss"][0])
    assert history["train_loss"][1] == pytest.approx(before[0], rel=1e-12)
    assert history["validation_loss"][0] == pytest.approx(before[1], rel=1e-12)
    assert history["learning_rate"] == [0.1] * 13
    assert history["seconds"][0] == 0
    assert (np.diff(history["seconds"]) > 0).all()
    assert history["data_wait_seconds"][0] == 0
    assert (np.diff(history["data_wait_seconds"]) > 0).all()
    assert (np.array(history["data_wait_seconds"]) <= history["seconds"]).all()
    assert {type(v) for name in ("train_loss", "validation_loss") for v in history[name]} == {float}
    assert best_epoch == int(np.argmin(history["validation_loss"])) > 0
    assert loss_loop(network, validation) == pytest.approx(
        min(history["validation_loss"]), rel=1e-12
    )
    assert trainer.n_epochs == 12


def test_the_recorded_loss_does_not_depend_on_how_recordings_are_batched():
    train, validation = pairs(), pairs((6, 1, 11, 2, 2, 9), seed=1)
    losses = []
    for batch_size, sequence_length in ((1, 1), (2, 10), (50, 50)):
        changes = {"batch_size": batch_size, "sequence_length": sequence_length, "max_epochs": 0}
        _, history, best_epoch = fit(Filter(), train, validation, **changes)
        assert best_epoch == 0
        losses.append(history["validation_loss"])
    expected = loss_loop(Filter(), validation)
    np.testing.assert_allclose(losses, [[expected]] * 3, rtol=1e-13)


def test_keeps_the_start_where_training_makes_it_worse():
    network = Share(0.25)
    # Learns to let all through, and is watched on whether it lets nothing through.
    _, history, best_epoch = fit(network, pairs(share=1.0), pairs(share=0.0), patience=4)
    assert best_epoch == 0
    assert float(network.logit.detach()) == 0.25
    assert (np.diff(history["validation_loss"]) > 0).all()
    assert (np.diff(history["train_loss"][1:]) < 0).all()
    assert history["epoch"] == [0, 1, 2, 3, 4]


def test_stops_after_patience_and_goes_back_to_the_best_weights():
    network = Share(-3.0)
    train, validation = pairs(share=1.0), pairs(share=0.5)
    # On its way from 0 to 1 the mask passes 1/2, which is best for the validation part.
    changes = {"learning_rate": 0.2, "max_epochs": 200, "patience": 5}
    _, history, best_epoch = fit(network, train, validation, **changes)
    losses = history["validation_loss"]
    assert 3 < best_epoch == int(np.argmin(losses)) < 195
    assert len(losses) == best_epoch + 5 + 1
    assert losses[best_epoch] < 0.1 * losses[0]
    assert losses[-1] > 2 * losses[best_epoch]
    assert loss_loop(network, validation) == pytest.approx(losses[best_epoch], rel=1e-13)
    mask = float(torch.sigmoid(network.logit.detach()))
    assert abs(mask - 0.5) < 0.1


def test_an_equal_loss_is_no_better_one():
    # A mask of exactly 1 has no gradient left: nothing changes from epoch to epoch.
    _, history, best_epoch = fit(Share(800.0), pairs(share=1.0), pairs(share=1.0), patience=2)
    assert history["validation_loss"] == [0.0, 0.0, 0.0]
    assert best_epoch == 0


def test_learning_rate_is_halved_after_epochs_without_a_better_loss():
    train, validation = pairs(share=1.0), pairs(share=0.0)
    changes = {"patience": 7, "learning_rate": 0.08}
    _, history, _ = fit(Share(), train, validation, learning_rate_patience=2, **changes)
    # Epoch 0 is before training; epochs 1 and 2 were no better, so epoch 3 goes at half the rate.
    assert history["learning_rate"] == [0.08, 0.08, 0.08, 0.04, 0.04, 0.02, 0.02, 0.01]
    _, history, _ = fit(Share(), train, validation, learning_rate_patience=None, **changes)
    assert history["learning_rate"] == [0.08] * 8
    # A better epoch begins the count again.
    _, history, best_epoch = fit(
        Share(-3.0), train, pairs(share=0.5), learning_rate_patience=2, max_epochs=200, **changes
    )
    first_half = history["learning_rate"].index(0.04)
    assert first_half == best_epoch + 3


def test_steps_are_as_long_as_the_learning_rate_in_the_history():
    network, changes = Share(), {"batch_size": 5, "learning_rate_patience": 1, "max_epochs": 4}
    trainer = Trainer(network, recipe(patience=5, **changes), np.random.RandomState(0))
    step, logits = trainer.train_step, [0.0]
    trainer.train_step = lambda batch: (step(batch), logits.append(float(network.logit.detach())))[
        0
    ]
    history, _ = run(trainer, pairs(share=1.0), pairs(share=0.0))
    assert history["learning_rate"] == [0.1, 0.1, 0.05, 0.025, 0.0125]
    # Adam's steps are as long as its rate while the gradient stays about the same.
    np.testing.assert_allclose(np.diff(logits), history["learning_rate"][1:], rtol=0.02)


@pytest.mark.parametrize("batch", ["first", "later"])
def test_stops_where_the_loss_is_not_finite_and_keeps_the_last_good_weights(batch):
    train = pairs()
    network = Filter()
    trainer = Trainer(network, recipe(max_epochs=50, patience=50), np.random.RandomState(0))
    step, calls = trainer.train_step, []
    good = []

    def breaks(data):
        calls.append(data)
        result = step(data)
        if len(calls) >= (1 if batch == "first" else 7):
            with torch.no_grad():
                network.logits.fill_(math.nan)
        elif len(calls) % 3 == 0:
            good.append(network.logits.detach().clone())
        return result

    trainer.train_step = breaks
    start = network.logits.detach().clone()
    history, best_epoch = run(trainer, train, train)
    n_epochs = 1 if batch == "first" else 3
    assert len(history["epoch"]) == n_epochs + 1
    assert math.isnan(history["validation_loss"][-1])
    assert best_epoch == n_epochs - 1
    assert torch.equal(network.logits, start if batch == "first" else good[best_epoch - 1])


# Going on


@pytest.mark.parametrize("n_before", [0, 1, 5, 11, 12])
def test_going_on_from_a_state_ends_bit_identical(n_before):
    train, validation = pairs((9, 4, 6, 12, 3)), pairs((6, 1), seed=1)
    changes = {"ema_decay": 0.9, "learning_rate_patience": 1, "learning_rate": 1.0, "patience": 9}
    whole = Trainer(Filter(), recipe(**changes), np.random.RandomState(3))
    history, best_epoch = run(whole, train, validation)
    assert len(set(history["learning_rate"])) > 1
    first = Trainer(Filter(), recipe(**changes), np.random.RandomState(3))
    first.begin(train, validation)
    for _ in range(min(n_before, whole.n_epochs)):
        first.epoch()
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = Trainer(Filter(), recipe(**changes), np.random.RandomState(99))
    second.load_state_dict(torch.load(file, weights_only=True))
    again, again_best = run(second, train, validation)
    assert again_best == best_epoch
    for name in set(history) - {"seconds", "data_wait_seconds"}:
        np.testing.assert_array_equal(again[name], history[name])
    assert (np.diff(again["seconds"]) > 0).all()
    assert torch.equal(second.network.logits, whole.network.logits)
    assert torch.equal(second.average.logits, whole.average.logits)


def test_without_validation_the_latest_finite_weights_are_the_best():
    train = pairs()
    trainer = Trainer(Filter(), recipe(ema_decay=0.5), np.random.RandomState(0))
    trainer.begin(train, None)
    for epoch in range(1, 4):
        assert math.isnan(trainer.epoch())
        assert trainer.best.epoch == epoch
        assert torch.equal(trainer.best.weights["logits"], trainer.average.logits)
    kept = trainer.average.logits.detach().clone()
    with torch.no_grad():
        trainer.network.logits.fill_(math.inf)
    trainer.epoch()
    trainer.restore_best()
    assert trainer.best.epoch == 3
    assert torch.equal(trainer.network.logits, kept)
    assert trainer.history["epoch"] == [0, 1, 2, 3, 4]


# Repeatable, and alone


def test_same_seed_is_bit_identical_and_another_seed_is_not():
    train, validation = pairs((9, 4, 6, 12, 3)), pairs((6, 1), seed=1)
    networks = [Filter() for _ in range(3)]
    histories = [
        fit(network, train, validation, seed)[1]
        for network, seed in zip(networks, (0, 0, 1), strict=True)
    ]
    assert torch.equal(networks[0].logits, networks[1].logits)
    for name in ("epoch", "train_loss", "validation_loss", "learning_rate"):
        np.testing.assert_array_equal(histories[0][name], histories[1][name])
    assert not torch.equal(networks[0].logits, networks[2].logits)


def test_the_global_state_of_torch_and_numpy_is_untouched():
    def state():
        return {
            "torch": torch.get_rng_state().tolist(),
            "numpy": [np.asarray(x).tolist() for x in np.random.get_state()],  # noqa: NPY002
            "dtype": torch.get_default_dtype(),
            "gradients": torch.is_grad_enabled(),
            "threads": torch.get_num_threads(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "error state": np.geterr(),
        }

    before = state()
    fit(Filter(), pairs(), pairs(), max_gradient_norm=1.0, learning_rate_patience=1)
    assert state() == before


@pytest.mark.parametrize("level", [1e-8, 1.0, 1e4])
def test_data_are_left_alone(level):
    train = Pairs(*([level * x for x in xs] for xs in (pairs().mixtures, pairs().targets)))
    arrays = train.mixtures + train.targets
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    fit(Filter(), train, train, sequence_length=3)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_one_sequence_of_one_frame():
    train = pairs((1,), share=0.9)
    _, history, best_epoch = fit(Share(), train, train, sequence_length=1, max_epochs=3)
    assert best_epoch == 3
    assert (np.diff(history["validation_loss"]) < 0).all()


def test_epochs_of_their_own_data():
    seen = []

    def draw(epoch):
        seen.append(epoch)
        return [pairs(seed=epoch)]

    trainer, history, _ = fit(Filter(), draw, pairs(seed=9), max_epochs=3, patience=3)
    assert seen == [1, 2, 3]
    expected = Trainer(Filter(), recipe(), np.random.RandomState(0))
    expected.begin(pairs(seed=1), pairs(seed=9))
    expected.epoch()
    assert history["train_loss"][1] == expected.history["train_loss"][1]
    expected._train = pairs(seed=2)
    expected.epoch()
    assert history["train_loss"][2] == expected.history["train_loss"][2]
    assert trainer.n_epochs == 3


def test_an_epoch_in_parts_is_all_of_them():
    parts, seen = [pairs((4, 7)), pairs((2, 5, 3), seed=1)], []

    def draw(epoch):
        for part in parts:
            seen.append(len(seen))
            yield part

    # Nothing is learned, so the loss of training is that of the start.
    trainer = Trainer(Filter(), recipe(learning_rate=1e-300), np.random.RandomState(0))
    step = trainer.train_step
    trainer.train_step = lambda batch: seen.append(batch) or step(batch)
    trainer.begin(draw, parts[0])
    trainer.epoch()
    # One step for the first part, and two for the second, which is drawn before them.
    assert [type(x) for x in seen] == [int, int, tuple, tuple, tuple]
    both = Pairs(*(getattr(parts[0], x) + getattr(parts[1], x) for x in ("mixtures", "targets")))
    assert trainer.history["train_loss"][1] == pytest.approx(loss_loop(Filter(), both), rel=1e-12)


def test_another_loss():
    def loss(network, batch):
        return network.logit.square(), 1

    trainer = Trainer(Share(2.0), recipe(), np.random.RandomState(0), loss)
    trainer.begin(pairs(), pairs())
    assert trainer.history["validation_loss"] == [4.0]
    trainer.epoch()
    assert float(trainer.network.logit.detach()) < 1.9
