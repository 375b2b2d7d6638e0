"""Private CAs and client certificates: named in one way for all clients and commands; and user and
password of an address: sent by all and shown by none."""

import base64
import os
import ssl
import subprocess

import grpc
import pytest
from click.testing import CliRunner, Result

from harness.certificates import make_ca, make_certificate
from harness.fake_model_server import FakeModelServer, classifying
from harness.paths import SAMPLES
from harness.ports import free_port
from tests.client.fake_gateway import KINDS, FakeGateway
from vitrine_client import errors
from vitrine_client.cli import main
from vitrine_client.model_server import ModelServerClient
from vitrine_client.process.trust import OTHERS, OWN, Trust

VARIABLES = (OWN, *OTHERS, "SSL_CERT_DIR")
ALL_COMMANDS = ("predict", "explain", "models", "status", "metadata", "drift", "loadtest closed")
LOAD = ("--duration-s=0.3", "--warm-up-s=0", "--concurrency=1", "--model=mlp")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A CA, the gateway's certificate and one for clients, all by the same."""
    folder = tmp_path_factory.mktemp("tls")
    ca = make_ca(folder)
    return ca, make_certificate(folder, "gateway", ca), make_certificate(folder, "client", ca)


@pytest.fixture(scope="module")
def secure(files):
    """A gateway with a certificate of a private CA."""
    with FakeGateway(tls=_context(files)) as running:
        yield running


@pytest.fixture(scope="module")
def mutual(files):
    """One that wants certificates of that CA, too."""
    context = _context(files)
    context.load_verify_locations(files[0].cert)
    context.verify_mode = ssl.CERT_REQUIRED
    with FakeGateway(tls=context) as running:
        yield running


def _context(files) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files[1].cert, files[1].key)
    return context


@pytest.fixture
def nowhere(monkeypatch):
    """An environment that names no CA, whatever this machine's does."""
    for name in (*VARIABLES, "VITRINE_CERT", "VITRINE_CERT_KEY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def run(*words: object, **environment: object) -> Result:
    variables = {name: str(value) for name, value in environment.items()}
    return CliRunner().invoke(main, [*map(str, words)], env=variables)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_variable_names_the_ca_for_both_clients(secure, files, nowhere, kind, variable):
    """Those of requests, of curl and of OpenSSL as well as our own."""
    with pytest.raises(errors.Unavailable, match=r"--ca, VITRINE_CA or `verify` name the CA"):
        kind.ask(secure.url, "predict", b"Bag")
    ca = files[0].cert
    if variable == "SSL_CERT_DIR":
        hashed = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", ca], capture_output=True, text=True
        )
        folder = ca.parent / "hashed"
        folder.mkdir(exist_ok=True)
        (folder / f"{hashed.stdout.strip()}.0").write_bytes(ca.read_bytes())
        ca = f"/not/there{os.pathsep}{folder}"
    nowhere.setenv(variable, str(ca))
    assert kind.ask(secure.url, "predict", b"Bag").label == "Bag"


def test_ours_comes_first_and_a_file_that_is_none_is_named(files, nowhere, tmp_path):
    """`VITRINE_CA` alone counts where it is set, else all that others name."""
    ca, garbage = files[0].cert, tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    nowhere.setenv("SSL_CERT_FILE", str(garbage))
    with pytest.raises(errors.InvalidRequest, match=rf"^SSL_CERT_FILE={garbage} is no PEM file"):
        Trust.chosen().context()
    nowhere.setenv(OWN, str(ca))
    assert len(Trust.chosen().context().get_ca_certs()) == 1
    nowhere.setenv("VITRINE_CERT_KEY", str(garbage))
    with pytest.raises(errors.InvalidRequest, match="VITRINE_CERT, which is not set"):
        Trust.chosen()
    nowhere.setenv("VITRINE_CERT", str(ca))
    with pytest.raises(errors.InvalidRequest, match="expected PEM files of a certificate"):
        Trust.chosen().context()
    with pytest.raises(errors.InvalidRequest, match=r"^/nope cannot be read \(No such file"):
        Trust.chosen("/nope").context()


def test_variables_that_are_wrong_are_named_with_the_remedy(files, nowhere):
    """Also where a command passes on what it has from one of them, and for a model server."""
    nowhere.setenv(OWN, "/nope")
    with pytest.raises(errors.InvalidRequest, match=rf"^{OWN}=/nope .*, or unset {OWN}$"):
        Trust.chosen("/nope").context()
    nowhere.setenv(OWN, str(files[0].cert))
    nowhere.setenv("VITRINE_CERT_KEY", "key.pem")
    with pytest.raises(errors.InvalidRequest, match=r"or unset VITRINE_CERT_KEY$"):
        Trust.chosen()
    done = CliRunner().invoke(main, ["models", "--url=https://127.0.0.1:1"])
    assert done.exit_code == 2
    assert "--cert-key (VITRINE_CERT_KEY) is the key to a certificate" in done.stderr
    assert "give --cert, too (VITRINE_CERT)" in done.stderr
    nowhere.setenv("VITRINE_MODEL_SERVER_CA", str(files[0].cert))
    nowhere.setenv("VITRINE_MODEL_SERVER_KEY", "key.pem")
    with pytest.raises(errors.InvalidRequest, match=r"^VITRINE_MODEL_SERVER_KEY is the key to"):
        ModelServerClient("127.0.0.1:1")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_client_certificates_from_the_environment(mutual, files, nowhere, kind):
    """With a file for the key, or with both in one."""
    _, _, client = files
    nowhere.setenv(OWN, str(files[0].cert))
    with pytest.raises(errors.Unavailable):
        kind.ask(mutual.url, "predict", b"Bag", client={"retries": 0})
    nowhere.setenv("VITRINE_CERT", str(client.cert))
    nowhere.setenv("VITRINE_CERT_KEY", str(client.key))
    assert kind.ask(mutual.url, "predict", b"Bag").label == "Bag"


def test_commands_name_them_by_options_and_by_variables(mutual, files, nowhere):
    """`vitrine predict`, the load lab and the doctor alike."""
    ca, _, client = files
    options = (f"--ca={ca.cert}", f"--cert={client.cert}", f"--cert-key={client.key}")
    variables = {"VITRINE_CA": ca.cert, "VITRINE_CERT": client.cert}
    variables |= {"VITRINE_CERT_KEY": client.key}
    for words in (("predict", SAMPLES[0]), ("loadtest", "closed", SAMPLES[0], *LOAD)):
        refused = run(*words, "--url", mutual.url)
        assert refused.exit_code == 2, refused.stderr
        assert "--ca, VITRINE_CA" in refused.stderr
        for how, named in ((options, {}), ((), variables)):
            done = run(*words, "--url", mutual.url, *how, **named)
            assert done.exit_code == 0, done.stderr
    http = run("models", "--url=http://127.0.0.1:1", f"--ca={ca.cert}")
    assert http.exit_code == 2
    assert "http://127.0.0.1:1 has no TLS: leave out --ca" in http.stderr
    alone = run("models", "--url", mutual.url, f"--cert-key={client.key}")
    assert "give --cert, too" in alone.stderr


def test_all_commands_have_the_options():
    """Also those that ask model servers, under the names that the gateway has for these."""
    for command in (*ALL_COMMANDS, "doctor"):
        told = CliRunner().invoke(main, [*command.split(), "--help"]).output
        assert all(f"--{name} FILE" in told for name in ("ca", "cert", "cert-key")), command
    for command in ("promote", "rollback"):
        told = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
        assert "VITRINE_MODEL_SERVER_CA" in told
        assert "VITRINE_MODEL_SERVER_KEY" in told


def test_a_model_server_with_tls(files, nowhere, tmp_path):
    """The client, `vitrine predict` and the load lab reach it; `VITRINE_CA` is none of its."""
    ca, served, client = files
    pair = (served.key.read_bytes(), served.cert.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], ca.cert.read_bytes(), True)
    shown = (client.cert, client.key)
    with FakeModelServer(classifying(), credentials=credentials) as server:
        with ModelServerClient(server.address, verify=ca.cert, cert=shown) as asked:
            assert asked.describe("mlp", 3).labels
        options = (f"--ca={ca.cert}", f"--cert={client.cert}", f"--cert-key={client.key}")
        names = {"CA": ca.cert, "CERT": client.cert, "KEY": client.key}
        variables = {f"VITRINE_MODEL_SERVER_{name}": path for name, path in names.items()}
        where = f"--model-server={server.address}"
        for words in (("predict", SAMPLES[0]), ("loadtest", "closed", SAMPLES[0], *LOAD)):
            assert run(*words, where, VITRINE_CA=ca.cert).exit_code == 2
            for how, named in ((options, {}), ((), variables)):
                done = run(*words, where, *how, **named)
                assert done.exit_code == 0, done.stderr
    with pytest.raises(errors.InvalidRequest, match="needs a CA to trust"):
        ModelServerClient(server.address, cert=shown)


USERS = {"us%40er:se%2Fcret": b"us@er:se/cret", "user": b"user:", "p\u017c:x@y": "pż:x@y".encode()}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_user_and_password_are_sent_whatever_netrc_has(kind, user, tmp_path, monkeypatch):
    """As Basic, in UTF-8 (RFC 7617), and `base_url` is without."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with FakeGateway() as gateway:
        url = gateway.url.replace("://", f"://{user}@")
        kind.ask(url, "predict", b"Bag")
        sent = gateway.asked[0].headers["authorization"]
        assert base64.b64decode(sent.removeprefix("Basic ")) == USERS[user]


def test_no_command_shows_a_password(tmp_path, capsys):
    """Neither of a gateway that is not there nor of one that refuses, nor a load test's reports."""
    reports = [f"--{kind}={tmp_path / kind}" for kind in ("json", "csv", "html")]
    sent = b"Basic " + base64.b64encode(b"user:s3cret")
    with FakeGateway() as gateway:
        url = gateway.url.replace("://", "://user:s3cret@")
        done = run("loadtest", "closed", SAMPLES[0], *LOAD, "--url", url, *reports)
        assert done.exit_code == 0, done.stderr
        told = done.output + "".join(each.read_text() for each in tmp_path.iterdir())
        assert gateway.url in told
        assert "s3cret" not in told
        assert {asked.headers["authorization"] for asked in gateway.asked} == {sent.decode()}
    nobody = f"http://user:s3cret@127.0.0.1:{free_port()}"
    for command in (*ALL_COMMANDS, "doctor"):
        subject = {"status": ["mlp"], "metadata": ["mlp"], "models": [], "drift": [], "doctor": []}
        words = subject.get(command, [str(SAMPLES[0])])
        asked = [*command.split(), *words, "--url", nobody, "--timeout-s=1"]
        done = CliRunner().invoke(main, asked)
        assert done.exit_code in (1, 2), done.output
        assert isinstance(done.exception, SystemExit)
        assert "127.0.0.1" in done.output
        assert "s3cret" not in done.output
