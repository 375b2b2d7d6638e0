"""What arrives together goes out together; nobody waits for a timer, a loser, or for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pytest

from tests.conftest import wait_for
from vitrine_client.errors import DeadlineExceeded, NotFound, Unavailable
from vitrine_client.predictions import Prediction
from vitrine_serving.gateway.batcher import Batcher


class FakeServer:
    """Answers a row by its own number; notes its batches, and can be held back."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.batches: list[list[int]] = []
        self.timeouts_s: list[float] = []
        self.running, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def send(self, target, rows, timeout_s):
        self.batches.append(rows.tolist())
        self.timeouts_s.append(timeout_s)
        self.running.set()
        assert self.go_on.wait(30)
        if self.error:
            raise self.error
        return [Prediction(target, int(row), 1.0, {}, target, 1) for row in rows]


def ids(predictions: list[Prediction]) -> list[int]:
    return [prediction.class_id for prediction in predictions]


class Crowd:
    """Threads that predict while the server is held back by a first request of theirs."""

    def __init__(self, server: FakeServer, batcher: Batcher, pool: ThreadPoolExecutor) -> None:
        self._batcher, self._pool, self._server = batcher, pool, server
        server.go_on.clear()
        self.first = self.ask(0)
        assert server.running.wait(30)

    def ask(self, *rows: int, target: str = "m", timeout_s: float = 30):
        entered = threading.Event()

        def predict():
            entered.set()
            return ids(self._batcher.predict(target, np.array(rows), timeout_s))

        future = self._pool.submit(predict)
        assert entered.wait(30)
        return future


def batcher_of(server: FakeServer, **options) -> Batcher:
    return Batcher(server.send, **({"max_batch_size": 8, "max_queued_rows": 100} | options))


def test_an_idle_server_is_asked_at_once():
    """Without company a request is a batch of its own."""
    server = FakeServer()
    batcher = batcher_of(server)
    assert ids(batcher.predict("m", np.array([3, 4]), 30)) == [3, 4]
    assert ids(batcher.predict("m", np.array([5]), 30)) == [5]
    assert server.batches == [[3, 4], [5]]


def test_who_waits_goes_together_and_gets_their_own_rows():
    """What arrives during a Predict is the next one, up to the largest batch."""
    server = FakeServer()
    batcher = batcher_of(server, max_batch_size=4)
    with ThreadPoolExecutor(10) as pool:
        crowd = Crowd(server, batcher, pool)
        asked = {rows: crowd.ask(*rows) for rows in ((1,), (2, 3), (4, 5), (6,))}
        wait_for(lambda: batcher.waiting("m") == 6, 30, "all to wait")
        server.go_on.set()
        assert crowd.first.result(30) == [0]
        assert all(future.result(30) == list(rows) for rows, future in asked.items())
    assert server.batches[0] == [0]
    assert len(server.batches) == 3
    assert all(len(batch) <= 4 for batch in server.batches)
    assert sorted(chain.from_iterable(server.batches)) == [0, 1, 2, 3, 4, 5, 6]


def test_more_rows_than_a_batch_go_alone():
    """A request larger than a batch is not torn apart."""
    server = FakeServer()
    batcher = batcher_of(server, max_batch_size=2)
    assert ids(batcher.predict("m", np.arange(5), 30)) == [0, 1, 2, 3, 4]
    assert server.batches == [[0, 1, 2, 3, 4]]


def test_targets_do_not_wait_for_each_other():
    """While one model's server call is held back, another model answers."""
    server, other = FakeServer(), FakeServer()

    def send(target, rows, timeout_s):
        return (server if target == "m" else other).send(target, rows, timeout_s)

    batcher = Batcher(send, max_batch_size=8, max_queued_rows=8)
    with ThreadPoolExecutor(2) as pool:
        crowd = Crowd(server, batcher, pool)
        assert crowd.ask(7, target="n").result(30) == [7]
        server.go_on.set()
        assert crowd.first.result(30) == [0]


def test_an_error_reaches_everybody_in_the_batch_and_nobody_else():
    """Whoever was in it gets the error; the next batch is answered."""
    server = FakeServer(NotFound("gone"))
    batcher = batcher_of(server)
    with ThreadPoolExecutor(4) as pool:
        crowd = Crowd(server, batcher, pool)
        others = [crowd.ask(1), crowd.ask(2)]
        wait_for(lambda: batcher.waiting("m") == 2, 30, "both to wait")
        server.go_on.set()
        for future in (crowd.first, *others):
            assert isinstance(future.exception(30), NotFound)
    server.error = None
    assert ids(batcher.predict("m", np.array([9]), 30)) == [9]


def test_a_leader_that_is_ended_takes_nobody_along():
    """Where the thread that sends is ended, who shared its call may try again, and others go on."""
    server = FakeServer(SystemExit())
    batcher = batcher_of(server)
    with ThreadPoolExecutor(4) as pool:
        crowd = Crowd(server, batcher, pool)
        others = [crowd.ask(1), crowd.ask(2)]
        wait_for(lambda: batcher.waiting("m") == 2, 30, "both to wait")
        server.go_on.set()
        assert isinstance(crowd.first.exception(30), SystemExit)
        ended = [future.exception(30) for future in others]
    assert {type(error) for error in ended} == {SystemExit, Unavailable}
    server.error = None
    assert ids(batcher.predict("m", np.array([9]), 30)) == [9]


def test_a_full_queue_refuses():
    """Past `max_queued_rows` a request is refused at once; those that wait are answered."""
    server = FakeServer()
    batcher = batcher_of(server, max_queued_rows=2)
    with ThreadPoolExecutor(4) as pool:
        crowd = Crowd(server, batcher, pool)
        waiting = crowd.ask(1, 2)
        wait_for(lambda: batcher.waiting("m") == 2, 30, "it to wait")
        with pytest.raises(Unavailable, match="2 images wait"):
            batcher.predict("m", np.array([3]), 30)
        server.go_on.set()
        assert waiting.result(30) == [1, 2]
    assert batcher.waiting("m") == 0


def test_who_waits_too_long_gives_up_and_is_not_sent():
    """After its deadline a request fails, and its rows are taken out of the queue."""
    server = FakeServer()
    batcher = batcher_of(server)
    with ThreadPoolExecutor(4) as pool:
        crowd = Crowd(server, batcher, pool)
        late = crowd.ask(1, timeout_s=0.05)
        assert isinstance(late.exception(30), DeadlineExceeded)
        patient = crowd.ask(2)
        wait_for(lambda: batcher.waiting("m") == 1, 30, "the patient one to wait")
        server.go_on.set()
        assert patient.result(30) == [2]
    assert server.batches == [[0], [2]]


def test_the_deadline_travels():
    """The server gets the time that is left to the most patient of a batch."""
    server = FakeServer()
    batcher_of(server).predict("m", np.array([1]), 5)
    assert 4 < server.timeouts_s[0] <= 5


def test_many_threads_at_once():
    """Sixteen threads, hundreds of requests: each gets its own rows, and few calls are made."""
    server = FakeServer()
    batcher = batcher_of(server, max_batch_size=64)
    with ThreadPoolExecutor(16) as pool:
        rows = [np.arange(n, n + 1 + n % 3) for n in range(600)]
        found = pool.map(lambda r: ids(batcher.predict("m", r, 30)), rows)
        assert list(found) == [r.tolist() for r in rows]
    assert sum(map(len, server.batches)) == sum(map(len, rows))
    assert batcher.waiting("m") == 0
