"""HTTP calls of the Open Inference Protocol, and the answers and errors of its servers.

Servers word errors as they like: `{"error": ...}` by the protocol, `{"detail": ...}` where their
framework refuses, plain text where they fail (tests/contract/open_inference has them).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrine_client import errors
from vitrine_client.http import protocol
from vitrine_client.http.protocol import Call
from vitrine_client.http.retries import retry_after_s
from vitrine_client.open_inference import http_bodies
from vitrine_client.open_inference.messages import V2Request, V2Response
from vitrine_client.process import addresses, proxies

HEADER = "Inference-Header-Content-Length"
JSON_TYPE, BINARY_TYPE = "application/json", "application/octet-stream"

IS_IT_V2 = "is that a server of the Open Inference Protocol (KServe v2)?"

_OK, _FIRST_REDIRECT, _FIRST_FAULT = 200, 300, 400
_MOST_LETTERS = 500


@dataclass(frozen=True, slots=True)
class V2Call(Call):
    """Call whose answer is JSON. With `head_bytes`, its body is so much JSON and binary data."""

    head_bytes: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of its own."""
        told = {"Content-Type": self.content_type} if self.content_type else {}
        return told if self.head_bytes is None else told | {HEADER: str(self.head_bytes)}

    def read(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Any:
        """Returns the JSON of an answer, and the binary data after it. Raises the `VitrineError`
        that its status stands for; only 200 is success."""
        if _FIRST_REDIRECT <= status < _FIRST_FAULT:
            return protocol.read_answer(url, status, headers, body)  # which says where it leads
        shown = addresses.without_password(url)
        if status != _OK:
            raise error_of(url, status, headers, body)
        try:
            length = http_bodies.json_length(headers.get(HEADER), len(body))
            return json.loads(body[:length]), body[length:]
        except (errors.InvalidRequest, ValueError, RecursionError) as error:
            raise errors.ServerError(
                f"{shown} answers what is no JSON of the protocol ({error!s:.200}); {IS_IT_V2}"
            ) from error


def get(path: str) -> V2Call:
    """Returns the call that reads something."""
    return V2Call("GET", path)


def model_path(model: str, version: int | None = None) -> str:
    """Returns the path of a model, or of a version of it. Raises `InvalidRequest` for names and
    numbers that none can have."""
    return f"/v2{protocol.model_path(model, version).removeprefix('/v1')}"


def infer(path: str, request: V2Request, *, is_binary: bool) -> V2Call:
    """Returns the call of inference; `path` is that of a model. Raises `InvalidRequest` for
    tensors that JSON has no form for."""
    content, parts = http_bodies.write_request(request, is_binary=is_binary)
    head = json.dumps(content, default=_listed, separators=(",", ":")).encode()
    if not parts:
        return V2Call("POST", f"{path}/infer", head, JSON_TYPE)
    return V2Call("POST", f"{path}/infer", b"".join([head, *parts]), BINARY_TYPE, len(head))


def _listed(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return array.tolist()
    raise TypeError(type(array))


def response_in(body: bytes) -> V2Response:
    """Returns the response in a body without its headers: the sizes of its binary tensors say where
    the JSON ends. Raises `ModelFault` where it makes no sense."""
    try:
        # Latin-1 has a letter for each byte, so that a place in the text is one in the body.
        content, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
        size = sum(map(_binary_bytes, content["outputs"]))
        if not size:
            return http_bodies.read_response(json.loads(body), b"")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise errors.ModelFault(f"The server's answer makes no sense: {error!s:.200}") from error
    return http_bodies.read_response(content, body[max(len(body) - size, end) :])


def _binary_bytes(output: Mapping[str, Any]) -> int:
    size = (output.get("parameters") or {}).get("binary_data_size", 0)
    if type(size) is not int or size < 0:
        raise ValueError(f"`binary_data_size` {size!r} is no number of bytes")
    return size


def error_of(url: str, status: int, headers: Mapping[str, str], body: bytes) -> errors.VitrineError:
    """Returns the error of an answer with a status other than 200."""
    told = words_of(body)
    after_s = retry_after_s(headers.get("Retry-After", ""))
    if told and not _is_no_address(status, told):
        return errors.for_status(status, told, after_s)
    shown = addresses.without_password(url)
    text = f"{shown} answered {status} ({told or 'without a reason'}); {IS_IT_V2}"
    text += proxies.hint_for(url)
    if status == errors.NotFound.status:
        return errors.ServerError(text)  # it says nothing of a model
    return errors.for_status(status, text, after_s)


def _is_no_address(status: int, told: str) -> bool:
    """Says whether an answer is about the address, and not about a model: in the words of Triton,
    FastAPI, Flask and nginx."""
    return status == errors.NotFound.status and told.lower().startswith(("not found", "404 "))


def words_of(body: bytes) -> str:
    """Returns the reason in an error's body, in whatever form; empty where it has none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        text = " ".join(body[: 4 * _MOST_LETTERS].decode(errors="replace").split())
        return "" if text.startswith("<") else text[:_MOST_LETTERS]
    return _words(content)[:_MOST_LETTERS]


def _words(content: Any) -> str:
    """Returns what JSON of an error says: `error` or `detail`, a text, an object with a `message`,
    or FastAPI's list of places and reasons."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "; ".join(filter(None, map(_words, content)))
    if not isinstance(content, dict):
        return ""
    if isinstance(content.get("msg"), str):
        place = ".".join(map(str, content.get("loc") or ()))
        return f"{place}: {content['msg']}" if place else content["msg"]
    told = (content.get(name) for name in ("error", "detail", "message", "title"))
    return next((words for each in told if (words := _words(each))), "")
