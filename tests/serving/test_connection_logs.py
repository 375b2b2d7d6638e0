"""What the log says of connections to model servers: nothing while they start, all of it later."""

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest

from harness.fake_model_server import FakeModelServer
from harness.ports import free_port
from tests.client.fake_gateway import FakeGateway
from tests.serving.asking import LONG_S, until
from vitrine_client.process import local_sockets
from vitrine_serving.gateway.upstream.breaker import Breaker
from vitrine_serving.gateway.upstream.connection import Connection
from vitrine_serving.gateway.upstream.discovery import ServerEndpoint

LOGGER = "vitrine_serving.gateway.upstream.connection"


def connection(server: int | str, *, start_s: float, failures: int = 5) -> Connection:
    """A connection to a port of this machine, or to an address."""
    return Connection(
        ServerEndpoint(f"127.0.0.1:{server}" if isinstance(server, int) else server),
        Breaker(failures, 0.05),
        credentials=None,
        fair_timeout_s=1.0,
        start_s=start_s,
    )


async def ask(to: Connection) -> bool:
    """Asks once, if it may be asked; says whether that was answered."""
    if to.wait_s():
        return False
    deadline = asyncio.get_running_loop().time() + LONG_S
    try:
        await to.call("PredictionService/Predict", b"?", deadline, ())
    except grpc.aio.AioRpcError:
        return False
    return True


async def answered(to: Connection) -> None:
    """Asks until there is an answer."""
    async with asyncio.timeout(LONG_S):
        while not await ask(to):
            await asyncio.sleep(0.01)


async def lost(to: Connection) -> None:
    """Asks until there is no connection."""
    async with asyncio.timeout(LONG_S):
        while not to.lost:
            await ask(to)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("failures", [5, 1])
def test_a_start_is_quiet_and_a_loss_is_not(caplog, failures):
    """A server that comes up after the gateway is no event, whatever the breaker makes of it; one
    that goes, and comes back, is two."""
    port = free_port()
    caplog.set_level(logging.INFO, LOGGER)

    async def main() -> None:
        to = connection(port, start_s=LONG_S * 10, failures=failures)
        try:
            await lost(to)
            await ask(to)
            with FakeModelServer(port=port):
                await answered(to)
                assert caplog.messages == []
            await lost(to)
            await until(lambda: len(caplog.messages) > 0, "the loss in the log")
            with FakeModelServer(port=port):
                await answered(to)
        finally:
            await to.close()

    asyncio.run(main())
    told = [text for text in caplog.messages if "left alone" not in text]
    assert f"127.0.0.1:{port} is not answering" in told[0]
    assert sum("is connected again" in text for text in told) == 1


def test_a_server_that_speaks_something_else_is_told_at_once(caplog):
    """Once, also while it may still start: a REST port is no start."""
    with FakeGateway() as server:
        port = int(server.url.rpartition(":")[2])

        async def main() -> None:
            to = connection(port, start_s=LONG_S * 10)
            try:
                for _ in range(3):
                    await ask(to)
            finally:
                await to.close()

        asyncio.run(main())
    (told,) = [text for text in caplog.messages if "left alone" not in text]
    assert f"127.0.0.1:{port} answers, but not by gRPC" in told
    assert "8500" in told


def _not_allowed(_: str) -> None:
    raise PermissionError(13, "Permission denied")


async def _answer_oddly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        ("open", "is open to everybody, who could take the place of the socket in it"),
        ("closed", "this user may not connect; run both as one, or the model server with --local"),
        ("odd", "what listens there speaks no ttrpc"),
    ],
)
def test_a_local_socket_that_cannot_be_used_is_told_at_once(caplog, monkeypatch, cause, told):
    """Once, also while the model server may still start: that changes nothing of it."""

    async def main(path: str) -> None:
        listener = await asyncio.start_unix_server(_answer_oddly, path)
        to = connection(f"ttrpc:{path}", start_s=LONG_S * 10)
        try:
            await lost(to)
            for _ in range(3):
                await ask(to)
        finally:
            await to.close()
            listener.close()

    with TemporaryDirectory() as folder:  # whose path is short
        if cause == "open":
            Path(folder).chmod(0o777)
        if cause == "closed":
            monkeypatch.setattr(local_sockets, "check_directory", _not_allowed)
        asyncio.run(main(f"{folder}/socket"))
    (line,) = [text for text in caplog.messages if "left alone" not in text]
    assert f"ttrpc:{folder}/socket" in line
    assert told in line


def test_a_server_that_never_comes_is_told(caplog):
    """Once, when it had its time, with gRPC's reason."""
    port = free_port()

    async def main() -> None:
        to = connection(port, start_s=0.0)
        try:
            await lost(to)
            for _ in range(3):
                await ask(to)
        finally:
            await to.close()

    asyncio.run(main())
    assert len(caplog.messages) == 1
    assert f"127.0.0.1:{port} is not answering" in caplog.text
    assert "refused" in caplog.text
