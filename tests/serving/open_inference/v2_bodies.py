"""Bodies of the Open Inference Protocol, as its clients make them."""

import json

import httpx
import numpy as np

INFER = "/v2/models/m/infer"
LENGTH = "Inference-Header-Content-Length"
X = np.arange(6, dtype=np.float32).reshape(2, 3) / 10


def plain(array: np.ndarray = X, **members) -> bytes:
    """JSON alone."""
    tensor = {"name": "x", "shape": list(array.shape), "datatype": "FP32"}
    return json.dumps({"inputs": [tensor | {"data": array.ravel().tolist()}], **members}).encode()


def binary(array: np.ndarray = X, **members) -> tuple[bytes, dict[str, str]]:
    """JSON with the tensor after it, and its headers, as tritonclient sends them."""
    tensor = {
        "name": "x",
        "shape": list(array.shape),
        "datatype": "FP32",
        "parameters": {"binary_data_size": array.nbytes},
    }
    head = json.dumps({"inputs": [tensor], **members}).encode()
    return head + array.tobytes(), {LENGTH: str(len(head))}


def outputs(answer: httpx.Response) -> dict[str, np.ndarray]:
    """The arrays of an answer, by name, of JSON or of what follows it."""
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get(LENGTH, len(answer.content)))
    rest = answer.content[length:]
    found = {}
    for each in json.loads(answer.content[:length])["outputs"]:
        dtype = {"FP32": np.float32, "INT64": np.int64}[each["datatype"]]
        size = each.get("parameters", {}).get("binary_data_size")
        if size is None:
            array = np.array(each["data"], dtype)
        else:
            array, rest = np.frombuffer(rest[:size], dtype), rest[size:]
        found[each["name"]] = array.reshape(each["shape"])
    assert not rest
    return found


def error(answer: httpx.Response, status: int) -> str:
    """The words of an error, which has the form that official clients read."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert "content-encoding" not in answer.headers
    [(name, words)] = answer.json().items()
    assert name == "error"
    assert isinstance(words, str)
    assert words
    return words
