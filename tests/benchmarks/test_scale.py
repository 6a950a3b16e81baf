"""Model of an epoch on a cluster, and each table of the command on tiny sizes."""

import numpy as np
import pytest

from benchmarks import scale, scale_model, scale_parts

PARTS = scale_parts.Parts(
    decode_wav=0.5,
    decode_flac=1.0,
    decode_resampled=3.0,
    mix=2.0,
    stft=1.0,
    step=20.0,
    header=1e-4,
    gradient_bytes=1_000_000,
    exchange=1e-3,
    latency=1e-4,
    item_bytes=300,
)


def cluster(n_ranks, n_data_threads=1, step=None, latency=1e-4, bandwidth=1e9):
    return scale_model.Cluster("", n_ranks, n_data_threads, step, latency, bandwidth)


def ring_seconds(n, n_bytes, latency, bandwidth):
    """Sum gradients around a ring message by message: every process sends one part at a time."""
    totals = np.arange(n)[:, None] + np.zeros((n, n))
    seconds = 0.0
    for add in (True, False):
        for turn in range(n - 1):
            sent = [(i, (i - turn + (not add)) % n) for i in range(n)]
            values = {(i, part): totals[i, part] for i, part in sent}
            for i, part in sent:
                there = (i + 1) % n
                totals[there, part] = values[i, part] + (totals[there, part] if add else 0)
            seconds += latency + n_bytes / n / bandwidth
    assert (totals == sum(range(n))).all()
    return seconds


@pytest.mark.parametrize("n_ranks", [1, 2, 5])
def test_exchange_is_that_of_a_ring(n_ranks):
    epoch = scale_model.predict(PARTS, cluster(n_ranks))
    one = ring_seconds(n_ranks, PARTS.gradient_bytes, 1e-4, 1e9)
    assert epoch.exchange == pytest.approx(epoch.n_steps * one)


def test_one_process_takes_the_sum_of_its_steps():
    epoch = scale_model.predict(PARTS, cluster(1), hours=3)
    assert epoch.seconds == pytest.approx(60) and epoch.exchange == 0


def test_a_step_has_64_seconds_of_audio():
    assert scale_parts.BATCH_SECONDS == 64
    assert scale_model.predict(PARTS, cluster(2), hours=2).n_steps == pytest.approx(3600 / 64)


def test_slow_data_decide_where_steps_are_fast():
    # Decoding of two recordings, mixing and STFT: 2 + 2 + 1 seconds an hour.
    epoch = scale_model.predict(PARTS, cluster(4, 2, step=0.1), hours=8)
    assert epoch.seconds == epoch.data == pytest.approx(2 * 5 / 2)
    assert epoch.read_bandwidth == pytest.approx(8 * 2 * 2 * 16000 * 3600 / 5)


def test_the_start_reads_all_headers_and_shares_the_measures():
    start = scale_model.predict_start(PARTS, cluster(4, 2), hours=10)
    assert start.headers == pytest.approx(10 * 360 * 2 * 1e-4)
    # Two decodings and the STFT.
    assert start.measures == pytest.approx(10 * (2 + 1) / 8)
    # Both dictionaries draw frames from all recordings, read by the two threads of one process.
    assert start.dictionaries == pytest.approx(2 * 10 * 2 / 2)


def test_description_has_rows_for_each_cluster():
    text = scale_model.describe(PARTS, hours=10)
    assert all(text.count(each.name) == 2 for each in scale_model.CLUSTERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*scale.TABLES, "model"])
def test_every_table_can_be_measured(name, capsys):
    scale.main(["--quick", "--parts", name])
    assert len(capsys.readouterr().out.splitlines()) > 4
