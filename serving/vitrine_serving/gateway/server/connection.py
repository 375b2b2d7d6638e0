"""Client connections: HTTP/1.1 from the bytes of a socket to the application, and back.

A request has one task, and its answer one write. A body that came with its head is handed on as it
is; of one that is still coming, and of requests that come before their turn, a little is taken and
then no more is read.
"""

import asyncio
import contextlib
import fcntl
import logging
import sys
import termios
from typing import Any

from vitrine_client.errors import VitrineError
from vitrine_serving.gateway.http import heads, problems
from vitrine_serving.gateway.http.chunks import ChunkedBody
from vitrine_serving.gateway.http.heads import RequestHead
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.reading import Body
from vitrine_serving.gateway.server.connections import ClientConnections
from vitrine_serving.gateway.shedding import CONNECTIONS, RETRY_AFTER_S

log = logging.getLogger(__name__)

LAST_CALL_S = 1.0
"""How long a connection may still begin a request once the process is to end, and how long one that
was refused is read."""

_SLOWEST = 1024
"""Bytes a second at which an answer has to be read."""

_MOST_UNCLAIMED = 256 * 1024
_MOST_HELD = 64 * 1024
"""Bytes of a body that nobody reads, and of requests before their turn, from which on no more is
read."""

_LARGE_BYTES = 65536
"""Of an answer: from here on it counts as a body does until its client has read it."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection(asyncio.Protocol):
    """Client connection: the requests of one client, one after the other."""

    def __init__(self, all_of_them: ClientConnections) -> None:
        self._all = all_of_them
        self._gateway = all_of_them.gateway
        self._loop = all_of_them.loop
        self._transport: Any = None
        self._client = ""
        self._task: asyncio.Task[None] | None = None
        self._body: Body | None = None
        """That is still coming."""
        self._chunks: ChunkedBody | None = None
        self._missing = 0
        self._expects = False
        self._held = bytearray()
        self._is_deaf = False
        """What comes is of no use any more."""
        self._until_s = self._fires_s = self._retires_s = 0.0
        self._timer: asyncio.Handle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._unread = 0
        self._is_blocked = False
        self._taken: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Refuses one that is too many, and gives the others their time for headers."""
        if self._all.is_full():
            self._gateway.metrics.count_shed(CONNECTIONS)
            RefusedConnection(self._all, transport)
            return
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else ""
        transport.set_write_buffer_limits(high=1)  # it is known whether all has been read
        self._all.add(self)
        self._retires_s = self._all.retires_s()
        self._wait(LAST_CALL_S if self._all.is_ending else self._all.patience.header_s)

    def connection_lost(self, _: Exception | None) -> None:
        """Drops what its client has asked."""
        self._all.remove(self)
        self._is_deaf = True
        self._stop_looking()
        if self._timer:
            self._timer.cancel()
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Reads what has come: a body, or heads."""
        if self._is_deaf:
            return
        if self._body:
            data = self._fill(self._body, data)
        if self._task:
            self._hold(data)
        elif self._held or data[:1] == b"\r":
            self._held += data
            self._begin_held(len(data))
        else:
            self._begin(data)

    def pause_writing(self) -> None:
        """Looks from here on how fast the client reads: what is sent waits for it."""
        self._is_blocked = True
        self._stop_looking()
        self._look_later()

    def resume_writing(self) -> None:
        """Goes on, as the kernel has taken what was sent."""
        self._is_blocked = False
        self._stop_looking()
        if self._taken and not self._taken.done():
            self._taken.set_result(None)

    def end_if_idle(self) -> None:
        """Closes it unless a request is in hand."""
        if not self._task:
            self._transport.close()

    def abort(self) -> None:
        """Leaves its client, whatever is in hand."""
        self._transport.abort()

    def _begin_held(self, new: int) -> None:
        """Begins the request that has been waiting, if its head is whole. RFC 9112, section 2.2:
        one empty line before it is nothing."""
        held = self._held
        if held.startswith(b"\r\n"):
            del held[:2]
        if held.find(heads.END, max(len(held) - new - len(heads.END), 0)) >= 0:
            self._held = bytearray()
            self._begin(bytes(held))
            return
        try:
            heads.check_partial(held, new, self._all.limits)
        except VitrineError as error:
            self._refuse(error)

    def _begin(self, data: bytes) -> None:
        """Begins the request that data begins with."""
        end = data.find(heads.END)
        if end < 0:
            self._held += data
            self._begin_held(len(data))
            return
        try:
            head = heads.read_head(
                data[: end + 2].decode("latin-1"), self._client, self._all.limits
            )
        except VitrineError as error:
            self._refuse(error)
            return
        start = end + len(heads.END)
        stop = start + head.length
        if start <= stop <= len(data):
            body = Body(head.request.headers, self._gateway.budget, data[start:stop])
            self._task = self._loop.create_task(self._serve(head, body))
            if stop < len(data):
                self._hold(data[stop:])
            return
        self._begin_partial(head, data[start:])

    def _begin_partial(self, head: RequestHead, data: bytes) -> None:
        """Begins a request whose body is still coming."""
        headers = head.request.headers
        body = Body(headers, self._gateway.budget, ask=self._ask)
        self._chunks = ChunkedBody(self._all.limits) if head.length == heads.CHUNKED else None
        self._missing = head.length
        self._expects = headers.get("expect", "").lower() == "100-continue"
        self._body = body
        self._task = self._loop.create_task(self._serve(head, body))
        if data:
            self._hold(self._fill(body, data))

    def _fill(self, body: Body, data: bytes) -> bytes:
        """Returns what follows the body."""
        self._expects = False
        if self._chunks:
            try:
                content, rest = self._chunks.feed(data)
            except VitrineError as error:
                body.fail(error)
                self._body, self._is_deaf = None, True
                return b""
            is_whole = self._chunks.is_whole
        else:
            content, rest = data[: self._missing], data[self._missing :]
            self._missing -= len(content)
            is_whole = not self._missing
        body.feed(content)
        if is_whole:
            body.finish()
            self._body = self._chunks = None
        elif body.unclaimed > _MOST_UNCLAIMED:
            self._read_on(False)
        return rest

    def _ask(self) -> None:
        """Has the client send on: somebody waits for its body."""
        if self._expects:
            self._expects = False
            self._transport.write(_CONTINUE)
        self._read_on(True)

    def _hold(self, data: bytes) -> None:
        """Keeps what came before its turn."""
        self._held += data
        if len(self._held) > _MOST_HELD:
            self._read_on(False)

    def _read_on(self, reads: bool) -> None:
        if self._transport.is_closing():  # uvloop raises, where asyncio does nothing
            return
        if reads:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    async def _serve(self, head: RequestHead, body: Body) -> None:
        """Answers a request, and begins the next."""
        is_last, is_old = True, False
        try:
            answer = await self._gateway.answer(head.request, body)
            goes_on = head.keeps_alive and not self._is_deaf and not body.is_given_up
            is_old = goes_on and self._retires_s > 0 and self._is_to_retire()
            is_last = self._all.is_last(goes_on and not is_old)
            await self._send(head.request, answer, body, is_last=is_last)
            if not body.is_whole:
                await body.discard()
                is_last = is_last or not body.is_whole
        except Exception:
            log.exception("%s %s failed", head.request.method, head.request.path)
            self._transport.abort()
        except asyncio.CancelledError:  # its client has left, or else must not wait for ever
            self._transport.abort()
            raise
        finally:
            body.release()
        self._go_on(is_last=is_last, is_old=is_old)

    def _is_to_retire(self) -> bool:
        """Says whether it is old, and at a moment when nothing is lost by that: no idle one is
        closed for its age, as a request may be on its way, and behind what has come already another
        answer follows. RFC 9112, section 9.6."""
        return not self._held and self._loop.time() >= self._retires_s

    def _go_on(self, *, is_last: bool, is_old: bool) -> None:
        """Begins the next request, or waits for it."""
        self._task = None
        if is_old and not (self._all.is_ending or self._transport.is_closing()):
            self._is_deaf = True
            end_softly(self._transport)
            self._wait(LAST_CALL_S)
            return
        if is_last or self._is_deaf or self._all.is_ending:
            self._is_deaf = True
            self._transport.close()
            return
        held = self._held
        if held:
            if len(held) > _MOST_HELD:
                self._read_on(True)
            self._begin_held(len(held))
        if not self._task and not self._is_deaf:
            self._wait(self._all.patience.keepalive_s)

    async def _send(self, request: Request, answer: Answer, body: Body, *, is_last: bool) -> None:
        """Sends an answer, and returns when the kernel has taken it."""
        fields = request.headers
        content = b"" if request.method == "HEAD" else answer.body
        start = self._gateway.heads.head(
            answer, request.id, fields.get("origin"), close=is_last, keep="connection" in fields
        )
        if len(content) <= _LARGE_BYTES:
            self._transport.write(start + content)
        else:
            request.body = b""
            body.exchange(len(content))
            self._transport.write(start)
            # In pieces, as TLS would take the whole of one that nobody reads.
            for at in range(0, len(content), _LARGE_BYTES):
                await self._has_taken()
                self._transport.write(content[at : at + _LARGE_BYTES])
        if self._is_blocked:
            await self._has_taken()

    async def _has_taken(self) -> None:
        while self._is_blocked:
            self._taken = self._loop.create_future()
            await self._taken

    def _refuse(self, error: VitrineError) -> None:
        """Answers what is no request, and ends the connection."""
        answer = problems.expected(error)
        self._is_deaf = True
        self._transport.write(self._gateway.heads.head(answer, close=True) + answer.body)
        end_softly(self._transport)
        self._wait(LAST_CALL_S)

    def _wait(self, patience_s: float) -> None:
        """Gives the client its time for the next head. The timer that is set stays as it is where
        it is early, and is set again when it fires: so a request costs none."""
        self._until_s = self._loop.time() + patience_s
        if self._timer and self._fires_s > self._until_s:
            self._timer.cancel()
            self._timer = None
        if not self._timer:
            self._set_timer()

    def _set_timer(self) -> None:
        self._fires_s = self._until_s  # of a time that is now, uvloop's own does not tell it
        self._timer = self._loop.call_at(self._until_s, self._end_if_late)

    def _end_if_late(self) -> None:
        self._timer = None
        if self._task:
            return
        if self._loop.time() < self._until_s:
            self._set_timer()
        elif self._is_deaf:
            self._transport.abort()
        else:
            self._transport.close()

    def _look_later(self) -> None:
        self._unread = self._unread_bytes()
        patience_s = self._all.patience.answer_s
        self._reading = self._loop.call_later(patience_s, self._end_if_unread)

    def _stop_looking(self) -> None:
        if self._reading:
            self._reading.cancel()

    def _end_if_unread(self) -> None:
        read = self._unread - self._unread_bytes()
        if read < min(self._unread, _SLOWEST * self._all.patience.answer_s):
            self._transport.abort()
        else:
            self._look_later()

    def _unread_bytes(self) -> int:
        """Returns what has been sent and not been read, here and, where it can be told, in the
        kernel, which takes more in large steps only."""
        here = int(self._transport.get_write_buffer_size())
        with contextlib.suppress(OSError, ValueError):
            fileno = self._transport.get_extra_info("socket").fileno()
            there = fcntl.ioctl(fileno, termios.TIOCOUTQ, bytes(4))
            return here + int.from_bytes(there, sys.byteorder)
        return here


class RefusedConnection(asyncio.Protocol):
    """Refused connection, one too many: it is told so, and read for a moment."""

    def __init__(self, all_of_them: ClientConnections, transport: Any) -> None:
        self._all = all_of_them
        self._all.refused += 1
        transport.set_protocol(self)
        transport.write(refusal(self._all))
        self._timer = self._all.loop.call_later(LAST_CALL_S, transport.abort)
        end_softly(transport)

    def connection_lost(self, _: Exception | None) -> None:
        """Forgets it."""
        self._timer.cancel()
        self._all.refused -= 1


def refusal(all_of_them: ClientConnections) -> bytes:
    """Returns what a connection is told for which there is no room."""
    answer = problems.problem(503, "Too many connections; try again later")
    answer.headers.append(("Retry-After", str(RETRY_AFTER_S)))
    return bytes(all_of_them.gateway.heads.head(answer, close=True) + answer.body)


def end_softly(transport: Any) -> None:
    """Says that no more is sent, and reads on: a connection that is closed with bytes unread is
    reset, and its client would never see why."""
    if transport.can_write_eof():
        with contextlib.suppress(OSError):  # it has gone already
            transport.write_eof()
    else:
        transport.close()
