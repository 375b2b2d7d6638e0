"""Odd answers in a load: each is one failure of a kind that says what it was, and none ends it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from harness.fake_model_server import FakeModelServer, classifying
from tests.client.loadtest.loop_runs import REQUEST, run_loop
from tests.client.loadtest.scripted_server import CLOSE, RIGHT, Script, answer, scripted_server
from tests.client.loadtest.test_grpc_calls import REQUESTS as GRPC_REQUESTS
from vitrine_client import errors
from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.http_connection import reach
from vitrine_client.loadtest.generator.rehearsal import rehearse
from vitrine_client.loadtest.plan import Closed, Plan, Workload
from vitrine_client.loadtest.run import run
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor

DEEP = 100_000
MIB = 1 << 20


def page(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A response of status 200, whose length may be a lie."""
    told = b"Content-Length: %d" % (len(body) if length is None else length)
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, told, b"", b""]) + body


@dataclass(frozen=True)
class Endless:
    """Sends for as long as the other side reads."""

    first: bytes
    more: bytes

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        while True:
            yield self.more


def of(body: bytes) -> bytes:
    return b'{"predictions": [' + body + b"]}"


RIGHT_BODY = of(b'{"class_id": 7}')

ODD = {
    "nested lists": (faults.NO_ANSWER, [page(of(b"[" * DEEP + b"]" * DEEP))]),
    "nested objects": (faults.NO_ANSWER, [page(b'{"predictions":' * DEEP)]),
    "no JSON": (faults.NO_ANSWER, [page(b"<html>It works!</html>")]),
    "no text": (faults.NO_ANSWER, [page(b"\xff\xfe\x00")]),
    "nothing": (faults.NO_ANSWER, [page(b"")]),
    "another member": (faults.NO_ANSWER, [answer({"instances": 3})]),
    "no list": (faults.NO_ANSWER, [page(b'{"predictions": {"class_id": 7}}')]),
    "a text": (faults.NO_ANSWER, [page(of(b'"error"'))]),
    "infinity": (faults.NO_ANSWER, [page(of(b'{"class_id": Infinity}'))]),
    "beyond floats": (faults.NO_ANSWER, [page(of(b'{"class_id": -1e999}'))]),
    "a number of 5,000 digits": (faults.NO_ANSWER, [page(of(b"9" * 5000))]),
    "ragged": (faults.NO_ANSWER, [page(of(b"[[1, 2], [3]]"))]),
    "no probabilities": (faults.NO_ANSWER, [page(of(b'{"probabilities": []}'))]),
    "switching": ("HTTP 101", [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"]),
    "upgraded": (
        "HTTP 101",
        [b"HTTP/1.1 101 Go\r\nUpgrade: tea\r\nConnection: upgrade\r\n\r\ntea"],
    ),
    "hints, and its end": ("reset", [b"HTTP/1.1 103 Early Hints\r\n\r\n", CLOSE]),
    "no HTTP": ("no HTTP", [b"220 mail.example ESMTP\r\n"]),
    "another HTTP": ("no HTTP", [b"HTTP/2 200\r\n\r\n"]),
    "closed early": (faults.CLOSED, [CLOSE]),
    "closed in the head": ("reset", [RIGHT[:20], CLOSE]),
    "shorter than it says": ("reset", [page(RIGHT_BODY, length=10**6), CLOSE]),
    "shorter, and the last": (
        "reset",
        [page(RIGHT_BODY, b"Connection: close", length=10**6), CLOSE],
    ),
    "without its last chunk": (
        "reset",
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"%x\r\n%s\r\n" % (len(RIGHT_BODY), RIGHT_BODY),
            CLOSE,
        ],
    ),
    "longer than it says": ("no HTTP", [page(RIGHT_BODY, length=5)]),
    "length beyond all": ("no HTTP", [page(RIGHT_BODY, length=10**30)]),
    "headers without end": (
        faults.TOO_LONG,
        Endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 4096),
    ),
    "a header without end": (faults.TOO_LONG, Endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536)),
    "hints without end": (faults.TOO_LONG, Endless(b"HTTP", b"/1.1 103 Early\r\n\r\nHTTP" * 4096)),
    "a body without end": (faults.TOO_LONG, Endless(page(b"", length=10**15), b" " * MIB)),
    "chunks without end": (
        faults.TOO_LONG,
        Endless(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"100000\r\n" + b" " * MIB + b"\r\n",
        ),
    ),
}


def once(odd: int, name: str) -> Script:
    """The n-th request has an odd answer, the others have the right one."""
    return lambda number: iter(ODD[name][1] if number == odd else [RIGHT])


def turns(kinds: list[str], odd: list[str]) -> dict[str, list[str]]:
    """What became of each odd answer, and of the request after it."""
    return {name: kinds[2 * place + 1 : 2 * place + 3] for place, name in enumerate(odd)}


def test_an_odd_answer_is_one_failure():
    """By its kind, and the connection after it is as good as any."""
    names, last = [*ODD], 2 * len(ODD)

    def script(number: int) -> Iterator[bytes | None]:
        yield from ODD[names[number // 2]][1] if number % 2 and number < last else [RIGHT]

    with scripted_server(script) as server:
        found = run_loop(
            server.url, Closed(1, 60), timeout_s=30, until=lambda seen: len(seen.due_s) > last
        )
    assert turns(found.kinds, names) == {name: [kind, ""] for name, (kind, _) in ODD.items()}
    assert np.isnan(found.latency_s).sum() == len(ODD)


@pytest.mark.parametrize("name", ["nested lists", "upgraded", "no HTTP", "a body without end"])
def test_an_odd_answer_before_the_load_is_asked_for_again(name):
    """One of many may be broken; where all are, that is told at once, and is another service."""
    requests = (REQUEST, REQUEST.replace(b"image", b"other"))
    with scripted_server(once(1, name)) as server:
        target = Workload("raw", server.url, "mlp", (b"a",))
        assert rehearse(target, reach(server.url, 5), requests, 30).classes == ((7,), (7,))
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (ODD["no HTTP"][1], "speaks no HTTP; is that what you want to measure"),
        (ODD["upgraded"][1], "answers HTTP 101: is that what you want to measure"),
        (ODD["nested lists"][1], r"No predictions in b'\{\"predictions.* \(RecursionError: "),
    ],
)
def test_what_is_always_odd_is_another_service(pieces, words):
    """Somebody answers, so that the address is not told to be silent."""
    with scripted_server(lambda _: iter(pieces)) as server:
        target = Workload("raw", server.url, "mlp", (b"a",))
        with pytest.raises(errors.ServerError, match=words) as caught:
            rehearse(target, reach(server.url, 5), (REQUEST,), 5)
        assert not isinstance(caught.value, errors.Unavailable)
        assert len(server.requests) == 2


def test_a_whole_load_test_keeps_its_result():
    """With the processes that make it."""
    with scripted_server(once(9, "nested lists")) as server:
        plan = Plan(Workload("raw", server.url, "mlp", (b"a",)), Closed(2, 60), 0.0, count=40)
        result = run(plan)
    assert (result.due, result.answered, result.errors) == (40, 39, {faults.NO_ANSWER: 1})


def message(output: str, array: np.ndarray) -> bytes:
    response = wire.PredictResponse()
    response.outputs[output].CopyFrom(to_tensor(array))
    return response.SerializeToString()


ODD_MESSAGES = {
    "no message": (faults.NO_ANSWER, b"\xff" * 20),
    "another output": (faults.NO_ANSWER, message("scores", np.zeros((1, 10)))),
    "no rows": (faults.NO_ANSWER, message("probabilities", np.float32(1))),
    "no classes": (faults.NO_ANSWER, message("probabilities", np.zeros((1, 0)))),
    "longer than is read": (
        faults.TOO_LONG,
        message("probabilities", np.zeros(faults.LONGEST_BYTES, np.uint8)),
    ),
}


def test_an_odd_message_is_one_failure():
    """Over gRPC."""
    sent = dict(zip(itertools.count(1, 2), ODD_MESSAGES.values(), strict=False))
    with FakeModelServer(classifying()) as server:
        right, calls = server.answer, itertools.count()
        server.answer = lambda *call: sent.get(next(calls), ("", b""))[1] or right(*call)
        found = run_loop(
            server.address,
            Closed(1, 60),
            kind="grpc",
            requests=GRPC_REQUESTS[:1],
            classes=(None,),
            timeout_s=30,
            until=lambda seen: len(seen.due_s) > 2 * len(ODD_MESSAGES),
        )
    expected = {name: [kind, ""] for name, (kind, _) in ODD_MESSAGES.items()}
    assert turns(found.kinds, [*ODD_MESSAGES]) == expected
