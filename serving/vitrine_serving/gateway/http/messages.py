"""A request and its answer, as the parts of the gateway hand them to each other."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from vitrine_client.results.predictions import Prediction
from vitrine_serving.gateway.http.routes import Target
from vitrine_serving.gateway.inference.outcomes import Outcome


@dataclass(slots=True)
class Request:
    """What was asked.

    `path` is undecoded, as it was sent; names of `headers` are in lower case, repeated ones joined
    by ", "; `client` is an IP address, or empty for a Unix socket; `key_name` is that of its API
    key; `body` is whole and inflated; `deadline` is in seconds of `time.monotonic`. What it turned
    out to be: `endpoint` ("predict", "status", "page"), the `target` if it is about a model, and
    the `outcome` of pictures that were predicted.
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
    target: Target | None = None
    outcome: Outcome[Prediction] | None = None

    def left_s(self) -> float:
        """Returns the seconds until the deadline; a little, where it is over."""
        return max(self.deadline - time.monotonic(), 0.001)


@dataclass(slots=True)
class Answer:
    """What is answered; the front adds what every answer has."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
