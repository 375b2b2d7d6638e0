"""Operations of the OpenAPI document: their answers, errors and commands."""

from collections.abc import Sequence
from typing import Any

from vitrine_serving.gateway.console.openapi.components import errors, headers
from vitrine_serving.gateway.console.openapi.schemas import Json

URL = "http://127.0.0.1:8080"
"""Where a gateway is that was just started, for commands to copy."""

_REFUSED = (400, 401, 404, 408, 413, 415, 429, 500, 501, 503, 504)


def operation(name: str, tag: str, summary: str, responses: Json, *curl: str, **more: Any) -> Json:
    """Returns an operation; `x-codeSamples` is what Redoc and others show as it is."""
    samples = [{"lang": "Shell", "source": source} for source in curl]
    about = {"operationId": name, "tags": [tag], "summary": summary}
    return about | more | {"responses": responses, "x-codeSamples": samples}


def json_answer(description: str, kind: Json, example: Any = None, *names: str) -> Json:
    """Returns an answer with the headers of these names, besides those that every answer has."""
    told = {} if example is None else {"example": example}
    content = {"application/json": {"schema": kind, **told}}
    return {"description": description, "headers": headers(*names), "content": content}


def post(
    name: str,
    summary: str,
    body: Json,
    answer: Json,
    *curl: str,
    statuses: Sequence[int] = _REFUSED,
    **more: Any,
) -> Json:
    """Returns an operation about what is sent; `body` is by media type, `statuses` are those of its
    errors."""
    responses = {"200": answer, **errors(*statuses)}
    more["requestBody"] = {"required": True, "content": body}
    return operation(name, "Predictions", summary, responses, *curl, **more)


def get(name: str, summary: str, answer: Json, url: str, *more: int) -> Json:
    """Returns an operation about models, with `more` statuses than all of these have."""
    responses = {"200": answer, **errors(401, 429, 500, 503, 504, *more)}
    return operation(name, "Models", summary, responses, f"curl {url}")
