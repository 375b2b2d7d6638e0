"""Components of the OpenAPI document: parameters, headers and errors that operations share."""

from http import HTTPStatus
from typing import Any

from vitrine_client.images import FORMATS
from vitrine_serving.gateway.console.openapi.schemas import TEXT, Json, schema

FORMATS_READ = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"


def ref(kind: str, name: str) -> Json:
    """Returns a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def parameter(name: str, place: str, description: str, kind: Json, *examples: Any) -> Json:
    """Returns a parameter; those in the path are required."""
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": kind,
        "examples": {str(example): {"value": example} for example in examples},
    }


NAME: Json = {"type": "string", "pattern": "^[^/:]+$"}
PARAMETERS: Json = {
    "version": parameter(
        "version", "path", "A version's number.", {"type": "integer", "minimum": 0}, 1
    ),
    "label": parameter("label", "path", "A version label.", NAME, "stable"),
    "topK": parameter(
        "top_k",
        "query",
        "Keeps only that many of `probabilities`, best first. Not for JSON bodies.",
        {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        3,
    ),
    "classId": parameter(
        "class_id",
        "query",
        "The class to explain, by its index; without it, the one that is answered.",
        {"type": "integer", "minimum": 0, "maximum": 999_999_999},
        3,
    ),
    "box": parameter(
        "box",
        "query",
        "Where the item of a picture is, if it is not found there: x, y, width and height in "
        "pixels of the upright picture, rounded. For one picture; not for arrays or JSON.",
        {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        [40, 30, 200, 240],
    )
    | {"style": "form", "explode": False},
    "models": parameter(
        "models",
        "query",
        "`1`, or anything but `0`, asks as well whether each listed model has a version that is "
        "AVAILABLE.",
        {"type": "string"},
        "1",
    ),
    "requestId": parameter(
        "X-Request-ID",
        "header",
        "What the request is called in its answer and in logs: 1 to 128 printable characters.",
        TEXT,
        "2f1c6c1e0f9b4a6d",
    ),
    "traceparent": parameter(
        "traceparent",
        "header",
        "W3C Trace Context.",
        TEXT,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
}


def _header(description: str, example: str) -> Json:
    return {"description": description, "schema": TEXT, "example": example}


HEADERS: Json = {
    "X-Request-ID": _header("The request's, or one that was made.", "2f1c6c1e0f9b4a6d"),
    "Server-Timing": _header(
        "Milliseconds of decoding and, where a model is asked, of waiting for a place in a call to "
        "the model server, and of that call. Not for JSON bodies.",
        "decode;dur=0.041, queue;dur=0.310, rpc;dur=0.912",
    ),
    "RateLimit": _header(
        "Where there is a limit: what is left (r), and the seconds until all is back (t).",
        '"default";r=49;t=1',
    ),
    "RateLimit-Policy": _header(
        "Where there is a limit: requests (q) in seconds (w).", '"default";q=50;w=1'
    ),
    "Retry-After": _header("Seconds until trying again can help.", "1"),
    "WWW-Authenticate": _header("How to show a key.", "Bearer"),
}


def headers(*names: str) -> Json:
    """Returns the headers of an answer: these, and those that every answer under /v1 has."""
    every = ("X-Request-ID", "RateLimit", "RateLimit-Policy")
    return {name: ref("headers", name) for name in (*every, *names)}


_ERRORS: dict[int, tuple[str, str, tuple[str, ...]]] = {
    400: (
        "The body cannot be read, or makes no sense to the model.",
        f"This is no picture, or its format is not supported; send {FORMATS_READ}",
        (),
    ),
    401: (
        "No API key, or one that is not known. Only where the gateway has keys.",
        "This gateway wants an API key; send it as `Authorization: Bearer <key>` or "
        "`X-API-Key: <key>`",
        ("WWW-Authenticate",),
    ),
    404: (
        "No such model, version or version label.",
        "Servable not found for request: Latest(mpl); `GET /v1/models` lists what is served",
        (),
    ),
    408: (
        "The body did not come in time.",
        "The body did not come within 30 s; send it again",
        (),
    ),
    413: (
        "Too many bytes, or too many pictures.",
        "More than 256 images are too many for one request; send at most 256",
        (),
    ),
    415: (
        "A content type, or a content encoding, that is not read.",
        "Content-Encoding br is not supported; send gzip, or none",
        (),
    ),
    429: (
        "Too many requests from one key or address, or too much for the model server.",
        "Too many requests; one more is welcome in 0.4 s",
        ("Retry-After",),
    ),
    500: ("A bug.", "The gateway failed; its log says why", ()),
    501: (
        "TensorFlow Serving has no JSON for values of that dtype.",
        "Conversion of JSON Value: 1 to type: complex64",
        (),
    ),
    503: (
        "The model server does not answer, or as many pictures wait as may.",
        "1024 images wait already, more than the model server takes; try again later",
        ("Retry-After",),
    ),
    504: (
        "No answer before the deadline.",
        "The model server did not answer in time; try again later",
        (),
    ),
}


def _problem(status: int) -> Json:
    description, detail, names = _ERRORS[status]
    example = {
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error": detail.partition("; `GET")[0],
    }
    content = {"application/problem+json": {"schema": schema("Problem"), "example": example}}
    return {"description": description, "headers": headers(*names), "content": content}


RESPONSES: Json = {f"Error{status}": _problem(status) for status in _ERRORS}


def errors(*statuses: int) -> Json:
    """Returns the responses of an operation that can answer these statuses."""
    return {str(status): ref("responses", f"Error{status}") for status in sorted(statuses)}


SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}
