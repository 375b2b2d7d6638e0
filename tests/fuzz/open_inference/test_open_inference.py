"""Requests of the Open Inference Protocol that are nearly right, against a running gateway."""

from collections.abc import Iterator

import pytest

from harness.gateway import Gateway
from tests.client.loadtest.scripted_server import CLOSE, answer, scripted_server
from tests.contract.open_inference.calls import Rpc
from tests.contract.open_inference.seen import Seen
from tests.fuzz.open_inference import wire_fields
from tests.fuzz.open_inference.asking import ask_http, fault_of_rpc, request_of
from tests.fuzz.open_inference.checking import check
from tests.fuzz.open_inference.http_requests import HttpRequest
from tests.fuzz.open_inference.service import service

SEED, COUNT = 2026, 600
RUNNING = tuple[Gateway, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RUNNING]:
    with service(tmp_path_factory.mktemp("open-inference"), 1) as found:
        yield found


@pytest.mark.slow
def test_requests_that_are_nearly_right(running: RUNNING):
    """A second of `make fuzz`: all are answered, and none with a fault of the gateway."""
    report = check(*running, SEED, iter(range(COUNT)), 1)
    print(report)
    assert not report.faults
    assert len(report.sent) == 12
    for kind, share in {200: 0.1, 400: 0.2, "OK": 0.1, "INVALID_ARGUMENT": 0.1}.items():
        assert report.answers[kind] > share * COUNT, kind


@pytest.mark.slow
def test_a_process_that_is_lost_is_noticed(running: RUNNING):
    gateway, address = running

    def numbers() -> Iterator[int]:
        yield 0
        gateway.lose_a_worker()
        yield 1

    report = check(gateway, address, SEED, numbers(), 1)
    assert any("became" in each or "replaced" in each for each in report.faults)


GOOD = HttpRequest("POST", "/v2/models/mlp/infer", b"{}")


@pytest.mark.parametrize(
    ("pieces", "fault"),
    [
        ([answer({}), CLOSE], ""),
        ([answer({"error": "no"}, "400 Bad Request"), CLOSE], ""),
        ([answer({"error": "no"}, "503 Busy"), CLOSE], ""),
        ([answer({"error": "no"}, "500 No"), CLOSE], "answered 500"),
        ([answer({"error": "no"}, "502 No"), CLOSE], "answered 502"),
        ([answer({"detail": "no"}, "400 No"), CLOSE], "has no `error`"),
        ([answer({"error": {"no": 1}}, "404 No"), CLOSE], "has no `error`"),
        ([answer({"error": "<class 'int'>"}, "400 No"), CLOSE], 'answered "<class'),
        ([answer({"error": "no" * 5000}, "400 No"), CLOSE], "answered 'nono"),
        ([answer({"outputs": [{"name": "x"}]}), CLOSE], "which is not read"),
        ([b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno", CLOSE], "has no `error`"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", CLOSE], "no answer"),
        ([b"SSH-2.0", CLOSE], "no answer"),
        ([CLOSE], "no answer"),
    ],
)
def test_what_is_a_fault_over_http(pieces: list[object], fault: str):
    with scripted_server(lambda _: iter(pieces)) as server:
        asked = ask_http(server.url.removeprefix("http://"), GOOD)
    assert fault in asked.fault
    assert bool(fault) == bool(asked.fault)
    assert not fault or repr(GOOD.raw) in asked.fault


@pytest.mark.parametrize(
    ("code", "words", "fault"),
    [
        *(("OK", "", ""), ("INVALID_ARGUMENT", "no", ""), ("UNAVAILABLE", "no", "")),
        *((code, "no", "blamed") for code in ("INTERNAL", "UNKNOWN", "DATA_LOSS", "CANCELLED")),
        *(("NOT_FOUND", "", "no words"), ("INVALID_ARGUMENT", "<class 'int'>", "inside")),
    ],
)
def test_what_is_a_fault_over_grpc(code: str, words: str, fault: str):
    found = fault_of_rpc(Seen("grpc", 0, words, code=code), Rpc("ModelInfer", [b""]))
    assert fault in found
    assert bool(fault) == bool(found)


def test_a_stream_answers_each_request():
    asked = Rpc("ModelStreamInfer", [b"", b""])
    both = [{"error_message": "no"}, {}]
    assert not fault_of_rpc(Seen("grpc", 200, json=both, code="OK"), asked)
    assert "1 answers" in fault_of_rpc(Seen("grpc", 200, json=both[:1], code="OK"), asked)


def test_the_same_requests_for_a_seed():
    """And others for another."""
    once, again = ([_sent(seed, number) for number in range(99)] for seed in (1, 1))
    assert once == again
    assert once != [_sent(2, number) for number in range(99)]


def _sent(seed: int, number: int) -> object:
    request = request_of(seed, number)
    return request.raw if isinstance(request, HttpRequest) else repr(request)


def test_fields_of_messages():
    """They become the same message again."""
    content = bytes(wire_fields.Field(5, wire_fields.BYTES, b"in")) + b"\x08\x96\x01\x15abcd"
    found = list(wire_fields.fields(content))
    assert [(each.number, each.kind) for each in found] == [(5, 2), (1, 0), (2, 5)]
    assert b"".join(map(bytes, found)) == content
    for bad in (b"\x08", b"\x2a\x05in", b"\x0b", b"\x0d12"):
        with pytest.raises(ValueError, match=r"field|number"):
            list(wire_fields.fields(bad))
