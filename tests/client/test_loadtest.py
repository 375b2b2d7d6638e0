"""The load lab's closed loop, with clients of our own making."""

import threading
from collections import Counter

import numpy as np
import pytest

from vitrine_client.errors import Unavailable
from vitrine_client.loadtest import closed as loadtest


class FakeClient:
    """Answers after a fixed service time; every third request fails if it is told to."""

    in_flight = 0
    most_in_flight = 0
    lock = threading.Lock()

    def __init__(self, *, fail: bool = False) -> None:
        self._fail, self._count = fail, 0

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def predict(self, body: bytes, model: str) -> None:
        with self.lock:
            FakeClient.in_flight += 1
            FakeClient.most_in_flight = max(FakeClient.most_in_flight, FakeClient.in_flight)
        threading.Event().wait(0.01)  # the service time
        with self.lock:
            FakeClient.in_flight -= 1
        self._count += 1
        if self._fail and self._count % 3 == 0:
            raise Unavailable("nobody there")


def run(make_client, **options) -> loadtest.LoadResult:
    return loadtest.closed_loop(
        make_client, [b"a", b"b"], "mlp", duration_s=0.5, warm_up_s=0.1, **options
    )


def test_it_keeps_so_many_in_flight():
    """The concurrency asked for is reached and never passed, and latency is the service time."""
    result = run(FakeClient, concurrency=4)
    assert FakeClient.most_in_flight == 4
    assert result.percentile_ms(50) >= 10
    assert result.throughput * result.percentile_ms(50) / 1000 == pytest.approx(4, rel=0.3)
    assert not result.errors


def test_errors_are_counted_by_name_and_not_as_latency():
    """A failed request is no fast answer."""
    result = run(lambda: FakeClient(fail=True), concurrency=1)
    assert set(result.errors) == {"Unavailable"}
    assert len(result.latencies_s) == pytest.approx(2 * result.errors["Unavailable"], abs=2)


def test_percentiles_are_values_that_were_seen():
    """The 50th percentile of 1..100 ms is a latency of the list, not an average of two."""
    latencies_s = np.arange(1, 101) / 1000
    result = loadtest.LoadResult(1, 10.0, latencies_s, Counter())
    assert result.percentile_ms(100) == pytest.approx(100)
    assert result.percentile_ms(50) == pytest.approx(50)
    assert result.throughput == 10


def test_nothing_answered_is_no_crash():
    """Without a single answer the percentiles are not a number."""
    result = loadtest.LoadResult(1, 10.0, np.array([]), Counter({"Unavailable": 3}))
    assert np.isnan(result.percentile_ms(99))
    assert loadtest.to_table(result).row_count == 3 + len(loadtest.PERCENTILES) + 1
