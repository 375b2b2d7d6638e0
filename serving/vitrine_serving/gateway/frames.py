"""HTTP/2's frames: how they are made, and how they are found in what arrives (RFC 9113, 4 and 6).

Only what a client needs; no sockets here.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

MAX_FRAME = 16_384
"""Bytes of a frame's payload that a peer may send us, and always takes: the default."""

DEFAULT_WINDOW = 65_535
LARGEST = 2**31 - 1
"""Of stream ids and windows."""


class Code(IntEnum):
    """HTTP/2's errors, as far as we say them (RFC 9113, 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    FRAME_SIZE_ERROR = 6
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Http2Error(Exception):
    """The peer broke the protocol; `code` is what to tell it before its connection is ended."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITISED = 0x4, 0x8, 0x20
TABLE_SIZE, PUSH, MAX_STREAMS, INITIAL_WINDOW, FRAME_SIZE, LIST_SIZE = range(1, 7)

_HEAD = struct.Struct(">BHBBI")  # length in two parts, type, flags, stream
_SETTING = struct.Struct(">HI")
_SIZES = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}


class Frame(NamedTuple):
    """A frame without its padding; headers are one, in however many they came.

    `weight` is the payload's size as flow control counts it.
    """

    kind: int
    flags: int
    stream: int
    payload: bytes
    weight: int


def frame_head(size: int, kind: int, flags: int, stream: int) -> bytes:
    """Returns the 9 bytes before a payload of `size` bytes."""
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns a whole frame."""
    return frame_head(len(payload), kind, flags, stream) + payload


def number(value: int) -> bytes:
    """Returns the payload of WINDOW_UPDATE and of RST_STREAM."""
    return value.to_bytes(4, "big")


def settings(values: dict[int, int]) -> bytes:
    """Returns a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*each) for each in values.items()))


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Yields what SETTINGS say. Raises `Http2Error`."""
    if len(payload) % _SETTING.size:
        raise Http2Error(Code.FRAME_SIZE_ERROR, "broken SETTINGS")
    return _SETTING.iter_unpack(payload)


class FrameReader:
    """Finds frames in what arrives; keeps at most `MAX_FRAME` and `max_headers` bytes."""

    def __init__(self, max_headers: int) -> None:
        self._max_headers = max_headers
        self._rest = b""
        self._headers: Frame | None = None  # that CONTINUATION goes on with
        self._seen = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yields what is complete. Raises `Http2Error`, and must not be fed any more then."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= _HEAD.size:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            if not self._seen and kind != SETTINGS:
                raise Http2Error(Code.PROTOCOL_ERROR, "it does not speak HTTP/2")
            self._seen = True
            size = high << 16 | low
            if size > MAX_FRAME:
                raise Http2Error(Code.FRAME_SIZE_ERROR, f"a frame of {size} bytes")
            start = at + _HEAD.size
            at = start + size
            if at > end:
                at = start - _HEAD.size
                break
            payload = data[start:at]
            found = Frame(kind, flags, stream & LARGEST, payload, size)
            if self._headers or flags & (PADDED | PRIORITISED) or kind not in _PLAIN:
                yield from self._unwrapped(found)
            elif kind == HEADERS and not flags & END_HEADERS:
                self._headers = found
            else:
                yield found
        self._rest = data[at:]

    def _unwrapped(self, found: Frame) -> Iterator[Frame]:
        """What is not as simple as an answer usually is."""
        kind, flags = found.kind, found.flags
        if self._headers or kind == CONTINUATION:
            yield from self._continued(found)
            return
        if found.weight != _SIZES.get(kind, found.weight):
            raise Http2Error(Code.FRAME_SIZE_ERROR, f"a frame of type {kind} of a wrong size")
        if kind in _PLAIN:
            found = _stripped(found)
        if kind == HEADERS and not flags & END_HEADERS:
            self._headers = found
        else:
            yield found

    def _continued(self, found: Frame) -> Iterator[Frame]:
        first = self._headers
        if not first or found.kind != CONTINUATION or found.stream != first.stream:
            raise Http2Error(Code.PROTOCOL_ERROR, "headers are interrupted, or go on with nothing")
        block = first.payload + found.payload
        if len(block) > self._max_headers or not found.payload:
            # An empty one is allowed, of use to nobody, and how to keep us reading for ever.
            raise Http2Error(Code.ENHANCE_YOUR_CALM, "headers without end")
        self._headers = first._replace(payload=block, weight=len(block))
        if found.flags & END_HEADERS:
            yield self._headers
            self._headers = None


_PLAIN = frozenset((DATA, HEADERS))


def _stripped(found: Frame) -> Frame:
    """Takes off padding, and a priority, which is out of use."""
    payload, start, stop = found.payload, 0, len(found.payload)
    if found.flags & PADDED:
        start, stop = 1, stop - (payload[0] if payload else 0)
    if found.kind == HEADERS and found.flags & PRIORITISED:
        start += 5
    if start > stop:
        raise Http2Error(Code.PROTOCOL_ERROR, "more padding than frame")
    return found._replace(payload=payload[start:stop])
