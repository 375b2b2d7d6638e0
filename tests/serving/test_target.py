"""The grammar of addresses, the same for predictions, states and metadata."""

import pytest

from vitrine_client.errors import InvalidRequest
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.http.routes import RoutedRequest, find
from vitrine_serving.gateway.models.reference import ModelRef


def recognise(path: str) -> tuple[str, ModelRef | None]:
    """What a request of this path turns out to be."""
    request = Request("GET", path, "", {}, "", "id-1")
    RoutedRequest(request)
    return request.endpoint, request.target


@pytest.mark.parametrize(
    ("path", "target", "asked"),
    [
        ("/v1/models/m", ModelRef("m"), "status"),
        ("/v1/models/m:predict", ModelRef("m"), "predict"),
        ("/v1/models/m/versions/007:classify", ModelRef("m", 7), "classify"),
        ("/v1/models/m/labels/canary:regress", ModelRef("m", label="canary"), "regress"),
        ("/v1/models/m/versions/2/metadata", ModelRef("m", 2), "metadata"),
        ("/v1/models/m/metadata", ModelRef("m"), "metadata"),
        ("/v1/models/m/labels/canary:explain", ModelRef("m", label="canary"), "explain"),
        ("/v1/models/m/profile", ModelRef("m"), "profile"),
        ("/v1/models/m/versions/2/profile", ModelRef("m", 2), "profile"),
        ("/v1/models/m/labels/a/profile", ModelRef("m", None, "a"), "profile"),
        ("/v1/models/m/drift", ModelRef("m"), "drift"),
        ("/v1/models/m/versions/2/drift", ModelRef("m", 2), "drift"),
        ("/v1/models/a%2Fb/labels/c%3Ad", ModelRef("a/b", label="c:d"), "status"),
        (f"/v1/models/m/versions/{2**63 - 1}", ModelRef("m", 2**63 - 1), "status"),
    ],
)
def test_addresses(path, target, asked):
    """Model, version or version label, and what is asked of it."""
    route, found = find(path)
    assert (found, route.endpoint) == (target, asked)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/v1/models", "/v1/models/", "/v1/models/m/", "/v1/models/m:fly"),
        *("/v1/models/m/versions/one", "/v1/models/m/versions/1/labels/a", "/V1/models/m"),
        *("/v1/models/m/metadata:predict", "/v1/models/m:predict/metadata"),
        *("/v1/models/m/labels/a/drift", "/v1/instances", "/v1/models/m:explain/drift"),
    ],
)
def test_what_is_no_such_address(path):
    """Others answer for it, if anybody does."""
    endpoint, target = recognise(path)
    assert target is None
    assert endpoint in ("other", "page", "models", "instances")


@pytest.mark.parametrize("version", [str(2**63), "1" + "0" * 30, "9" * 5000])
@pytest.mark.parametrize("asked", ["", ":predict", "/metadata"])
def test_versions_beyond_int64(version, asked):
    """No such version can be, and gRPC could not name it."""
    with pytest.raises(InvalidRequest, match=r"^Failed to convert version: \d+ to numeric\.$"):
        find(f"/v1/models/m/versions/{version}{asked}")


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        *(("/", "page"), ("/docs", "docs"), ("/openapi.json", "openapi"), ("/healthz", "healthz")),
        *(("/readyz", "readyz"), ("/metrics", "metrics"), ("/static/page.css", "static")),
        *(("/v1/models", "models"), ("/v1/instances", "instances"), ("/nowhere", "other")),
        *(
            ("", "other"),
            ("/v1/models/m:fly", "other"),
            (f"/v1/models/m/versions/{2**63}", "other"),
        ),
    ],
)
def test_every_address_has_its_endpoint(path, endpoint):
    """What observers call a request; an address that is none is not named, as anybody makes up as
    many as they like."""
    assert recognise(path) == (endpoint, None)


def test_endpoints_about_models():
    """These say which model, too."""
    assert recognise("/v1/models/m/versions/2:explain") == ("explain", ModelRef("m", 2))
    assert recognise("/v1/models/m") == ("status", ModelRef("m"))
