"""Age of connections by gRPC: calls lose nothing by it, and streams end after what was read."""

import asyncio

import grpc

from harness.balancer import balancer
from tests.serving.asking import until
from tests.serving.open_inference.asked_grpc import LIMITS, asked
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire

CODE = grpc.StatusCode
INFER, STREAM = map(grpc_messages.path_of, ("ModelInfer", "ModelStreamInfer"))
ASKED = asked().SerializeToString()
AGED = LIMITS._replace(max_age_s=0.4)


def target_of(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def test_calls_go_on_over_new_connections(calling):
    """A connection that is old takes no more, those that it has are answered, and the next call
    makes another."""
    caller = calling(AGED)

    async def run():
        answered = 0
        async with (
            balancer([target_of(caller.address)]) as front,
            grpc.aio.insecure_channel("{}:{}".format(*front.address)) as channel,
        ):
            while front.made.total() < 4:
                found = await asyncio.gather(
                    *(channel.unary_unary(INFER)(ASKED, timeout=20) for _ in range(4))
                )
                answered += len(found)
            await until(lambda: front.open.total() == 1, "the end of the old ones")
        return answered

    assert caller.runner.run(run()) > 4


def test_connections_stay_without_an_age(calling):
    caller = calling()

    async def run():
        loop = asyncio.get_running_loop()
        async with (
            balancer([target_of(caller.address)]) as front,
            grpc.aio.insecure_channel("{}:{}".format(*front.address)) as channel,
        ):
            until_s = loop.time() + 1
            while loop.time() < until_s:
                await channel.unary_unary(INFER)(ASKED, timeout=20)
            return front.made.total()

    assert caller.runner.run(run()) == 1


def test_an_old_stream_answers_what_was_read(calling):
    """Its client is told to open another: a stream has no other way to a new connection."""
    caller = calling(AGED)

    async def run():
        call = caller.channel.stream_stream(STREAM)(timeout=20)
        ids = []
        for n in range(3):
            await call.write(asked(id=str(n)).SerializeToString())
            found = wire.ModelStreamInferResponse.FromString(await call.read())
            ids.append(found.infer_response.id)
        return ids, await call.code(), await call.details()

    ids, code, words = caller.runner.run(run())
    assert (ids, code) == (["0", "1", "2"], CODE.UNAVAILABLE)
    assert words == "The stream has been open for as long as one may; open another"


def test_a_stream_whose_client_has_sent_all_is_whole(calling, servers):
    """Its last answers come after its age, and after the end of the gateway has begun: they are
    all that were asked for, and the end is a good one."""
    caller = calling(LIMITS._replace(max_age_s=0.05))
    caller.infer()
    real = servers.call
    held = asyncio.Event()

    async def call(*given, **named):
        await held.wait()
        return await real(*given, **named)

    servers.call = call

    async def run(*, ends: bool):
        held.clear()
        loop = asyncio.get_running_loop()
        stream = caller.channel.stream_stream(STREAM)(timeout=20)
        for n in range(3):
            await stream.write(asked(id=str(n)).SerializeToString())
        await stream.done_writing()
        old_s = loop.time() + 0.2
        await until(lambda: loop.time() > old_s, "its age")
        ending = asyncio.create_task(caller.server.end(10)) if ends else None
        await asyncio.sleep(0)
        held.set()
        found = [await stream.read() for _ in range(4)]
        if ending:
            await ending
        return [type(each) for each in found[:3]], await stream.code()

    for ends in (False, True):
        assert caller.runner.run(run(ends=ends)) == ([bytes] * 3, CODE.OK)
