"""Cases of HTTP itself: methods, addresses outside the API, headers, packed bodies and metrics. The
gateway has answers of its own to them."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

from tests.contract.case import Answer, Case, Fails, Page, Rest
from tests.contract.cases import life
from tests.contract.cases.rest import HALF
from tests.contract.cases.status import available_json
from tests.contract.messages import classify, example, examples, infer, regress, spec, task
from tests.contract.seen import NOT_SEEN, SEEN
from tests.contract.server import Server

METRICS = "/monitoring/prometheus/metrics"
STATUS = available_json(2, 1)
EVENT, SERVER = f"libevent http.c; {NOT_SEEN}", f"http_server.cc; {NOT_SEEN}"
PLAIN = {"content-type": "text/plain", "server": None}
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "Content-Type",
}


def page(status: str) -> Page:
    """libevent's page of an error, as http.c evhttp_send_error writes it."""
    phrase = status.partition(" ")[2]
    body = (
        f"<HTML><HEAD>\n<TITLE>{status}</TITLE>\n</HEAD><BODY>\n<H1>{phrase}</H1>\n</BODY></HTML>\n"
    )
    return Page(status, body.encode(), {"content-type": "text/html", "connection": "close"})


def _without_body(status: str, kind: str = "text/html; charset=ISO-8859-1") -> Page:
    return Page(status, b"", {"content-type": kind, "server": None, "allow": None})


def _ask(
    name: str,
    method: str,
    path: str,
    answer: Answer,
    body: Any = None,
    source: str = SEEN,
    **headers: str,
) -> Case:
    renamed = {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(f"HTTP: {name}", Rest(method, path, body, renamed), answer, source)


METHODS = [
    *(
        _ask(f"{method} of {path}", method, path, Fails(400, f"Malformed request: {method} {path}"))
        for method in ("PUT", "PATCH", "DELETE")
        for path in (HALF, f"{HALF}:predict")
    ),
    *(
        _ask(f"HEAD of {path}", "HEAD", path, Page("400 Bad Request", b"", {"server": None}))
        for path in (HALF, f"{HALF}:predict")
    ),
    *(
        _ask(f"{method} of {path}", method, path, page("501 Not Implemented"), source=source)
        for source, methods, paths in (
            (SEEN, ("TRACE", "CONNECT", "FOO"), (HALF,)),
            (EVENT, ("TRACE", "CONNECT", "FOO"), ("/",)),
            (EVENT, ("PROPFIND",), (HALF, "/")),
        )
        for method in methods
        for path in paths
    ),
    *(
        _ask(f"OPTIONS of {path} without an origin", "OPTIONS", path, answer, source=source)
        for path, source in ((HALF, SEEN), (f"{HALF}:predict", SEEN), ("/v1/nonsense", SERVER))
        for answer in (_without_body("400 Bad Request"),)
    ),
    *(
        _ask(
            f"OPTIONS from {origin}", "OPTIONS", HALF, _without_body("200 OK"), None, Origin=origin
        )
        for origin in ("http://there", "https://there:8080")
    ),
    _ask(
        *("OPTIONS outside", "OPTIONS", "/", page("404 Not Found"), None, SERVER),
        Origin="http://there",
    ),
    _ask(
        *("an origin", "POST", f"{HALF}:predict"),
        Page("200 OK", b'{\n    "predictions": [4.0\n    ]\n}', dict.fromkeys(CORS)),
        {"instances": [2.0]},
        Origin="http://there",
    ),
]

OUTSIDE = [
    *(
        _ask(f"GET {path}", "GET", path, page("404 Not Found"))
        for path in (
            *("/", "/v1", "/v2", "/v2/health/live", "/favicon.ico", "/monitoring/prometheus"),
            *("//v1/models/half_plus_two", "/nope", "/models/half_plus_two"),
        )
    ),
    *(
        _ask(name, method, path, page("404 Not Found"), source=SERVER)
        for name, method, path in (
            ("GET /v1?x=1", "GET", "/v1?x=1"),
            *((f"{method} outside", method, "/nope") for method in ("POST", "PUT", "DELETE")),
        )
    ),
    *(
        _ask(f"{sign} in an address", "GET", f"/v1/models/half{sign}", answer, source=EVENT)
        for sign in ("%", "%4", "%zz", "|", "^", "{", '"', "\\")
        for answer in (page("400 Bad Request"),)
    ),
]

TWO = {"instances": [2.0]}
PACKED = gzip.compress(json.dumps(TWO).encode())
FOUR = {"predictions": [4.0]}
NOTHING = Fails(400, "JSON Parse error: The document is empty")
NO_JSON = Fails(400, "JSON Parse error: Invalid value. at offset: 0")


def _packed(name: str, body: bytes, answer: Answer, encoding: str = "gzip") -> Case:
    name, path = f"a body, {name}", f"{HALF}:predict"
    return _ask(name, "POST", path, answer, body, Content_Encoding=encoding)


def _unpacked(body: str) -> None:
    assert json.loads(body) == {"predictions": [row / 2 + 3 for row in range(500)]}


def _is_status(body: str) -> None:
    assert json.loads(body) == STATUS


def _is_metadata(body: str) -> None:
    assert json.loads(body)["model_spec"]["version"] == "2"


ANY_OTHER = {
    "content-type": "application/json",
    **dict.fromkeys(("server", "connection", "content-encoding", "transfer-encoding")),
}

BODIES = [
    _packed("gzip", PACKED, FOUR),
    _packed("x-gzip", PACKED, FOUR, "x-gzip"),
    _packed("GZIP", PACKED, NO_JSON, "GZIP"),
    _packed("gzip, declared and not so", json.dumps(TWO).encode(), NOTHING),
    _packed("gzip and not declared so", PACKED, NO_JSON, "identity"),
    _packed("gzip of nothing", gzip.compress(b""), NOTHING),
    _packed("gzip that is cut", PACKED[:-4], NOTHING),
    _packed("gzip of another sum", PACKED[:-8] + bytes(8), NOTHING),
    _packed("gzip, twice", PACKED + PACKED, NOTHING),
    _packed("gzip and more", PACKED + b"x", NOTHING),
    _packed("br, declared and not so", json.dumps(TWO).encode(), FOUR, "br"),
    _packed("identity", json.dumps(TWO).encode(), FOUR, "identity"),
    _packed("deflate", zlib.compress(json.dumps(TWO).encode()), NO_JSON, "deflate"),
    _ask("no body", "POST", f"{HALF}:predict", NOTHING),
    *(
        _ask(f"a body of {kind!r}", "POST", f"{HALF}:predict", FOUR, TWO, Content_Type=kind)
        for kind in (
            *("text/plain", "application/json; charset=utf-8", "application/json; charset=utf-16"),
            *("application/x-protobuf", "multipart/form-data; boundary=x", ""),
        )
    ),
    *(
        _ask(f"answers are not packed for {accept}", "POST", f"{HALF}:predict", answer, body, **one)
        for accept in ("gzip", "gzip, deflate, br", "gzip;q=0")
        for one in ({"Accept_Encoding": accept},)
        for body in ({"instances": list(map(float, range(500)))},)
        for answer in (Page("200 OK", _unpacked, {"content-encoding": None, "server": None}),)
    ),
    _ask(
        *("answers are not packed for gzip, a small one", "POST", f"{HALF}:predict"),
        Page("200 OK", b'{\n    "predictions": [4.0\n    ]\n}', {"content-encoding": None}),
        TWO,
        Accept_Encoding="gzip",
    ),
    _ask(
        *("answers are not packed for gzip, metadata", "GET", f"{HALF}/metadata"),
        Page("200 OK", _is_metadata, {"content-encoding": None, "server": None}),
        Accept_Encoding="gzip",
    ),
    _ask("an Accept of HTML", "POST", f"{HALF}:predict", FOUR, TWO, Accept="text/html"),
    _ask("a body of a GET", "GET", HALF, STATUS, b"{}"),
    _ask("a header of 70 kB", "GET", HALF, STATUS, None, X="x" * 70_000),
    _ask(
        "a body in chunks",
        "POST",
        f"{HALF}:predict",
        FOUR,
        b'5\r\n{"ins\r\ne\r\ntances":[2.0]}\r\n0\r\n\r\n',
        Transfer_Encoding="chunked",
    ),
    *(
        _ask(
            *(f"a connection that is to end, {method}", method, path),
            Page("200 OK", lambda _: None, {"connection": "close"}),
            body,
            Connection="close",
        )
        for method, path, body in (("GET", HALF, None), ("POST", f"{HALF}:predict", TWO))
    ),
    _ask("headers of a status", "GET", HALF, Page("200 OK", _is_status, ANY_OTHER)),
    _ask(
        *("headers of a prediction", "POST", f"{HALF}:predict"),
        Page("200 OK", b'{\n    "predictions": [4.0\n    ]\n}', ANY_OTHER),
        TWO,
    ),
    _ask("an expectation", "POST", f"{HALF}:predict", FOUR, TWO, Expect="100-continue"),
]


def _has(*wanted: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        lines = text.splitlines()
        for line in wanted:
            assert line in lines, [each for each in lines if each.startswith(line[:50])]

    return check


FAMILIES = _has(
    "# TYPE :tensorflow:serving:request_count counter",
    "# TYPE :tensorflow:serving:request_example_count_total counter",
    "# TYPE :tensorflow:serving:request_example_counts histogram",
    "# TYPE :tensorflow:serving:request_latency histogram",
    "# TYPE :tensorflow:serving:runtime_latency histogram",
)
COUNTED = [
    _ask("metrics", "GET", METRICS, Page("200 OK", FAMILIES, PLAIN)),
    _ask(
        *("metrics by another method", "PUT", METRICS, Page("200 OK", FAMILIES, PLAIN)),
        source=SERVER,
    ),
    _ask("HEAD of metrics", "HEAD", METRICS, Page("200 OK", b"", PLAIN)),
    _ask(
        "metrics with a query",
        "GET",
        f"{METRICS}?a=1",
        Page(
            "400 Bad Request",
            f"Unexpected path: {METRICS}?a=1. Should be {METRICS}".encode(),
            PLAIN,
        ),
    ),
]

CASES = [*METHODS, *OUTSIDE, *BODIES, *COUNTED]


def _calls(server: Server) -> None:
    """A model of its own is asked in each way."""
    life.one("counted")(server)
    path, given = "/v1/models/counted", examples(example(x=2.0), example(x=4.0))
    for method, address in (
        *(("GET", path), ("GET", f"{path}/metadata"), ("GET", f"{path}/versions/9")),
        *(("POST", f"{path}:predict"), ("POST", f"{path}:regress"), ("PUT", path)),
    ):
        server.http(method, address, json.dumps(TWO).encode(), {})
    server.call("Predict", life.half("counted").request)
    server.call("Classify", classify(spec("counted", "classify_x_to_y"), given))
    server.call("Regress", regress(spec("counted", "regress_x_to_y"), given))
    tasks = (task("regress_x_to_y", name="counted"), task("classify_both", name="counted"))
    server.call("MultiInference", infer(*tasks, given=given))


def _latency(call: str, entrypoint: str, count: int) -> str:
    labels = f'model_name="counted",API="{call}",entrypoint="{entrypoint}"'
    return f":tensorflow:serving:request_latency_count{{{labels}}} {count}"


def _only_these(text: str) -> None:
    _has(
        ':tensorflow:serving:request_count{model_name="counted",status="OK"} 6',
        ':tensorflow:serving:request_count{model_name="counted",status="NOT_FOUND"} 1',
        ':tensorflow:serving:request_count{model_name="counted",status="INVALID_ARGUMENT"} 1',
        _latency("", "REST", 2),
        _latency("predict", "REST", 1),
        *(_latency(call, "GRPC", 1) for call in ("Predict", "Classify", "Regress")),
        ':tensorflow:serving:request_example_count_total{model="counted"} 2',
        ':tensorflow:serving:request_example_counts_count{model="counted"} 1',
        *(
            f':tensorflow:serving:runtime_latency_count{{model_name="counted",API="{call}",'
            f'runtime="TF1"}} {count}'
            for call, count in (("Predict", 2), ("Classify", 1), ("Regress", 1))
        ),
    )(text)
    assert 'status="INVALID_ARGUMENT"' in text
    assert ':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"}' in text


CHANGING = [
    Case(
        "HTTP: what is counted",
        Rest("GET", METRICS),
        Page("200 OK", _only_these, PLAIN),
        f"{SEEN}: calls over REST, and examples of MultiInference alone; http_server.cc, "
        "prediction_service_impl.cc, multi_inference.cc: no call of metadata, of a status over "
        "gRPC or of MultiInference",
        _calls,
    ),
    *(
        Case(
            f"HTTP: CORS, {method} {path}",
            Rest(method, path, None, {"Origin": "http://there"}),
            Page(status, lambda _: None, CORS if status else {}),
            f"{SEEN}; --rest_api_enable_cors_support",
            lambda _: None,
        )
        for method, path, status in (
            ("OPTIONS", HALF, "200 OK"),
            ("GET", "/v1/models/nope", "404 Not Found"),
            ("POST", "/v1/models/nope:predict", "400 Bad Request"),
            ("GET", f"/v1/models/nope/versions/{2**63}", "400 Bad Request"),
        )
    ),
    Case(
        "HTTP: CORS, outside",
        Rest("GET", "/"),
        Page("404 Not Found", lambda _: None, dict.fromkeys(CORS)),
        f"{SEEN}; --rest_api_enable_cors_support",
        lambda _: None,
    ),
]
