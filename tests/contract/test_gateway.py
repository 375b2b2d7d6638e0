"""The gateway answers TensorFlow Serving's REST API as the model server behind it does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract import gateway
from tests.contract import server as model_server
from tests.contract.case import Case
from tests.contract.cases import CASES, CHANGING, OF_HTTP, STEADY, life
from tests.contract.server import Server


def _rest(cases: list[Case]) -> list[Case]:
    own = {case.name for case in OF_HTTP}
    return [case for case in cases if case.transport == "rest" and case.name not in own]


def _name(case: Case) -> str:
    return case.name


@contextmanager
def _in_front_of(server: Server, directory: Path) -> Iterator[tuple[Server, Server]]:
    server.await_ready()
    front = gateway.start(server, directory / "gateway.log")
    try:
        front.await_ready()
        yield server, front
    finally:
        front.stop()


@pytest.fixture(scope="module")
def steady(
    embedded: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """The embedded server that stays as it is, and a gateway in front of it."""
    with _in_front_of(embedded, tmp_path_factory.mktemp("steady")) as pair:
        yield pair


@pytest.fixture(scope="module")
def changing(
    kinds: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """A server of its own, because cases publish what is there only once; and a gateway."""
    base = tmp_path_factory.mktemp("changing")
    model_server.fill(kinds, base)
    command = model_server.command("embedded", base)
    server = model_server.start(command, base, kinds, may_change=True)
    try:
        with _in_front_of(server, base) as pair:
            yield pair
    finally:
        server.stop()


def test_the_exceptions_are_cases():
    """What the gateway does differently are cases of the table, each with a reason."""
    assert gateway.DIFFERS.keys() <= {case.name for case in _rest(CASES)}
    assert all(reason for _, reason in gateway.DIFFERS.values())


@pytest.mark.parametrize("case", _rest(STEADY), ids=_name)
def test_case(case: Case, steady: tuple[Server, Server]):
    """Bodies are the same bytes; errors have the same status and the same text."""
    gateway.compare(case, *steady)


@pytest.mark.parametrize("case", _rest(CHANGING), ids=_name)
def test_case_of_change(case: Case, changing: tuple[Server, Server]):
    """The gateway notices what has changed behind it."""
    gateway.compare(case, *changing)


def test_another_signature_takes_over(changing: tuple[Server, Server]):
    """The gateway asks for signatures once per version, and notices when that is another one."""
    server, front = changing
    life.one("swapped")(server)
    line, picture = {"instances": [{"x": 2.0}]}, {"instances": [{"images": [[1.0] * 28] * 28}]}
    assert _predict(front, line) == (200, {"predictions": [3.0]})
    assert _predict(front, picture) == _predict(server, picture)
    life.publish(server, "swapped", 2, "images")
    life.await_states(server, "swapped", {1: "END", 2: "AVAILABLE"})
    status, answer = _predict(front, picture)
    assert (status, answer["predictions"][0]["class_ids"]) == (200, 9)
    assert _predict(front, line) == _predict(server, line)


def _predict(server: Server, body: object) -> tuple[int, dict[str, Any]]:
    reply = server.http(
        "POST", "/v1/models/swapped:predict", json.dumps(body).encode(), gateway.JSON
    )
    answer = json.loads(reply.body)
    return reply.status, answer if reply.status == 200 else {"error": answer["error"]}
