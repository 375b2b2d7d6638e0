"""Mutated bodies against a running gateway: no 500, no hang, no growth."""

import http.client
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson
import pytest

from tests.fuzz.conftest import DEADLINE_S, Gateway
from tests.fuzz.good_bodies import Body, good_bodies
from tests.fuzz.mutations import bodies
from tests.fuzz.test_functions import INSIDE
from vitrine_serving.gateway.api.openapi.document import document

COUNTS = [(500, 2500), pytest.param(2000, 10_000, marks=pytest.mark.wide)]
"""Bodies after which a worker has what it keeps, and bodies after those."""

CLIENTS = 4
DOCUMENTED = {
    int(status)
    for status in document(["clothes"])["paths"]["/v1/models/{model}:predict"]["post"]["responses"]
}
GROWTH = 0.1
"""Share of its memory that a worker may gain; a leak of some KiB a request would be more."""


@dataclass(frozen=True)
class Reply:
    """What was answered to a body, and how soon."""

    body: Body
    status: int
    content_type: str
    content: bytes
    took_s: float


class Sender(threading.local):
    """A connection for each thread, opened anew where the gateway closes it."""

    def __init__(self, gateway: Gateway) -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", gateway.port, timeout=DEADLINE_S + 5
        )

    def __call__(self, body: Body) -> Reply:
        headers = {"Content-Type": body.content_type} if body.content_type else {}
        if body.encoding:
            headers["Content-Encoding"] = body.encoding
        started = time.monotonic()
        try:
            self._connection.request("POST", body.path, body.content, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except BaseException:
            self._connection.close()
            raise
        took_s = time.monotonic() - started
        kind = answer.headers.get("Content-Type", "")
        return Reply(body, answer.status, kind, content, took_s)


def check(reply: Reply) -> None:
    """Each answer is documented, in time, JSON, and says nothing of the inside."""
    assert reply.status in DOCUMENTED - {500, 503, 504}, reply
    assert reply.took_s < DEADLINE_S, reply
    problem = reply.status != 200
    assert reply.content_type == f"application/{'problem+' if problem else ''}json", reply
    if problem:
        content = orjson.loads(reply.content)
        assert content.keys() == {"title", "status", "detail", "error"}, reply
        assert content["status"] == reply.status
        assert content["detail"], reply
        assert not INSIDE.search(content["detail"]), reply


def test_good_bodies(gateway):
    """What is mutated is answered with 200 to begin with."""
    send = Sender(gateway)
    for body in good_bodies():
        reply = send(body)
        assert reply.status == 200, reply
        check(reply)


@pytest.mark.slow
@pytest.mark.parametrize(("warm_up", "count"), COUNTS)
def test_mutated_bodies(gateway, warm_up, count):
    """Whatever comes is answered rightly and in time; memory after it is memory before it."""
    send = Sender(gateway)
    statuses: Counter[int] = Counter()
    slowest_s = 0.0
    with ThreadPoolExecutor(CLIENTS) as clients:
        for reply in clients.map(send, bodies(1, warm_up)):
            check(reply)
        before, _ = gateway.memory()
        for reply in clients.map(send, bodies(2, count)):
            check(reply)
            statuses[reply.status] += 1
            slowest_s = max(slowest_s, reply.took_s)
    after, _ = gateway.memory()
    print(f"{dict(statuses)}, slowest {slowest_s * 1000:.0f} ms, {before} -> {after} bytes")
    assert statuses[200] > count / 20
    assert statuses[400] > count / 5
    assert after < before * (1 + GROWTH)
    assert "Traceback" not in gateway.log.read_text()
