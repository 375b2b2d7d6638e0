"""How requests go out over HTTP/2: windows, waiting, and the ends of connections; no sockets."""

import pytest
from grpc import StatusCode

from tests.serving import http2_peer as peer
from tests.serving.test_http2 import Wired

FIRST = 65_535  # the windows of a connection and, unless it says otherwise, of a stream


def test_large_requests_wait_for_windows():
    """No more is sent than the connection and the stream take, in frames of the largest size."""
    wired = Wired()
    request = bytes(100_000 - 5)
    call = wired.call(request)
    assert wired.data() == [(1, 16_384)] * 3 + [(1, 16_383)]
    wired.session.receive(peer.window_update(50_000))
    assert wired.data() == []
    wired.session.receive(peer.window_update(10_000, 1))
    assert wired.data() == [(1, 10_000)]
    wired.session.receive(peer.window_update(50_000, 1))
    assert wired.data() == [(1, 16_384), (1, 100_000 - FIRST - 10_000 - 16_384)]
    wired.session.receive(peer.answer(b"fine"))
    assert call.outcome_seen == b"fine"
    assert wired.frames() == []


def test_what_was_sent_is_the_request():
    """Cut into frames or not, every byte arrives once and in order."""
    wired = Wired(peer.settings(WINDOW=2**31 - 1, FRAME=20_000) + peer.window_update(1 << 30))
    request = bytes(range(256)) * 4000
    wired.call(request)
    frames = wired.frames()
    parts = [load for kind, _, _, load in frames if kind == peer.DATA]
    assert b"".join(parts)[5:] == request
    assert {len(each) for each in parts[:-1]} == {20_000}
    assert [flags for _, flags, _, _ in frames[1:]] == [0] * (len(parts) - 1) + [peer.END_STREAM]


def test_requests_go_on_in_their_order():
    """Who came first is served first by a window that is short; who has none is passed over."""
    wired = Wired()
    for size in (60_000, 60_000, 10):
        wired.call(bytes(size - 5))
    assert [stream for stream, _ in wired.data()] == [1] * 4 + [3]
    wired.session.receive(peer.window_update(20_000))
    assert [stream for stream, _ in wired.data()] == [3] * 2
    wired.session.receive(peer.window_update(100_000))
    assert [stream for stream, _ in wired.data()] == [3] * 3 + [5]


def test_windows_can_shrink():
    """SETTINGS change the windows of calls that are out, to less than nothing if need be."""
    wired = Wired()
    wired.session.receive(peer.window_update(1 << 20))
    wired.call(bytes(100_000 - 5))
    assert sum(size for _, size in wired.data()) == FIRST
    wired.session.receive(peer.settings(WINDOW=0) + peer.window_update(FIRST, 1))
    assert wired.data() == []
    wired.session.receive(peer.window_update(1, 1))
    assert wired.data() == [(1, 1)]
    wired.session.receive(peer.settings(WINDOW=1000))
    assert wired.data() == [(1, 1000)]


def test_nothing_is_sent_to_whom_does_not_read():
    """While the transport is full no call starts and requests wait; then they go on."""
    wired = Wired(peer.settings(WINDOW=2**31 - 1) + peer.window_update(1 << 30))
    wired.session.set_writable(False)
    assert not wired.session.free
    wired.session.set_writable(True)
    assert wired.session.free
    wired.call(bytes(10 << 20))
    sent = sum(size for _, size in wired.data())
    assert sent == 5 + (10 << 20)


def test_early_ends_stop_requests():
    """A server that has answered before it has all is sent no more, and told so."""
    wired = Wired()
    call = wired.call(bytes(100_000))
    wired.frames()
    wired.session.receive(peer.answer(b"fine"))
    assert call.outcome_seen == b"fine"
    assert wired.frames() == [(peer.RST_STREAM, 0, 1, bytes(4))]
    wired.session.receive(peer.window_update(100_000) + peer.window_update(100_000, 1))
    assert wired.frames() == []


def test_cancelled_calls_are_reset():
    """The server is told; what it still says is ignored, and the rest of the request dropped."""
    wired = Wired()
    call = wired.call(bytes(100_000))
    wired.frames()
    wired.session.reset(call)
    assert wired.frames() == [(peer.RST_STREAM, 0, 1, b"\0\0\0\x08")]
    wired.session.receive(peer.window_update(100_000) + peer.answer(b"late"))
    assert call.outcome_seen is None
    assert wired.frames() == []


def test_what_is_received_is_given_back():
    """Before half the connection's window is used up it is topped up, also by what nobody waits
    for any more."""
    wired = Wired()
    wired.session.reset(wired.call())
    chunk = peer.frame(peer.DATA, 0, 1, bytes(16_384)) * 16
    received = given = 0
    while received < 2**31:
        call = wired.call()
        wired.session.receive(chunk + peer.answer(b"fine", call.id))
        received += 16 * 16_384
        for kind, _, stream, load in wired.frames():
            if kind == peer.WINDOW_UPDATE:
                assert stream == 0
                given += int.from_bytes(load, "big")
        assert received - given <= 2**30
    assert given > 2**30


def test_streams_are_limited():
    """No more calls are out than the server takes, however often that changes."""
    wired = Wired(peer.settings(MAX_STREAMS=2))
    calls = [wired.call(), wired.call()]
    assert not wired.session.free
    wired.session.receive(peer.settings(MAX_STREAMS=3))
    assert wired.session.free
    wired.session.receive(peer.settings(MAX_STREAMS=2))
    wired.session.reset(calls[0])
    assert wired.session.free
    wired.session.receive(peer.settings(MAX_STREAMS=0))
    assert not wired.session.free


def test_going_away():
    """Calls that the server took go on, others can go elsewhere, and no new one starts."""
    wired = Wired()
    calls = [wired.call() for _ in range(3)]
    wired.session.receive(peer.goaway(2**31 - 1))  # first of all: "no new ones, please"
    assert not wired.session.free
    assert [each.outcome_seen for each in calls] == [None] * 3
    wired.session.receive(peer.goaway(3))
    assert [each.outcome_seen is None for each in calls] == [True, True, False]
    assert calls[2].outcome_seen.code is StatusCode.UNAVAILABLE
    assert calls[2].outcome_seen.unanswered
    wired.session.receive(peer.answer(b"fine", 3) + peer.answer(b"fine", 1))
    assert [each.outcome_seen for each in calls[:2]] == [b"fine"] * 2
    assert not wired.session.streams


def test_stream_ids_end():
    """The last id is used, and its connection takes no more calls."""
    wired = Wired(first_id=2**31 - 3)
    wired.call()
    assert wired.session.free
    call = wired.call()
    assert not wired.session.free
    wired.session.receive(peer.answer(b"fine", 2**31 - 1))
    assert call.outcome_seen == b"fine"


@pytest.mark.parametrize("said", [b"", peer.settings()])
def test_calls_wait_for_settings(said):
    """Before they are there, nobody knows how many calls the server takes."""
    assert Wired(said).session.free == bool(said)
