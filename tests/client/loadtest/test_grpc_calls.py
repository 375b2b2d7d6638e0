"""Load over gRPC, on a model server that answers as it is told."""

import dataclasses
import time
from selectors import DefaultSelector

import grpc
import pytest

from harness.fake_model_server import FakeModelServer, Gate, classifying, failing
from harness.paths import SAMPLES
from harness.ports import free_port
from harness.waiting import wait_for
from tests.client.loadtest.loop_runs import ONCE, run_loop, steady
from vitrine_client.loadtest.generator.answers import Classes
from vitrine_client.loadtest.generator.connections import connections_to
from vitrine_client.loadtest.generator.rehearsal import rehearse
from vitrine_client.loadtest.generator.targets import requests_of
from vitrine_client.loadtest.plan import Closed, Plan, Workload
from vitrine_client.loadtest.run import run

TARGET = Workload("grpc", "", "mlp", tuple(path.read_bytes() for path in SAMPLES[:2]))
REQUESTS = requests_of(TARGET)


def classes(server: FakeModelServer) -> tuple[Classes, ...]:
    return rehearse(TARGET, server.address, REQUESTS, 5).classes


@pytest.mark.alone
def test_answers_are_right_in_both_loops():
    """Several calls are in flight on one connection, and each gets the answer to its request."""
    with FakeModelServer(classifying()) as server:
        right = {"kind": "grpc", "requests": REQUESTS, "classes": classes(server)}
        enough = {"until": lambda records: len(records.due_s) > 20}
        closed = run_loop(server.address, Closed(1, 60), seats=4, **right, **enough)
        began_s = time.monotonic()
        opened = run_loop(server.address, steady(100, 0.2), seats=50, **right)
        took_s = time.monotonic() - began_s
    assert set(closed.outcomes) == {""}
    assert opened.outcomes == {"": 20}
    assert (opened.latency_s > 0).all()
    assert (opened.latency_s < took_s).all()


def test_what_becomes_of_a_call():
    """Errors have gRPC's names; a call that is not answered in time is given up."""
    with FakeModelServer(classifying()) as server:
        wrong = tuple((class_id + 1,) for (class_id,) in classes(server))

        def outcomes(timeout_s: float = 5.0) -> dict[str, int]:
            options = {"kind": "grpc", "requests": REQUESTS, "classes": wrong}
            return run_loop(server.address, ONCE, timeout_s=timeout_s, **options).outcomes

        assert outcomes() == {"wrong answer": 1}
        server.answer = failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many")
        assert outcomes() == {"RESOURCE_EXHAUSTED": 1}
        server.answer = gate = Gate()

        def is_cancelled() -> bool:  # unless it never came so far as the server
            assert outcomes(timeout_s=0.5) == {"timeout": 1}
            return gate.gone.wait(5)

        wait_for(is_cancelled, 30, "the server to be told")


def test_a_call_that_is_given_up_is_cancelled():
    """The server is told, and nobody is told of its end; the next call is another."""
    told: list[str] = []
    with (
        FakeModelServer(Gate()) as server,
        DefaultSelector() as selector,
        connections_to(server.address, selector, 30) as connections,
    ):
        call = connections.connect(lambda fault, body, now_s: told.append(fault))
        call.send(b"first")
        wait_for(lambda: bool(server.calls), 20, "the call")
        call.abort()
        assert server.answer.gone.wait(20)
        server.answer = failing(grpc.StatusCode.INTERNAL)
        call.send(b"second")
        while not told:
            for key, events in selector.select(5):
                key.data(events, 0.0)
    assert told == ["INTERNAL"]


def test_own_headers_are_metadata():
    """With each call, before the load as well; names are lower case, as gRPC has them."""
    target = dataclasses.replace(TARGET, headers=(("X-Team", "vision"),))
    with FakeModelServer(classifying()) as server:
        target = dataclasses.replace(target, address=server.address)
        result = run(Plan(target, Closed(1, 60), 0.0, count=3))
        assert {call.metadata.get("x-team") for call in server.calls} == {"vision"}
        assert len(server.calls) == 2 + 3
    assert (result.due, result.answered) == (3, 3)


def test_nobody_there():
    """Calls to where nobody listens fail by name, and none is lost."""
    address = f"127.0.0.1:{free_port()}"
    options = {"kind": "grpc", "requests": REQUESTS, "classes": ((0,), (0,))}
    assert run_loop(address, steady(100, 0.1), seats=9, **options).outcomes == {"UNAVAILABLE": 10}
