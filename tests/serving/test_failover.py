"""Model servers that are dead, hang, refuse or come back, and what calls to them do."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from harness.fake_model_server import FakeModelServer, Gate, failing
from harness.ports import free_port
from tests.serving.asking import LONG_S, OVER_EACH, ask, nobody, to, until
from vitrine_client.errors import DeadlineExceeded, Unavailable
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.upstream.model_servers import ModelServers

UNAVAILABLE = failing(grpc.StatusCode.UNAVAILABLE, "the queue is full")


@OVER_EACH
def test_a_dead_server_is_passed_over(server_kind):
    """With one of two dead, every call is answered, and the dead one is asked once."""

    async def main(server):
        dead = nobody()
        async with to(dead, server, breaker_failures=3) as servers:
            for _ in range(20):
                assert await ask(servers) == b"hello"
            assert servers.retries == 1
            assert [each.breaker for each in servers.snapshot()] == ["open", "closed"]
            assert servers.snapshot()[0].address == dead

    with server_kind() as server:
        asyncio.run(main(server))


@OVER_EACH
def test_calls_survive_their_server(server_kind):
    """What a server that is killed leaves unanswered is answered by the other."""

    async def main(dying, living):
        async with to(dying, living) as servers:
            out = [asyncio.create_task(ask(servers, b"%d" % n)) for n in range(8)]
            await until(lambda: len(dying.calls) == 4, "its share")
            await asyncio.to_thread(dying.stop)
            assert await asyncio.gather(*out) == [b"%d" % n for n in range(8)]
        assert len(living.calls) == 8

    stuck = Gate(failing(grpc.StatusCode.INTERNAL, "stuck"))
    with server_kind(stuck) as dying, server_kind() as living:
        asyncio.run(main(dying, living))


@OVER_EACH
def test_the_other_is_asked_next(server_kind):
    """Who refused is not asked again while another was not asked, however busy that is."""

    async def main(refusing, busy):
        async with to(refusing, busy, max_attempts=2, breaker_failures=99) as servers:
            out = []
            for n in range(4):
                out.append(asyncio.create_task(ask(servers)))
                await until(lambda held=n + 1: len(busy.calls) == held, "the next attempt")
            busy.answer.open()
            assert await asyncio.gather(*out) == [b"hello"] * 4

    with server_kind(UNAVAILABLE) as refusing, server_kind(Gate()) as busy:
        asyncio.run(main(refusing, busy))


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_are_limited(attempts):
    """A server that is not available is asked so many times, and its words are passed on."""

    async def main(server):
        async with to(server, max_attempts=attempts, breaker_failures=99) as servers:
            with pytest.raises(Unavailable, match=r"^the queue is full$"):
                await ask(servers)
            assert servers.retries == attempts - 1

    with FakeModelServer(UNAVAILABLE) as server:
        asyncio.run(main(server))
    assert len(server.calls) == attempts


@pytest.mark.parametrize(("share", "fewest", "most"), [(0.0, 0, 0), (0.1, 100, 140)])
def test_retries_are_a_share_of_calls(share, fewest, most):
    """Where every call fails, retries add a tenth (and the reserve of 100), not two of each."""

    async def main(server):
        async with to(server, retry_budget=share, breaker_failures=10_000) as servers:
            for _ in range(8):
                out = [ask(servers) for _ in range(50)]
                done = await asyncio.gather(*out, return_exceptions=True)
                assert {type(each) for each in done} == {Unavailable}
            assert fewest <= servers.retries <= most
            assert len(server.calls) == 400 + servers.retries

    with FakeModelServer(UNAVAILABLE) as server:
        asyncio.run(main(server))


def test_no_attempt_outlasts_the_deadline():
    """Neither pauses nor waiting for a lost server go on after it."""

    async def main():
        async with to(nobody(), max_attempts=50, breaker_failures=999) as servers:
            started = time.monotonic()
            with pytest.raises(Unavailable, match="is not answering"):
                await ask(servers, timeout_s=1.0)
            assert time.monotonic() - started < 10

    asyncio.run(main())


async def hang(servers: ModelServers, times: int, timeout_s: float = 1.0) -> None:
    """Calls that run out of time."""
    out = [ask(servers, timeout_s=timeout_s) for _ in range(times)]
    done = await asyncio.gather(*out, return_exceptions=True)
    assert [type(each) for each in done] == [DeadlineExceeded] * times


@OVER_EACH
def test_a_server_that_hangs_is_left_alone(server_kind):
    """After failures in a row calls fail at once, saying when to come back, and it sees none."""

    async def main(server):
        options = {"breaker_failures": 3, "breaker_open_s": 30.0, "fair_timeout_s": 0.5}
        async with to(server, **options) as servers:
            await hang(servers, 3)
            assert [each.breaker for each in servers.snapshot()] == ["open"]
            with pytest.raises(Unavailable, match="No model server is answering") as caught:
                await ask(servers)
            assert 0 < caught.value.retry_after_s <= 30
        assert len(server.calls) == 3

    with server_kind(Gate()) as server:
        asyncio.run(main(server))


@OVER_EACH
def test_half_open_one_call_goes(server_kind):
    """Of those who come when the time is over, one goes; its answer lets the others go again."""

    async def main(server):
        options = {"breaker_failures": 2, "breaker_open_s": 0.2, "fair_timeout_s": 0.5}
        async with to(server, **options) as servers:
            await hang(servers, 2)
            await until(lambda: servers.snapshot()[0].breaker == "half-open", "its second chance")
            probe = asyncio.create_task(ask(servers))
            await until(lambda: len(server.calls) == 3, "the call that decides")
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await ask(servers)
            server.answer.open()
            assert await probe == b"hello"
            assert [await ask(servers) for _ in range(3)] == [b"hello"] * 3
        assert len(server.calls) == 6

    with server_kind(Gate()) as server:
        asyncio.run(main(server))


@OVER_EACH
def test_a_cancelled_call_decides_nothing(server_kind):
    """When the one that decides is cancelled, another decides."""

    async def main(server):
        options = {"breaker_failures": 1, "breaker_open_s": 0.2, "fair_timeout_s": 0.5}
        async with to(server, **options) as servers:
            await hang(servers, 1)
            await until(lambda: servers.snapshot()[0].breaker == "half-open", "its second chance")
            probe = asyncio.create_task(ask(servers))
            await until(lambda: len(server.calls) == 2, "the call that decides")
            probe.cancel()
            await asyncio.wait([probe])
            server.answer.open()
            assert await ask(servers) == b"hello"

    with server_kind(Gate()) as server:
        asyncio.run(main(server))


@OVER_EACH
def test_who_gives_no_time_breaks_nothing(server_kind):
    """Calls with hardly any time say nothing of the server, however many they are."""

    async def main(server):
        async with to(server, breaker_failures=2, fair_timeout_s=1.0) as servers:
            await hang(servers, 10, timeout_s=0.1)
            assert [each.breaker for each in servers.snapshot()] == ["closed"]
            server.answer.open()
            assert await ask(servers) == b"hello"

    with server_kind(Gate()) as server:
        asyncio.run(main(server))


@pytest.fixture
def patience(monkeypatch) -> Callable:
    """Within it calls wait longer for a lost connection than a busy machine may stall."""

    @contextmanager
    def patience() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(messages, "RECONNECT_S", LONG_S / 2)
            yield

    return patience


def place_for(server_kind: type, folder: Path) -> tuple[dict[str, Any], str]:
    """Returns where a server is to listen, again and again, and its address."""
    if server_kind is FakeModelServer:
        port = free_port()
        return {"port": port}, f"127.0.0.1:{port}"
    return {"path": str(folder / "socket")}, f"ttrpc:{folder / 'socket'}"


@OVER_EACH
@pytest.mark.parametrize(
    "options",
    [
        {"breaker_failures": 1, "breaker_open_s": 600},
        {"breaker_failures": 1, "breaker_open_s": 1e-9, "retry_budget": 0},
        {"breaker_failures": 99, "retry_budget": 0},
    ],
    ids=["open", "half-open", "closed"],
)
def test_a_restarted_server_is_found(server_kind, options, patience, tmp_path):
    """The first calls after a server is up again are answered, whatever its breaker would let
    through and without a retry: a process that nobody has asked meanwhile must not answer 503."""

    place, address = place_for(server_kind, tmp_path)

    async def main():
        async with to(address, **options) as servers:
            for _ in range(3):
                with server_kind(**place), patience():
                    together = await asyncio.gather(*(ask(servers) for _ in range(5)))
                    assert together == [b"hello"] * 5
                with pytest.raises(Unavailable):
                    await ask(servers)
                assert servers.snapshot()[0].breaker == "open"

    asyncio.run(main())


@OVER_EACH
def test_the_last_attempt_waits_for_who_comes_back(server_kind, patience, tmp_path):
    """A call that finds its server gone is answered if it is back in a moment."""

    place, address = place_for(server_kind, tmp_path)

    async def main():
        async with to(address) as servers:
            with server_kind(**place):
                assert await ask(servers) == b"hello"
            with patience():
                out = asyncio.create_task(ask(servers))
                await until(lambda: servers.retries, "a failed attempt")
                with server_kind(**place):
                    assert await out == b"hello"

    asyncio.run(main())


def test_a_slow_connection_is_one():
    """A connection that takes a while, as TLS on a busy machine does, is not given up."""

    async def pump(reader, writer):
        while block := await reader.read(65536):
            writer.write(block)
        writer.close()
        await writer.wait_closed()

    async def main(server):
        held, ended = asyncio.Event(), asyncio.Event()

        async def proxy(reader, writer):
            asyncio.get_running_loop().call_later(0.5, held.set)
            there = await asyncio.open_connection("127.0.0.1", server.port)
            await held.wait()
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
            ended.set()

        async with await asyncio.start_server(proxy, "127.0.0.1", 0) as listener:
            host, port = listener.sockets[0].getsockname()
            async with to(f"{host}:{port}", max_attempts=1) as servers:
                assert await ask(servers) == b"hello"
            await asyncio.wait_for(ended.wait(), LONG_S)

    with FakeModelServer() as server:
        asyncio.run(main(server))
