"""ttrpc codec: frames and messages of containerd's gRPC for one machine, unary calls alone.

https://github.com/containerd/ttrpc/blob/main/PROTOCOL.md and request.proto. A frame is a header of
ten bytes and one message, which has the call's own in it, beside its method and its time or its
status. protobuf writes and reads it: by hand that takes twice as long for one row, and as long for
sixteen. Of a large request it writes what goes before the call's own message, which is not copied.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.packed_strings import varint

HEADER = struct.Struct(">IIBB")
"""Bytes of the message, number of its stream, kind, flags."""

MOST_BYTES = 4 << 20
"""Bytes of a message; one that is announced as larger is refused."""

RESERVED_BYTES = 1 << 24
"""Size that no frame announces: its first byte is always zero."""

REQUEST, RESPONSE, DATA = 1, 2, 3
"""Kinds of frames; unary calls have none of data, and further ones are passed over."""

LAST_STREAM = (1 << 32) - 1
"""Highest number of a stream. A client's are odd, and each higher than the one before."""

_BUFFER_BYTES = 1 << 18
"""Of a reader: a frame of 64 rows of 28x28 floats fits."""

_LARGE_BYTES = 1 << 14
"""Of a call's message: from here on two copies of it take longer than a second piece to send."""

_PAYLOAD = bytes([wire.TtrpcRequest.DESCRIPTOR.fields_by_name["payload"].number << 3 | 2])

_TOO_LARGE = "exceed maximum message size of"


class TooLarge(Exception):
    """A message of more than `MOST_BYTES`; its text is that of ttrpc's own error."""

    def __init__(self, size: int) -> None:
        super().__init__(f"message length {size} {_TOO_LARGE} {MOST_BYTES}")


class FrameError(Exception):
    """Bytes that are no frame of ttrpc's."""


class Frame(NamedTuple):
    """Frame that was received. One of more than `MOST_BYTES` has its `size` and no message."""

    stream: int
    kind: int
    size: int
    message: bytes | None


class FrameReader:
    """Reader of frames, with one buffer that is used again: `room` is where bytes are received,
    `note` says how many were, and `next_frame` takes them out."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(_BUFFER_BYTES))
        self._begin = self._end = self._left_out = 0
        self._needed = HEADER.size

    def room(self) -> memoryview:
        """Returns where the next bytes go, one at least."""
        if self._begin + self._needed > len(self._view) or self._begin == self._end:
            view = self._view
            wanted = max(self._needed, _BUFFER_BYTES)
            if wanted != len(view):
                view = memoryview(bytearray(wanted))
            left = self._end - self._begin
            if left:
                view[:left] = bytes(self._view[self._begin : self._end])
            self._view, self._begin, self._end = view, 0, left
        return self._view[self._end :]

    def note(self, count: int) -> None:
        """Notes that so many bytes are in `room` now."""
        self._end += count

    @property
    def has_frame(self) -> bool:
        """Whether `next_frame` returns one."""
        return self._end - self._begin >= self._needed and not self._left_out

    def next_frame(self) -> Frame | None:
        """Returns the next frame, None until all of it is there; one that is too large at once.
        Raises `FrameError`."""
        if self._left_out:
            passed = min(self._left_out, self._end - self._begin)
            self._begin += passed
            self._left_out -= passed
        there = self._end - self._begin
        if there < self._needed:
            return None
        size, stream, kind, _ = HEADER.unpack_from(self._view, self._begin)
        if size >= RESERVED_BYTES:
            raise FrameError("a frame whose first byte is not zero")
        begin = self._begin + HEADER.size
        if size > MOST_BYTES:
            self._begin, self._left_out, self._needed = begin, size, HEADER.size
            return Frame(stream, kind, size, None)
        self._needed = HEADER.size + size
        if there < self._needed:
            return None
        self._begin, self._needed = begin + size, HEADER.size
        return Frame(stream, kind, size, bytes(self._view[begin : begin + size]))


def request_frame(
    stream: int,
    service: str,
    method: str,
    payload: bytes,
    timeout_s: float | None = None,
    metadata: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Returns the frame of a request. Raises `TooLarge`."""
    request = _request(service, method, timeout_s, metadata)
    request.payload = payload
    return _framed(stream, REQUEST, request.SerializeToString())


def request_pieces(
    stream: int,
    service: str,
    method: str,
    payload: bytes,
    timeout_s: float | None = None,
    metadata: Iterable[tuple[str, str]] = (),
) -> Sequence[bytes]:
    """Returns the frame of a request in pieces, of which a large payload is the last. Raises
    `TooLarge`."""
    if len(payload) < _LARGE_BYTES:
        return (request_frame(stream, service, method, payload, timeout_s, metadata),)
    others = _request(service, method, timeout_s, metadata).SerializeToString()
    start = b"".join((others, _PAYLOAD, varint(len(payload))))
    return _header(stream, REQUEST, len(start) + len(payload)) + start, payload


def _request(
    service: str, method: str, timeout_s: float | None, metadata: Iterable[tuple[str, str]]
) -> wire.TtrpcRequest:
    """Returns a request without its payload."""
    request = wire.TtrpcRequest(
        service=service,
        method=method,
        # 0 stands for all the time there is.
        timeout_nano=0 if timeout_s is None else max(1, int(timeout_s * 1e9)),
    )
    for key, value in metadata:
        request.metadata.add(key=key, value=value)
    return request


def response_frame(stream: int, payload: bytes, code: int = 0, words: str = "") -> bytes:
    """Returns the frame of a response: a message, or the number of a gRPC code and an error's
    words. Raises `TooLarge`."""
    response = wire.TtrpcResponse(payload=payload)
    if code:
        response.status.code = code
        response.status.message = words
    return _framed(stream, RESPONSE, response.SerializeToString())


def read_request(message: bytes) -> wire.TtrpcRequest:
    """Reads the message of a request. Raises protobuf's `DecodeError`."""
    return wire.TtrpcRequest.FromString(message)


def read_response(message: bytes) -> wire.TtrpcResponse:
    """Reads the message of a response. Raises protobuf's `DecodeError`."""
    return wire.TtrpcResponse.FromString(message)


def is_too_large(words: str) -> bool:
    """Says whether an error's words are those of `TooLarge`."""
    return _TOO_LARGE in words


def _framed(stream: int, kind: int, message: bytes) -> bytes:
    return _header(stream, kind, len(message)) + message


def _header(stream: int, kind: int, size: int) -> bytes:
    if size > MOST_BYTES:
        raise TooLarge(size)
    return HEADER.pack(size, stream, kind, 0)
