"""A request and its answer, as the parts of the gateway hand them to each other."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vitrine_serving.gateway.models.reference import ModelRef

GRPC_PATH = "/inference."
"""Beginning of the paths that calls by gRPC have."""


def is_v2(path: str) -> bool:
    """Says whether a path is one of the Open Inference Protocol, which has its own form of
    errors; by gRPC, too."""
    return path == "/v2" or path.startswith(("/v2/", GRPC_PATH))


@dataclass(slots=True)
class Request:
    """HTTP request, as the parts of the gateway hand it on.

    `path` is undecoded, as it was sent; names of `headers` are in lower case, repeated ones joined
    by ", "; `client` is an IP address, or empty for a Unix socket; `key_name` is that of its API
    key; `body` is whole and inflated; `deadline` is in seconds of `time.monotonic`. What it turned
    out to be: `endpoint` ("predict", "status", "page"), the `route` as the table has it
    ("/v1/models/{model}:predict"), the `target` if it is about a model, and
    the `outcome` of what models were asked, an `inference.outcomes.Outcome`, of which HTTP knows
    nothing.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    client: str
    id: str
    traceparent: str = ""
    key_name: str = ""
    body: bytes = b""
    deadline: float = 0.0
    endpoint: str = "other"
    route: str = ""
    target: ModelRef | None = None
    outcome: Any = None

    def left_s(self) -> float:
        """Returns the seconds until the deadline; a little, where it is over."""
        return max(self.deadline - time.monotonic(), 0.001)


@dataclass(slots=True)
class Answer:
    """HTTP response; the application adds the headers that every one has."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
