"""The other side of HTTP/2, made of bytes: what a server says, well or badly, as a test wants."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from vitrine_serving.gateway.rpc import RpcError
from vitrine_serving.gateway.stream import Stream

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)
END_STREAM = ACK = 1
END_HEADERS, PADDED, PRIORITISED = 4, 8, 32


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    """SETTINGS; `MAX_STREAMS`, `WINDOW` and so on."""
    keys = {"PUSH": 2, "MAX_STREAMS": 3, "WINDOW": 4, "FRAME": 5}
    pairs = [struct.pack(">HI", keys[key], value) for key, value in values.items()]
    return frame(SETTINGS, 0, 0, b"".join(pairs))


def fields(*pairs: tuple[str, str]) -> bytes:
    """A block of headers: short literals that are not indexed."""
    strings = [text.encode() for pair in pairs for text in pair]
    coded = [bytes((len(each),)) + each for each in strings]
    return b"".join(b"\x00" + coded[n] + coded[n + 1] for n in range(0, len(coded), 2))


HEAD = fields((":status", "200"), ("content-type", "application/grpc"))
OK = fields(("grpc-status", "0"))


def head(stream: int = 1, block: bytes = HEAD, flags: int = END_HEADERS) -> bytes:
    """The first headers of an answer."""
    return frame(HEADERS, flags, stream, block)


def message(content: bytes, stream: int = 1, flags: int = 0) -> bytes:
    """An answer's DATA."""
    return frame(DATA, flags, stream, struct.pack(">BI", 0, len(content)) + content)


def trailers(stream: int = 1, block: bytes = OK) -> bytes:
    """The end of an answer."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)


def answer(content: bytes, stream: int = 1) -> bytes:
    """A whole answer."""
    return head(stream) + message(content, stream) + trailers(stream)


def window_update(size: int, stream: int = 0) -> bytes:
    """More window, of a stream or of all."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def goaway(last: int = 0, code: int = 0) -> bytes:
    """The end of a connection."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code))


def frames(sent: bytes) -> list[tuple[int, int, int, bytes]]:
    """What a client sent after its preface: type, flags, stream and payload of each frame."""
    found = []
    sent = sent.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    while sent:
        size = int.from_bytes(sent[:3], "big")
        kind, flags, stream = struct.unpack_from(">BBI", sent, 3)
        found.append((kind, flags, stream, sent[9 : 9 + size]))
        sent = sent[9 + size :]
    return found


class Noted(Stream):
    """A call whose outcome is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome_seen: bytes | RpcError | None = None

    def end(self, outcome: bytes | RpcError) -> None:
        assert self.outcome_seen is None, "a call ends once"
        self.outcome_seen = outcome


class Peer:
    """One connection to a scripted server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.closed = False

    async def say(self, data: bytes) -> None:
        """Sends bytes, if they are still wanted."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def next_frame(self) -> tuple[int, int, int, bytes]:
        """What the client says next. Raises `EOFError` where it hung up."""
        try:
            start = await self._reader.readexactly(9)
            if start == b"PRI * HTT":
                await self._reader.readexactly(15)
                start = await self._reader.readexactly(9)
            payload = await self._reader.readexactly(int.from_bytes(start[:3], "big"))
        except ConnectionError as error:
            raise EOFError from error
        kind, flags, stream = struct.unpack_from(">BBI", start, 3)
        return kind, flags, stream, payload

    async def request(self) -> int:
        """Waits for the end of a request; returns its stream."""
        while True:
            kind, flags, stream, _ = await self.next_frame()
            if kind == DATA and flags & END_STREAM:
                return stream

    def hang_up(self) -> None:
        """Ends the connection."""
        self._writer.close()

    async def until_closed(self) -> None:
        """Reads until the client hangs up."""
        with contextlib.suppress(EOFError):
            while True:
                await self.next_frame()

    async def serve(self) -> None:
        """Answers "fine" to all that comes."""
        with contextlib.suppress(EOFError):
            while True:
                await self.say(answer(b"fine", await self.request()))


Script = Callable[[Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def scripted(*scripts: Script, **options) -> AsyncIterator[tuple[str, list[Peer]]]:
    """A server that plays a script for each connection, the last one for all after it; yields its
    address and the connections, `closed` when the client has left and the script is over."""
    peers: list[Peer] = []
    tasks = set()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        peer = Peer(reader, writer)
        peers.append(peer)
        try:
            with contextlib.suppress(EOFError):
                await scripts[min(len(peers), len(scripts)) - 1](peer)
            await peer.until_closed()
            peer.closed = True
        finally:
            writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0, **options)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", peers
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def good(peer: Peer) -> None:
    """Answers every call."""
    await peer.say(settings())
    await peer.serve()
