"""Model servers that are half ill, or away: what clients of real gateways notice of it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count, pairwise

import grpc
import pytest
import requests

from harness.fake_model_server import Answer, Call, FakeModelServer, classifying, failing
from harness.gateway import Gateway, gateway
from harness.ports import free_port
from harness.waiting import wait_for
from tests.monitoring.scraped import Scraped

LONG_S = 60
WELL_S = 0.008
EJECTION_S = 1.0


def taking(seconds: float) -> Answer:
    """Answers after a time."""
    answer = classifying()

    def late(call: Call, context: grpc.ServicerContext) -> bytes:
        threading.Event().wait(seconds)
        return answer(call, context)

    return late


def failing_every_third(code: grpc.StatusCode) -> Answer:
    """Answers every third call with an error."""
    number, well, bad = count(), taking(WELL_S), failing(code, "out of order")

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        return (bad if next(number) % 3 == 2 else well)(call, context)

    return answer


ILLNESSES = {
    "every third UNAVAILABLE": ("failures", failing_every_third(grpc.StatusCode.UNAVAILABLE)),
    "every third INTERNAL": ("failures", failing_every_third(grpc.StatusCode.INTERNAL)),
    "ten times as slow": ("latency", taking(10 * WELL_S)),
}


@contextmanager
def asking(running: Gateway, clients: int = 4) -> Iterator[list[int]]:
    """Has clients ask one prediction after the other; yields the statuses so far."""
    done, statuses = threading.Event(), list[int]()

    def ask() -> None:
        while not done.is_set():
            statuses.append(running.predict().status_code)

    with ThreadPoolExecutor(clients) as threads:
        asked = [threads.submit(ask) for _ in range(clients)]
        try:
            yield statuses
        finally:
            done.set()
        for each in asked:
            each.result()


def is_ejected(running: Gateway, server: FakeModelServer) -> bool:
    found = Scraped.of(running.url)
    return found.total("vitrine_model_server_ejected", address=server.address) == 1


def calls_until_pause(calls: list[Call], pause_s: float) -> int:
    """The number of calls until none came for a while."""
    return next(
        n for n, (one, two) in enumerate(pairwise(calls), 1) if two.came_s - one.came_s > pause_s
    )


@pytest.mark.parametrize(("illness", "servers"), list(zip(ILLNESSES, (2, 3, 3), strict=True)))
def test_a_half_ill_server_is_left_alone_until_it_is_well(illness, servers):
    """Within 100 calls to it; no client gets a failed answer, and no other server is left alone."""
    reason, ill_answer = ILLNESSES[illness]
    with ExitStack() as stack:
        ill, *others = (
            stack.enter_context(FakeModelServer(taking(WELL_S))) for _ in range(servers)
        )
        told = ",".join(each.address for each in (ill, *others))
        settings = {"workers": 1, "ejection_s": EJECTION_S}
        running = stack.enter_context(gateway(told, **settings))
        with asking(running) as statuses:
            wait_for(lambda: len(ill.calls) > 50, LONG_S, "calls while all are well")
            assert not is_ejected(running, ill)
            ill.answer, before = ill_answer, len(ill.calls)

            def is_seen() -> bool:
                log = running.log.read_text()
                return f"{ill.address} does worse than the others" in log

            wait_for(is_seen, LONG_S, "its ejection")
            wait_for(lambda: is_ejected(running, ill), LONG_S, "the metric of it")
            ill.answer = taking(WELL_S)
            wait_for(lambda: not is_ejected(running, ill), LONG_S, "its return")
            assert calls_until_pause(ill.calls[before:], EJECTION_S / 2) <= 100
            before = len(ill.calls)
            wait_for(lambda: len(ill.calls) > before + 20, LONG_S, "calls to it")
        assert set(statuses) == {200}
        found = Scraped.of(running.url)
        assert found.total("vitrine_ejections_total", reason=reason) >= 1
        assert found.total("vitrine_ejections_total") < 9
        log = running.log.read_text()
        assert f"{ill.address} does as well as the others again" in log
        assert not [each for each in others if f"{each.address} does worse" in log]


def test_all_model_servers_are_away():
    """The gateway stays ready, so that a Service keeps it, and says when to come again."""
    dead = ",".join(f"127.0.0.1:{free_port()}" for _ in range(3))
    with gateway(dead, workers=2) as running:
        for _ in range(3):
            answer = running.predict()
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) >= 1
            assert requests.get(f"{running.url}/readyz", timeout=30).status_code == 200
