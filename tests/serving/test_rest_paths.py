"""Addresses that the REST API does not have."""

import pytest

from tests.serving.fake_api import PREDICT, Model, client_of, error_of


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def client(model):
    return client_of(model)


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/v1/nonsense", 400),
        ("GET", "/v1/models/", 400),
        ("GET", "/v1/models/m/", 400),
        ("GET", "/v1/models//m", 400),
        ("GET", PREDICT, 400),
        ("POST", "/v1/models/m", 400),
        ("POST", f"{PREDICT}?x=1", 400),
        ("POST", "/v1/models/m/version/5:predict", 400),
        ("POST", "/v1/models/m/versions/five:predict", 400),
        ("POST", "/v1/models/m/versions/-5:predict", 400),
        ("POST", "/v1/models/m/versions/५:predict", 400),
        ("POST", "/v1/models/m/versions/5/labels/x:predict", 400),
        ("POST", "/v1/models/m:PREDICT", 400),
        ("POST", "/v1/models/m:predict:predict", 400),
        ("PUT", PREDICT, 400),
        ("DELETE", "/v1/models/m", 400),
        ("OPTIONS", PREDICT, 400),
        ("PATCH", "/v1/models/m", 400),
        ("GET", "/", 404),
        ("POST", "/v2/models/m/infer", 404),
        ("GET", "//v1/models/m", 404),
    ],
)
def test_unknown_addresses(client, model, method, address, status):
    """What the API doesn't have is malformed; what isn't under /v1/ is not found."""
    response = client.open("/", method=method, environ_overrides={"REQUEST_URI": raw(address)})
    assert response.status_code == status
    assert error_of(response) == f"Malformed request: {method} {address}"
    assert model.specs == []


def raw(address: str) -> str:
    """Returns an address as a WSGI server gives it: bytes that look like Latin-1."""
    return address.encode().decode("latin-1")


def test_head(client):
    """TensorFlow Serving has no HEAD."""
    response = client.head("/v1/models/m")
    assert (response.status_code, response.data) == (400, b"")


@pytest.mark.parametrize("version", [str(2**63), "1" + "0" * 30, "9" * 5000])
def test_versions_out_of_range(client, model, version):
    """A version is an int64."""
    for response in (
        client.post(f"/v1/models/m/versions/{version}:predict"),
        client.get(f"/v1/models/m/versions/{version}"),
    ):
        assert response.status_code == 400
        assert error_of(response) == f"Failed to convert version: {version} to numeric."
    assert model.specs == []


@pytest.mark.parametrize("address", ["/v1/models", "/v1/models/versions/3"])
def test_no_name(client, address):
    """There is no list of models."""
    response = client.get(address)
    assert response.status_code == 400
    assert error_of(response) == "Missing model name in request."
