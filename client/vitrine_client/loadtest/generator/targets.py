"""Requests of a workload, ready for the wire: made once, before the load."""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from vitrine_client import errors
from vitrine_client.http import predictions, protocol
from vitrine_client.http.protocol import Call
from vitrine_client.images import to_instance
from vitrine_client.images.preprocessing import fit_picture
from vitrine_client.loadtest.generator.headers import merged
from vitrine_client.loadtest.plan import Workload, WorkloadKind
from vitrine_client.open_inference.client import calls
from vitrine_client.open_inference.client.picture_model import PictureModel
from vitrine_client.open_inference.datatypes import Array

_OF_SEVERAL = re.compile(r"\bimage (\d+): ")
_MOST_NAMES = 4

_FLOATS = np.array([float(f"{np.float32(value / 255):.9g}") for value in range(256)])
"""Pixels as JSON has them: the shortest text that is the same float32."""


_METHODS = {"v2-grpc": "/inference.GRPCInferenceService/ModelInfer"}
_ID = "vitrine"
"""Id of all requests to servers of the Open Inference Protocol. Some make one for each that has
none, and then no answer would be the same as the one before, and each had to be read."""


def method_of(kind: WorkloadKind) -> str:
    """Returns the path of the method that gRPC calls, "" for that of TensorFlow Serving."""
    return _METHODS.get(kind, "")


def requests_of(target: Workload, model: PictureModel | None = None) -> tuple[bytes, ...]:
    """Returns each distinct request as it travels: for gRPC the message, else all of HTTP's. The
    `model` is what a server of the Open Inference Protocol says of it.

    Raises `InvalidImage` where a picture that is prepared here cannot be read, and
    `InvalidRequest` where there is none or `target.address` is no address.
    """
    made: list[bytes] = []
    groups = _groups(target)
    for turn, places in enumerate(groups):
        try:
            images = [target.images[place] for place in places]
            made.append(_v2_request(target, model, images) if model else _request(target, images))
        except errors.InvalidImage as error:
            raise errors.InvalidImage(blaming(target, (turn, len(groups)), str(error))) from error
    return tuple(made)


def _request(target: Workload, group: Sequence[bytes]) -> bytes:
    if target.kind == "grpc":
        return _message(target, _instances(group))
    return http_request(target, _CALLS[target.kind](group))


def _v2_request(target: Workload, model: PictureModel, group: Sequence[bytes]) -> bytes:
    is_binary = target.kind != "v2"
    if model.most_rows and len(group) > model.most_rows:
        raise errors.InvalidRequest(
            f"{model.name} takes {model.most_rows} pictures in a request: give --batch-size "
            f"{model.most_rows}"
        )
    pictures = [_prepared(place, image, model) for place, image in enumerate(group)]
    request = model.request(model.tensor(pictures), is_binary=is_binary)
    request.id = _ID
    if target.kind == "v2-grpc":
        from vitrine_client.open_inference import grpc_messages

        request.model_name = target.model
        request.model_version = "" if target.version is None else str(target.version)
        return grpc_messages.write_request(request)
    path = calls.model_path(target.model, target.version)
    return http_request(target, calls.infer(path, request, is_binary=is_binary))


def _prepared(place: int, image: bytes, model: PictureModel) -> Any:
    if model.is_file:
        return image
    try:
        return fit_picture(image, model.profile).instance
    except errors.InvalidImage as error:
        raise errors.InvalidImage(f"image {place}: {error}") from error


def _groups(target: Workload) -> list[list[int]]:
    """The places of the images of each request, the next ones in turn until it begins anew."""
    count, size = len(target.images), 1 if target.kind == "raw" else target.batch_size
    if not count or size < 1:
        raise errors.InvalidRequest("A request needs an image; name one at least")
    return [
        [(turn * size + place) % count for place in range(size)]
        for turn in range(count // math.gcd(count, size))
    ]


def blaming(target: Workload, which: tuple[int, int], text: str) -> str:
    """Returns the message of a request that is refused, `which` is its place, from 0, among so
    many, with the file that is at fault, or those that it may be."""
    turn, count = which
    if not target.names:
        return f"{text} (request {turn + 1} of {count})" if count > 1 else text
    names = [target.names[place] for place in _groups(target)[turn]]
    found = _OF_SEVERAL.search(text)
    if found and int(found[1]) < len(names):
        names, text = [names[int(found[1])]], text.replace(found[0], "", 1)
    files = list(dict.fromkeys(names))
    more = f" and {len(files) - _MOST_NAMES} more" if len(files) > _MOST_NAMES else ""
    among = "" if len(files) == 1 else "among "
    return f"{text} ({among}{', '.join(files[:_MOST_NAMES])}{more})"


def _instances(group: Sequence[bytes]) -> Array:
    return np.stack([_instance(place, image) for place, image in enumerate(group)])


def _instance(place: int, image: bytes) -> Array:
    try:
        return to_instance(image)
    except errors.InvalidImage as error:
        raise errors.InvalidImage(f"image {place}: {error}") from error


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
    headers |= call.headers
    headers |= protocol.key_headers(target.api_key)
    if target.userinfo:
        headers["Authorization"] = protocol.basic_authorization(target.userinfo)
    if not target.keep_alive:
        headers["Connection"] = "close"
    path = call.path or protocol.verb_path(target.model, target.version, target.label)
    head = [f"POST {url.path.rstrip('/')}{path} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in merged(headers, target.headers)]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + call.body
