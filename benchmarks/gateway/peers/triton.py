"""Wire format of Triton: the Open Inference Protocol over HTTP, in the form that is fastest.

A single picture is the raw body, as it is; several are the elements of a binary tensor, each after
its length. The answer is a binary tensor, too: a prediction in JSON for each picture.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

import requests

from benchmarks.gateway.bodies import Body
from benchmarks.gateway.peers.peer import WireFormat

WHEEL = "nvidia-pytriton==0.7.0"
SERVER = "2.51"
"""The server in the wheel, of October 2024, the newest that a wheel has."""

_HEADER = "Inference-Header-Content-Length"
_TYPE = "application/octet-stream"
_LENGTH = struct.Struct("<I")


def single(picture: bytes) -> Body:
    """Returns a raw binary request."""
    return Body(_TYPE, picture, {_HEADER: "0"})


def batch(pictures: Sequence[bytes]) -> Body:
    """Returns a request with a header in JSON and the pictures behind it."""
    content = b"".join(_LENGTH.pack(len(each)) + each for each in pictures)
    tensor = {"name": "image", "shape": [len(pictures), 1], "datatype": "BYTES"}
    header = {
        "inputs": [tensor | {"parameters": {"binary_data_size": len(content)}}],
        "outputs": [{"name": "prediction", "parameters": {"binary_data": True}}],
    }
    told = json.dumps(header).encode()
    return Body(_TYPE, told + content, {_HEADER: str(len(told))})


def read(answer: requests.Response) -> list[dict[str, Any]]:
    """Returns the predictions, one for each picture."""
    left = answer.content[int(answer.headers[_HEADER]) :]
    found = []
    while left:
        end = _LENGTH.size + _LENGTH.unpack_from(left)[0]
        found.append(json.loads(left[_LENGTH.size : end]))
        left = left[end:]
    return found


WIRE = WireFormat("/v2/models/mlp/infer", single, batch, None, read)
