"""Local transport: calls, errors, deadlines, those who leave, and servers that come and go."""

import asyncio
import contextlib

import grpc
import pytest

from harness.fake_local_server import FakeLocalServer
from harness.fake_model_server import Gate, echo, failing
from tests.serving.asking import LONG_S, ask, to, until
from vitrine_client.errors import DeadlineExceeded, InvalidRequest, NotFound, Unavailable
from vitrine_serving.gateway.upstream.local import LocalChannel

PATH = "/tensorflow.serving.PredictionService/Predict"
CODE = grpc.StatusCode


@contextlib.asynccontextmanager
async def channel_to(server: FakeLocalServer | str, **options):
    """A channel, closed at the end."""
    made = LocalChannel(server if isinstance(server, str) else server.path, **options)
    try:
        yield made
    finally:
        await made.close()


def test_calls():
    """Messages come back, of any size that goes, one after the other and side by side; the server
    is told the method, the metadata and the time."""

    async def main(server):
        async with to(server) as servers:
            for size in (0, 1, 65_526, 65_527, 1 << 20, (4 << 20) - 200):
                request = b"x" * size
                assert await ask(servers, request) == request
            many = [b"%d" % n for n in range(300)]
            assert await asyncio.gather(*(ask(servers, each) for each in many)) == many
            metadata = (("traceparent", "00-1"), ("other", "é"))
            await servers.call("ModelService/X", b"y", timeout_s=5, metadata=metadata)

    with FakeLocalServer() as server:
        asyncio.run(main(server))
    last = server.calls[-1]
    assert last.method == "/tensorflow.serving.ModelService/X"
    assert last.metadata == {"traceparent": "00-1", "other": "é"}
    assert 4 < last.left_s <= 5


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (CODE.NOT_FOUND, NotFound),
        (CODE.INVALID_ARGUMENT, InvalidRequest),
        (CODE.UNAVAILABLE, Unavailable),
    ],
)
def test_errors(code, error):
    """Codes and words are the server's."""

    async def main(server):
        async with to(server, max_attempts=1) as servers:
            with pytest.raises(error, match=r"^out of order: é$"):
                await ask(servers)

    with FakeLocalServer(failing(code, "out of order: é")) as server:
        asyncio.run(main(server))


def test_slow_calls_hold_up_nobody():
    """Others over the same connection are answered meanwhile."""

    async def main(server):
        async with channel_to(server) as channel:
            call = channel.unary_unary(PATH)
            held = [call(b"slow") for _ in range(5)]
            await until(lambda: len(server.calls) == 5, "the calls")
            gate, server.answer = server.answer, echo
            assert await call(b"quick", timeout=LONG_S) == b"quick"
            gate.open()
            assert await asyncio.gather(*held) == [b"slow"] * 5

    with FakeLocalServer(Gate()) as server:
        asyncio.run(main(server))


def test_deadlines():
    """Calls end at theirs, whatever order they were made in; later ones are answered."""

    async def main(server):
        async with channel_to(server) as channel:
            call = channel.unary_unary(PATH)
            late, sooner, patient = call(b"a", timeout=0.2), call(b"b", timeout=0.1), call(b"c")
            for each in (sooner, late):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await each
                assert caught.value.code() is CODE.DEADLINE_EXCEEDED
            server.answer.open()
            assert await patient == b"c"

    with FakeLocalServer(Gate()) as server:
        asyncio.run(main(server))


def test_deadlines_that_are_now():
    """Those who call beside them are answered: of a time that is now uvloop's timers do not tell
    when it is."""
    uvloop = pytest.importorskip("uvloop")

    async def main(server):
        async with channel_to(server) as channel:
            call = channel.unary_unary(PATH)
            late, patient = call(b"a", timeout=0.0), call(b"b", timeout=LONG_S)
            with pytest.raises(grpc.aio.AioRpcError, match="Deadline Exceeded"):
                await late
            assert await patient == b"b"

    with FakeLocalServer() as server:
        uvloop.run(main(server))


def test_the_verdict_on_a_late_server():
    """As over gRPC: it counts as a failure."""

    async def main(server):
        async with to(server, breaker_failures=1, fair_timeout_s=0.1) as servers:
            with pytest.raises(DeadlineExceeded):
                await ask(servers, timeout_s=0.2)
            assert servers.snapshot()[0].breaker == "open"

    with FakeLocalServer(Gate()) as server:
        asyncio.run(main(server))


def test_who_leaves():
    """The answer is dropped, and others get theirs."""

    async def main(server):
        async with channel_to(server) as channel:
            call = channel.unary_unary(PATH)
            left, stays = asyncio.ensure_future(call(b"left")), call(b"stays")
            await until(lambda: len(server.calls) == 2, "the calls")
            left.cancel()
            server.answer.open()
            assert await stays == b"stays"
            assert await call(b"next") == b"next"
            assert not channel.in_flight

    with FakeLocalServer(Gate()) as server:
        asyncio.run(main(server))


def test_a_server_that_comes_and_goes(tmp_path):
    """Calls fail at once while it is gone, say so, and reach the next one at the same path."""
    path = str(tmp_path / "socket")

    async def main():
        async with to(f"ttrpc:{path}") as servers:
            with pytest.raises(Unavailable, match=r"is not answering.*No such file"):
                await ask(servers, timeout_s=1)
            for _ in range(2):
                with FakeLocalServer(path=path) as server:
                    assert await ask(servers) == b"hello"
                    assert servers.snapshot()[0].breaker == "closed"
                    server.stop()
                    with pytest.raises(Unavailable, match=r"is not answering|No model server"):
                        await ask(servers, timeout_s=1)

    asyncio.run(main())


def test_calls_in_hand_of_a_server_that_ends():
    """They fail as lost, and are asked of another server."""

    async def main(one, other):
        async with to(one, other) as servers:
            held = [asyncio.create_task(ask(servers)) for _ in range(4)]
            await until(lambda: len(one.calls) == 2, "the calls")
            await asyncio.to_thread(one.stop)
            assert await asyncio.gather(*held) == [b"hello"] * 4

    with FakeLocalServer(Gate()) as one, FakeLocalServer() as other:
        asyncio.run(main(one, other))


def test_a_channel_that_is_closed():
    """Its calls are cancelled, and there are no more, as with gRPC's."""

    async def main(server):
        async with channel_to(server) as channel:
            held = channel.unary_unary(PATH)(b"x")
            await until(lambda: server.calls, "the call")
        with pytest.raises(asyncio.CancelledError):
            await held
        with pytest.raises(grpc.aio.UsageError):
            channel.unary_unary(PATH)(b"x")
        with pytest.raises(grpc.aio.UsageError):
            await channel.channel_ready()

    with FakeLocalServer(Gate()) as server:
        asyncio.run(main(server))


def test_a_directory_that_is_opened_to_everybody(tmp_path):
    """Is not connected to: anybody may listen there by now."""
    path = tmp_path / "own" / "socket"

    async def main():
        async with to(f"ttrpc:{path}", max_attempts=1) as servers:
            with pytest.raises(Unavailable, match="is open to everybody, who could take the place"):
                await ask(servers)
            path.parent.chmod(0o700)
            await until(lambda: servers.look_for_lost() or servers.usable() == 1, "its return")

    with FakeLocalServer(path=str(path)):
        path.parent.chmod(0o777)
        asyncio.run(main())
