"""Local transport with peers that keep to nothing: clients of the model server, and what listens in
the model server's place."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from harness.fake_local_server import FakeLocalServer
from harness.fake_model_server import LONGEST_S, FakeModelServer, Gate, echo, failing
from harness.waiting import wait_for
from tests.serving.asking import ask, to, until
from vitrine_client.errors import ResourceExhausted, Unavailable, Unreachable, VitrineError
from vitrine_client.tfserving import ttrpc
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.http.problems import message_of
from vitrine_serving.gateway.upstream import local_link
from vitrine_serving.gateway.upstream.local import LocalChannel

CODE = grpc.StatusCode
SERVICE = "tensorflow.serving.PredictionService"
MOST = ttrpc.MOST_BYTES


class Client:
    """A connection to a local server, and what comes over it."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LONGEST_S)
        self._socket.connect(path)
        self._frames = ttrpc.FrameReader()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def call(self, stream: int, payload: bytes = b"x") -> None:
        self.send(ttrpc.request_frame(stream, SERVICE, "Predict", payload))

    def answer(self) -> tuple[int, wire.TtrpcResponse]:
        """The next response, with its stream."""
        while not (frame := self._frames.next_frame()):
            count = self._socket.recv_into(self._frames.room())
            assert count, "the server hung up"
            self._frames.note(count)
        return frame.stream, ttrpc.read_response(frame.message)

    def has_ended(self) -> bool:
        """Waits for the server to hang up."""
        try:
            return not self._socket.recv(1)
        except ConnectionError:
            return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def server() -> Iterator[FakeLocalServer]:
    with FakeLocalServer() as server:
        yield server


@pytest.fixture
def client(server) -> Iterator[Client]:
    with contextlib.closing(Client(server.path)) as client:
        yield client


def header(size: int, stream: int, kind: int = ttrpc.REQUEST, flags: int = 0) -> bytes:
    return struct.pack(">IIBB", size, stream, kind, flags)


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    [
        (header(0, 2), CODE.INVALID_ARGUMENT, "StreamID must be odd"),
        (header(0, 3, ttrpc.DATA), CODE.INVALID_ARGUMENT, "StreamID is no longer active"),
        (header(0, 1), CODE.INVALID_ARGUMENT, "StreamID cannot be re-used and must increment"),
        (header(3, 5) + b"\xff" * 3, CODE.INVALID_ARGUMENT, "unmarshal request error"),
        (header(MOST + 1, 5) + bytes(MOST + 1), CODE.RESOURCE_EXHAUSTED, "message length 4194305"),
    ],
)
def test_requests_that_are_none(client, sent, code, words):
    """Are answered as ttrpc's own server does, and what follows them as ever."""
    client.call(1)
    client.send(sent)
    client.call(7)
    found = [client.answer()[1] for _ in range(3)]
    errors = [each.status for each in found if each.status.code]
    assert [each.code for each in errors] == [code.value[0]]
    assert words in errors[0].message


def test_frames_of_later_versions(client):
    """Are passed over."""
    client.send(header(4, 1, 9) + b"what")
    client.call(1)
    assert client.answer()[1].payload == b"x"


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"\xff" * 99]
)
def test_what_is_no_ttrpc(server, client, sent, caplog):
    """Ends its own connection, with a line of the log, and no other's."""
    client.send(sent)
    assert client.has_ended()
    assert any("a frame whose first byte is not zero" in text for text in caplog.messages)
    with contextlib.closing(Client(server.path)) as another:
        another.call(1)
        assert another.answer()[1].payload == b"x"


def test_half_a_frame(server, client):
    """Holds nobody up, and is answered once the rest is there."""
    frame = ttrpc.request_frame(1, SERVICE, "Predict", b"x" * 100_000)
    client.send(frame[:50_000])
    with contextlib.closing(Client(server.path)) as another:
        another.call(1)
        assert another.answer()[1].payload == b"x"
        another.send(frame[:5])  # and never more
    client.send(frame[50_000:])
    assert len(client.answer()[1].payload) == 100_000


def test_many_calls_at_once(server, client):
    """In one write: each is run, whatever the others do."""
    server.answer = gate = Gate()
    client.send(b"".join(ttrpc.request_frame(n, SERVICE, "Predict", b"x") for n in range(1, 20, 2)))
    wait_for(lambda: len(server.calls) == 10, LONGEST_S, "the calls")
    gate.open()
    assert sorted(client.answer()[0] for _ in range(10)) == list(range(1, 20, 2))


def test_a_slow_reader(server, client):
    """Gets its answers when it reads, holds up nobody, and nothing more is read from it."""
    large = b"x" * (1 << 20)
    server.answer = lambda call, _: large if call.request else b""
    for number in range(1, 24, 2):
        client.call(number)
    wait_for(lambda: server.calls, LONGEST_S, "a call")
    with contextlib.closing(Client(server.path)) as another:
        another.call(1)
        assert another.answer()[1].payload == large
    answers = dict(client.answer() for _ in range(12))
    assert sorted(answers) == list(range(1, 24, 2))
    assert {len(each.payload) for each in answers.values()} == {1 << 20}


def test_who_hangs_up_with_calls_in_hand(server):
    """Is forgotten, and the calls end without harm."""
    server.answer = gate = Gate()
    client = Client(server.path)
    client.call(1)
    wait_for(lambda: server.calls, LONGEST_S, "the call")
    client.close()
    gate.open()
    with contextlib.closing(Client(server.path)) as another:
        another.call(1)
        assert another.answer()[1].payload == b"x"


def test_the_end_waits_for_calls_in_hand(server, client):
    """They are answered; who has none is told at once, and calls that come are refused."""
    server.answer = gate = Gate()
    client.call(1)
    wait_for(lambda: server.calls, LONGEST_S, "the call")
    with contextlib.closing(Client(server.path)) as idle:
        ending = threading.Thread(target=server.end, args=(LONGEST_S,))
        ending.start()
        assert idle.has_ended()
    client.call(3)
    stream, answer = client.answer()
    assert (stream, answer.status.code) == (3, CODE.UNAVAILABLE.value[0])
    gate.open()
    assert client.answer()[1].payload == b"x"
    assert client.has_ended()
    ending.join(LONGEST_S)
    assert not ending.is_alive()


Script = Callable[[int, bytes], bytes | None]
"""What a server sends for the call on a stream; None to hang up."""


@contextlib.asynccontextmanager
async def odd_server(path: str, script: Script):
    """Answers the first question of each connection well, and calls as the script says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size, stream, *_ = ttrpc.HEADER.unpack(await reader.readexactly(10))
                request = ttrpc.read_request(await reader.readexactly(size))
                sent = script(stream, request.payload)
                if not request.payload:
                    sent = ttrpc.response_frame(stream, b"", 3, "Missing ModelSpec")
                if sent is None:
                    break
                writer.write(sent)
                await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()


@pytest.mark.parametrize(
    "script",
    [
        lambda stream, _: None,
        lambda stream, _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        lambda stream, _: header(100, stream, ttrpc.RESPONSE) + b"\x12\x62",
        lambda stream, _: header(3, stream, ttrpc.RESPONSE) + b"\xff" * 3,
        lambda stream, _: header(0, stream + 2, ttrpc.RESPONSE),
        lambda stream, _: header(0, stream + 1, ttrpc.RESPONSE),
        lambda stream, _: header(0, stream, ttrpc.DATA),
    ],
    ids=["hangs up", "HTTP", "half", "garbage", "a later stream", "an even stream", "data"],
)
def test_odd_servers(script, tmp_path):
    """Their calls fail, and are not waited for any longer than that takes; where a frame stays
    half, until the deadline."""
    path = str(tmp_path / "socket")

    async def main():
        async with odd_server(path, script), to(f"ttrpc:{path}", max_attempts=1) as servers:
            with pytest.raises(VitrineError) as caught:
                await ask(servers, timeout_s=1)
            told = str(caught.value)
            assert any(words in told for words in ("closed the connection", "no ttrpc", "Deadline"))

    asyncio.run(main())


@pytest.mark.parametrize("pauses", {local_link.PAUSES_LINES, False})
def test_a_server_that_does_not_read(pauses, monkeypatch):
    """Gets no more than it has room for, also by a Python whose `writelines` never says that."""
    monkeypatch.setattr(local_link, "PAUSES_LINES", pauses)
    ours, theirs = socket.socketpair()

    async def main():
        loop = asyncio.get_running_loop()
        link = local_link.LocalLink(*[lambda *_: None] * 3)
        transport, _ = await loop.create_connection(lambda: link, sock=ours)
        asked = SERVICE, "Predict", bytes(MOST - 1024)
        for _ in range(8):
            link.send(local_link.LocalCall(lambda _: None, asked, None, (), loop))
        assert transport.get_write_buffer_size() < 2 * MOST
        transport.abort()

    with theirs:
        asyncio.run(main())


def test_answers_to_those_who_have_left_and_of_other_kinds(tmp_path):
    """Are passed over."""
    path = str(tmp_path / "socket")

    def script(stream: int, request: bytes) -> bytes:
        good = ttrpc.response_frame(stream, request)
        return header(2, stream, 77) + b"??" + good + good + header(0, 1, ttrpc.RESPONSE)

    async def main():
        async with odd_server(path, script), to(f"ttrpc:{path}") as servers:
            for _ in range(3):
                assert await ask(servers) == b"hello"
            assert servers.retries == 0

    asyncio.run(main())


def test_what_answers_nothing(tmp_path):
    """Is no model server, though it takes connections."""
    path = str(tmp_path / "socket")

    async def main(listener):
        async with to(f"ttrpc:{path}") as servers:
            with pytest.raises(VitrineError):
                await ask(servers, timeout_s=1)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        asyncio.run(main(listener))


def test_what_speaks_grpc(tmp_path):
    """Is named by gRPC's own name for that, which works."""
    path = str(tmp_path / "socket")

    async def main():
        async with to(f"ttrpc:{path}", max_attempts=1) as servers:
            with pytest.raises(Unavailable, match=f"the address is unix:{path}"):
                await ask(servers, timeout_s=5)
        async with to(f"unix:{path}") as servers:
            assert await ask(servers) == b"hello"

    with FakeModelServer(host="unix", port=path):
        asyncio.run(main())


def test_streams_have_an_end(server):
    """Another connection is made in time, and no call is lost over that."""

    async def main():
        channel = LocalChannel(server.path, last_stream=9)
        call = channel.unary_unary(f"/{SERVICE}/Predict")
        many = [b"%d" % n for n in range(50)]
        assert [await call(each) for each in many] == many
        assert await asyncio.gather(*map(call, many)) == many
        await channel.close()

    asyncio.run(main())


def test_messages_that_are_too_large(caplog):
    """Go by gRPC, requests and responses, with their metadata and errors; that is counted, and said
    once."""
    large, grown = b"x" * (MOST + 1), b"y" * 100

    async def main(local, beside):
        async with to(local) as servers:
            assert await ask(servers, large) == large
            assert await servers.call("A/B", grown, timeout_s=9, metadata=(("k", "v"),)) == large
            assert servers.large_messages == 2
            beside.answer = failing(CODE.RESOURCE_EXHAUSTED, "full")
            with pytest.raises((ResourceExhausted, Unavailable), match="full"):
                await ask(servers, grown)
            beside.answer = Gate()
            asked = asyncio.create_task(ask(servers, large))
            await until(lambda: len(beside.calls) == 4, "the call")
            asked.cancel()
            await until(beside.answer.gone.is_set, "that it is cancelled there")
            local.answer = echo
            assert await ask(servers, b"small") == b"small"

    with (
        FakeLocalServer(lambda call, _: large if call.request else b"") as local,
        FakeModelServer(lambda *_: large, host="unix", port=f"{local.path}.h2") as beside,
    ):
        asyncio.run(main(local, beside))
    assert beside.calls[1].metadata["k"] == "v"
    assert sum("went to the model server by gRPC" in text for text in caplog.messages) == 1


def test_large_messages_without_grpc(server):
    """Where its socket is missing, the client is not told where that was looked for; small ones go
    as ever."""

    async def main():
        async with to(server, max_attempts=1) as servers:
            with pytest.raises(Unreachable, match=f"{server.path}.h2") as caught:
                await ask(servers, b"x" * (MOST + 1))
            assert server.path not in message_of(caught.value)
            assert await ask(servers) == b"hello"

    asyncio.run(main())
