"""ttrpc: frames and messages against bytes that were worked out from PROTOCOL.md and request.proto,
and frames as they come: in pieces, many at once, too large, or none at all."""

import pytest
from google.protobuf.message import DecodeError

from vitrine_client.tfserving import ttrpc

SERVICE, METHOD = "a.B", "Run"

REQUEST = bytes.fromhex(
    "00000012"  # 18 bytes of data
    "00000003"  # stream 3
    "01"  # a request
    "00"  # no flags: unary
    "0a03612e42"  # service, field 1: "a.B"
    "120352756e"  # method, field 2: "Run"
    "1a02cafe"  # payload, field 3
    "20808008"  # timeout_nano, field 4: 131072
)
RESPONSE = bytes.fromhex("0000000400000003020012 02cafe")
ERROR = bytes.fromhex(
    "0000000a00000003 0200"
    "0a08"  # status, field 1
    "0805"  # code, field 1: NOT_FOUND
    "12046e6f6e65"  # message, field 2: "none"
)
METADATA = bytes.fromhex("2a06 0a016b120176")  # field 5, of key "k" and value "v"


def frames_of(*pieces: bytes) -> list[ttrpc.Frame]:
    """Returns what a reader makes of bytes that come in these pieces."""
    reader, found = ttrpc.FrameReader(), []
    for piece in pieces:
        rest = piece
        while rest:
            room = reader.room()
            taken = min(len(room), len(rest))
            room[:taken] = rest[:taken]
            reader.note(taken)
            rest = rest[taken:]
            while True:
                promised, frame = reader.has_frame, reader.next_frame()
                assert promised or not frame
                if not frame:
                    break
                found.append(frame)
    return found


def test_a_request():
    """Is these bytes, and they are it."""
    assert ttrpc.request_frame(3, SERVICE, METHOD, b"\xca\xfe", 131072e-9) == REQUEST
    read = ttrpc.read_request(REQUEST[10:])
    assert (read.service, read.method) == (SERVICE, METHOD)
    assert (read.payload, read.timeout_nano) == (b"\xca\xfe", 131072)


def test_metadata():
    """Follow the timeout, in pairs."""
    made = ttrpc.request_frame(3, SERVICE, METHOD, b"\xca\xfe", 131072e-9, [("k", "v")])
    assert made[4:] == REQUEST[4:] + METADATA
    assert made[:4] == (18 + len(METADATA)).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("timeout_s", "nanoseconds"), [(None, 0), (0, 1), (-1, 1), (1e-12, 1), (86_400, 86_400 * 10**9)]
)
def test_times(timeout_s, nanoseconds):
    """0 is for all the time there is: a call that is late already has the least there can be."""
    frame = ttrpc.request_frame(1, SERVICE, METHOD, b"", timeout_s)
    assert ttrpc.read_request(frame[10:]).timeout_nano == nanoseconds


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 100_000, (4 << 20) - 200])
def test_requests_in_pieces(size):
    """Are the same call; a large payload is a piece as it is, and not copied."""
    payload = b"x" * size
    asked = SERVICE, METHOD, payload, 1.5, [("k", "é")]
    pieces = ttrpc.request_pieces(3, *asked)
    assert (pieces[-1] is payload) == (size >= 16_384)
    frame, whole = b"".join(pieces), ttrpc.request_frame(3, *asked)
    assert frame[:10] == whole[:10]
    assert ttrpc.read_request(frame[10:]) == ttrpc.read_request(whole[10:])


@pytest.mark.parametrize("make", [ttrpc.request_frame, ttrpc.request_pieces])
def test_requests_that_are_too_large(make):
    """Are not made: the frame counts, and not the payload alone."""
    for size in ((4 << 20) - 10, 4 << 20, (4 << 20) + 1):
        with pytest.raises(ttrpc.TooLarge):
            make(3, SERVICE, METHOD, b"x" * size)


def test_responses():
    """Have a message, or a status; a server of ttrpc's own says OK as well."""
    assert ttrpc.response_frame(3, b"\xca\xfe") == RESPONSE
    assert ttrpc.response_frame(3, b"", 5, "none") == ERROR
    read = ttrpc.read_response(ERROR[10:])
    assert (read.status.code, read.status.message, read.payload) == (5, "none", b"")
    for message in (RESPONSE[10:], b"\x0a\x00" + RESPONSE[10:]):
        read = ttrpc.read_response(message)
        assert (read.status.code, read.payload) == (0, b"\xca\xfe")


def test_frames_in_pieces():
    """Of one byte each, and all at once; of any size."""
    wanted = [
        ttrpc.Frame(3, ttrpc.REQUEST, 18, REQUEST[10:]),
        ttrpc.Frame(3, ttrpc.RESPONSE, 4, RESPONSE[10:]),
        ttrpc.Frame(7, 9, 0, b""),
    ]
    every = REQUEST + RESPONSE + bytes.fromhex("00000000000000070900")
    assert frames_of(every) == wanted
    assert frames_of(*(every[n : n + 1] for n in range(len(every)))) == wanted
    large = b"x" * (ttrpc.MOST_BYTES - 4 - 1)
    many = frames_of(every, *[ttrpc.response_frame(5, large)] * 2, every)
    assert [each.size for each in many] == [18, 4, 0, ttrpc.MOST_BYTES, ttrpc.MOST_BYTES, 18, 4, 0]
    assert [ttrpc.read_response(each.message).payload == large for each in many[3:5]] == [True] * 2


def test_what_is_too_large():
    """Is not made; of what announces more, the frame is told at once and its bytes are passed
    over."""
    with pytest.raises(ttrpc.TooLarge, match=r"message length 4194310 exceed maximum .* 4194304"):
        ttrpc.response_frame(1, b"x" * (ttrpc.MOST_BYTES + 1))
    size = ttrpc.MOST_BYTES + 1
    assert ttrpc.is_too_large(str(ttrpc.TooLarge(size)))
    told = ttrpc.HEADER.pack(size, 9, ttrpc.RESPONSE, 0)
    assert frames_of(told) == [ttrpc.Frame(9, ttrpc.RESPONSE, size, None)]
    found = frames_of(told, b"x" * size, REQUEST)
    assert [each.stream for each in found] == [9, 3]


def test_what_is_no_frame():
    """Its first byte is not zero: HTTP, say."""
    with pytest.raises(ttrpc.FrameError):
        frames_of(b"PRI * HTTP/2.0\r\n\r\n")
    with pytest.raises(DecodeError):
        ttrpc.read_request(b"\xff" * 8)
    with pytest.raises(DecodeError):
        ttrpc.read_response(b"\x0a\x05\x08")
