"""One call: its request on the way out, under flow control, and its answer on the way in."""

import struct
from collections.abc import Callable

from grpc import StatusCode

from vitrine_serving.gateway import frames as f
from vitrine_serving.gateway.rpc import Head, RpcError, head_error, status_error

MAX_MESSAGE = 64 << 20
"""Bytes of an answer."""

_MESSAGE = struct.Struct(">BI")  # compressed?, length
_WRITE_SIZE = 1 << 18


class Stream:
    """A call on its way; whoever makes it says what `end` does with the outcome."""

    __slots__ = ("body", "head", "id", "open", "rest", "window")

    def __init__(self) -> None:
        self.id = 0
        self.open = False  # started, and ended by neither side
        self.window = 0
        self.rest: bytes | memoryview = b""  # of the request
        self.head: Head | None = None
        self.body = bytearray()

    def end(self, outcome: bytes | RpcError) -> None:
        """Takes the answer, or why there is none; called once, and must not call the session."""
        raise NotImplementedError

    def take_head(self, head: Head) -> RpcError | None:
        """Takes the first headers; returns why the answer is refused, if it is."""
        self.head = head
        return head_error(head)

    def take_data(self, payload: bytes) -> RpcError | None:
        """Takes a part of the answer, which is refused as soon as it is known to be wrong."""
        body = self.body
        body += payload
        if len(body) < _MESSAGE.size:
            return None
        compressed, size = _MESSAGE.unpack_from(body)
        if compressed:
            return RpcError(StatusCode.INTERNAL, "The answer is compressed, and was not to be")
        if size > MAX_MESSAGE:
            text = f"The answer has {size} bytes, more than {MAX_MESSAGE}"
            return RpcError(StatusCode.RESOURCE_EXHAUSTED, text)
        if len(body) > _MESSAGE.size + size:
            return RpcError(StatusCode.INTERNAL, "There is more than one answer")
        return None

    def outcome(self, trailers: Head) -> bytes | RpcError:
        """Returns what the whole answer says."""
        # An error may come alone; then its headers are all there are.
        error = None if self.head or trailers.grpc_status else head_error(trailers)
        error = error or status_error(trailers)
        if error:
            return error
        body = self.body
        if len(body) < _MESSAGE.size or len(body) < _MESSAGE.size + _MESSAGE.unpack_from(body)[1]:
            return RpcError(StatusCode.INTERNAL, "The answer is OK, but not whole")
        with memoryview(body) as view:
            return bytes(view[_MESSAGE.size :])


class Outbox:
    """Requests that are being sent, as much of them as windows and the transport allow."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.writable = True
        self.max_frame = f.MAX_FRAME
        self._write = write
        self._window = self._first_window = f.DEFAULT_WINDOW
        self._waiting: dict[Stream, None] = {}  # for a window or the transport, oldest first

    def send(self, stream: Stream, headers: bytes, message: bytes) -> None:
        """Sends a request, whole if that may be."""
        stream.window = self._first_window
        stream.rest = _MESSAGE.pack(0, len(message)) + message
        out = [f.frame_head(len(headers), f.HEADERS, f.END_HEADERS, stream.id), headers]
        if self._waiting or not self._fill(stream, out):
            self._waiting[stream] = None
        self._write(b"".join(out))
        if self._waiting:
            self.pump()

    def forget(self, stream: Stream) -> bool:
        """Drops what is left of a request; says whether anything was."""
        stream.rest = b""
        return self._waiting.pop(stream, self) is None

    def pump(self) -> bool:
        """Goes on with what waits; says whether any could be sent."""
        sent = False
        for stream in list(self._waiting):
            more = True
            while more and self.writable:
                out: list[bytes | memoryview] = []
                if self._fill(stream, out):
                    del self._waiting[stream]
                    more = False
                if not out:
                    break
                sent = True
                self._write(b"".join(out))
        return sent

    def widen(self, stream: Stream | None, size: int) -> None:
        """Lets `size` more bytes go, of one request or of all together. Raises `Http2Error`."""
        if stream:
            stream.window = _widened(stream.window, size)
        else:
            self._window = _widened(self._window, size)

    def set_first_window(self, size: int, streams: list[Stream]) -> None:
        """Sets what each request may send at first, for those that are out, too: its window can
        get negative (RFC 9113, 6.9.2). Raises `Http2Error`."""
        for stream in streams:
            stream.window = _widened(stream.window, size - self._first_window)
        self._first_window = size

    def _fill(self, stream: Stream, out: list[bytes | memoryview]) -> bool:
        """Adds frames of a request to `out`; says whether it ends with them."""
        rest, filled = stream.rest, 0
        while filled < _WRITE_SIZE:
            size = min(len(rest), self._window, stream.window, self.max_frame)
            if size <= 0:
                break
            self._window -= size
            stream.window -= size
            ends = size == len(rest)
            out.append(f.frame_head(size, f.DATA, f.END_STREAM if ends else 0, stream.id))
            if ends:
                out.append(rest)
                stream.rest = b""
                return True
            rest = memoryview(rest)
            out.append(rest[:size])
            rest = rest[size:]
            filled += size
        stream.rest = rest
        return False


def _widened(window: int, size: int) -> int:
    if window + size > f.LARGEST:
        raise f.Http2Error(f.Code.FLOW_CONTROL_ERROR, "a window that is too large")
    return window + size
