"""Streams by gRPC: order, bounds, rights, and their end."""

import asyncio
import time

import grpc
import pytest

from tests.serving.open_inference.asked_grpc import LIMITS, asked
from vitrine_client.errors import Unavailable
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.http.reading import RequestSettings
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES
from vitrine_serving.gateway.server.grpc_stream import AT_ONCE

CODE = grpc.StatusCode
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
STREAM = grpc_messages.path_of("ModelStreamInfer")


class Gate:
    """Holds calls to model servers until it opens, and counts those that have come."""

    def __init__(self, servers) -> None:
        self.come = 0
        self.left = 0
        self.opened = asyncio.Event()
        self._real = servers.call
        servers.call = self.call

    async def call(self, *given, **named):
        self.come += 1
        try:
            await self.opened.wait()
            return await self._real(*given, **named)
        finally:
            self.left += 1


@pytest.fixture
def gate(servers) -> Gate:
    return Gate(servers)


def test_answers_come_in_the_order_of_requests(caller, servers):
    """Also where a later one was answered first."""
    real, delays = servers.call, iter([0.2, 0.1, 0, 0, 0, 0])

    async def call(method, request, **named):
        answered = await real(method, request, **named)
        if method.endswith("Predict"):
            await asyncio.sleep(next(delays))
        return answered

    caller.infer()
    delays = iter([0.2, 0.1, 0, 0, 0, 0])
    servers.call = call
    found, code, _ = caller.stream([asked(id=str(n)) for n in range(6)])
    assert code is CODE.OK
    assert [each.infer_response.id for each in found] == list("012345")


def test_no_more_than_some_are_in_hand(caller, gate):
    gate.opened.set()
    caller.infer()
    gate.opened.clear()
    gate.come = 0

    async def run():
        requests = [asked(id=str(n)) for n in range(2 * AT_ONCE)]
        streaming = asyncio.create_task(caller.streamed(requests))
        await until(lambda: gate.come == AT_ONCE)
        await asyncio.sleep(0.2)  # in which more would come
        at_once = gate.come
        gate.opened.set()
        found, code, _ = await streaming
        return at_once, len(found), code

    assert caller.runner.run(run()) == (AT_ONCE, 2 * AT_ONCE, CODE.OK)


def test_behind_a_large_one_nothing_is_read(caller, gate):
    """Or a stream would hold many before any of them was counted."""
    gate.opened.set()
    caller.infer()
    gate.opened.clear()
    gate.come = 0
    held_before = caller.app.budget._left
    large = asked(id="x" * (LARGE_BYTES + 1))

    async def run():
        streaming = asyncio.create_task(caller.streamed([large, large, asked(), asked()]))
        await until(lambda: gate.come)
        await asyncio.sleep(0.2)  # in which more would come
        at_once, held = gate.come, held_before - caller.app.budget._left
        gate.opened.set()
        found, code, _ = await streaming
        return at_once, held < 2 * LARGE_BYTES, len(found), code

    assert caller.runner.run(run()) == (1, True, 4, CODE.OK)


def test_an_empty_stream(caller):
    assert caller.stream([]) == ([], CODE.OK, "")


def test_a_stream_without_a_key_ends(calling, tmp_path):
    path = tmp_path / "keys"
    key = keys.add(path, "app")
    caller = calling(keys_file=path)

    async def refused():
        call = caller.channel.stream_stream(STREAM)(timeout=20)
        await call.write(asked().SerializeToString())  # a client that writes on may see INTERNAL
        return await call.code(), await call.details()

    code, words = caller.runner.run(refused())
    assert (code, "wants an API key" in words) == (CODE.UNAUTHENTICATED, True)
    found, code, _ = caller.stream([asked(), asked()], metadata=(("x-api-key", key),))
    assert (len(found), code) == (2, CODE.OK)


def test_each_request_counts_for_the_rate(calling):
    found, code, _ = calling(rate_limit=0.001, rate_burst=2).stream([asked(id=n) for n in "abc"])
    assert code is CODE.OK
    assert [each.error_message[:17] for each in found] == ["", "", "Too many requests"]
    assert found[2].infer_response.id == "c"


def test_a_fault_of_the_inside(caller, servers):
    servers.error = Unavailable("busy")
    found, code, _ = caller.stream([asked(id="a")])
    assert (code, found[0].error_message) == (CODE.OK, "busy")
    servers.error = RuntimeError("secret")
    found, code, _ = caller.stream([asked(id="a")])
    assert (code, "log says why" in found[0].error_message) == (CODE.OK, True)


def test_a_client_that_leaves_drops_what_it_asked(caller, gate):
    """All that the stream held is given back."""
    before = caller.app.budget._left

    async def run():
        call = caller.channel.stream_stream(STREAM)()
        for n in range(4):
            await call.write(asked(id=str(n)).SerializeToString())
        await until(lambda: gate.come)
        call.cancel()
        await until(lambda: gate.left == gate.come and caller.app.budget._left == before)

    caller.runner.run(run())


def test_an_end_answers_what_was_read(caller, gate):
    """Its client is told that it was the gateway's end."""
    gate.opened.set()
    caller.infer()
    gate.opened.clear()
    gate.come = 0

    async def run():
        call = caller.channel.stream_stream(STREAM)(timeout=20)
        for n in range(3):
            await call.write(asked(id=str(n)).SerializeToString())
        await until(lambda: gate.come == 3)
        ending = asyncio.create_task(caller.server.end(10))
        await asyncio.sleep(0)
        gate.opened.set()
        answers = [await call.read() for _ in range(3)]
        found = [wire.ModelStreamInferResponse.FromString(each) for each in answers]
        code, words = await call.code(), await call.details()
        await ending
        return [each.infer_response.id for each in found], code, words

    ids, code, words = caller.runner.run(run())
    assert (ids, code) == (["0", "1", "2"], CODE.UNAVAILABLE)
    assert "ending" in words


def test_an_idle_stream_does_not_hold_up_an_end(caller):
    async def run():
        call = caller.channel.stream_stream(STREAM)(timeout=20)
        await call.write(asked().SerializeToString())
        await call.read()
        began = time.monotonic()
        await caller.server.end(10)
        return await call.code(), time.monotonic() - began < 5

    assert caller.runner.run(run()) == (CODE.UNAVAILABLE, True)


def test_a_stream_whose_first_message_does_not_come(calling):
    """Those that follow have their time."""
    caller = calling(LIMITS._replace(requests=RequestSettings(body_timeout_s=0.2)))

    async def run():
        quiet = caller.channel.stream_stream(STREAM)(timeout=20)
        ended = await quiet.code(), await quiet.details()
        call = caller.channel.stream_stream(STREAM)(timeout=20)
        await call.write(asked().SerializeToString())
        await call.read()
        await asyncio.wait([asyncio.ensure_future(call.code())], timeout=0.5)
        await call.write(asked().SerializeToString())
        answered = wire.ModelStreamInferResponse.FromString(await call.read())
        await call.done_writing()
        return ended, answered.error_message, await call.code()

    (code, words), error, last = caller.runner.run(run())
    assert (code, "did not come within 0.2 s" in words) == (CODE.DEADLINE_EXCEEDED, True)
    assert (error, last) == ("", CODE.OK)


@pytest.mark.parametrize("path", [STREAM, WATCH, REFLECTION])
def test_open_streams_leave_room_for_calls(calling, path):
    caller = calling(LIMITS._replace(most=6))

    async def run():
        calls = [caller.channel.stream_stream(path)(timeout=20) for _ in range(4)]
        done, _ = await asyncio.wait(
            [asyncio.ensure_future(each.code()) for each in calls],
            timeout=20,
            return_when=asyncio.FIRST_COMPLETED,
        )
        called = await caller.called("ModelInfer", asked())
        for each in calls:
            each.cancel()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:  # there is room again
            again = caller.channel.stream_stream(path)(timeout=20)
            await again.done_writing()
            if await again.code() is not CODE.RESOURCE_EXHAUSTED:
                break
        return [each.result() for each in done], called.code, await again.code()

    refused, code, last = caller.runner.run(run())
    assert refused == [CODE.RESOURCE_EXHAUSTED]
    assert code is CODE.OK
    assert last is not CODE.RESOURCE_EXHAUSTED


async def until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
