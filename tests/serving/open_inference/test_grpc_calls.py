"""Calls by gRPC: keys, limits, deadlines, ids and metrics, as requests by HTTP have them."""

import asyncio
import json
import re
import time
from types import SimpleNamespace

import grpc
import numpy as np
import pytest

from tests.serving.open_inference.asked_grpc import LIMITS, X, answered, asked
from vitrine_client.errors import (
    DeadlineExceeded,
    ModelFault,
    ResourceExhausted,
    Unavailable,
    Unreachable,
)
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.http.reading import RequestSettings
from vitrine_serving.gateway.server.grpc_calls import ClientCalls, client_of, request_of

CODE = grpc.StatusCode


@pytest.fixture
def keyed(calling, tmp_path):
    """A caller of a gateway that wants a key, and the key."""
    path = tmp_path / "keys"
    key = keys.add(path, "app")
    return calling(keys_file=path), key


def test_keys(keyed):
    caller, key = keyed
    for metadata in ((("authorization", f"Bearer {key}"),), (("x-api-key", key),)):
        assert caller.infer(metadata=metadata).code is CODE.OK
    none, wrong = caller.infer(), caller.infer(metadata=(("x-api-key", "nope"),))
    assert (none.code, none.metadata["www-authenticate"]) == (CODE.UNAUTHENTICATED, "Bearer")
    assert (wrong.code, "not known" in wrong.words) == (CODE.UNAUTHENTICATED, True)


def test_a_call_without_a_key_is_refused_before_its_message_is_read(keyed):
    """Whoever has no right has nothing read, however much they would send."""
    caller, _ = keyed

    async def call():
        calling = caller.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        begun = calling(timeout=20)
        return await begun.code()  # nothing was sent

    assert caller.runner.run(call()) is CODE.UNAUTHENTICATED


@pytest.mark.parametrize("method", ["ServerLive", "ServerReady"])
def test_health_needs_no_key(keyed, method):
    assert keyed[0].call(method).code is CODE.OK


@pytest.mark.parametrize("method", ["ServerMetadata", "RepositoryIndex", "ModelReady"])
def test_all_else_needs_one(keyed, method):
    assert keyed[0].call(method).code is CODE.UNAUTHENTICATED


def test_rate_limit(calling):
    caller = calling(rate_limit=0.001, rate_burst=1)
    first, second = caller.infer(), caller.infer()
    assert (first.code, first.metadata["ratelimit"][:14]) == (CODE.OK, '"default";r=0;')
    assert (second.code, second.words[:17]) == (CODE.RESOURCE_EXHAUSTED, "Too many requests")
    assert int(second.metadata["retry-after"]) > 100


def test_a_rate_that_gateways_share_out(calling):
    """Two of the six that may come at once are this gateway's, and the policy is that of all."""
    caller = calling(rate_limit=0.006, rate_burst=6, peers="3")
    found = [caller.infer() for _ in range(3)]
    assert [each.code for each in found] == [CODE.OK, CODE.OK, CODE.RESOURCE_EXHAUSTED]
    assert {each.metadata["ratelimit-policy"] for each in found} == {'"default";q=6;w=1000'}
    assert [each.metadata["ratelimit"][:14] for each in found[:2]] == [
        '"default";r=1;',
        '"default";r=0;',
    ]
    assert 490 < int(found[-1].metadata["retry-after"]) <= 500


@pytest.mark.parametrize(
    ("error", "code", "words", "retry_after"),
    [
        (Unavailable("busy", retry_after_s=2.5), CODE.UNAVAILABLE, "busy", "3"),
        (Unreachable("10.0.0.1 is gone"), CODE.UNAVAILABLE, "The model server is not", "1"),
        (ResourceExhausted("full"), CODE.RESOURCE_EXHAUSTED, "full", None),
        (DeadlineExceeded("late"), CODE.DEADLINE_EXCEEDED, "late; send fewer", None),
        (ModelFault("no numbers"), CODE.UNKNOWN, "no numbers", None),
        (RuntimeError("secret"), CODE.INTERNAL, "The gateway failed; its log says why", None),
        (MemoryError(), CODE.UNAVAILABLE, "The gateway has no memory left", "1"),
    ],
)
def test_faults(caller, servers, error, code, words, retry_after):
    servers.error = error
    called = caller.infer()
    assert (called.code, called.words[: len(words)]) == (code, words)
    assert called.metadata.get("retry-after") == retry_after


def test_long_words_are_cut(caller, servers):
    """Beyond 8 KiB of metadata a client would see another code, and no words."""
    servers.error = Unavailable("ü" * 50_000)
    called = caller.infer()
    assert called.code is CODE.UNAVAILABLE
    assert called.words.endswith("of 50,000 characters)")


def test_a_message_that_is_too_large(calling):
    caller = calling(
        LIMITS._replace(requests=RequestSettings(max_body_bytes=100_000)), max_body_bytes=100_000
    )
    large = np.zeros((10_000, 3), np.float32)
    assert caller.infer(asked(large)).code is CODE.RESOURCE_EXHAUSTED
    # Also where it is small on the way.
    packed = caller.infer(asked(large), compression=grpc.Compression.Gzip)
    assert packed.code is CODE.RESOURCE_EXHAUSTED
    assert caller.infer().code is CODE.OK


@pytest.mark.parametrize("kind", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compression(caller, kind):
    assert (answered(caller.infer(compression=kind))["x"] == X).all()


def test_bytes_in_flight_are_counted_and_given_back(caller):
    """What one call holds is no other's, until its answer was sent."""
    before = caller.app.budget._left
    assert caller.infer(asked(np.zeros((30_000, 3), np.float32))).code is CODE.OK
    assert caller.infer(b"\xff").code is CODE.INVALID_ARGUMENT
    caller.runner.run(_until(lambda: caller.app.budget._left == before))
    caller.app.budget.take(before)
    called = caller.infer()
    assert (called.code, "in hand" in called.words) == (CODE.UNAVAILABLE, True)
    caller.app.budget.give(before)
    assert caller.infer().code is CODE.OK


def test_a_call_without_a_message(caller):
    async def call():
        calling = caller.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        begun = calling(timeout=20)
        await begun.done_writing()
        return await begun.code(), await begun.details()

    code, words = caller.runner.run(call())
    assert (code, "no message" in words) == (CODE.INVALID_ARGUMENT, True)


def test_a_message_that_does_not_come(calling):
    caller = calling(LIMITS._replace(requests=RequestSettings(body_timeout_s=0.2)))

    async def call():
        begun = caller.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")(
            timeout=20
        )
        return await begun.code(), await begun.details()

    code, words = caller.runner.run(call())
    assert (code, "did not come within 0.2 s" in words) == (CODE.DEADLINE_EXCEEDED, True)


def test_deadline_is_the_calls_where_that_is_earlier(calling, servers):
    seen = []
    real = servers.call

    async def call(method, request, *, timeout_s, metadata=()):
        seen.append(timeout_s)
        return await real(method, request, timeout_s=timeout_s, metadata=metadata)

    servers.call = call
    caller = calling()
    caller.infer(timeout=3)
    assert 2 < seen[-1] <= 3
    caller.infer(timeout=3_000)
    assert 9 < seen[-1] <= 10
    caller.infer(timeout=None)
    assert 9 < seen[-1] <= 10


def test_a_call_whose_client_has_left_is_noted(calling, servers):
    """Its work ends with it."""
    ended = []

    async def call(*_, **__):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(True)
            raise

    servers.call = call
    caller = calling()
    assert caller.infer(timeout=0.3).code is CODE.DEADLINE_EXCEEDED
    caller.runner.run(_until(lambda: ended))
    caller.runner.run(
        _until(lambda: 'endpoint="infer_grpc",model="m",status="499"' in told(caller))
    )


def test_calls_that_come_as_the_gateway_ends_are_answered(caller, servers):
    """gRPC cancels what it has not taken when it stops: those who wait for answers get them when
    it has told all clients to go elsewhere."""

    async def run():
        calls = [asyncio.create_task(caller.called("ModelInfer", asked())) for _ in range(8)]
        ending = asyncio.create_task(caller.server.end(10, quiet_s=0.5))
        await asyncio.sleep(0)
        calls += [asyncio.create_task(caller.called("ModelInfer", asked())) for _ in range(8)]
        found = {(await each).code for each in calls}
        await ending
        return found

    assert caller.runner.run(run()) == {CODE.OK}


def test_ids_and_traces(caller, servers):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    called = caller.infer(metadata=(("x-request-id", "mine"), ("traceparent", trace)))
    assert called.metadata["x-request-id"] == "mine"
    assert ("traceparent", trace) in servers.metadata
    odd = caller.infer(metadata=(("x-request-id", "a b"), ("traceparent", "x")))
    assert re.fullmatch("[0-9a-f]{32}", odd.metadata["x-request-id"])


def test_metrics(caller):
    for each in (asked(), asked(), asked(model_name="nope"), b"\xff"):
        caller.infer(each)
    shown = told(caller)
    for line in (
        'vitrine_requests_total{endpoint="infer_grpc",model="m",status="200"} 2.0',
        'vitrine_requests_total{endpoint="infer_grpc",model="other",status="404"} 1.0',
        'vitrine_requests_total{endpoint="infer_grpc",model="",status="400"} 1.0',
    ):
        assert line in shown
    assert caller.noted == 4


def test_the_prediction_log_has_them(calling, tmp_path):
    """A call, and each request of a stream."""
    log = tmp_path / "log"
    caller = calling(prediction_log=log)
    caller.infer(metadata=(("x-request-id", "mine"),))
    caller.stream([asked(), asked(model_name="nope")])
    caller.app.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(each["endpoint"], each["content"], each["status"]) for each in lines] == [
        ("infer_grpc", "grpc", 200),
        ("infer_stream_grpc", "grpc", 200),
        ("infer_stream_grpc", "grpc", 404),
    ]
    assert (lines[0]["request_id"], lines[0]["version"]) == ("mine", 2)


def test_more_calls_than_may_be(calling, servers):
    """One more is refused at once."""
    gate = asyncio.Event()
    real = servers.call

    async def call(*given, **named):
        await gate.wait()
        return await real(*given, **named)

    servers.call = call
    caller = calling(LIMITS._replace(most=2))

    async def run():
        tasks = [asyncio.create_task(caller.called("ModelInfer", asked())) for _ in range(2)]
        await _until(lambda: caller.noted == 2)
        own = [("grpc.use_local_subchannel_pool", 1)]  # or it would be the others' connection
        async with grpc.aio.insecure_channel(caller.address, own) as another:
            refused = another.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"")
            code = await refused.code()
        gate.set()
        return code, [(await task).code for task in tasks]

    assert caller.runner.run(run()) == (CODE.RESOURCE_EXHAUSTED, [CODE.OK] * 2)


def test_an_answer_that_nobody_reads(calling):
    """It counts for as long as its client has to read it, so that nobody else is refused for
    good."""
    caller = calling()
    before = caller.app.budget._left
    method = caller.app.grpc_methods["/inference.GRPCInferenceService/ModelInfer"]
    context = UnreadContext(asked(np.zeros((30_000, 3), np.float32)).SerializeToString())

    async def run(answer_s):
        calls = ClientCalls(caller.app, RequestSettings(), answer_s)
        await calls.handler(method).stream_unary(None, context)
        return before - caller.app.budget._left

    assert caller.runner.run(run(1_000)) > 300_000
    context.end()
    assert caller.app.budget._left == before
    caller.runner.run(run(-1_000))
    caller.runner.run(_until(lambda: caller.app.budget._left == before))


class UnreadContext:
    """Context of a call whose answer is not read before it is told to end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._callbacks = []

    async def read(self):
        return self._content

    def add_done_callback(self, callback):
        self._callbacks.append(callback)

    def end(self):
        for callback in self._callbacks:
            callback(self)

    def invocation_metadata(self):
        return ()

    def peer(self):
        return "ipv4:127.0.0.1:1"

    def time_remaining(self):
        return None

    def set_trailing_metadata(self, _):
        pass


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("ipv4:10.0.0.1:5", "10.0.0.1"),
        ("ipv6:%5B::1%5D:5", "::1"),
        ("ipv6:[fe80::1%25eth0]:5", "fe80::1%eth0"),
        *(("unix:", ""), ("unix:/x:y", ""), ("", "")),
    ],
)
def test_clients(peer, client):
    assert client_of(peer) == client


def test_metadata_are_headers():
    """Repeated ones are joined, and binary ones left out."""
    context = SimpleNamespace(
        invocation_metadata=lambda: (("a", "1"), ("a", "2"), ("b-bin", b"\0"), ("c", "3")),
        peer=lambda: "ipv4:1.2.3.4:5",
    )
    request = request_of(context, "/x")
    assert (request.headers, request.client) == ({"a": "1, 2", "c": "3"}, "1.2.3.4")


def told(caller) -> str:
    return caller.app.metrics.render()[0].decode()


async def _until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
