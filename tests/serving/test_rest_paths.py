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
    ("method", "address"),
    [
        ("GET", "/v1/nonsense"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/m/"),
        ("GET", "/v1/models//m"),
        ("GET", PREDICT),
        ("POST", "/v1/models/m"),
        ("POST", f"{PREDICT}?x=1"),
        ("POST", "/v1/models/m/version/5:predict"),
        ("POST", "/v1/models/m/versions/five:predict"),
        ("POST", "/v1/models/m/versions/-5:predict"),
        ("POST", "/v1/models/m/versions/5/labels/x:predict"),
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m:predict:predict"),
        ("PUT", PREDICT),
        ("DELETE", "/v1/models/m"),
        ("PATCH", "/v1/models/m"),
    ],
)
def test_unknown_addresses(client, model, method, address):
    """What the API doesn't have is malformed."""
    response = open_raw(client, method, address)
    assert response.status == "400 Bad Request"
    assert error_of(response) == f"Malformed request: {method} {address}"
    assert model.specs == []


def open_raw(client, method: str, address: str):
    """Asks for an address as a WSGI server gives it: bytes that look like Latin-1."""
    uri = address.encode().decode("latin-1")
    return client.open("/", method=method, environ_overrides={"REQUEST_URI": uri})


PAGE = """<HTML><HEAD>
<TITLE>{0}</TITLE>
</HEAD><BODY>
<H1>{1}</H1>
</BODY></HTML>
"""


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/", "404 Not Found"),
        ("GET", "/v1", "404 Not Found"),
        ("GET", "/v1?x=/v1/models/m", "404 Not Found"),
        ("POST", "/v2/models/m/infer", "404 Not Found"),
        ("GET", "//v1/models/m", "404 Not Found"),
        ("GET", "http://there", "404 Not Found"),
        ("GET", "v1/models/m", "404 Not Found"),
        ("OPTIONS", "*", "404 Not Found"),
        ("GET", "/v1/models/ä", "400 Bad Request"),
        ("GET", "/v1/models/%", "400 Bad Request"),
        ("GET", "/v1/models/%4", "400 Bad Request"),
        ("GET", "/v1/models/%4g", "400 Bad Request"),
        ("GET", "/v1/models/a|b", "400 Bad Request"),
        ("GET", "/v1/models/m?{", "400 Bad Request"),
        ("GET", "/v1/models/m#a#b", "400 Bad Request"),
        ("GET", "//a b/v1/models/m", "400 Bad Request"),
        ("GET", "http://[::1/v1/models/m", "400 Bad Request"),
        ("GET", "a_b://there/v1/models/m", "400 Bad Request"),
        ("POST", "/\\", "400 Bad Request"),
    ],
)
def test_pages(client, model, method, address, status):
    """What is no request of the API at all gets a page of libevent's, TensorFlow Serving's HTTP
    library."""
    response = open_raw(client, method, address)
    assert response.status == status
    assert response.headers["Content-Type"] == "text/html"
    assert response.text == PAGE.format(status, status.partition(" ")[2])
    assert model.specs == []


@pytest.mark.parametrize(
    "address",
    [
        "http://there/v1/models/m",
        "https://a:b@there:80/v1/models/m",
        "http://[::1]:80/v1/models/m",
        "//there/v1/models/m",
        "/v1/models/m",
    ],
)
def test_names_of_servers(client, model, address):
    """An address may have the server's name in it."""
    assert open_raw(client, "GET", address).status_code == 200
    assert model.specs == [("m", 0, "", "")]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://there", 200),
        ("https://there:8080", 200),
        ("null", 400),
        ("HTTPS://there", 400),
        ("", 400),
        (None, 400),
    ],
)
def test_options(client, model, origin, status):
    """A browser asks before a page of another origin calls: no body, whatever the answer is."""
    headers = {} if origin is None else {"Origin": origin}
    for address in (PREDICT, "/v1/nonsense"):
        response = client.options(address, headers=headers)
        assert (response.status_code, response.data) == (status, b"")
        assert response.headers["Content-Type"] == "text/html; charset=ISO-8859-1"
        assert "Allow" not in response.headers
    assert model.specs == []


def test_head(client):
    """TensorFlow Serving has no HEAD."""
    response = client.head("/v1/models/m")
    assert (response.status_code, response.data) == (400, b"")


@pytest.mark.parametrize("version", [str(2**63), "1" + "0" * 30, "9" * 5000])
def test_versions_out_of_range(client, model, version):
    """A version is an int64: whatever is not gets a status, and no words."""
    for response in (
        client.post(f"/v1/models/m/versions/{version}:predict"),
        client.get(f"/v1/models/m/versions/{version}"),
        client.get(f"/v1/models/versions/{version}"),
        client.get(f"/v1/models/versions/{version}/metadata"),
    ):
        assert (response.status, response.data) == ("400 Bad Request", b"")
        assert response.headers["Content-Type"] == "application/json"
    assert model.specs == []


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("%ff", b"\xff"),
        ("a%80b%C3%A9", b"a\x80b\xc3\xa9"),
        ("%1f%7F%22", b'\\u001F\x7f\\"'),
    ],
)
def test_odd_names(client, address, sent):
    """An error has the bytes that were sent, whatever text they are."""
    response = client.post(f"/v1/models/{address}:predict", data=b"{}")
    assert response.status_code == 404
    words = b"Servable not found for request: Latest(%b)" % sent
    assert response.data == b'{\n    "error": "%b"\n}' % words


@pytest.mark.parametrize("address", ["/v1/models", "/v1/models/versions/3"])
def test_no_name(client, address):
    """There is no list of models."""
    response = client.get(address)
    assert response.status_code == 400
    assert error_of(response) == "Missing model name in request."
