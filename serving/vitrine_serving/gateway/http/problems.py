"""Errors as HTTP answers: `application/problem+json` (RFC 9457), with TF Serving's `error`; under
`/v2` those of the Open Inference Protocol."""

import logging
import math
import re
from http import HTTPStatus

import orjson

from vitrine_client.errors import DeadlineExceeded, NotFound, Unavailable, Unreachable, VitrineError
from vitrine_serving.gateway.http.messages import GRPC_PATH, Answer, is_v2
from vitrine_serving.gateway.shedding import RETRY_AFTER_S
from vitrine_serving.grpc_services.words import carried

log = logging.getLogger(__name__)


def problem(status: int, detail: str, *, error: str = "") -> Answer:
    """Returns an error as an answer; `error` is TF Serving's text, if `detail` says more."""
    title = HTTPStatus(status).phrase
    content = {"title": title, "status": status, "detail": detail, "error": error or detail}
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)  # or it ends in the prompt
    return Answer(status, body, "application/problem+json")


def v2_problem(status: int, message: str) -> Answer:
    """Returns an error as an answer of the Open Inference Protocol. Its clients show the words of
    an `application/json` alone, which may have no `charset` either; long ones are cut as over gRPC.
    """
    content = {"error": carried(message)}
    return Answer(status, orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))


def message_of(error: VitrineError) -> str:
    """Returns what the client is told of an error: addresses of the inside are for the log."""
    if isinstance(error, Unreachable):
        return "The model server is not answering; try again later"
    return str(error)


def expected(error: VitrineError, path: str = "") -> Answer:
    """Returns the answer for an error of ours to a request for a path, with when to try again if
    that helps."""
    message = message_of(error)
    hint = error.hint
    if isinstance(error, NotFound):
        hint = f"`{_list_of(path)}` lists what is served"
    elif isinstance(error, DeadlineExceeded) and ";" not in message:  # gRPC's words
        hint = "send fewer or smaller ones at once, or try again later"
    told, hint = _without_graph(message, hint)
    answer = _in_form(error.status, f"{told}; {hint}" if hint else told, path, error=message)
    answer.headers += error.headers
    if error.retry_after_s is not None or isinstance(error, Unavailable):
        seconds = math.ceil(error.retry_after_s or RETRY_AFTER_S)
        answer.headers.append(("Retry-After", str(seconds)))
    return answer


def _list_of(path: str) -> str:
    if path.startswith(GRPC_PATH):
        return "RepositoryIndex"
    return "POST /v2/repository/index" if is_v2(path) else "GET /v1/models"


def _in_form(status: int, detail: str, path: str, *, error: str = "") -> Answer:
    return v2_problem(status, detail) if is_v2(path) else problem(status, detail, error=error)


_NODE = "[[{{node "
_CALLS = re.compile(r"Graph execution error:.*?<stack traces unavailable>", re.DOTALL)
_DECODING = (
    "the model decodes pictures in JSON by itself, PNG, JPEG, GIF and BMP; send others as they are"
)


def _without_graph(message: str, hint: str) -> tuple[str, str]:
    """Returns TensorFlow's words on a failed computation without the places in its graph, and a
    hint where it was about to decode a picture; other messages as they are."""
    words, node, places = message.partition(_NODE)
    if not node:
        return message, hint
    told = " ".join(_CALLS.sub("", words).split()) or "The model cannot compute that"
    if "decodeimage" in places.lower() and not hint:
        return f"A picture cannot be decoded ({told})", _DECODING
    return told, hint


def unexpected(method: str, path: str, error: BaseException) -> Answer:
    """Returns the answer for a bug of ours, or for no memory left: what happened is for the log."""
    log.error("%s %s failed", method, path, exc_info=error)
    if isinstance(error, MemoryError):
        no_memory = Unavailable("The gateway has no memory left for this; try again later")
        return expected(no_memory, path)
    return _in_form(500, "The gateway failed; its log says why", path)
