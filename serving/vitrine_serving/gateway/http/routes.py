"""Route table: the addresses of the gateway, with their methods, handlers and body limits.

The paths of models are TensorFlow Serving's grammar, and ours; those under `/v2` are the Open
Inference Protocol's, with Triton's extensions. Metrics, spans, the OpenAPI document
and the guard take names, patterns and rights from here.
"""

import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from vitrine_client.errors import InvalidRequest, MethodNotAllowed, VitrineError
from vitrine_serving.gateway.http.messages import Answer, Request, is_v2
from vitrine_serving.gateway.models.reference import ModelRef

Handler = Callable[..., Awaitable[Answer]]
"""Takes the request, and the `ModelRef` where its address names a model; raises `VitrineError`."""

UNLIMITED = sys.maxsize
"""Size of bodies that are limited by `VITRINE_MAX_BODY_BYTES` alone."""

_POST = ("POST",)
_GET = ("GET", "HEAD")
_JSON: dict[str, Any] = {"max_body_bytes": UNLIMITED, "is_json": True}
_SMALL_JSON: dict[str, Any] = {"max_body_bytes": 65536, "is_json": True}
_PARTS = {
    "model": r"(?P<model>[^/:]+)",
    "version": r"(?P<version>\d+)",
    "label": r"(?P<label>[^/:]+)",
    "file": r".*",
}
_V2_PARTS = _PARTS | {
    "model": r"(?P<model>[^/]+)",
    "place": "(?:system|cuda)",
    "region": "[^/]+",
    "change": "(?:un)?register",
}


class UnknownAddress(VitrineError):
    """Path that no route has."""

    status = 404

    def __init__(self, path: str) -> None:
        lists, asks = "GET /v1/models", "POST /v1/models/<model>:predict"
        if is_v2(path):
            lists, asks = "POST /v2/repository/index", "POST /v2/models/<model>/infer"
        super().__init__(
            f"{path} is no address of this gateway; `{lists}` lists the models, and `{asks}` asks "
            "one"
        )


class Route(NamedTuple):
    """Route: an address, and all that is known of a request to it before its body is read.

    `endpoint` is its name in metrics, logs and among handlers, `pattern` that of its spans,
    `operation` the OpenAPI document's, empty where that has none. A public one needs no API key and
    counts for no limit. A body has `max_body_bytes` at most, and no more than any may have; with 0
    none is read. With `is_json` it is JSON, whatever its content type says, and with `has_tensors`
    binary data may follow that.
    """

    endpoint: str
    pattern: str
    methods: tuple[str, ...]
    operation: str = ""
    public: bool = False
    max_body_bytes: int = 0
    is_json: bool = False
    has_tensors: bool = False

    def check_method(self, method: str, path: str) -> None:
        """Raises `MethodNotAllowed`, which says which methods are allowed."""
        if method not in self.methods:
            raise MethodNotAllowed(
                f"{path} does not take {method}; use {self.methods[0]}",
                headers=(("Allow", ", ".join(self.methods)),),
            )


class GrpcMethod(NamedTuple):
    """gRPC method: its route, and what answers the bytes of a request by those of a response.
    Raises `VitrineError`. Of a stream, it is called with each request, and `failed` makes the
    response to one that failed, of its bytes and the error's words."""

    route: Route
    answer: Callable[[bytes, Request], Awaitable[bytes]]
    failed: Callable[[bytes, str], bytes] | None = None


def _of_models(
    endpoint: str, end: str, methods: tuple[str, ...], *places: str, **options: Any
) -> list[Route]:
    """Returns a route for the newest version, and for each of `places`."""
    found = []
    for place in ("", *places):
        below = f"/{place.lower()}s/{{{place.lower()}}}" if place else ""
        pattern = f"/v1/models/{{model}}{below}{end}"
        operation = f"{endpoint}{place}"
        found.append(Route(endpoint, pattern, methods, operation, **options))
    return found


def _v2_of_models(endpoint: str, end: str, methods: tuple[str, ...], **options: Any) -> list[Route]:
    """Returns a route for the newest version, and for each."""
    operation = f"v2{endpoint.removeprefix('v2_').title().replace('_', '')}"
    return [
        Route(endpoint, f"/v2/models/{{model}}{below}{end}", methods, name, **options)
        for below, name in (("", operation), ("/versions/{version}", f"{operation}Version"))
    ]


_SHARED_MEMORY = "/v2/{place}sharedmemory"

_V2_ROUTES = (
    Route("v2_live", "/v2/health/live", _GET, "v2Live", public=True),
    Route("v2_ready", "/v2/health/ready", _GET, "v2Ready", public=True),
    Route("v2_server", "/v2", _GET, "v2Server"),
    Route("v2_all_statistics", "/v2/models/stats", _GET, "v2AllStatistics"),
    *_v2_of_models("v2_metadata", "", _GET),
    *_v2_of_models("v2_model_ready", "/ready", _GET),
    *_v2_of_models("v2_config", "/config", _GET),
    *_v2_of_models("v2_statistics", "/stats", _GET),
    *_v2_of_models("infer", "/infer", _POST, max_body_bytes=UNLIMITED, has_tensors=True),
    Route("v2_index", "/v2/repository/index", _POST, "v2Index", **_SMALL_JSON),
    Route("v2_load", "/v2/repository/models/{model}/load", _POST, **_SMALL_JSON),
    Route("v2_unload", "/v2/repository/models/{model}/unload", _POST, **_SMALL_JSON),
    Route("v2_settings", "/v2/trace/setting", ("GET", "HEAD", "POST")),
    Route("v2_settings", "/v2/models/{model}/trace/setting", ("GET", "HEAD", "POST")),
    Route("v2_settings", "/v2/logging", ("GET", "HEAD", "POST")),
    Route("v2_memory", f"{_SHARED_MEMORY}/status", _GET),
    Route("v2_memory", f"{_SHARED_MEMORY}/unregister", _POST),
    Route("v2_memory", f"{_SHARED_MEMORY}/region/{{region}}/status", _GET),
    Route("v2_memory", f"{_SHARED_MEMORY}/region/{{region}}/{{change}}", _POST),
)
"""Open Inference Protocol. A model named `stats` has no metadata at the address where others have
theirs: there, Triton answers the statistics of all."""

ROUTES = (
    Route("page", "/", _GET, "page", public=True),
    Route("docs", "/docs", _GET, "docs", public=True),
    Route("openapi", "/openapi.json", _GET, "openapi", public=True),
    Route("static", "/static/{file}", _GET, public=True),
    Route("healthz", "/healthz", _GET, "live", public=True),
    Route("readyz", "/readyz", _GET, "ready", public=True),
    Route("metrics", "/metrics", _GET, "metrics", public=True),
    Route("drift_windows", "/internal/drift-windows", _GET, public=True),  # for its peers alone
    Route("models", "/v1/models", _GET, "models"),
    Route("instances", "/v1/instances", _POST, "instances", max_body_bytes=UNLIMITED),
    *_of_models("predict", ":predict", _POST, "Version", "Label", max_body_bytes=UNLIMITED),
    *_of_models("classify", ":classify", _POST, "Version", "Label", **_JSON),
    *_of_models("regress", ":regress", _POST, "Version", "Label", **_JSON),
    *_of_models("explain", ":explain", _POST, "Version", "Label", max_body_bytes=UNLIMITED),
    *_of_models("shown", ":instances", _POST, "Version", "Label", max_body_bytes=UNLIMITED),
    *_of_models("status", "", _GET, "Version", "Label"),
    *_of_models("metadata", "/metadata", _GET, "Version", "Label"),
    *_of_models("profile", "/profile", _GET, "Version", "Label"),
    *_of_models("feedback", "/feedback", _POST, "Version", "Label", **_SMALL_JSON),
    *_of_models("drift", "/drift", _GET, "Version"),  # it is watched by version
    *_V2_ROUTES,
)
UNKNOWN = Route("other", "", ())
"""Stands for the route of a request that has none: anybody makes up as many as they like."""

PATHS = {route.operation: route.pattern for route in ROUTES if route.operation}
"""Patterns of paths by the operations of the OpenAPI document."""


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"{(\w+)}", pattern)  # text and names by turns
    parts[::2] = map(re.escape, parts[::2])
    meanings = _V2_PARTS if is_v2(pattern) else _PARTS
    parts[1::2] = [meanings[name] for name in parts[1::2]]
    return re.compile("".join(parts), re.ASCII)


_PLAIN = {route.pattern: route for route in ROUTES if "{" not in route.pattern}
_OTHERS = [(_expression(route.pattern), route) for route in ROUTES if "{" in route.pattern]


@lru_cache(1024)
def find(path: str) -> tuple[Route, ModelRef | None]:
    """Returns the route of an undecoded path, and the model that the path names.

    Raises `UnknownAddress`, and `InvalidRequest` for a version beyond int64.
    """
    if route := _PLAIN.get(path):
        return route, None
    for expression, route in _OTHERS:
        if found := expression.fullmatch(path):
            parts = found.groupdict()
            return route, _model(**parts) if parts else None
    raise UnknownAddress(path)


def _model(model: str, version: str | None = None, label: str | None = None) -> ModelRef:
    number = None if version is None else int(version.lstrip("0")[:20] or "0")
    if number is not None and number >= 2**63:
        raise InvalidRequest(f"Failed to convert version: {version} to numeric.")
    return ModelRef(unquote(model), number, label and unquote(label))


class RoutedRequest:
    """Routed request: a request with its route. It raises nothing before `check`, as a client
    without rights learns nothing of the addresses."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._fault: VitrineError | None = None
        try:
            self.route, request.target = find(request.path)
        except VitrineError as fault:
            self.route, self._fault = UNKNOWN, fault
        request.endpoint, request.route = self.route.endpoint, self.route.pattern

    def check(self) -> None:
        """Raises `UnknownAddress`, `InvalidRequest` or `MethodNotAllowed`."""
        if self._fault:
            raise self._fault
        self.route.check_method(self._request.method, self._request.path)

    def answer(self, handlers: Mapping[str, Handler]) -> Awaitable[Answer]:
        """Returns what the route's handler, among those by endpoint, will answer. Raises
        `VitrineError`, at once or when it is awaited."""
        request, handler = self._request, handlers[self.route.endpoint]
        return handler(request, request.target) if request.target else handler(request)
