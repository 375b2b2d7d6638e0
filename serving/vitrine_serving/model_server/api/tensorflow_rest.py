"""REST server: https://www.tensorflow.org/tfx/serving/api_rest, as a WSGI application.

It is werkzeug's request and response alone: Flask's routing, contexts and signals take longer than
all else of a request for one row.
"""

import logging
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    regression_pb2,
)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from vitrine_client.errors import PayloadTooLarge
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api import libevent
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.bounded_log import BoundedLog
from vitrine_serving.model_server.runtime.tensors import MESSAGE_DTYPES
from vitrine_serving.rest_json import answers
from vitrine_serving.rest_json.examples import read_examples
from vitrine_serving.rest_json.strings import quoted
from vitrine_serving.rest_json.tensors import PredictBody
from vitrine_serving.rest_json.text import pretty

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# A model's name, a method, "REST", the name of a gRPC code, and the seconds that it took.
Observe = Callable[[str, str, str, str, float], None]
MAX_INFLATED_BYTES = 100 * 2**20
"""Most bytes of a body: TensorFlow Serving's bound for gzip, here for all."""
log = logging.getLogger("vitrine_serving.model_server")

_JSON_TYPE, _TEXT_TYPE = "application/json", "text/plain"
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
_WEB_ORIGIN = re.compile(r"https?://")
_broken_gzip = BoundedLog(log)

_PREDICTION = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:(classify|regress|predict)",
    re.IGNORECASE | re.ASCII,
)
_STATUS = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?(?:/(metadata))?",
    re.IGNORECASE | re.ASCII,
)
_HTTP_STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


class _Unsaid(ServingError):
    """Error that TensorFlow Serving answers by its status alone."""

    def __init__(self, code: grpc.StatusCode, content_type: str) -> None:
        super().__init__(code, "")
        self.content_type = content_type


def make_app(
    api: ModelServerApi,
    *,
    timeout_s: float = 30.0,
    metrics: tuple[str, Callable[[], bytes]] | None = None,
    observe: Observe = lambda *_: None,
    cors: bool = False,
    shortest_floats: bool = False,
    max_inflated_bytes: int = MAX_INFLATED_BYTES,
) -> "WSGIApplication":
    """Returns the application; its answers come from `api`.

    `api.run` gets `timeout_s` to keep to, or None if it is not positive. `metrics` are a path and
    a function that returns the text to answer there; `observe` is told of each request below /v1/,
    with no name where none was understood, and no method where it is for a status or for metadata.
    With `cors` pages of other origins may read those answers, and with `shortest_floats` numbers
    have the shortest form that reads back, and not TensorFlow Serving's digits. gzip bodies are
    taken for empty where they are broken or would be larger than `max_inflated_bytes`; they are not
    inflated further than that.
    """
    methods = _Methods(api, timeout_s if timeout_s > 0 else None, shortest_floats)
    below_v1 = _BelowV1(api, methods, observe, max_inflated_bytes)

    @Request.application
    def answer(request: Request) -> Response:
        address = libevent.address(_uri(request))
        if not address:
            return libevent.page(request, HTTPStatus.BAD_REQUEST)
        if metrics and address.path == metrics[0]:
            return _answered(lambda: _metrics(address.whole, *metrics), _Names())
        if not address.whole.lower().startswith("/v1/"):
            return libevent.page(request, HTTPStatus.NOT_FOUND)
        names = _Names()
        response = _answered(lambda: below_v1.answer(request, address.whole, names), names)
        if cors:
            response.headers.update(_CORS)
        return response

    return answer


class _BelowV1(NamedTuple):
    """Addresses below /v1/: predictions, states and metadata."""

    api: ModelServerApi
    methods: "_Methods"
    observe: Observe
    max_inflated_bytes: int

    def answer(self, request: Request, uri: str, names: "_Names") -> Response:
        with _observed(self.observe) as call:
            if request.method == "OPTIONS":
                return _preflight(request)
            if request.method == "POST" and (found := _PREDICTION.fullmatch(uri)):
                call.name, call.method = unquote(found[1]), found[4]
                return _json(_post(self.methods, request, found, names, self.max_inflated_bytes))
            if request.method == "GET" and (found := _STATUS.fullmatch(uri)):
                call.name = unquote(found[1] or "")
                return _json(_get(self.api, found, names))
            raise _malformed(request, uri)


class _Names:
    """Names in a request, as messages take them: where one is no UTF-8 no model, label or signature
    has it, and what tells so has the bytes that were sent."""

    def __init__(self) -> None:
        self._odd: list[tuple[str, str]] = []

    def unquoted(self, escaped: str) -> str:
        """Returns the name in a part of an address."""
        return self.text(unquote(escaped, errors="surrogateescape"))

    def text(self, sent: str) -> str:
        """Returns a name that may have surrogates."""
        if sent.isascii():
            return sent
        name = sent.encode(errors="surrogateescape").decode(errors="replace")
        if name != sent:
            self._odd.append((name, sent))
        return name

    def as_sent(self, words: str) -> str:
        """Returns words with the names that were sent."""
        for name, sent in self._odd:
            words = words.replace(name, sent)
        return words


def _preflight(request: Request) -> Response:
    """Answers a browser that asks whether a page of another origin may call. Whether it may say
    the headers of CORS, which come with the flag."""
    if not _WEB_ORIGIN.search(request.headers.get("Origin", "")):
        raise _Unsaid(grpc.StatusCode.FAILED_PRECONDITION, libevent.NO_TYPE)
    return libevent.answer(b"", HTTPStatus.OK, libevent.NO_TYPE)


def _answered(answer: Callable[[], Response], names: _Names) -> Response:
    """Returns the answer, or that of the error which it raises."""
    try:
        return answer()
    except _Unsaid as error:
        return libevent.answer(b"", _HTTP_STATUS[error.code], error.content_type)
    except ServingError as error:
        return _error(names.as_sent(str(error)), _HTTP_STATUS.get(error.code, 500))
    except PayloadTooLarge as error:
        return _error(str(error), error.status)
    except MemoryError:
        return _error("There is no memory left for this request; try again later", 503)
    except HTTPException as error:
        return _error(error.description or error.name, error.code or 400)
    except Exception as error:
        log.error("REST request failed", exc_info=error)
        return _error("Internal error", 500)


@contextmanager
def _observed(observe: Observe) -> Iterator[SimpleNamespace]:
    """Gives a call whose name and method are to be filled in, and tells how it ended."""
    started = time.monotonic()
    call, code = SimpleNamespace(name="", method=""), grpc.StatusCode.INTERNAL
    try:
        yield call
        code = grpc.StatusCode.OK
    except ServingError as error:
        code = error.code
        raise
    finally:
        observe(call.name, call.method, "REST", code.name, time.monotonic() - started)


def _malformed(request: Request, uri: str) -> ServingError:
    return ServingError.invalid(f"Malformed request: {request.method} {uri}")


class _Methods:
    """Methods that compute: each takes the model's `ModelSpec`, a body and its names, and returns
    JSON."""

    NAMES = ("predict", "classify", "regress")

    def __init__(self, api: ModelServerApi, timeout_s: float | None, shortest_floats: bool) -> None:
        self._api = api
        self._timeout_s = timeout_s
        self._shortest = shortest_floats

    def predict(self, spec: Any, body: bytes, names: _Names) -> bytes:
        request = PredictBody(body)
        spec.signature_name = names.text(request.signature_name)
        infos = self._api.signature_inputs(spec)
        dtypes = {alias: info.dtype for alias, info in infos.items()}
        inputs = request.read_deep(dtypes, MESSAGE_DTYPES)
        outputs = self._api.run(spec, inputs, timeout_s=self._timeout_s)
        return answers.write_predict(outputs, by_row=request.by_row, shortest_floats=self._shortest)

    def classify(self, spec: Any, body: bytes, names: _Names) -> bytes:
        request = classification_pb2.ClassificationRequest(model_spec=spec)
        request.model_spec.signature_name = names.text(read_examples(body, request))
        found = self._api.classify_arrays(request, timeout_s=self._timeout_s)
        return answers.write_classes(*found, shortest_floats=self._shortest)

    def regress(self, spec: Any, body: bytes, names: _Names) -> bytes:
        request = regression_pb2.RegressionRequest(model_spec=spec)
        request.model_spec.signature_name = names.text(read_examples(body, request))
        result = self._api.regress(request, timeout_s=self._timeout_s).result
        return answers.write_regression(result, shortest_floats=self._shortest)


def _post(
    methods: _Methods, request: Request, found: re.Match[str], names: _Names, max_inflated: int
) -> bytes:
    name, version, label, method = found.groups()
    spec = _spec(names, name, version, label)
    body = request.get_data(cache=False)
    if "gzip" in request.headers.get("Content-Encoding", ""):  # heeding case, as it does
        body = inflate(body, max_inflated)
    if method not in methods.NAMES:  # only the address is matched without regard to case
        raise _malformed(request, found.string)
    compute: Callable[[Any, bytes, _Names], bytes] = getattr(methods, method)
    return compute(spec, body, names)


def _get(api: ModelServerApi, found: re.Match[str], names: _Names) -> bytes:
    name, version, label, part = found.groups()
    of_metadata = part == "metadata"  # in capitals it is the status, which ignores labels
    # A version before the name.
    spec = _spec(names, name or "", version, label if of_metadata else None)
    if not name:
        raise ServingError.invalid("Missing model name in request.")
    if of_metadata:
        return _metadata(api, spec)
    status = api.status(get_model_status_pb2.GetModelStatusRequest(model_spec=spec))
    return answers.write_status(status)


def _metadata(api: ModelServerApi, spec: Any) -> bytes:
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec, metadata_field=["signature_def"]
    )
    response = api.metadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return answers.write_metadata(response.model_spec, signatures)


def inflate(body: bytes, max_bytes: int = MAX_INFLATED_BYTES) -> bytes:
    """Returns a gzip body unpacked; nothing, as TensorFlow Serving, if it is broken or larger than
    allowed, and the log says so."""
    if not body:
        return body
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        inflated = unpack.decompress(body, max_bytes + 1)
    except zlib.error as error:
        problem = f"is broken ({error})"
    else:
        if len(inflated) > max_bytes:
            problem = f"holds more than {max_bytes} bytes"
        elif not unpack.eof:
            problem = "is truncated"
        elif unpack.unused_data:
            problem = "is followed by something else"
        else:
            return inflated
    _broken_gzip.line(logging.WARNING, "A body over REST is taken for empty: its gzip %s", problem)
    return b""


def _uri(request: Request) -> str:
    """Returns the address as it was sent: a name may hold an escaped slash or colon."""
    return str(request.environ["REQUEST_URI"])


def _spec(names: _Names, name: str, version: str | None, label: str | None) -> Any:
    spec = model_pb2.ModelSpec(name=names.unquoted(name))
    if version is not None:
        number = int(version.lstrip("0")[:20] or "0")  # 20 digits are too many already
        if number >= 2**63:
            raise _Unsaid(grpc.StatusCode.INVALID_ARGUMENT, _JSON_TYPE)
        spec.version.value = number
    if label is not None:
        spec.version_label = names.unquoted(label)
    return spec


def _metrics(uri: str, path: str, text: Callable[[], bytes]) -> Response:
    if uri == path:
        return libevent.answer(text(), HTTPStatus.OK, _TEXT_TYPE)
    wrong = f"Unexpected path: {uri}. Should be {path}"
    return libevent.answer(wrong, HTTPStatus.BAD_REQUEST, _TEXT_TYPE)


def _json(body: bytes, status: int = 200) -> Response:
    return libevent.answer(body, status, _JSON_TYPE)


def _error(message: str, status: int) -> Response:
    text = quoted(message.encode(errors="surrogateescape"))
    return _json(pretty({"error": text}), status)
