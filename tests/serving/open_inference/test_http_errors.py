"""Errors under /v2, wherever they are from: one form, with the statuses of all others."""

import asyncio
import gzip

import numpy as np
import pytest

from tests.serving.open_inference.v2_bodies import INFER, LENGTH, binary, error, plain
from tests.serving.test_routing_first import Exchange
from tests.serving.wire import Wire, request, run
from vitrine_client.errors import (
    DeadlineExceeded,
    ModelFault,
    NotFound,
    Unavailable,
    Unreachable,
)
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shedding import QueueFull


@pytest.fixture
def keyed(asking, tmp_path):
    """A gateway that wants keys, and a key."""
    file = tmp_path / "keys.txt"
    key = keys.add(file, "app")
    return asking(keys_file=file), key


def test_keys(keyed):
    """Health is public, and unknown addresses are not told to anybody."""
    http, key = keyed
    for path in ("/v2", "/v2/models/m", "/v2/nowhere", "/v2/models/m/ready"):
        answer = http.get(path)
        assert "API key" in error(answer, 401)
        assert "Bearer" in answer.headers["www-authenticate"]
        assert http.get(path, headers={"X-API-Key": key}).status_code != 401
    assert "API key" in error(http.post(INFER, content=plain()), 401)
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert http.get(path).status_code == 200


def test_the_rate_limit(asking):
    http = asking(rate_limit=0.01, rate_burst=1)
    assert http.get("/v2").status_code == 200
    answer = http.post(INFER, content=plain())
    assert "Too many requests" in error(answer, 429)
    assert int(answer.headers["retry-after"]) > 1
    assert http.get("/v2/health/live").status_code == 200


def test_the_limit_of_json_is_for_json_alone(asking):
    """A binary body is limited by that of all bodies."""
    http = asking(max_json_bytes=2000, max_body_bytes=50_000)
    body, headers = binary(_rows(1000))
    assert http.post(INFER, content=body, headers=headers).status_code == 200
    for packed in (False, True):
        more = {"Content-Encoding": "gzip"} if packed else {}
        long = plain(_rows(1000))
        sent = gzip.compress(long) if packed else long
        words = error(http.post(INFER, content=sent, headers=more), 413)
        assert "VITRINE_MAX_JSON_BYTES" in words
        assert "binary" in words
        words = error(http.post(INFER, content=sent, headers=more | {LENGTH: "2001"}), 413)
        assert "VITRINE_MAX_JSON_BYTES" in words
    body, headers = binary(_rows(5000))
    assert "VITRINE_MAX_BODY_BYTES" in error(http.post(INFER, content=body, headers=headers), 413)


def test_values_are_limited(asking):
    """Of JSON, and strings of binary data."""
    http = asking(max_json_values=1000)
    assert "VITRINE_MAX_JSON_VALUES" in error(http.post(INFER, content=plain(_rows(400))), 413)


@pytest.mark.parametrize(
    "members",
    [
        {"id": ["i" * 500_000]},
        {"outputs": [{"name": "\0" * 20_000}]},
        {"parameters": {"timeout": "é" * 20_000}},
        {"model_name": {"a": "b" * 500_000}},
    ],
    ids=lambda each: next(iter(each)),
)
def test_long_words_are_cut(http, members):
    """What is wrong is repeated to those who sent it as far as gRPC would carry it."""
    words = error(http.post(INFER, content=plain(**members)), 400)
    assert words.endswith("characters)")
    assert len(words) < 7500


def _rows(count: int) -> np.ndarray:
    return np.zeros((count, 3), np.float32)


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (NotFound("Servable not found"), 404, "/v2/repository/index"),
        (QueueFull("Too many wait", retry_after_s=2.5), 503, "Too many wait"),
        (Unavailable("busy"), 503, "busy"),
        (Unreachable("10.0.0.1:8500 refuses"), 503, "not answering"),
        (DeadlineExceeded("Deadline Exceeded"), 504, "Deadline Exceeded"),
        (ModelFault("not finite"), 502, "not finite"),
        (RuntimeError("a bug"), 500, "its log says why"),
        (MemoryError(), 503, "no memory"),
    ],
)
def test_what_fails_behind(http, servers, raised, status, words):
    """The status, the words and when to try again; nothing of the inside."""
    servers.error = raised
    for answer in (http.get("/v2/models/m"), http.post(INFER, content=plain())):
        said = error(answer, status)
        assert words in said
        assert "10.0.0.1" not in said
        assert "a bug" not in said
        assert ("retry-after" in answer.headers) == (status == 503)


def test_a_body_that_does_not_come(servers):
    app = create_app(Settings(models=("m",), body_timeout_s=0.05), servers)
    exchange = Exchange("POST", INFER, ("content-length", "100"))
    assert asyncio.run(exchange.ask(app, [b"{", asyncio.Event()])) == 408
    assert list(exchange.content()) == ["error"]


def test_chunks_that_are_none(servers):
    """What is found while a body comes has the form as well; what is no request at all has not, as
    nobody knows where it was for."""

    async def ask() -> None:
        wire = Wire(create_app(Settings(models=("m",)), servers))
        wire.send(request(INFER, b"Transfer-Encoding: chunked", method=b"POST") + b"x\r\n")
        [(status, body)] = await wire.answers()
        assert status == 400
        assert body.startswith(b'{"error":')
        wire = Wire(create_app(Settings(models=("m",)), servers))
        wire.send(b"GET /v2 HTTP/1.1\r\n\r\n")
        [(status, body)] = await wire.answers()
        assert status == 400
        assert b'"title"' in body

    run(ask)


def test_connections_that_are_kept(servers):
    """Errors are no end of a connection: the next request on it is answered."""

    async def ask() -> None:
        wire = Wire(create_app(Settings(models=("m",)), servers))
        wire.send(request("/v2/nowhere"))
        await wire.answers()
        wire.send(request("/v2/health/live"))
        assert [status for status, _ in await wire.answers(2)] == [404, 200]

    run(ask)
