"""A gateway that answers as a test wants, in the test's own process and over a real socket."""

import asyncio
import http.server
import io
import json
import re
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from multipart import PushMultipartParser, parse_options_header

from vitrine_client import Client
from vitrine_client.aio import AsyncClient
from vitrine_client.images import NOTHING

LONGEST_S = 20.0
BAD, EMPTY = b"bad", b"empty"
"""A picture that this gateway can't read, and one in which it sees nothing; of all others it finds
the first bytes as the label."""

BOX = [2, 3, 20, 25]
"""Where it finds the item of a picture, unless it is told."""

STRAY = "stray marks left out"
STATUS_OK = {"error_code": "OK", "error_message": ""}


@dataclass(frozen=True)
class Asked:
    """A request as it came, and the how manieth it is, from 0."""

    number: int
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def model(self) -> str:
        """Which model it is about, if any."""
        found = re.match(r"/v1/models/([^/:]+)", self.path)
        return unquote(found[1]) if found else ""

    @property
    def pictures(self) -> list[bytes]:
        """What it has to predict: the body, the parts of a form, an array's first pixels."""
        kind, options = parse_options_header(self.headers["content-type"])
        if kind == "application/x-npy":
            return [b"%d" % row[0, 0] for row in np.load(io.BytesIO(self.body))]
        if kind != "multipart/form-data":
            return [self.body]
        found: list[bytes] = []
        with PushMultipartParser(options["boundary"], strict=True) as parser:
            for event in parser.parse(self.body):
                if isinstance(event, bytearray | bytes):
                    found[-1] += bytes(event)
                elif event:
                    assert event.name == "image"
                    found.append(b"")
        return found


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: JSON, or bytes as they are.

    `cut` leaves out so many bytes at its end and hangs up, with `reset` rudely (RST); `drip_s`
    sends a byte at a time.
    """

    status: int = 200
    content: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    reset: bool = False
    drip_s: float = 0.0

    def on_the_wire(self) -> bytes:
        body = (
            self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        )
        headers = {"Content-Length": str(len(body))} | self.headers
        lines = [f"HTTP/1.1 {self.status} -", *(f"{name}: {headers[name]}" for name in headers)]
        return "\r\n".join([*lines, "", ""]).encode() + body


Answer = Callable[[Asked], Reply]
"""Says how a request is answered."""


def predicting(asked: Asked) -> Reply:
    """Answers as a gateway does: each picture's content is its label."""
    entries = [_entry(index, picture) for index, picture in enumerate(asked.pictures)]
    return _answered(entries, "mlp")


def seeing(asked: Asked) -> Reply:
    """Answers as a gateway does that says where the item is, or that there is none; it takes a
    `box` of one picture that begins inside the first hundred pixels."""
    entries = [_seen(index, picture) for index, picture in enumerate(asked.pictures)]
    box = parse_qs(urlsplit(asked.path).query).get("box")
    if box:
        found = list(map(int, box[0].split(",")))
        if len(entries) != 1 or max(found[:2]) >= 100:
            return problem(400, "box is not inside the picture, or not that of one")
        entries = [entry | {"box": found} if "label" in entry else entry for entry in entries]
    return _answered(entries, asked.model)


def lacking(*models: str, then: Answer = seeing) -> Answer:
    """Answers as a gateway does whose model server does not know some models."""

    def answer(asked: Asked) -> Reply:
        if asked.model not in models:
            if asked.path.endswith(":predict"):
                return then(asked)
            versions = [{"version": "12", "state": "AVAILABLE", "status": STATUS_OK}]
            return Reply(content={"model_version_status": versions})
        if "/labels/" in asked.path:
            return problem(400, "Unrecognized servable version label")
        return problem(404, f"Servable not found for request: Latest({asked.model})")

    return answer


def _answered(entries: list[dict[str, Any]], model: str) -> Reply:
    if all("error" in entry for entry in entries):
        return problem(400, "This is no picture")
    spec = {"name": model, "version": "12", "signature_name": "serving_default"}
    if all("empty" in entry for entry in entries):
        del spec["version"]  # no version answered
    return Reply(content={"predictions": entries, "model_spec": spec})


def _seen(index: int, picture: bytes) -> dict[str, Any]:
    if picture == EMPTY:
        return {"empty": True, "warnings": [NOTHING, STRAY]}
    entry = _entry(index, picture)
    return entry if "error" in entry else entry | {"box": BOX, "warnings": [STRAY]}


def _entry(index: int, picture: bytes) -> dict[str, Any]:
    if picture == BAD:
        return {"error": f"image {index}: This is no picture: really"}
    label = "blank" if picture.startswith(b"\x89PNG") else picture[:20].decode()
    probabilities = {"other": 0.25, label: 0.75}
    return {
        "label": label,
        "class_id": 1,
        "probability": 0.75,
        "probabilities": probabilities,
    }


def problem(status: int, detail: str, **headers: str) -> Reply:
    """An error in the gateway's form; underscores in names of headers are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"detail": detail, "status": status}, named)


def first(*replies: Reply, then: Answer = predicting) -> Answer:
    """Answers the first requests by these, in turn."""
    return lambda asked: replies[asked.number] if asked.number < len(replies) else then(asked)


class FakeGateway:
    """Notes every request and answers it by `answer`, each connection in a thread of its own."""

    def __init__(
        self,
        answer: Answer = predicting,
        *,
        tls: ssl.SSLContext | None = None,
        before_reading: Callable[[], object] = lambda: None,
    ) -> None:
        self.answer = answer
        self.before_reading = before_reading
        self.asked: list[Asked] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.gateway = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeGateway":
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def connected(self) -> int:
        with self._lock:
            self.connections += 1
            return self.connections

    @contextmanager
    def asking(self, path: str, headers: dict[str, str], body: bytes, of: int) -> Iterator[Asked]:
        with self._lock:
            asked = Asked(len(self.asked), path, headers, body, of)
            self.asked.append(asked)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield asked
        finally:
            with self._lock:
                self.in_flight -= 1


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128
    gateway: FakeGateway

    def handle_error(self, *_: object) -> None:
        """Says nothing of clients that hang up."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = LONGEST_S

    def setup(self) -> None:
        super().setup()
        self.number = self.server.gateway.connected()

    def do_POST(self) -> None:
        self.server.gateway.before_reading()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        gateway = self.server.gateway
        with gateway.asking(self.path, headers, body, self.number) as asked:
            self._send(gateway.answer(asked))

    do_GET = do_POST  # noqa: N815 - the base class wants it so

    def _send(self, reply: Reply) -> None:
        sent = reply.on_the_wire()
        self.close_connection = bool(reply.cut) or reply.reset
        if reply.drip_s:
            pause = threading.Event()
            for place in range(len(sent)):
                self.connection.sendall(sent[place : place + 1])
                pause.wait(reply.drip_s)
        else:
            self.connection.sendall(sent[: len(sent) - reply.cut])
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Kind:
    """One of the two clients, made and asked as if it were the other, too."""

    name: str

    def ask(self, url: str, method: str, *arguments: Any, client: Any = (), **options: Any) -> Any:
        """Makes a client with the options `client`, calls a method, and gathers what it yields."""
        if self.name == "Client":
            with Client(url, **dict(client)) as made:
                found = getattr(made, method)(*arguments, **options)
                return list(found) if method == "predict_many" else found
        return asyncio.run(self._ask(url, method, arguments, dict(client), options))

    async def _ask(self, url: str, method: str, arguments: Any, client: Any, options: Any) -> Any:
        async with AsyncClient(url, **client) as made:
            found = getattr(made, method)(*arguments, **options)
            if method == "predict_many":
                return [each async for each in found]
            return await found


KINDS = [Kind("Client"), Kind("AsyncClient")]


def folder_of(folder: Path, *contents: bytes) -> list[Path]:
    """Writes files that are named as pictures are, so that their names have this order."""
    paths = [folder / f"{number:05}.png" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths
