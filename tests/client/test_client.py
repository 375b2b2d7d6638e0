"""Both HTTP clients: what they send, how answers and errors are read, whom they trust."""

import io
import socket
import ssl
import threading
from dataclasses import replace

import numpy as np
import pytest
import requests
from PIL import Image

from harness.certificates import make_ca, make_certificate
from harness.paths import SAMPLES
from tests.client.fake_gateway import (
    BAD,
    KINDS,
    FakeGateway,
    Kind,
    Reply,
    first,
    predicting,
    problem,
)
from vitrine_client import Client, InvalidImage, errors
from vitrine_client.images import to_instance
from vitrine_client.results.predictions import VersionStatus

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

STATUS = {
    "model_version_status": [
        {"version": "3", "state": "END", "status": {"error_code": "OK", "error_message": ""}}
    ]
}


@both
def test_a_prediction_has_everything(kind: Kind):
    """What the gateway answers becomes a `Prediction`, the version as a number."""
    with FakeGateway() as gateway:
        found = kind.ask(gateway.url + "/", "predict", b"Bag", client={"api_key": "secret"})
    assert (found.label, found.class_id, found.probability) == ("Bag", 1, 0.75)
    assert (found.model, found.version) == ("mlp", 12)
    assert found.top(1) == [("Bag", 0.75)]
    assert [label for label, _ in found.top(5)] == ["Bag", "other"]
    (asked,) = gateway.asked
    assert (asked.path, asked.body) == ("/v1/models/photo:predict", b"Bag")
    assert asked.headers["x-api-key"] == "secret"


@both
def test_models_statuses_and_signatures(kind: Kind):
    """The other calls ask what their names say."""
    signatures = {"model_spec": {}, "metadata": {"signature_def": {"signature_def": {}}}}
    answers = {
        "/v1/models": {"models": [{"name": "mlp"} | STATUS]},
        "/v1/models/mlp": STATUS,
        "/v1/models/mlp/labels/new/metadata": signatures,
    }
    with FakeGateway(lambda asked: Reply(content=answers[asked.path])) as gateway:
        assert kind.ask(gateway.url, "models") == {"mlp": [VersionStatus(3, "END")]}
        assert kind.ask(gateway.url, "status", "mlp") == [VersionStatus(3, "END")]
        assert kind.ask(gateway.url, "metadata", "mlp", label="new") == signatures


@both
def test_versions_and_version_labels(kind: Kind):
    """Each has its own address, whatever is in its name; both at once make no sense."""
    with FakeGateway() as gateway:
        kind.ask(gateway.url, "predict", b"a", "a/b", version=7)
        kind.ask(gateway.url, "predict_many", [b"a"], label="the best")
        with pytest.raises(errors.InvalidRequest, match="not both"):
            kind.ask(gateway.url, "predict", b"a", version=7, label="x")
    paths = [asked.path for asked in gateway.asked]
    assert paths == [
        "/v1/models/a%2Fb/versions/7:predict",
        "/v1/models/photo/labels/the%20best:predict",
    ]


@both
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.InvalidRequest),
        (404, errors.NotFound),
        (405, errors.MethodNotAllowed),
        (413, errors.PayloadTooLarge),
        (415, errors.UnsupportedMediaType),
        (418, errors.InvalidRequest),
        (429, errors.ResourceExhausted),
        (500, errors.ServerError),
        (502, errors.ModelFault),
        (503, errors.Unavailable),
        (504, errors.DeadlineExceeded),
    ],
)
def test_each_status_is_an_exception(kind, status, error):
    """The gateway's detail is the message of the exception that stands for its status."""
    with (
        FakeGateway(lambda _: problem(status, "do this")) as gateway,
        pytest.raises(error, match="do this") as caught,
    ):
        kind.ask(gateway.url, "models", client={"retries": 0})
    assert type(caught.value) is error


def test_every_exception_has_one_base():
    """One `except` catches all, and each class knows its status."""
    for status in (400, 404, 405, 413, 415, 429, 500, 503, 504):
        error = errors.for_status(status, "why")
        assert isinstance(error, errors.VitrineError)
        assert (error.status, str(error)) == (status, "why")


@both
def test_a_bad_picture_is_told_from_a_bad_request(kind: Kind):
    """Both are a 400. It is the picture's fault if a good one beside it is answered."""
    with FakeGateway() as gateway, pytest.raises(InvalidImage, match=r"^This is no picture$"):
        kind.ask(gateway.url, "predict", BAD)
    with (
        FakeGateway(lambda _: problem(400, "unknown label")) as gateway,
        pytest.raises(errors.InvalidRequest, match="unknown label") as caught,
    ):
        kind.ask(gateway.url, "predict", BAD)
    assert not isinstance(caught.value, InvalidImage)


@both
@pytest.mark.parametrize("method", ["predict", "predict_many"])
def test_a_large_picture_is_not_sent_again_to_be_refused(kind: Kind, method):
    """A small one tells whether it is the picture or the request, which is sent once."""
    photo = b"x" * 100_000
    given = photo if method == "predict" else [photo]
    with FakeGateway(lambda _: problem(400, "no images")) as gateway:
        with pytest.raises(errors.InvalidRequest, match="no images") as caught:
            kind.ask(gateway.url, method, given)
        assert not isinstance(caught.value, InvalidImage)
    assert [len(asked.body) > 1000 for asked in gateway.asked] == [True, False]
    with FakeGateway(first(problem(400, "no picture"))) as gateway:
        try:
            (found,) = kind.ask(gateway.url, method, given)
        except InvalidImage as error:
            found = error
    assert (type(found), str(found)) == (InvalidImage, "no picture")
    assert [len(asked.body) > 1000 for asked in gateway.asked] == [True, False]


@both
def test_a_photo_that_is_too_large_is_told_of_local(kind: Kind):
    """28x28 pixels travel then."""
    with FakeGateway(lambda _: problem(413, "The body has more than 9 bytes")) as gateway:
        with pytest.raises(errors.PayloadTooLarge, match=r"9 bytes; with `local` \(--local\)"):
            kind.ask(gateway.url, "predict", bytes(99_999))
        (found,) = kind.ask(gateway.url, "predict_many", [bytes(99_999)])
    assert "--local" in str(found)


@both
@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, b"\xff", b'"text"', b"{}"])
def test_answers_that_are_no_gateways(kind, body):
    """Whatever else answers 200 is an error that asks whether this is a gateway."""
    with (
        FakeGateway(lambda _: Reply(200, body)) as gateway,
        pytest.raises(errors.ServerError, match="is that a Vitrine gateway"),
    ):
        kind.ask(gateway.url, "predict", b"...")


@both
@pytest.mark.parametrize(
    "changes",
    [
        {"predictions": []},
        {"predictions": [{"label": "Bag"}]},
        {"predictions": [None]},
        {"model_spec": {"name": "mlp", "version": "newest"}},
    ],
    ids=str,
)
def test_answers_that_are_not_whole(kind, changes):
    """JSON without what it needs is the gateway's fault, not a `KeyError`."""

    def answer(asked):
        whole = predicting(asked)
        return replace(whole, content=whole.content | changes)

    with FakeGateway(answer) as gateway, pytest.raises(errors.ServerError, match="no sense"):
        kind.ask(gateway.url, "predict", b"...")


@both
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"<html>Not Found</html>", r"answered 404 \(without JSON\)"),
        (404, b'{"error": "Malformed request: GET /v1/models"}', "Malformed request"),
        (400, b'{"error": "JSON Parse error"}', r"answered 400 \(JSON Parse error\)"),
        (500, b'{"message": "no"}', r"answered 500 \(without a reason\)"),
        (302, b"", r"answered 302 \(without JSON\)"),
    ],
)
def test_errors_that_are_no_gateways(kind, status, body, said):
    """A model server's REST API, a web server, a portal: it is asked whether that is a gateway, and
    a 404 of theirs says nothing of a model."""
    with (
        FakeGateway(lambda _: Reply(status, body)) as other,
        pytest.raises(errors.VitrineError, match=said) as caught,
    ):
        kind.ask(other.url, "models", client={"retries": 0})
    assert str(caught.value).endswith("is that a Vitrine gateway? (--url or VITRINE_URL)"), (
        caught.value
    )
    assert not isinstance(caught.value, errors.NotFound)


@both
@pytest.mark.parametrize("said", [b"\x00\x00\x12\x04\x00\x00\x00", b"SSH-2.0-OpenSSH_9.6\r\n"])
def test_servers_that_speak_no_http(kind, said):
    """gRPC's port, say."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(errors.ServerError, match=f"{url} speaks no HTTP; is that a Vitrine"):
            kind.ask(url, "models", client={"retries": 0})
        answering.join(30)


@both
@pytest.mark.parametrize("body", [b"<html>proxy</html>", b'"text"'])
def test_proxies_that_answer(kind, body):
    """A proxy's page in between is the error of its status, which says where it came from."""
    with (
        FakeGateway(lambda _: Reply(502, body)) as gateway,
        pytest.raises(errors.Unavailable, match=r"/v1/models answered 502 .*is that a Vitrine"),
    ):
        kind.ask(gateway.url, "models", client={"retries": 0})


@both
def test_redirects_are_not_followed(kind: Kind):
    """The key would go wherever they lead."""
    with (
        FakeGateway() as other,
        FakeGateway(lambda _: Reply(307, b"", {"Location": other.url})) as gateway,
        pytest.raises(errors.ServerError, match=f"leads to {other.url}; if that is"),
    ):
        kind.ask(gateway.url, "predict", b"...")
    assert not other.asked


@both
@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", ""])
def test_addresses_that_are_none(kind, url):
    """They are refused before anything is asked."""
    with pytest.raises(errors.InvalidRequest, match="write http://HOST:PORT"):
        kind.ask(url, "models")


@both
@pytest.mark.parametrize("key", ["secret\n", " secret", "geheim\u00fc"])
def test_keys_that_no_header_can_have(kind, key):
    """A line's end, as a file has it, is told before anything is asked."""
    with pytest.raises(errors.InvalidRequest, match="API key"):
        kind.ask("http://127.0.0.1", "models", client={"api_key": key})


@both
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"api_key": "ü"}, "The API key is no text of ASCII"),
        ({"api_key": 7}, "The API key is no text of ASCII"),
        ({"retries": -1}, "retries is a whole number from 0 on, not -1"),
        ({"retries": "2"}, "retries is a whole number from 0 on, not '2'"),
        ({"timeout_s": "1"}, "timeout_s is a number of seconds"),
        ({"cert": 7}, "cert names PEM files by their paths, not 7"),
        ({"cert": ("a", "b", "c")}, "cert is a file, or a pair of a certificate and its key"),
        ({"cert": ("a", None)}, "cert names PEM files by their paths, not None"),
        ({"verify": 7.5}, "verify names PEM files by their paths, not 7.5"),
    ],
)
def test_arguments_that_are_none(kind, given, said):
    """One error for all of them, which both `ValueError` and `VitrineError` catch."""
    for expected in (ValueError, errors.InvalidRequest):
        with pytest.raises(expected, match=said):
            kind.ask("https://127.0.0.1", "models", client=given)


@both
def test_proxies_of_the_environment(kind: Kind, monkeypatch):
    """They are asked, and held to the deadline, too."""
    with FakeGateway() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        assert kind.ask("http://gateway.invalid", "predict", b"Bag").label == "Bag"
        (asked,) = proxy.asked
        assert asked.path == "http://gateway.invalid/v1/models/photo:predict"
        proxy.answer = lambda _: Reply(content=b" " * 500, drip_s=0.02)
        with pytest.raises(errors.DeadlineExceeded):
            kind.ask("http://gateway.invalid", "models", client={"timeout_s": 0.3})


@both
def test_pixels_made_here(kind: Kind):
    """`local` sends the instance of a picture, and says itself what it can't read."""
    image = Image.open(SAMPLES[0]).resize((600, 600))
    with FakeGateway() as gateway:
        found = kind.ask(gateway.url, "predict", image, local=True)
        with pytest.raises(InvalidImage, match="no picture"):
            kind.ask(gateway.url, "predict", b"garbage", local=True)
    (asked,) = gateway.asked
    instance = to_instance(image)
    np.testing.assert_array_equal(np.load(io.BytesIO(asked.body)), instance[np.newaxis])
    assert found.label == str(instance[0, 0])


@both
def test_a_file_that_is_not_there(kind: Kind, tmp_path):
    """One picture's file is the caller's affair."""
    with FakeGateway() as gateway, pytest.raises(FileNotFoundError):
        kind.ask(gateway.url, "predict", tmp_path / "missing.png")


@both
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_tls(kind: Kind, tmp_path):
    """A CA of one's own is trusted if it is named, a certificate is shown, or nothing is checked;
    else nobody is asked."""
    ca = make_ca(tmp_path)
    server, shown = (make_certificate(tmp_path, name, ca) for name in ("server", "client"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca.cert)
    context.load_cert_chain(server.cert, server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    pair = (str(shown.cert), str(shown.key))
    both_in_one = tmp_path / "both.pem"
    both_in_one.write_bytes(shown.cert.read_bytes() + shown.key.read_bytes())
    with FakeGateway(tls=context) as gateway:
        for options in (
            {"verify": ca.cert, "cert": pair},
            {"verify": str(ca.cert), "cert": str(both_in_one)},
            {"verify": False, "cert": pair},
        ):
            assert kind.ask(gateway.url, "predict", b"Bag", client=options).label == "Bag"
        asked = len(gateway.asked)
        with pytest.raises(errors.Unavailable, match="--ca, VITRINE_CA or `verify` name the CA"):
            kind.ask(gateway.url, "predict", b"Bag", client={"cert": pair, "retries": 0})
        with pytest.raises(errors.Unavailable):
            kind.ask(gateway.url, "predict", b"Bag", client={"verify": ca.cert, "retries": 0})
        assert len(gateway.asked) == asked


def test_a_session_of_ones_own():
    """Its headers go along."""
    session = requests.Session()
    session.headers["X-Team"] = "shoes"
    with FakeGateway() as gateway, Client(gateway.url, session=session) as client:
        assert client.predict(b"a").label == "a"
    assert gateway.asked[0].headers["x-team"] == "shoes"


def test_connections_are_kept():
    """One after the other, calls share a connection."""
    with FakeGateway() as gateway, Client(gateway.url) as client:
        for _ in range(5):
            client.predict(b"a")
    assert {asked.connection for asked in gateway.asked} == {1}
