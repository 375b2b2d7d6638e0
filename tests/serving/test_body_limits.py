"""Bounds of bodies: JSON by its bytes and values, all of them together by a budget."""

import asyncio
import base64
import gzip
import time

import numpy as np
import orjson
import pytest

from tests.client.made_pictures import PAGE, encoded
from tests.serving import fake_servers
from tests.serving.asked_gateway import PREDICT, FakeServers
from tests.serving.asking import until
from tests.serving.test_array_bodies import npy
from tests.serving.test_routing_first import GZIP, Exchange
from tests.serving.wire import Wire, request
from vitrine_client.errors import InvalidImage, InvalidRequest, PayloadTooLarge
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.gateway.api import json_bodies, json_jobs
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.application import Gateway, create_app
from vitrine_serving.gateway.http import problems
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import CLASSIFY, DataPlane
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import ThreadRunner
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import Signatures
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shedding import SheddingSettings, TooLate
from vitrine_serving.rest_json import parsing

JSON = ("content-type", "application/json")
PICTURE = ("content-type", "image/png")
MIB = 2**20
WAIT_S = 30


def length(count: int) -> tuple[str, str]:
    return ("content-length", str(count))


def asked(app: Gateway, path: str, body: bytes, *headers: tuple[str, str]) -> Exchange:
    """A request that has been answered, its body in one piece."""
    exchange = Exchange("POST", path, *headers)
    asyncio.run(asyncio.wait_for(exchange.ask(app, [body]), WAIT_S))
    return exchange


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (PREDICT, JSON),
        (PREDICT, ("content-type", "Application/JSON; charset=utf-8")),
        (PREDICT, ("content-type", "application/x-www-form-urlencoded")),
        ("/v1/models/mlp:classify", JSON),
        ("/v1/models/mlp/versions/3:regress", PICTURE),
    ],
)
def test_json_has_a_limit_of_its_own(servers, path, kind):
    """8 MiB: what its length tells is refused before a byte is read, and so is what it inflates
    to; pictures have theirs."""
    app = create_app(Settings(), servers)
    exchange = Exchange("POST", path, kind, length(8 * MIB + 1))
    assert asyncio.run(exchange.ask(app, [b"{}"])) == 413
    assert exchange.events[0] == "sent"
    assert f"more than {8 * MIB} bytes; send fewer instances" in exchange.content()["detail"]
    packed = gzip.compress(b'{"instances": [' + b" " * 9 * MIB + b"1]}")
    assert asked(app, path, packed, kind, GZIP).status == 413
    assert asked(app, PREDICT, bytes(9 * MIB), PICTURE).status == 400  # it is read, and no picture


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        (PREDICT, PICTURE, "smaller pictures at once; the gateway's VITRINE_MAX_BODY_BYTES"),
        (PREDICT, JSON, "fewer instances at once; the gateway's VITRINE_MAX_JSON_BYTES"),
        (PREDICT, ("content-type", "text/plain"), "-H 'Content-Type: image/png'"),
    ],
)
def test_a_body_that_is_too_long_is_told_what_allows_more(servers, path, kind, told):
    """The variable that holds for its kind, and how to say that it is a picture where nobody
    did."""
    exchange = Exchange("POST", path, kind, length(32 * MIB + 1))
    assert asyncio.run(exchange.ask(create_app(Settings(), servers), [b"{}"])) == 413
    assert told in exchange.content()["detail"]


class Parser:
    """Stands for orjson where bodies are parsed."""

    JSONDecodeError = orjson.JSONDecodeError

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def loads(self, _: bytes) -> None:
        raise self._error


@pytest.mark.parametrize("verb", ["predict", "classify", "regress"])
@pytest.mark.parametrize("value", [b"{}", b"[]", b"0"])
def test_values_are_counted_before_parsing(servers, monkeypatch, verb, value):
    """A body of few bytes may hold so many that parsed it takes a hundred times as much."""
    monkeypatch.setattr(parsing, "orjson", Parser(AssertionError("it was parsed")))
    body = b'{"instances": [' + (value + b",") * 1_000_001 + b"0]}"
    app = create_app(Settings(max_json_bytes=32 * MIB), servers)
    answer = asked(app, f"/v1/models/mlp:{verb}", gzip.compress(body, 1), JSON, GZIP)
    assert (answer.status, "1,000,000 values" in answer.content()["detail"]) == (413, True)
    assert "VITRINE_MAX_JSON_VALUES" in answer.content()["detail"]


def test_as_many_values_as_are_allowed():
    """The bound is a setting; commas in a string count, too, as nothing is parsed."""
    assert parsing.parse(b'{"a": [1,2,3,4]}', 7)
    with pytest.raises(PayloadTooLarge, match="more than 6 values"):
        parsing.parse(b'{"a": [1,2,3,4]}', 6)


def test_depth_is_bounded():
    """As what is parsed recurses: also where only the slower parser reads it, because of a NaN."""
    for start in (b'{"a": ', b'{"b": NaN, "a": '):
        for depth in (1100, 20_000, 300_000):
            with pytest.raises(ServingError, match="JSON Parse error"):
                parsing.parse(start + b"[" * depth + b"]" * depth + b"}")


def test_a_large_body_that_orjson_refuses():
    """It has RapidJSON's values and words: that reads as fast."""
    spaces = b" " * json_bodies.LARGE_JSON_BYTES
    assert parsing.parse(b'{"a": ' + spaces + b"-Infinity}")["a"] == float("-inf")
    with pytest.raises(ServingError, match=rf"Invalid value\. at offset: {len(spaces) + 6}$"):
        parsing.parse(b'{"a": ' + spaces)


def test_bodies_have_a_budget_together(servers):
    """Of a process: who comes when it is spent is told to come again, and others go on."""
    app = create_app(Settings(max_body_bytes=MIB, max_body_bytes_in_flight=2 * MIB), servers)
    more = asyncio.Event()

    async def ask() -> None:
        slow = [Exchange("POST", PREDICT, PICTURE, length(MIB)) for _ in range(2)]
        tasks = [
            asyncio.create_task(each.ask(app, [bytes(MIB - 9), more, b"end"])) for each in slow
        ]
        await until(lambda: all(each.events == ["read", "read"] for each in slow), "bodies")
        late = Exchange("POST", PREDICT, PICTURE)
        assert await late.ask(app, [bytes(100), bytes(100), bytes(100)]) == 503
        assert (late.headers["retry-after"], late.events) == ("1", ["read", "sent", "read", "read"])
        packed = gzip.compress(bytes(9_000))
        assert len(packed) < 60
        assert await Exchange("POST", PREDICT, PICTURE, GZIP).ask(app, [packed]) == 503
        tasks.pop().cancel()  # its client leaves
        await asyncio.wait(tasks, timeout=0)
        assert await Exchange("POST", PREDICT, PICTURE).ask(app, [bytes(100_000)]) == 400
        more.set()
        assert await tasks.pop() == 400
        for _ in range(20):
            assert await Exchange("POST", PREDICT, PICTURE).ask(app, [bytes(MIB)]) == 400
            assert await Exchange("POST", PREDICT, PICTURE).ask(app, [bytes(MIB), b"1"]) == 413

    asyncio.run(asyncio.wait_for(ask(), WAIT_S))


def test_the_largest_body_always_fits(servers):
    """However small the budget is."""
    app = create_app(Settings(max_body_bytes=MIB, max_body_bytes_in_flight=1), servers)
    packed = gzip.compress(bytes(MIB), 0)[:MIB]
    assert asked(app, PREDICT, bytes(MIB), PICTURE).status == 400
    assert asked(app, PREDICT, packed, PICTURE, GZIP).status == 400


def test_an_answer_that_nobody_reads_counts(servers):
    """What is written and not read takes memory as a body does, and is bounded with it."""
    app = create_app(Settings(max_body_bytes=MIB, max_body_bytes_in_flight=2 * MIB), servers)
    body = npy(np.full((256, 28, 28), 255, np.uint8))
    array = ("content-type", "application/x-npy")

    async def ask() -> None:
        waiting = [Wire(app) for _ in range(3)]
        for each in waiting:
            each.transport.takes = False
            each.send(
                request(
                    "/v1/instances",
                    b"Content-Type: application/x-npy",
                    method=b"POST",
                    body=body,
                )
            )
        late = Exchange("POST", "/v1/instances", array)
        while await late.ask(app, [body]) == 200:
            await asyncio.sleep(0)
        assert late.status == 503
        for each in waiting:
            each.transport.takes = True
            each.transport.take()
        for each in waiting:
            await each.answers()
        assert await late.ask(app, [body]) == 200

    asyncio.run(asyncio.wait_for(ask(), WAIT_S))


def api_with(**options) -> JsonApi:
    return JsonApi(DataPlane(FakeServers(), BatchingSettings(), SheddingSettings()), **options)


LARGE = b'{"instances": [' + b" " * json_bodies.LARGE_JSON_BYTES + b"1]}"


class Never:
    """A runner that does not come to an end."""

    count, ended = 1, 0

    async def run(self, head, content, deadline):
        async with asyncio.timeout_at(deadline):
            await asyncio.Event().wait()


def test_large_bodies_wait_for_others_and_not_for_ever():
    """They are read one after the other, and refused where that is too late."""

    async def ask() -> None:
        queue = DecodingQueue(Never())
        api = api_with(decoding=queue)
        first = asyncio.create_task(
            api.predict(ModelRef("mlp"), LARGE, timeout_s=WAIT_S, caller=Caller("1"))
        )
        await until(lambda: queue.waiting_s > 0, "the first")
        with pytest.raises(TooLate, match="less JSON at once"):
            await api.predict(ModelRef("mlp"), LARGE, timeout_s=0.01, caller=Caller("2"))
        first.cancel()
        await asyncio.wait([first])
        assert queue.waiting_s == 0

    asyncio.run(asyncio.wait_for(ask(), WAIT_S))


@pytest.mark.parametrize("error", [MemoryError(), SystemError()])
def test_no_memory_is_no_fault_of_the_gateway(servers, monkeypatch, error):
    """503 with what to do, also where the parser calls it by another name."""
    monkeypatch.setattr(parsing, "orjson", Parser(error))
    for body in (b'{"instances": [1]}', LARGE):
        answer = asked(create_app(Settings(), servers), PREDICT, body, JSON)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "no memory left" in answer.content()["detail"]


def test_memory_may_run_out_anywhere(servers):
    """And is told in the same way."""
    servers.error = MemoryError()
    answer = asked(create_app(Settings(), servers), PREDICT, b'{"instances": [1]}', JSON)
    assert (answer.status, "no memory left" in answer.content()["detail"]) == (503, True)


def test_jobs_read_large_bodies_as_they_are_read_here():
    """The same message, inputs and errors, by way of bytes."""
    model, signatures = ModelRef("m", 3), Signatures(3, {"serving_default": {"x": wire.DT_FLOAT}})
    queue = DecodingQueue(ThreadRunner(json_jobs.TASKS))
    large = json_jobs.LargeJson(queue)

    async def ask() -> None:
        soon = time.monotonic() + WAIT_S
        body = b'{"instances": [1, 2.5], "signature_name": ""}'
        read = await large.read_predict(soon, body, 99, 9, model, signatures)
        here = json_bodies.read_predict(body, 99, 9, model, signatures)
        assert read._replace(inputs={}) == here._replace(inputs={})
        np.testing.assert_array_equal(read.inputs["x"], here.inputs["x"])
        named = b'{"signature_name": "other", "inputs": 1}'
        assert await large.read_signature_name(soon, named, 99) == "other"
        examples = b'{"examples": [{"x": 1.5}]}'
        there = await large.read_examples_message(soon, examples, 99, CLASSIFY, model)
        assert there == json_bodies.read_examples_message(examples, 99, CLASSIFY, model)
        for body, error in ((b"[", ServingError), (b'{"instances": [1,2,3]}', PayloadTooLarge)):
            with pytest.raises(error) as raised:
                await large.read_predict(soon, body, 2, 9, model, signatures)
            with pytest.raises(error) as expected:
                json_bodies.read_predict(body, 2, 9, model, signatures)
            assert str(raised.value) == str(expected.value)

    asyncio.run(asyncio.wait_for(ask(), WAIT_S))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", "leave out what is before the comma"),
        ("_-_-", "the standard alphabet"),
        ("not base64!", ""),
    ],
)
@pytest.mark.parametrize("padding", [0, json_bodies.LARGE_JSON_BYTES])
def test_words_of_our_own_beside_those_of_tensorflow_serving(text, hint, padding):
    """`error` has its words, `detail` what to do as well; a job brings both back."""
    servers = fake_servers.FakeServers({1: {"x": wire.DT_STRING}})
    api = JsonApi(DataPlane(servers, BatchingSettings(), SheddingSettings()))
    body = orjson.dumps({"instances": [{"b64": text}]}) + b" " * padding
    with pytest.raises(InvalidRequest) as refused:
        asyncio.run(api.predict(ModelRef("m"), body, timeout_s=WAIT_S, caller=Caller("1")))
    content = orjson.loads(problems.expected(refused.value).body)
    assert content["error"].endswith("Unable to base64 decode")
    assert content["detail"].startswith(content["error"])
    assert hint in content["detail"]
    assert bool(hint) == (content["detail"] != content["error"])


def test_a_picture_in_json_has_the_limits_of_a_picture():
    """By its header alone, as the model server decodes it whole; other bytes and text are free."""
    signatures = Signatures(3, {"serving_default": {"x": wire.DT_STRING}})

    def read(content: bytes) -> np.ndarray:
        body = orjson.dumps({"instances": [{"b64": base64.b64encode(content).decode()}]})
        return json_bodies.read_predict(body, 9, 1000, ModelRef("m"), signatures).inputs["x"]

    with pytest.raises(InvalidImage, match="60x40 pixels, more than 1000"):
        read(encoded(PAGE))
    with pytest.raises(InvalidImage, match="60x40 pixels, more than 1000"):
        read(encoded(PAGE, "BMP"))
    small = base64.b64encode(encoded(PAGE.resize((30, 30)))).decode()  # 900 of 1000 pixels
    several = orjson.dumps({"instances": [{"b64": small}] * 5})
    with pytest.raises(PayloadTooLarge, match="4,500 pixels together, and 4,000"):
        json_bodies.read_predict(several, 99, 1000, ModelRef("m"), signatures)
    hidden = encoded(PAGE, "JPEG")
    with pytest.raises(InvalidImage, match="header cannot be read"):
        read(hidden[:2] + b"\xff\xe9\x00\x02" * 2100 + hidden[2:])
    for content in (b"BMW is a car, and no bitmap", encoded(PAGE.resize((30, 30))), b"\xff\xd8"):
        assert read(content).tolist() == [content]
