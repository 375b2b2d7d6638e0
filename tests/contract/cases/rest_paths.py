"""Cases of paths and HTTP methods."""

from tests.contract.case import Answer, Case, Fails, Rest, Status
from tests.contract.cases.rest import HALF


def _path(name: str, method: str, path: str, answer: Answer, source: str) -> Case:
    body = {"instances": [2.0]} if method == "POST" else None
    return Case(f"path: {name}", Rest(method, path, body), answer, source)


def _malformed(name: str, method: str, path: str) -> Case:
    return _path(
        name,
        method,
        path,
        Fails(400, f"Malformed request: {method} {path}"),
        "seen on 2.19.1; http_rest_api_handler.cc ProcessRequest",
    )


CASES = [
    _malformed("unknown below /v1", "GET", "/v1/nope"),
    _malformed("a method that is none", "POST", f"{HALF}:nope"),
    _malformed("GET of predict", "GET", f"{HALF}:predict"),
    _malformed("POST of a model", "POST", HALF),
    _malformed("DELETE", "DELETE", HALF),
    _malformed("a version that is no number", "POST", f"{HALF}/versions/one:predict"),
    _malformed("a version and a label", "POST", f"{HALF}/versions/1/labels/stable:predict"),
    _malformed("no model", "POST", "/v1/models/:predict"),
    _malformed("a query", "POST", f"{HALF}:predict?verbose=1"),
    _malformed("a method in capitals", "POST", f"{HALF}:PREDICT"),
    _path(
        "capitals",
        "POST",
        "/V1/Models/half_plus_two/Versions/1:predict",
        {"predictions": [3.0]},
        "http_rest_api_util.cc kPredictionApiGegex: (?i)",
    ),
    _path(
        "a name in percent-encoding",
        "POST",
        "/v1/models/half%5Fplus%5Ftwo:predict",
        {"predictions": [4.0]},
        "http_rest_api_util.cc DecodeArg",
    ),
    _path(
        "a version that no int64 holds",
        "POST",
        f"{HALF}/versions/99999999999999999999:predict",
        Status(400),
        "http_rest_api_util.cc ParseModelInfo; ProcessRequest returns before it writes the error",
    ),
    _path(
        "outside of /v1",
        "GET",
        "/nope",
        Status(404),
        "http_server.cc RestApiRequestDispatcher: no handler, libevent's own page",
    ),
]
