"""Local server: ttrpc's unary calls over a Unix socket, each in the thread that has read it.

Threads wait together in one epoll; whichever is woken reads one request, lets the next ones wake
others, and runs it. So a call that comes alone costs no hand-over from thread to thread, which is
most of what a call costs grpcio, and one that is slow holds up nobody.
"""

import contextlib
import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError

from vitrine_client.process import local_sockets
from vitrine_client.tfserving import ttrpc
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.model_server.bounded_log import BoundedLog

log = logging.getLogger("vitrine_serving.model_server")

Reply = tuple[grpc.StatusCode, str, bytes]
"""Code, an error's words, and a serialised response."""

Answer = Callable[[wire.TtrpcRequest, float], Reply]
"""Answers a request that came at a time of `time.monotonic`."""

_AGAIN_S = 0.1
"""Seconds until connections are taken again where there was no room for one."""

_ENDING = "The model server is ending"
_Code = grpc.StatusCode


class LocalServer:
    """Server on a socket that listens; for its own user alone if `same_user`. `max_threads` calls
    run at a time, and one thread more is there to refuse another."""

    def __init__(
        self, listener: socket.socket, answer: Answer, *, max_threads: int, same_user: bool = True
    ) -> None:
        self._listener = listener
        self._path = listener.getsockname()
        self._inode = Path(self._path).stat().st_ino
        self._answer = answer
        self._most_threads = max_threads + 1
        self._same_user = same_user
        self._lock = threading.Lock()
        self._threads = self._waiting = 0
        self._connections: dict[int, _Connection] = {}
        self._epoll = select.epoll()
        self._end = os.eventfd(0)
        self._faults = BoundedLog(log)
        self._stopping = threading.Event()
        self._attended = threading.Event()  # a connection, while this stops
        listener.setblocking(False)

    def start(self) -> None:
        """Takes connections from now on."""
        self._epoll.register(self._end, select.EPOLLIN)
        self._epoll.register(self._listener, select.EPOLLIN | select.EPOLLONESHOT)
        self._add_thread()

    def stop(self, grace_s: float) -> None:
        """Takes no more connections and calls, and returns when those in hand are answered, or
        after `grace_s`."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            if Path(self._path).stat().st_ino == self._inode:
                Path(self._path).unlink()
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(self._listener)
        self._listener.close()
        deadline = time.monotonic() + grace_s
        while not self._drop_idle() and self._attended.wait(max(deadline - time.monotonic(), 0)):
            self._attended.clear()
        for connection in list(self._connections.values()):
            self._drop(connection)
        os.eventfd_write(self._end, 1)

    def _drop_idle(self) -> bool:
        """Ends connections without calls; says whether that were all."""
        for connection in list(self._connections.values()):
            if connection.is_idle:
                self._drop(connection)
        return not self._connections

    def _add_thread(self) -> None:
        with self._lock:
            if self._waiting or self._threads >= self._most_threads:
                return
            self._threads += 1
            self._waiting += 1
        try:
            threading.Thread(target=self._run, name="local", daemon=True).start()
        except RuntimeError as error:  # the system has no more
            with self._lock:
                self._threads -= 1
                self._waiting -= 1
                if not self._threads:
                    raise
            self._faults.line(logging.WARNING, "The local socket has no thread more: %s", error)

    def _run(self) -> None:
        while True:
            [(descriptor, _)] = self._epoll.poll(-1, 1)
            if descriptor == self._end:
                return
            with self._lock:
                self._waiting -= 1
                is_last = not self._waiting
            if is_last:
                self._add_thread()
            try:
                self._attend(descriptor)
            except Exception:  # a thread that ends would be missed for good
                log.exception("The local socket failed")
            if self._stopping.is_set():
                self._attended.set()
            with self._lock:
                self._waiting += 1

    def _attend(self, descriptor: int) -> None:
        connection = self._connections.get(descriptor)
        if connection:
            self._serve(connection)
        elif descriptor == self._listener.fileno():
            self._accept()

    def _accept(self) -> None:
        """Takes a connection; the next one can come whatever becomes of it."""
        try:
            self._welcome(self._listener.accept()[0])
        except BlockingIOError:
            pass
        except OSError as error:
            if not self._stopping.wait(_AGAIN_S):
                text = "The local socket took no connection: %s"
                self._faults.line(logging.WARNING, text, error)
        finally:
            with contextlib.suppress(OSError, ValueError):  # it is closed
                self._epoll.modify(self._listener, select.EPOLLIN | select.EPOLLONESHOT)

    def _welcome(self, taken: socket.socket) -> None:
        connection, is_taken = _Connection(taken, self._epoll), False
        try:
            if self._may_connect(taken):
                with self._lock:
                    connection.enter(self._connections)
                is_taken = True
        finally:
            if not is_taken:
                self._drop(connection)

    def _may_connect(self, taken: socket.socket) -> bool:
        user = local_sockets.peer_user(taken)
        if not self._same_user or user in (None, os.geteuid()):
            return True
        text = "User %s was refused at %s, which is another's"
        self._faults.line(logging.WARNING, text, user, self._path)
        return False

    def _serve(self, connection: "_Connection") -> None:
        """Reads a request, and answers it."""
        if not connection.begin():
            return
        frame = None
        try:
            frame = connection.read()
        except (OSError, EOFError):  # closed, or reset
            connection.close()
        except ttrpc.FrameError as error:
            text = "A connection to %s was ended: it sent %s"
            self._faults.line(logging.WARNING, text, self._path, error)
            connection.close()
        except BaseException:  # no memory, say
            connection.close()
            raise
        finally:
            refusal = frame and connection.refusal(frame)
            received_s = connection.received_s
            is_open = connection.wait_for_more(has_call=frame is not None)
        if is_open and frame:
            is_open = self._answer_frame(connection, frame, refusal, received_s)
        if not is_open:
            self._drop(connection)

    def _answer_frame(
        self,
        connection: "_Connection",
        frame: ttrpc.Frame,
        refusal: tuple[int, str] | None,
        received_s: float,
    ) -> bool:
        """Sends the answer to a frame; returns whether that goes."""
        response = b""
        try:
            if refusal:
                response = ttrpc.response_frame(frame.stream, b"", *refusal)
            else:
                response = self._response(frame, received_s)
        except BaseException:
            connection.close()
            raise
        finally:
            is_sent = connection.end_call(response)
        return is_sent

    def _response(self, frame: ttrpc.Frame, received_s: float) -> bytes:
        """Returns the frame that answers another; empty for one that is passed over."""
        if frame.kind != ttrpc.REQUEST:
            return b""
        if frame.message is None:
            return _exhausted(frame.stream, ttrpc.TooLarge(frame.size))
        try:
            request = ttrpc.read_request(frame.message)
        except DecodeError as error:
            code, words, payload = _Code.INVALID_ARGUMENT, f"unmarshal request error: {error}", b""
        else:
            code, words, payload = self._reply(request, received_s)
        try:
            return ttrpc.response_frame(frame.stream, payload, code.value[0], words)
        except ttrpc.TooLarge as error:
            return _exhausted(frame.stream, error)

    def _reply(self, request: wire.TtrpcRequest, received_s: float) -> Reply:
        if self._stopping.is_set():
            return _Code.UNAVAILABLE, _ENDING, b""
        try:
            return self._answer(request, received_s)
        except Exception as error:  # as gRPC has it
            log.exception("A call failed")
            return _Code.UNKNOWN, f"The model server failed: {type(error).__name__}", b""

    def _drop(self, connection: "_Connection") -> None:
        with self._lock:  # another connection may have its descriptor by now
            if self._connections.get(connection.descriptor) is connection:
                del self._connections[connection.descriptor]
        connection.close()


def _exhausted(stream: int, error: ttrpc.TooLarge) -> bytes:
    return ttrpc.response_frame(stream, b"", _Code.RESOURCE_EXHAUSTED.value[0], str(error))


class _Connection:
    """Connection of a client. One thread at a time reads; any thread that has answered a call
    writes. What the client does not take yet is kept, and until it does nothing more is read."""

    def __init__(self, own: socket.socket, epoll: "select.epoll") -> None:  # Linux has it
        self.descriptor = own.fileno()
        self.received_s = 0.0
        own.setblocking(False)
        self._socket = own
        self._epoll = epoll
        self._lock = threading.Lock()
        self._frames = ttrpc.FrameReader()
        self._last_stream = 0
        self._unsent: deque[memoryview] = deque()
        self._calls = 0
        self._is_read = self._is_broken = self._is_closed = False

    def enter(self, connections: "dict[int, _Connection]") -> None:
        """Enters it among the connections, by their descriptors, and has threads woken for it from
        now on. One that was woken for an earlier connection of the same descriptor, and comes late,
        waits until both are done."""
        with self._lock:
            connections[self.descriptor] = self
            self._epoll.register(self.descriptor, select.EPOLLIN | select.EPOLLONESHOT)

    @property
    def is_idle(self) -> bool:
        """Whether it has neither calls nor answers on their way."""
        with self._lock:
            return not (self._calls or self._unsent or self._is_read)

    def begin(self) -> bool:
        """Says whether the thread that was woken is to read, and sends what waits for that."""
        with self._lock:
            if self._is_closed or self._is_read:
                return False
            self._flush()
            if self._unsent:
                self._arm()
            else:
                self._is_read = True
            return self._is_read

    def read(self) -> ttrpc.Frame | None:
        """Returns the next frame, None where it is not whole yet. Raises `EOFError`, `OSError` and
        `ttrpc.FrameError`."""
        frame = self._frames.next_frame()
        while not frame:
            try:
                count = self._socket.recv_into(self._frames.room())
            except BlockingIOError:
                return None
            if not count:
                raise EOFError
            self.received_s = time.monotonic()
            self._frames.note(count)
            frame = self._frames.next_frame()
        return frame

    def refusal(self, frame: ttrpc.Frame) -> tuple[int, str] | None:
        """Returns the number of a code and words for a stream that must not be, in those of ttrpc's
        own server; None for another."""
        words = ""
        if not frame.stream % 2:
            words = "StreamID must be odd for client initiated streams"
        elif frame.kind == ttrpc.DATA:
            words = "StreamID is no longer active"
        elif frame.kind == ttrpc.REQUEST and frame.stream <= self._last_stream:
            words = "StreamID cannot be re-used and must increment"
        elif frame.kind == ttrpc.REQUEST:
            self._last_stream = frame.stream
        return (_Code.INVALID_ARGUMENT.value[0], words) if words else None

    def wait_for_more(self, *, has_call: bool) -> bool:
        """Lets other threads read; returns whether it is open."""
        with self._lock:
            self._is_read = False
            self._calls += has_call
            if self._is_closed:
                self._socket.close()
            else:
                self._arm()
            return not self._is_closed

    def end_call(self, frame: bytes) -> bool:
        """Sends the answer to a call, if there is one; returns whether that goes."""
        with self._lock:
            self._calls -= 1
            if not frame or self._is_closed:
                return True
            is_first = not self._unsent
            self._unsent.append(memoryview(frame))
            if not is_first:
                return True
            self._flush()
            if self._unsent and not self._is_read:
                self._arm()
            return not self._is_broken

    def close(self) -> None:
        """Ends it: at once, or once the thread that reads has done so, as the descriptor of a
        closed socket may be another's in a moment."""
        with self._lock:
            self._is_closed = True
            if not self._is_read:
                self._socket.close()  # which the epoll notices

    def _flush(self) -> None:
        """Sends what the client takes without waiting."""
        try:
            while self._unsent:
                sent = self._socket.send(self._unsent[0])
                if sent == len(self._unsent[0]):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = self._unsent[0][sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._is_broken = True
            self._unsent.clear()

    def _arm(self) -> None:
        """Has one thread woken: when there is room for what waits to be sent, at once for a frame
        that is here already, or when something comes."""
        if not self._is_closed:
            soon = self._unsent or self._frames.has_frame
            wanted = select.EPOLLOUT if soon else select.EPOLLIN
            self._epoll.modify(self.descriptor, wanted | select.EPOLLONESHOT)
