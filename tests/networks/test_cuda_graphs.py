import threading
import warnings

import pytest
import torch

from sknmf_unfold.networks import cuda_graphs, recurrence_loops
from sknmf_unfold.networks.recurrence import ResidualRecurrence, unfolded_recurrence
from sknmf_unfold.separators import DRNMFSeparator

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def recordings(monkeypatch):
    """Stands in for a GPU: a recording calls the loop again on its own arrays, as a graph does."""
    made = []

    def record(loop, rooms):
        kept = [None if x is None else x.clone() for x in rooms]
        loop(*rooms)
        # Recording does no work.
        for room, x in zip(rooms, kept, strict=True):
            if x is not None:
                room.copy_(x)
        made.append(tuple(x.shape for x in rooms if x is not None))
        return lambda: loop(*rooms)

    monkeypatch.setattr(cuda_graphs, "are_wanted", lambda tensor: True)
    monkeypatch.setattr(cuda_graphs, "record", record)
    for name in ("gram_forward", "gram_backward", "residual_forward", "residual_backward"):
        loop = getattr(recurrence_loops, name)
        monkeypatch.setattr(recurrence_loops, name, cuda_graphs.Replayed(loop.loop, loop.writes))
    return made


def arguments(n_frames, n_components, device="cpu", seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*size):
        return torch.rand(size, generator=generator, dtype=torch.float64)

    tensors = [
        draw(4, n_frames, 5),
        draw(2, n_components, 5) / n_components**0.5,
        0.5 + 0.3 * draw(2),
        -0.1 * draw(2, n_components),
        0.7 + 0.3 * draw(n_components),
        draw(4, n_components),
    ]
    return [x.to(device).requires_grad_() for x in tensors]


def results(tensors, form):
    x, components, step_sizes, biases, dynamics, initial = tensors
    if form == "residual":
        output = ResidualRecurrence.apply(*tensors)
    else:
        matrix = torch.diag(dynamics) if form == "matrix" else dynamics
        output = unfolded_recurrence(components, step_sizes, biases, matrix)(x, initial)
    weights = torch.linspace(-1, 1, output.numel()).to(output).view_as(output)
    return [output.detach(), *torch.autograd.grad((weights * output).sum(), tensors)]


@pytest.mark.parametrize("form", ["gram", "matrix", "residual"])
@pytest.mark.parametrize("n_frames", [1, 8, 23, 64])
def test_a_replayed_recurrence_has_the_same_output_and_gradients(
    n_frames, form, recordings, monkeypatch
):
    monkeypatch.setattr(recurrence_loops, "GEMM_ROWS", 40)
    n_components = 7 if form == "residual" else 3
    with pytest.MonkeyPatch.context() as plain:
        plain.setattr(cuda_graphs, "are_wanted", lambda tensor: False)
        expected = [results(arguments(n_frames, n_components, seed=i), form) for i in range(3)]
    assert not recordings
    # The first call records, the others replay, with weights that have changed.
    for i in range(3):
        actual = results(arguments(n_frames, n_components, seed=i), form)
        for one, other in zip(actual, expected[i], strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
        if i == 0:
            first = len(recordings)
    # Of parts of 8, 4, 2 and 1 frames, forward and backward, once.
    lengths = {1: 1, 8: 1, 23: 4, 64: 1}
    assert len(recordings) == first == 2 * lengths[n_frames]


def test_parts_cover_all_frames_once_in_few_lengths(recordings, monkeypatch):
    monkeypatch.setattr(recurrence_loops, "GEMM_ROWS", 2048)
    seen = set()
    for n_frames in range(1, 300):
        parts = recurrence_loops.chunks(torch.empty(32, n_frames, 1))
        covered = [t for part in parts for t in range(part.start, part.stop)]
        assert covered == list(range(n_frames))
        lengths = [part.stop - part.start for part in parts]
        assert lengths == sorted(lengths, reverse=True)
        seen.update(lengths)
    assert seen == {1, 2, 4, 8, 16, 32, 64}


def test_what_a_loop_only_reads_is_not_written(recordings):
    loop = cuda_graphs.Replayed(lambda target, source: target.add_(source), writes=1)
    # Of which several entries share memory, which must not be written to.
    source = torch.ones(1).expand(3)
    for i in range(1, 4):
        target = torch.zeros(3)
        loop(target, source * i)
        assert target.tolist() == [i] * 3
    loop(target, source)
    assert target.tolist() == [4] * 3


def test_a_loop_that_cannot_be_recorded_runs_all_the_same(recordings, monkeypatch):
    def record(loop, rooms):
        raise RuntimeError("operation not permitted when capturing\nmore")

    monkeypatch.setattr(cuda_graphs, "record", record)
    loop, target = cuda_graphs.Replayed(lambda x: x.add_(1), writes=1), torch.zeros(3)
    with pytest.warns(RuntimeWarning, match=r"\(operation not permitted when capturing\)"):
        loop(target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop(target)
    assert target.tolist() == [2, 2, 2]


def test_a_recording_that_does_something_else_is_not_used(recordings, monkeypatch):
    monkeypatch.setattr(cuda_graphs, "record", lambda loop, rooms: lambda: rooms[0].fill_(7))
    loop, target = cuda_graphs.Replayed(lambda x: x.add_(1), writes=1), torch.zeros(3)
    with pytest.warns(RuntimeWarning, match="computes something else"):
        loop(target)
    loop(target)
    assert target.tolist() == [2, 2, 2]


def test_a_full_gpu_is_not_taken_for_a_loop_that_cannot_be_recorded(recordings, monkeypatch):
    def record(loop, rooms):
        raise torch.cuda.OutOfMemoryError("full")

    monkeypatch.setattr(cuda_graphs, "record", record)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        cuda_graphs.Replayed(lambda x: x.add_(1), writes=1)(torch.zeros(3))


def test_not_a_number_is_no_reason_to_stop_recording(recordings):
    loop, target = (
        cuda_graphs.Replayed(lambda x: x.add_(1), writes=1),
        torch.tensor([1.0, torch.nan]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop(target)
    loop(target)
    assert target[0] == 3 and target[1].isnan() and len(recordings) == 1


def test_few_recordings_are_kept_the_latest_ones(recordings):
    loop = cuda_graphs.Replayed(lambda x: x.add_(1), writes=1)
    for size in [*range(1, cuda_graphs.MAX_GRAPHS + 2), 2, 1]:
        loop(torch.zeros(size))
    # The first one had gone and came again, the second one was still there.
    assert len(recordings) == cuda_graphs.MAX_GRAPHS + 2
    assert recordings[-1] == ((1,),)


def test_threads_do_not_share_the_arrays_of_a_recording(recordings):
    loop = cuda_graphs.Replayed(lambda x: [x.add_(1) for _ in range(50)], writes=1)
    targets = [torch.full((1000,), float(i)) for i in range(8)]
    threads = [threading.Thread(target=loop, args=(x,)) for x in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [x.unique().tolist() for x in targets] == [[i + 50.0] for i in range(8)]


def test_on_a_cpu_nothing_is_recorded():
    assert not cuda_graphs.are_wanted(torch.zeros(1))


@needs_gpu
@pytest.mark.parametrize("form", ["gram", "matrix", "residual"])
def test_a_gpu_replays_what_the_cpu_computes(form, monkeypatch):
    monkeypatch.setattr(recurrence_loops, "GEMM_ROWS", 40)
    n_components = 7 if form == "residual" else 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(3):
            expected = results(arguments(23, n_components, seed=i), form)
            actual = results(arguments(23, n_components, "cuda", seed=i), form)
            for one, other in zip(actual, expected, strict=True):
                torch.testing.assert_close(one.cpu(), other, rtol=0, atol=1e-10)
    loop = (
        recurrence_loops.residual_forward if form == "residual" else recurrence_loops.gram_forward
    )
    assert loop._recordings


@needs_gpu
def test_a_gpu_can_be_told_to_record_nothing(monkeypatch):
    assert cuda_graphs.are_wanted(torch.zeros(1, device="cuda"))
    monkeypatch.setenv(cuda_graphs.SWITCH, "0")
    assert not cuda_graphs.are_wanted(torch.zeros(1, device="cuda"))


@needs_gpu
def test_a_gpu_trains_what_the_cpu_trains(magnitudes):
    X, Y = magnitudes
    fitted = [
        DRNMFSeparator(
            2,
            8,
            loss="signal_approximation",
            remix=False,
            max_epochs=2,
            random_state=0,
            device=device,
        ).fit(X, Y)
        for device in ("cpu", "cuda")
    ]
    losses = [separator.history_["train_loss"][1:] for separator in fitted]
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=1e-2, atol=1e-2)
