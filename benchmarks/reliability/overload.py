"""More than a model server takes."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from benchmarks.reliability.load import REFUSED, RIGHT, Replies, ask, statuses
from benchmarks.reliability.subject import await_predictions, workers_mb
from harness.fake_model_server import Call, FakeModelServer, classifying
from harness.gateway import Gateway, gateway
from vitrine_client.loadtest.plan import Closed, Open, Phase

_DEADLINE_S, _LONGEST_S = 1.0, 30.0


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
        FakeModelServer(slowly(batch_s)) as server,
        gateway(server.address, max_batch_size=batch, request_timeout_s=_DEADLINE_S) as started,
    ):
        await_predictions(started.url, "")
        capacity = ask(started, Closed(64, duration_s / 4)).throughput
        before_mb = workers_mb(started)
        offered = times * capacity
        load = Open((Phase(duration_s, offered, offered),), "constant", connections=1500)
        replies = Replies()
        with _Weigher(started) as weigher:
            ask(started, load, replies)
        normal_again_s = _until_normal(started, 4 * batch_s)
    rate = replies.outcomes[RIGHT] / duration_s
    return Overload(
        capacity,
        offered,
        rate,
        rate / capacity,
        statuses(replies.outcomes),
        replies.percentile_ms(RIGHT, 99),
        replies.percentile_ms(REFUSED, 50),
        replies.percentile_ms(REFUSED, 99),
        1e3 * _DEADLINE_S,
        before_mb,
        weigher.at_most_mb,
        normal_again_s,
    )


def slowly(batch_s: float) -> Callable[[Call, grpc.ServicerContext], bytes]:
    """Answers one batch after the other, each after `batch_s`."""
    turn = threading.Lock()
    classify = classifying()

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        with turn:
            time.sleep(batch_s)  # this is its work
        return classify(call, context)

    return answer


def _until_normal(started: Gateway, usual_s: float) -> float:
    """Returns the seconds until three requests in a row are answered in the usual time again."""
    began = time.monotonic()
    fast = 0
    while fast < 3 and time.monotonic() - began < _LONGEST_S:
        answer = started.predict()
        fast = fast + 1 if answer.ok and answer.elapsed.total_seconds() < usual_s else 0
    return time.monotonic() - began


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
