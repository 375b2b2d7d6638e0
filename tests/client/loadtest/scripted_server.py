"""An HTTP server that says what a test wants, byte by byte, in a thread for each connection."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CLOSE, RESET = b"", None
"""Ends of a connection: after all that was sent has arrived, or in the middle of it."""

Script = Callable[[int], Iterator[bytes | None]]
"""Yields what is sent in answer to the n-th request."""


def answer(content: object, status: str = "200 OK", *headers: str) -> bytes:
    """Returns an answer with JSON in it."""
    body = json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def predictions(*class_ids: int) -> dict[str, object]:
    """Returns what a gateway says, as far as a load test looks at it."""
    return {"predictions": [{"class_id": class_id} for class_id in class_ids]}


RIGHT = answer(predictions(7))


class ScriptedServer:
    """Counts connections, and keeps requests as they came."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None) -> None:
        self._script, self._tls = script, tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.connections = 0
        self.requests: list[bytes] = []
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> None:
        """Serves until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Ends all connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self._open.add(connection)
                self._converse(connection)
        except OSError:
            pass  # the other side left, or the test is over

    def _converse(self, connection: socket.socket) -> None:
        is_new = True
        while request := _read(connection):
            with self._lock:
                number = len(self.requests)
                self.requests.append(request)
                self.connections += is_new
            is_new = False
            for piece in self._script(number):
                if not piece:
                    if piece is RESET:
                        linger = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                connection.sendall(piece)


def _read(connection: socket.socket) -> bytes:
    """Returns a request; empty at the end of the connection."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65536)
        if not piece:
            return b""
        read += piece
    head, _, _ = read.lower().partition(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    pieces, missing = [read], len(head) + 4 + length - len(read)
    while missing > 0:
        pieces.append(connection.recv(65536))
        if not pieces[-1]:
            return b""  # who asked left in the middle
        missing -= len(pieces[-1])
    return b"".join(pieces)


@contextmanager
def scripted_server(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """Runs one until the end of the block."""
    server = ScriptedServer(script, tls)
    acceptor = threading.Thread(target=server.accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.close()
        acceptor.join()


def always(*pieces: bytes | None) -> Script:
    """Answers every request the same."""
    return lambda _: iter(pieces)
