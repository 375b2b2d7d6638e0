"""Silence under load: a model server that stands still, a network that forgets a connection."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.reliability.load import Replies, ask, statuses
from benchmarks.reliability.overload import slowly
from benchmarks.reliability.subject import await_predictions
from harness.fake_model_server import FakeModelServer
from harness.forgetful_proxy import proxy_in_thread
from harness.gateway import Gateway, gateway
from vitrine_client.loadtest.generator.loop import FIELDS
from vitrine_client.loadtest.generator.worker import Seen
from vitrine_client.loadtest.plan import Closed

IN_FLIGHT = 48
BATCH, BATCH_S = 8, 0.02
SILENT_AFTER_S = 2.0
SETTLED_S = 3.0
"""Seconds after a server fell silent from which on the rate counts."""


@dataclass(frozen=True)
class Silence:
    """What clients saw while a model server was silent; rates in requests a second.

    `healthy_rate` is that of one server that is well, `one_of_two_rate` that of two of which one
    stands still. The only server, whose connection was forgotten, answered again `back_after_s`.
    """

    healthy_rate: float
    one_of_two_rate: float
    share: float
    one_of_two_statuses: dict[int, int]
    forgotten_statuses: dict[int, int]
    back_after_s: float


@dataclass(frozen=True)
class Scaling:
    """Requests a second by the number of model servers."""

    rates: dict[int, float]


class _Times(Replies):
    """Replies, and when each came, in seconds of `time.monotonic`."""

    def __init__(self) -> None:
        super().__init__()
        self.done_s: list[float] = []

    def add(self, process: int, seen: Seen) -> None:
        super().add(process, seen)
        self.done_s += np.frombuffer(seen.records, np.float64).reshape(-1, FIELDS)[:, 3].tolist()


def silence(duration_s: float) -> Silence:
    """Loads a gateway for `duration_s` after a server fell silent; each server takes 20 ms for a
    batch of 8, one at a time."""
    [healthy] = scaling(duration_s, (1,)).rates.values()
    of_two, rate, _ = _disturbed("freeze", duration_s, others=1)
    forgotten, _, back_after_s = _disturbed("forget", duration_s, others=0)
    return Silence(
        healthy, rate, rate / healthy, statuses(of_two), statuses(forgotten), back_after_s
    )


def scaling(duration_s: float, counts: Sequence[int] = (1, 2, 3)) -> Scaling:
    """Measures the rate with so many servers."""
    rates = {}
    for count in counts:
        with ExitStack() as stack:
            servers = [FakeModelServer(slowly(BATCH_S)) for _ in range(count)]
            addresses = [stack.enter_context(each).address for each in servers]
            started = stack.enter_context(_before(addresses))
            rates[count] = ask(started, Closed(IN_FLIGHT, duration_s)).throughput
    return Scaling(rates)


def _disturbed(how: str, duration_s: float, others: int) -> tuple[Counter[str], float, float]:
    """Has one of the servers fall silent under load. Returns the outcomes, the requests a second
    once that has settled, and the longest pause between two answers."""
    with ExitStack() as stack:
        servers = [FakeModelServer(slowly(BATCH_S)) for _ in range(1 + others)]
        addresses = [stack.enter_context(each).address for each in servers]
        proxy, tell = stack.enter_context(proxy_in_thread(servers[0].port))
        started = stack.enter_context(_before([proxy.address, *addresses[1:]]))
        at_s = time.monotonic() + SILENT_AFTER_S
        timer = threading.Timer(SILENT_AFTER_S, tell, [how])
        timer.start()
        times = _Times()
        ask(started, Closed(IN_FLIGHT, SILENT_AFTER_S + SETTLED_S + duration_s), times)
        timer.join()
    done_s = np.sort(times.done_s)
    from_s = at_s + SETTLED_S
    rate = np.count_nonzero((done_s >= from_s) & (done_s < from_s + duration_s - 1))
    pause_s = float(np.diff(done_s[done_s >= at_s - 0.5]).max())
    return times.outcomes, float(rate / (duration_s - 1)), pause_s


@contextmanager
def _before(addresses: Sequence[str]) -> Iterator[Gateway]:
    """Runs a gateway of one process before model servers."""
    with gateway(",".join(addresses), workers=1, max_batch_size=BATCH) as started:
        await_predictions(started.url, "")
        yield started
