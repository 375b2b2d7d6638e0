"""What is sent: each request ready for the wire, made once and before the load."""

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from urllib.parse import quote, urlsplit

import numpy as np

from vitrine_client import errors
from vitrine_client.images import to_instance
from vitrine_client.loadtest.plan import Kind, Target
from vitrine_client.tensors import Array

_FLOATS = np.array([float(f"{np.float32(value / 255):.9g}") for value in range(256)])
"""Pixels as JSON has them: the shortest text that is the same float32."""


def requests_of(target: Target) -> tuple[bytes, ...]:
    """Returns each distinct request as it travels: for "grpc" the message, else all of HTTP's.

    Raises `InvalidImage` where a picture that is prepared here cannot be read, and
    `InvalidRequest` where there is none or `target.address` is no address.
    """
    groups = _groups(target)
    if target.kind == "grpc":
        return tuple(_message(target, _instances(group)) for group in groups)
    make_body = _BODIES[target.kind]
    return tuple(_http(target, *make_body(group)) for group in groups)


def _groups(target: Target) -> list[list[bytes]]:
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


def _message(target: Target, instances: Array) -> bytes:
    from vitrine_client import calls  # needs gRPC, which the others can do without

    return calls.instances_request(
        target.model, instances, version=target.version, label=target.label
    )


def _raw(group: Sequence[bytes]) -> tuple[str, bytes]:
    return "application/octet-stream", group[0]


def _multipart(group: Sequence[bytes]) -> tuple[str, bytes]:
    boundary = hashlib.sha256(b"".join(group)).hexdigest()  # which no image has in it
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{place}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + image
        + b"\r\n"
        for place, image in enumerate(group)
    ]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def _npy(group: Sequence[bytes]) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    np.save(buffer, _instances(group))
    return "application/x-npy", buffer.getvalue()


def _json(group: Sequence[bytes]) -> tuple[str, bytes]:
    instances = _FLOATS[_instances(group)].tolist()
    text = json.dumps({"instances": instances}, separators=(",", ":"))
    return "application/json", text.encode()


_BODIES: dict[Kind, Callable[[Sequence[bytes]], tuple[str, bytes]]] = {
    "raw": _raw,
    "multipart": _multipart,
    "npy": _npy,
    "json": _json,
    "rest": _json,
}


def _http(target: Target, content_type: str, body: bytes) -> bytes:
    url = urlsplit(target.address)
    headers = {
        "Host": url.netloc.rpartition("@")[2],
        "User-Agent": "vitrine-loadtest",
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
    }
    if target.api_key:
        headers["X-API-Key"] = target.api_key
    head = [f"POST {url.path.rstrip('/')}{_path(target)} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


def _path(target: Target) -> str:
    if target.version is not None:
        chosen = f"/versions/{target.version}"
    elif target.label is not None:
        chosen = f"/labels/{quote(target.label, safe='')}"
    else:
        chosen = ""
    return f"/v1/models/{quote(target.model, safe='')}{chosen}:predict"
