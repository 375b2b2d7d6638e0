"""Requests of a workload, ready for the wire: made once, before the load."""

import json
import math
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import numpy as np

from vitrine_client import errors
from vitrine_client.http import predictions, protocol
from vitrine_client.http.protocol import Call
from vitrine_client.images import to_instance
from vitrine_client.loadtest.generator.headers import merged
from vitrine_client.loadtest.plan import Workload, WorkloadKind
from vitrine_client.tfserving.tensors import Array

_FLOATS = np.array([float(f"{np.float32(value / 255):.9g}") for value in range(256)])
"""Pixels as JSON has them: the shortest text that is the same float32."""


def requests_of(target: Workload) -> tuple[bytes, ...]:
    """Returns each distinct request as it travels: for "grpc" the message, else all of HTTP's.

    Raises `InvalidImage` where a picture that is prepared here cannot be read, and
    `InvalidRequest` where there is none or `target.address` is no address.
    """
    groups = _groups(target)
    if target.kind == "grpc":
        return tuple(_message(target, _instances(group)) for group in groups)
    make_call = _CALLS[target.kind]
    return tuple(http_request(target, make_call(group)) for group in groups)


def _groups(target: Workload) -> list[list[bytes]]:
    """The images of each request, the next ones in turn until it begins anew."""
    images, size = target.images, 1 if target.kind == "raw" else target.batch_size
    if not images or size < 1:
        raise errors.InvalidRequest("A request needs an image; name one at least")
    return [
        [images[(turn * size + place) % len(images)] for place in range(size)]
        for turn in range(len(images) // math.gcd(len(images), size))
    ]


def _instances(group: Sequence[bytes]) -> Array:
    return np.stack([to_instance(image) for image in group])


def _message(target: Workload, instances: Array) -> bytes:
    from vitrine_client.tfserving import (
        messages,  # needs gRPC, which the others can do without
    )

    return messages.instances_request(
        target.model, instances, version=target.version, label=target.label
    )


def _json(group: Sequence[bytes]) -> Call:
    instances = _FLOATS[_instances(group)].tolist()
    text = json.dumps({"instances": instances}, separators=(",", ":"))
    return Call("POST", "", text.encode(), "application/json")


_CALLS: dict[WorkloadKind, Callable[[Sequence[bytes]], Call]] = {
    "raw": lambda group: predictions.as_is("", group[0]),
    "multipart": lambda group: predictions.as_form("", group),
    "npy": lambda group: predictions.as_array("", list(_instances(group))),
    "json": _json,
    "rest": _json,
}


def http_request(target: Workload, call: Call) -> bytes:
    """Returns a request for a prediction as it travels, with the body of a call."""
    url = urlsplit(target.address)
    headers = {
        "Host": url.netloc.rpartition("@")[2],
        "User-Agent": "vitrine-loadtest",
        "Content-Type": call.content_type,
        "Content-Length": str(len(call.body)),
    }
    headers |= protocol.key_headers(target.api_key)
    if target.userinfo:
        headers["Authorization"] = protocol.basic_authorization(target.userinfo)
    if not target.keep_alive:
        headers["Connection"] = "close"
    path = protocol.verb_path(target.model, target.version, target.label)
    head = [f"POST {url.path.rstrip('/')}{path} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in merged(headers, target.headers)]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + call.body
