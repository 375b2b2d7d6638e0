"""TLS in front of the gateway and mTLS to model servers, over real sockets."""

import socket
import ssl
from collections.abc import Iterator

import grpc
import pytest
import requests

from harness.certificates import Certificate, make_ca, make_certificate
from harness.fake_model_server import FakeModelServer, classifying
from harness.gateway import Gateway, gateway, start_in_vain


@pytest.fixture(scope="module")
def ca(tmp_path_factory) -> Certificate:
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def pair(ca, tmp_path) -> Certificate:
    return make_certificate(tmp_path, "gateway", ca)


def test_tls_in_front(model_server, log, ca, pair):
    """HTTPS for who trusts the CA, with HSTS; nothing for who does not, nor for plain HTTP, nor for
    TLS 1.1. A client that keeps its connection and never reads the goodbye holds up no end."""
    files = {"tls_cert": pair.cert, "tls_key": pair.key}
    with gateway(model_server.address, log, access_log=1, **files) as running:
        answer = running.predict("https", verify=str(ca.cert))
        assert answer.json()["model_spec"]["name"] == "mlp"
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        with pytest.raises(requests.exceptions.SSLError):
            running.predict("https")
        with pytest.raises(requests.ConnectionError):
            running.predict("http")
        assert shown_certificate(running, only(ssl.TLSVersion.TLSv1_2, ca))
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old = only(ssl.TLSVersion.TLSv1_1, ca)
        with pytest.raises(ssl.SSLError):
            shown_certificate(running, old)
        with requests.Session() as idle:
            idle.get(f"https://{running.address}/healthz", verify=str(ca.cert), timeout=20)
            running.process.terminate()
            assert running.process.wait(20) == 0


def only(version: ssl.TLSVersion, ca: Certificate) -> ssl.SSLContext:
    """A client's context that speaks one version of TLS, however weak."""
    context = ssl.create_default_context(cafile=ca.cert)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def test_client_certificates_in_front(model_server, log, ca, pair, tmp_path):
    """With a CA for clients only those get in that show its certificate."""
    files = {"tls_cert": pair.cert, "tls_key": pair.key, "tls_client_ca": ca.cert}
    client = make_certificate(tmp_path, "client", ca)
    stranger = make_certificate(tmp_path, "stranger", make_ca(tmp_path, "other"))
    with gateway(model_server.address, log, access_log=1, **files) as running:
        verify = {"verify": str(ca.cert)}
        shown = (str(client.cert), str(client.key))
        assert running.predict("https", cert=shown, **verify).status_code == 200
        for cert in (None, (str(stranger.cert), str(stranger.key))):
            with pytest.raises(requests.ConnectionError):
                running.predict("https", cert=cert, **verify)


@pytest.mark.parametrize("what", [pytest.param("lose_a_worker", marks=pytest.mark.wide), "reload"])
def test_a_renewed_certificate_stays(model_server, log, ca, pair, tmp_path, what):
    """Though its file is broken when the next process starts, nobody goes back to the first."""
    trust = ssl.create_default_context(cafile=ca.cert)
    with gateway(model_server.address, log, tls_cert=pair.cert, tls_key=pair.key) as running:
        first = shown_certificate(running, trust)
        make_certificate(tmp_path, "gateway", ca)
        running.reload()
        second = shown_certificate(running, trust)
        assert second != first
        pair.cert.write_text("garbage")
        getattr(running, what)()
        for _ in range(10):
            assert shown_certificate(running, trust) == second


def test_certificates_are_renewed_and_tls_never_ends(model_server, log, ca, pair, tmp_path):
    """SIGHUP takes a new certificate; where the files are broken the old one goes on, and at no
    time is there an answer without TLS."""
    files = {"tls_cert": pair.cert, "tls_key": pair.key}
    trust = ssl.create_default_context(cafile=ca.cert)
    with gateway(model_server.address, log, access_log=1, **files) as running:
        first, whole = shown_certificate(running, trust), pair.key.read_bytes()
        pair.key.write_text("garbage")
        running.reload()
        assert log.read_text().count("VITRINE_TLS_KEY") == 2  # each of the new processes said so
        for _ in range(5):
            assert shown_certificate(running, trust) == first
            with pytest.raises(requests.ConnectionError):
                running.predict("http")
        pair.key.write_bytes(whole)
        make_certificate(tmp_path, "gateway", ca)
        running.reload()
        for _ in range(5):
            assert shown_certificate(running, trust) != first
        assert running.predict("https", verify=str(ca.cert)).status_code == 200


def shown_certificate(running: Gateway, context: ssl.SSLContext) -> bytes:
    host, _, port = running.address.partition(":")
    with (
        socket.create_connection((host, int(port)), 20) as connection,
        context.wrap_socket(connection, server_hostname=host) as secure,
    ):
        return secure.getpeercert(binary_form=True)


@pytest.mark.parametrize("field", ["tls_key", "model_server_ca"])
def test_a_pem_file_that_is_broken_is_no_start(ca, pair, tmp_path, field):
    """The setting and the file are named at start, and nothing listens, also not without TLS."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    files = {"tls_cert": pair.cert, "tls_key": pair.key, field: garbage}
    done = start_in_vain(**files)
    assert done.returncode != 0
    assert f"VITRINE_{field.upper()}={garbage}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def secure_server(ca, tmp_path_factory) -> Iterator[FakeModelServer]:
    """A model server that wants a certificate and shows its own, for another name than it has."""
    own = make_certificate(tmp_path_factory.mktemp("server"), "server", ca, "models.internal")
    credentials = grpc.ssl_server_credentials(
        [(own.key.read_bytes(), own.cert.read_bytes())],
        root_certificates=ca.cert.read_bytes(),
        require_client_auth=True,
    )
    with FakeModelServer(classifying(), credentials=credentials) as server:
        yield server


def test_mtls_to_the_model_server(secure_server, log, ca, pair):
    """The gateway trusts the server's CA and name, shows its certificate, and predicts."""
    settings = {
        "model_server_ca": ca.cert,
        "model_server_cert": pair.cert,
        "model_server_key": pair.key,
        "model_server_name": "models.internal",
    }
    with gateway(secure_server.address, log, access_log=1, **settings) as running:
        answer = running.predict()
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"]


def test_a_model_server_is_not_asked_without_trust_on_both_sides(
    secure_server, log, ca, pair, tmp_path
):
    """Without a certificate to show, or with a CA that did not sign the server's, nobody answers,
    and the server has seen no call."""
    other = make_ca(tmp_path, "other")
    own = {"model_server_cert": pair.cert, "model_server_key": pair.key}
    name = {"model_server_name": "models.internal"}
    before = len(secure_server.calls)
    for settings in (
        {"model_server_ca": ca.cert, **name},
        {"model_server_ca": other.cert, **own, **name},
    ):
        with gateway(secure_server.address, log, access_log=1, **settings) as running:
            answer = running.predict()
            assert answer.status_code == 503, settings
            assert answer.headers["Retry-After"]
            assert "PRIVATE" not in answer.text + log.read_text()
    assert len(secure_server.calls) == before
