"""More than a model server takes."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from benchmarks.http_load import closed_loop, open_loop, percentile_ms, statuses
from benchmarks.reliability.subject import await_predictions, for_s, workers_mb
from tests.fake_model_server import Call, FakeModelServer, classifying
from tests.running_gateway import PICTURE, PREDICT, Gateway, gateway

_DEADLINE_S = 1.0


@dataclass(frozen=True)
class Overload:
    """What a gateway did with more than its model server can take; times in milliseconds."""

    capacity: float
    offered: float
    answered: float
    share_of_capacity: float
    statuses: dict[int, int]
    answered_p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float
    deadline_ms: float
    rss_mb_before: float
    rss_mb_at_most: float
    normal_again_s: float


def overload(
    duration_s: float, *, times: float = 3.0, batch: int = 8, batch_s: float = 0.02
) -> Overload:
    """Sends `times` as much as a model server takes that needs `batch_s` for each batch.

    The model server is a simulated one, over real gRPC, so that its capacity is known and the
    gateway's processor is not what is short.
    """
    with (
        FakeModelServer(_slowly(batch_s)) as server,
        gateway(server.address, max_batch_size=batch, request_timeout_s=_DEADLINE_S) as started,
    ):
        url = started.url + PREDICT
        await_predictions(started.url, "")
        usual = asyncio.run(closed_loop(url, PICTURE, connections=64, until=for_s(duration_s / 4)))
        capacity = sum(reply.status == 200 for reply in usual) / (duration_s / 4)
        before_mb = workers_mb(started)
        with _Weigher(started) as weigher:
            offered = open_loop(
                url, PICTURE, rate=times * capacity, duration_s=duration_s, connections=1500
            )
            replies = asyncio.run(offered)
        normal_again_s = _until_normal(url, 4 * batch_s)
    answered = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status == 503]
    rate = len(answered) / duration_s
    return Overload(
        capacity,
        times * capacity,
        rate,
        rate / capacity,
        statuses(replies),
        percentile_ms(answered, 99),
        percentile_ms(refused, 50),
        percentile_ms(refused, 99),
        1e3 * _DEADLINE_S,
        before_mb,
        weigher.at_most_mb,
        normal_again_s,
    )


def _slowly(batch_s: float) -> Callable[[Call, grpc.ServicerContext], bytes]:
    """Answers one batch after the other, each after `batch_s`."""
    turn = threading.Lock()
    classify = classifying()

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        with turn:
            time.sleep(batch_s)  # this is its work
        return classify(call, context)

    return answer


def _until_normal(url: str, usual_s: float) -> float:
    """Returns the seconds until requests, one by one, are answered in the usual time again."""
    started = time.monotonic()
    fast = 0

    def three_in_a_row() -> bool:
        return fast >= 3 or time.monotonic() - started > 30

    while not three_in_a_row():
        (reply,) = asyncio.run(closed_loop(url, PICTURE, connections=1, until=_once()))
        fast = fast + 1 if reply.status == 200 and reply.latency_s < usual_s else 0
    return time.monotonic() - started


def _once() -> Callable[[], bool]:
    answers = iter([False])
    return lambda: next(answers, True)


class _Weigher:
    """Looks at the memory of a gateway's workers while its block lasts."""

    def __init__(self, started: Gateway) -> None:
        self._gateway = started
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.at_most_mb = 0.0

    def __enter__(self) -> "_Weigher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            self.at_most_mb = max(self.at_most_mb, workers_mb(self._gateway))
