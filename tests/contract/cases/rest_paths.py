"""Cases of the addresses of the REST API."""

from typing import Any

from tests.contract.case import Answer, Case, Check, Fails, Page, Rest, contains, found
from tests.contract.cases.rest import HALF
from tests.contract.cases.status import available_json
from tests.contract.seen import SEEN

X = {"instances": [2.0]}


def _path(name: str, method: str, path: str, answer: Answer, source: str = SEEN) -> Case:
    return Case(
        f"path: {name}", Rest(method, path, X if method == "POST" else None), answer, source
    )


def _malformed(name: str, method: str, path: str, source: str = SEEN) -> Case:
    return _path(name, method, path, Fails(400, f"Malformed request: {method} {path}"), source)


CASES = [
    *(
        _malformed(
            name, method, path, f"{SEEN}, and on 2.19.1; http_rest_api_handler.cc ProcessRequest"
        )
        for name, method, path in (
            ("unknown below /v1", "GET", "/v1/nope"),
            ("a method that is none", "POST", f"{HALF}:nope"),
            ("GET of predict", "GET", f"{HALF}:predict"),
            ("POST of a model", "POST", HALF),
            ("DELETE", "DELETE", HALF),
            ("a version that is no number", "POST", f"{HALF}/versions/one:predict"),
            ("a version and a label", "POST", f"{HALF}/versions/1/labels/stable:predict"),
            ("no model", "POST", "/v1/models/:predict"),
            ("a query", "POST", f"{HALF}:predict?verbose=1"),
            ("a method in capitals", "POST", f"{HALF}:PREDICT"),
        )
    ),
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
]
"""Those that the gateway is held against, too."""


GETS: tuple[str, ...] = (
    *("/v1/", "/v1/models/", "/v1/models//versions/1", "/v1//models/half_plus_two"),
    *(f"{HALF}/", f"{HALF}/../echo", f"{HALF}/metadata/", f"{HALF}/metadata?x=1"),
    *(f"{HALF}/versions", f"{HALF}/versions/", f"{HALF}/versions/1/", f"{HALF}/versions/-1"),
    *(f"{HALF}/versions/1x", f"{HALF}/versions/%31", f"{HALF}/labels/", f"{HALF}/labels/stable/"),
)
POSTS: tuple[str, ...] = (
    *("predict/", "predict?", "predict#", "multi_inference", "explain", "", ":predict"),
    "predict:predict",
)


def _unknown(name: str, version: int = 0) -> Fails:
    if version:
        return Fails(404, f"Could not find version {version} of model {name}")
    return Fails(404, f"Could not find any versions of model {name}")


def _not_loaded(servable: str) -> Fails:
    return Fails(404, f"Servable not found for request: {servable}")


LONG, BIGGEST = "x" * 1000, 2**63 - 1
BOTH, FIRST = available_json(2, 1), available_json(1)
NO_INT64 = Page("400 Bad Request", b"", {"content-type": "application/json", "server": None})


def _metadata(version: str) -> Check:
    return contains(
        {"model_spec": {"name": "half_plus_two", "version": version, "signature_name": ""}}
    )


def _get(path: str, answer: Any) -> Case:
    return _path(f"GET {path[:60]}", "GET", path, answer)


def _post(path: str, answer: Any) -> Case:
    return _path(f"POST {path[:60]}", "POST", path, answer)


OWN = [
    *(_malformed(f"GET {path}", "GET", path) for path in GETS),
    *(_malformed(f"POST {path}", "POST", path) for path in (f"{HALF}:{end}" for end in POSTS)),
    *(
        _malformed(f"POST {path}", "POST", path)
        for path in (
            *(f"{HALF}/:predict", f"{HALF}/versions/-1:predict", f"{HALF}/labels/:predict"),
            *(f"{HALF}/metadata", f"{HALF}/versions/1/metadata:predict", f"{HALF}%3Apredict"),
        )
    ),
    _get(f"{HALF}/versions/01", FIRST),
    _get(f"{HALF}/versions/0", Fails(404, "Could not find version 0 of model half_plus_two")),
    _get(f"{HALF}/versions/{BIGGEST}", _unknown("half_plus_two", BIGGEST)),
    _get(f"{HALF}/versions/{BIGGEST + 1}", NO_INT64),
    _get("/v1/models/nope/versions/99999999999999999999/metadata", NO_INT64),
    _post(f"{HALF}/versions/99999999999999999999:predict", NO_INT64),
    _get(f"{HALF}/labels/stable", BOTH),
    _get(f"{HALF}/labels/nope", BOTH),
    *(
        _get(f"{HALF}{end}/metadata", _metadata(version))
        for end, version in (("", "2"), ("/versions/1", "1"), ("/labels/stable", "1"))
    ),
    _get(f"{HALF}/labels/gone/metadata", _not_loaded("Specific(half_plus_two, 7)")),
    _get(f"{HALF}/labels/nope/metadata", Fails(400, "Unrecognized servable version label: nope")),
    _get(f"{HALF}/versions/7/metadata", _not_loaded("Specific(half_plus_two, 7)")),
    _get(f"{HALF}?x=1", _unknown("half_plus_two?x=1")),
    _get(f"{HALF}#f", _unknown("half_plus_two#f")),
    _get(f"{HALF}%20", _unknown("half_plus_two ")),
    _get(f"{HALF}%2Fversions%2F1", _unknown("half_plus_two/versions/1")),
    _get("/v1/models/half%00", _unknown("half\0")),
    _get("/v1/models/half%1f%7F", _unknown("half\x1f\x7f")),
    _get(f"/v1/models/{LONG}", _unknown(LONG)),
    _get(f"{HALF}?{LONG * 9}", _unknown(f"half_plus_two?{LONG * 9}")),
    _get("http://x/v1/models/half_plus_two", BOTH),
    _get("/v1/MODELS/half_plus_two", BOTH),
    _get("/v1/models/Half_plus_two", _unknown("Half_plus_two")),
    _post(f"{HALF}/versions/01:predict", {"predictions": [3.0]}),
    _post(f"{HALF}/versions/0:predict", _not_loaded("Specific(half_plus_two, 0)")),
    _post(f"{HALF}/labels/sta%62le:predict", {"predictions": [3.0]}),
    _post("/v1/models/nope/labels/x:predict", Fails(400, "Unrecognized servable version label: x")),
    _post(
        "/v1/models/nope:classify",
        Fails(400, found("When method is classify, key 'examples' is expected and was not found$")),
    ),
]
"""Those that have an answer of the gateway's own there."""
