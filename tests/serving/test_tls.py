"""The settings' PEM files: used, or named in the error."""

import ssl
import subprocess

import grpc
import pytest

from harness.certificates import make_ca, make_certificate
from vitrine_serving.gateway.server.tls import Tls, TlsError, TlsSettings, server_context


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def pair(tmp_path, ca):
    return make_certificate(tmp_path, "gateway", ca)


def test_without_settings_there_is_no_tls():
    """Plain HTTP in front, plain gRPC behind."""
    tls = Tls(TlsSettings())
    assert tls.front() is None
    assert tls.model_servers() is None


def test_in_front(ca, pair):
    """TLS 1.2 at least; client certificates are asked for where their CA is set, and must be."""
    settings = TlsSettings(tls_cert=pair.cert, tls_key=pair.key)
    context = server_context(settings)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE
    context = server_context(settings.model_copy(update={"tls_client_ca": ca.cert}))
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


def test_towards_model_servers(ca, pair):
    """A CA is enough for TLS; a certificate comes on top."""
    settings = TlsSettings(model_server_ca=ca.cert)
    assert isinstance(Tls(settings).model_servers(), grpc.ChannelCredentials)
    own = {"model_server_cert": pair.cert, "model_server_key": pair.key}
    both = Tls(settings.model_copy(update=own))
    assert isinstance(both.model_servers(), grpc.ChannelCredentials)


@pytest.mark.parametrize("kind", ["tls", "model_server"])
def test_files_that_cannot_be_used_are_named(ca, pair, tmp_path, kind):
    """Missing, garbage, another's key, a key with a password: the setting is named, the file, and
    why; and nobody is asked for a password at the terminal."""
    garbage, locked = tmp_path / "garbage.pem", tmp_path / "locked.key"
    garbage.write_text("garbage")
    command = ["openssl", "ec", "-in", pair.key, "-out", locked, "-aes256", "-passout", "pass:x"]
    subprocess.run(command, check=True, capture_output=True)
    other = make_certificate(tmp_path, "other", ca)
    good = {f"{kind}_cert": pair.cert, f"{kind}_key": pair.key, "model_server_ca": ca.cert}
    Tls(TlsSettings(**good))
    authority = "model_server_ca" if kind == "model_server" else "tls_client_ca"
    for field, path, reason in [
        (f"{kind}_cert", tmp_path / "none.pem", "No such file"),
        (f"{kind}_key", tmp_path, "Is a directory"),
        (f"{kind}_cert", garbage, ""),
        (f"{kind}_key", garbage, ""),
        (f"{kind}_key", other.key, "mismatch"),
        (f"{kind}_key", locked, "without a password"),
        (authority, tmp_path / "none.pem", "No such file"),
        (authority, garbage, "of certificates"),
    ]:
        with pytest.raises(TlsError) as caught:
            Tls(TlsSettings(**(good | {field: path})))
        assert f"VITRINE_{field.upper()}={path}" in str(caught.value)
        assert reason in str(caught.value)


def test_files_that_break_later_are_no_end_to_tls(ca, pair, caplog):
    """What was read before goes on, and the log names the setting; when they are whole, they
    count."""
    settings = {"tls_cert": pair.cert, "tls_key": pair.key, "model_server_ca": ca.cert}
    own = {"model_server_cert": pair.cert, "model_server_key": pair.key}
    tls = Tls(TlsSettings(**settings, **own))
    first = tls.front()
    whole = pair.key.read_bytes()
    pair.key.write_text("garbage")
    tls.renew()
    assert tls.front() is first
    assert "VITRINE_TLS_KEY" in caplog.text
    assert tls.model_servers()
    assert "VITRINE_MODEL_SERVER_KEY" in caplog.text
    pair.key.write_bytes(whole)
    tls.renew()
    assert tls.front() is not first
