"""Addresses under /v2: health, metadata, repository, settings and shared memory, and those that are
none."""

import pytest

from tests.serving.asked_gateway import Http
from tests.serving.open_inference.v2_bodies import INFER, error
from vitrine_client.errors import Unavailable
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.http.routes import ROUTES, find
from vitrine_serving.gateway.settings import Settings


def test_health_has_a_body(http):
    """KServe's client reads it, and others the status alone."""
    for path, content in (
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/m/ready", {"name": "m", "ready": True}),
        ("/v2/models/m/versions/1/ready", {"name": "m", "ready": True}),
    ):
        answer = http.get(path)
        assert (answer.status_code, answer.json()) == (200, content)
        assert answer.headers["content-type"] == "application/json"


def test_not_ready(http, servers):
    """Any status but 200 is no to clients."""
    assert "ready" in error(http.get("/v2/models/other/ready"), 404)
    assert "ready" in error(http.get("/v2/models/m/versions/9/ready"), 404)
    servers.error = Unavailable("nobody there")
    assert "/readyz?models=1" in error(http.get("/v2/health/ready"), 503)
    assert http.get("/v2/health/live").json() == {"live": True}


def test_a_gateway_that_is_ending_is_not_ready(servers, runner):
    app = create_app(Settings(models=("m",)), servers)
    http = Http(app, runner)
    app.begin_draining()
    assert "ending" in error(http.get("/v2/health/ready"), 503)
    assert http.get("/v2/health/live").status_code == 200


def test_metadata(http):
    assert http.get("/v2").json()["name"] == "vitrine"
    for path in ("/v2/models/m", "/v2/models/m/versions/1"):
        told = http.get(path).json()
        assert told["name"] == "m"
        assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]
        assert [each["name"] for each in told["outputs"]] == ["row", "x"]
    for path in ("/v2/models/m/config", "/v2/models/m/versions/1/config"):
        assert http.get(path).json()["input"][0]["data_type"] == "TYPE_FP32"
    for path in ("/v2/models/m/stats", "/v2/models/m/versions/1/stats", "/v2/models/stats"):
        assert isinstance(http.get(path).json()["model_stats"], list)


@pytest.mark.parametrize(
    "path",
    ["/v2/models/no", "/v2/models/no/config", "/v2/models/m/versions/9", "/v2/models/no/stats"],
)
def test_models_that_are_not_there(http, path):
    assert "/v2/repository/index" in error(http.get(path), 404)


@pytest.mark.parametrize(
    ("body", "count"), [(b"", 2), (b" ", 2), (b"{}", 2), (b'{"ready": true, "x": 1}', 2)]
)
def test_the_index(http, body, count):
    """Clients of Triton ask for it with an empty body."""
    found = http.post("/v2/repository/index", content=body).json()
    assert [each["name"] for each in found] == ["m"] * count
    assert {each["state"] for each in found} == {"READY"}


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'{"ready": 1}', b'{"ready": null}', b"\xff"])
def test_an_index_of_nothing(http, body):
    error(http.post("/v2/repository/index", content=body), 400)
    large = error(http.post("/v2/repository/index", content=body + b" " * 2**17), 413)
    assert "no request to this address needs so many" in large


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_models_are_loaded_by_no_request(http, verb):
    path = f"/v2/repository/models/m/{verb}"
    assert "vitrine promote" in error(http.post(path, content=b"{}"), 400)
    assert "vitrine promote" in error(http.post(path), 400)
    assert "JSON" in error(http.post(path, content=b"{"), 400)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/v2/logging", "/v2/trace/setting", "/v2/models/m/trace/setting"])
def test_traces_and_logs_are_not_set_up_by_requests(http, method, path):
    assert "VITRINE_TRACES_URL" in error(http.request(method, path), 501)


@pytest.mark.parametrize("place", ["system", "cuda"])
def test_there_is_no_shared_memory(http, place):
    """Nothing is listed, and so nothing has to be unregistered."""
    base = f"/v2/{place}sharedmemory"
    assert http.get(f"{base}/status").json() == []
    for path in (f"{base}/unregister", f"{base}/region/a/unregister"):
        answer = http.post(path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert "no shared memory" in error(http.get(f"{base}/region/a/status"), 501)
    assert "no shared memory" in error(http.post(f"{base}/region/a/register", json={}), 501)


@pytest.mark.parametrize(
    "path",
    [
        *("/v2/", "/v2/health", "/v2/health/live/", "/v2/health/ready/", "/v2/models"),
        *("/v2/models/", "/v2/models/m/", "/v2/models/m/ready/", "/v2/models/m/infer/"),
        *("/v2/models/m/versions", "/v2/models/m/versions/", "/v2/models/m/versions/abc"),
        *("/v2/models/m/versions/-1", "/v2/models/m/versions/1/", "/v2//models/m"),
        *("/v2/models//infer", "/v2/models/a/b/infer", "/v2/models/m/nope", "/v2/nope"),
        *("/v2/models/m/versions/1/infer/x", "/v2/models/m/generate", "/v2/docs"),
        *("/v2/othersharedmemory/status", "/v2/repository", "/v2/models/m:predict/x"),
        "/v2/models/m/versions/%31/ready",
    ],
)
def test_addresses_that_are_none(http, path):
    """404 in the form of v2, whatever the method, and no redirect."""
    for method in ("GET", "POST", "DELETE"):
        words = error(http.request(method, path), 404)
        assert words.startswith(f"{path} is no address")
        assert "/v2/repository/index" in words


@pytest.mark.parametrize(
    "path", ["//v2/models/m", "/V2/health/live", "/v3/models/m", "/v2x", "/v22/"]
)
def test_other_protocols_keep_their_errors(http, path):
    answer = http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        *((path, "GET, HEAD") for path in ("/v2", "/v2/health/live", "/v2/models/m/config")),
        *((path, "GET, HEAD") for path in ("/v2/models/m", "/v2/models/stats")),
        *((path, "POST") for path in (INFER, "/v2/repository/index")),
    ],
)
def test_methods(http, path, allow):
    """405 with what is allowed; HEAD has the head of GET."""
    for method in ("PUT", "DELETE", "OPTIONS", "GET" if allow == "POST" else "POST"):
        answer = http.request(method, path)
        assert "does not take" in error(answer, 405)
        assert answer.headers["allow"] == allow
    head = http.request("HEAD", path)
    assert (head.status_code, head.content) == (200 if "HEAD" in allow else 405, b"")
    if "HEAD" in allow:
        assert head.headers["content-length"] == http.get(path).headers["content-length"]


def test_versions_beyond_int64(http):
    path = f"/v2/models/m/versions/{2**63}"
    assert str(2**63) in error(http.get(path), 400)
    assert str(2**63) in error(http.post(f"{path}/infer"), 400)


def test_pages_of_elsewhere_may_ask(asking):
    """By CORS, as elsewhere: they may send and read the header of binary bodies."""
    http = asking(cors_origins=("https://a.example",))
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    answer = http.request("OPTIONS", INFER, headers=asked)
    assert answer.status_code == 200
    name = "Inference-Header-Content-Length"
    assert name in answer.headers["access-control-allow-headers"]
    assert name in http.get("/v2", headers=asked).headers["access-control-expose-headers"]


def test_only_health_is_public():
    """As /healthz is: all else needs a key where there are keys."""
    public = {route.pattern for route in ROUTES if route.public and "/v2" in route.pattern}
    assert public == {"/v2/health/live", "/v2/health/ready"}


@pytest.mark.parametrize("name", ["stats", "ready", "infer", "config", "versions"])
def test_names_that_are_words_of_the_grammar(name):
    """Each is a model's as well, but for the metadata of `stats`."""
    for end in ("/ready", "/infer", "/config", "/stats", "/versions/1", "/versions/1/infer"):
        assert find(f"/v2/models/{name}{end}")[1].model == name
    route, target = find(f"/v2/models/{name}")
    assert (target is None, route.endpoint == "v2_all_statistics") == ((name == "stats"),) * 2
