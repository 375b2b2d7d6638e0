"""Fake server of the Open Inference Protocol, over HTTP: it answers as real ones were recorded to.

The recordings are in tests/contract/open_inference; or it answers as Vitrine's gateway does.
"""

import contextlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from vitrine_client.open_inference import http_bodies
from vitrine_client.open_inference.messages import V2Request, V2Response, V2Tensor

LABELS = tuple(f"kind {n}" for n in range(10))
MODEL = "mlp"

Json = dict[str, Any]
Infer = Callable[[V2Request], list[V2Tensor]]

_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/infer|)")
_EXTENSIONS = {
    "triton": ["classification", "sequence", "binary_tensor_data", "parameters", "statistics"],
    "vitrine": ["classification", "binary_tensor_data", "parameters"],
    "kserve": ["model_repository_extension"],
    "mlserver": [],
}


def spec(name: str, datatype: str, *shape: int) -> Json:
    """Returns a tensor as metadata has it."""
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def brightest(request: V2Request) -> list[V2Tensor]:
    """Answers as a model whose class is the brightest of the first ten rows of a picture."""
    pixels = request.inputs[0].array
    numbers = pixels.reshape(len(pixels), 28, 28).sum(axis=2)[:, :10].astype(np.float64)
    shares = (numbers + 1) / (numbers + 1).sum(axis=1, keepdims=True)
    class_ids = shares.argmax(axis=1)
    return [
        V2Tensor("probabilities", "FP32", shares.astype(np.float32)),
        V2Tensor("class_ids", "INT64", class_ids.astype(np.int64)),
    ]


@dataclass(frozen=True)
class Asked:
    """Request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_binary(self) -> bool:
        """Whether binary data follows its JSON."""
        return http_bodies.HEADER in self.headers

    @property
    def content(self) -> Json:
        """Its JSON."""
        length = http_bodies.json_length(self.headers.get(http_bodies.HEADER), len(self.body))
        found: Json = json.loads(self.body[:length])
        return found


@dataclass(frozen=True)
class Reply:
    """Answer of HTTP."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """Returns an answer with JSON in it."""
    return Reply(
        status, json.dumps(content).encode(), {"Content-Type": "application/json"} | headers
    )


class FakeV2Server:
    """Fake server of a kind; `replies` by path come before what it says by itself."""

    def __init__(self, kind: str = "triton") -> None:
        self.kind, self.asked = kind, list[Asked]()
        self.inputs = [spec("images", "FP32", -1, 28, 28)]
        self.outputs = [spec("probabilities", "FP32", -1, 10), spec("class_ids", "INT64", -1)]
        self.infer: Infer = brightest
        self.models = {MODEL}
        self.labels: tuple[str, ...] = LABELS
        self.replies: dict[str, Reply] = {}
        self.profile: Json | None = None
        self.url = ""

    @property
    def inferences(self) -> list[Asked]:
        """Requests of inference."""
        return [each for each in self.asked if each.path.endswith("/infer")]

    def reply(self, asked: Asked) -> Reply:
        """Answers a request."""
        self.asked.append(asked)
        if asked.path in self.replies:
            return self.replies[asked.path]
        if asked.path == "/v2":
            told = {"name": self.kind, "version": "1", "extensions": _EXTENSIONS[self.kind]}
            return json_reply(told)
        if asked.path.endswith("/profile") and self.profile is not None:
            return json_reply(self.profile)
        found = _PATH.fullmatch(asked.path)
        if not found:
            return self._no_address()
        model, version, infer = found.groups()
        if version and self.kind == "kserve":
            return json_reply({"error": "Model versioning not supported yet."}, 501)
        if model not in self.models or version not in (None, "2"):
            return self._no_model(model)
        return self._inferred(asked, model) if infer else self._metadata(model)

    def _metadata(self, model: str) -> Reply:
        versions = {"triton": ["1", "2"], "mlserver": [], "kserve": None, "vitrine": ["2"]}
        told = {"name": model, "versions": versions[self.kind], "platform": "python"}
        return json_reply(told | {"inputs": self.inputs, "outputs": self.outputs})

    def _no_address(self) -> Reply:
        if self.kind in ("triton", "vitrine"):
            return Reply(404, b'{"error":"Not Found"}', {"Content-Type": "text/plain"})
        return json_reply({"detail": "Not Found"}, 404)

    def _no_model(self, model: str) -> Reply:
        told = f"Request for unknown model: '{model}' is not found"
        if self.kind == "mlserver":
            told = f"Model {model} not found"
        return json_reply({"error": told}, 404)

    def _inferred(self, asked: Asked, model: str) -> Reply:
        if asked.is_binary and self.kind == "mlserver":
            wrong = {"type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error"}
            return json_reply({"detail": [wrong]}, 422)
        if not asked.headers.get("content-type") and self.kind == "kserve":
            return json_reply({"error": "received byte inputs, but the header is missing."}, 400)
        length = len(asked.body) - len(_binary(asked))
        request = http_bodies.read_request(asked.content, asked.body[length:])
        outputs = self.infer(request)
        if self.kind == "mlserver":
            outputs = [_as_column(each) for each in outputs]
        if request.outputs and self.kind != "mlserver":
            outputs = [each for each in outputs if each.name in {o.name for o in request.outputs}]
        if self.kind in ("triton", "vitrine"):
            outputs = [self._classified(each, request) for each in outputs]
        named = request.id or ("" if self.kind in ("triton", "vitrine") else str(uuid.uuid4()))
        version = "" if self.kind == "kserve" else "2"
        response = V2Response(model, version, outputs, named)
        content, parts = http_bodies.write_response(response, request)
        if self.kind == "kserve":
            content |= {"model_version": None, "parameters": None}
        head = json.dumps(content, default=lambda array: array.tolist()).encode()
        if not parts:
            return Reply(200, head, {"Content-Type": "application/json"})
        header = {"Inference-Header-Content-Length": str(len(head))}
        return Reply(200, b"".join([head, *parts]), header)

    def _classified(self, tensor: V2Tensor, request: V2Request) -> V2Tensor:
        asked = next((each for each in request.outputs if each.name == tensor.name), None)
        count = asked.classification if asked else 0
        if not count:
            return tensor
        rows = tensor.array.reshape(len(tensor.array), -1)
        array = np.empty((len(rows), count), object)
        for row, shares in zip(array, rows, strict=True):
            for place, class_id in enumerate(np.argsort(-shares)[:count].tolist()):
                label = f":{self.labels[class_id]}" if self.labels else ""
                row[place] = f"{shares[class_id]:f}:{class_id}{label}".encode()
        return V2Tensor(tensor.name, "BYTES", array)


def _binary(asked: Asked) -> bytes:
    length = http_bodies.json_length(asked.headers.get(http_bodies.HEADER), len(asked.body))
    return asked.body[length:]


def _as_column(tensor: V2Tensor) -> V2Tensor:
    """Returns a list as MLServer's codec answers it."""
    return tensor._replace(array=tensor.array[:, None]) if tensor.array.ndim == 1 else tensor


@contextlib.contextmanager
def v2_server(kind: str = "triton") -> Iterator[FakeV2Server]:
    """Runs a server until the end of the block."""
    fake = FakeV2Server(kind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = fake.reply(Asked(self.command, self.path, headers, body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
