"""Faults of settings: variables, proxies, CAs, the gateway's certificate, its keys."""

import contextlib
import datetime
import hashlib
import os

import click
import pytest
import trustme
from pydantic import ValidationError

from harness.certificates import make_ca, make_certificate
from tests.docs.generated import COMMANDS
from tests.docs.test_settings import options
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.variables import CHECKS, check
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.settings import FIELDS, Settings
from vitrine_serving.gateway.telemetry import prediction_log
from vitrine_serving.gateway.telemetry.prediction_log import (
    PredictionLogError,
    PredictionLogSettings,
)

NO_FILE = "/nowhere/file"


@pytest.mark.parametrize(
    ("variables", "name", "seen", "todo"),
    [
        ({"VITRINE_PROT": "9"}, "VITRINE_PROT", "read by nothing", "did you mean VITRINE_PORT?"),
        ({"vitrine_workers": "4"}, "vitrine_workers", "in capitals", "export VITRINE_WORKERS"),
        ({"VITRINE_WORKERS": "zero"}, "VITRINE_WORKERS", "whole number, 1", "unset"),
        ({"VITRINE_DRIFT": "maybe"}, "VITRINE_DRIFT", "should be 1 or 0", "unset"),
        ({"VITRINE_LOG_FORMAT": "xml"}, "VITRINE_LOG_FORMAT", "text or json", "unset"),
        ({"VITRINE_BODY_TIMEOUT_S": "-1"}, "VITRINE_BODY_TIMEOUT_S", "above 0", "unset"),
        ({"VITRINE_KEEPALIVE_S": "inf"}, "VITRINE_KEEPALIVE_S", "86400 at most", "unset"),
        ({"VITRINE_RATE_BURST": "5"}, "VITRINE_RATE_BURST", "there is none", "RATE_LIMIT=…"),
        ({"VITRINE_PEERS": "0"}, "VITRINE_PEERS", "a name for all of them", "unset"),
        ({"VITRINE_CORS_ORIGINS": "a.org"}, "VITRINE_CORS_ORIGINS", "write https://a.org", "set"),
        ({"VITRINE_API_KEY": "secret\n"}, "VITRINE_API_KEY", "without blanks", "unset"),
        ({"VITRINE_PREDICTION_LOG": NO_FILE}, "VITRINE_PREDICTION_LOG", "/nowhere is none", "set"),
        ({"VITRINE_FEEDBACK_LOG": "feedback"}, "VITRINE_FEEDBACK_LOG", "API keys", "keys add"),
        ({"VITRINE_MODEL_SERVER": "foo"}, "model server", "HOST:PORT", "export VITRINE_MODEL"),
        (
            {"VITRINE_MODEL_SERVER": "ttrpc:a"},
            "model server",
            "write an absolute one",
            "export VIT",
        ),
        (
            {"VITRINE_MODEL_SERVER": "unix:/nowhere/a"},
            "model server unix:/nowhere/a",
            "does not answer",
            "make serve",
        ),
        ({"VITRINE_LOCAL_SOCKET": "a"}, "VITRINE_LOCAL_SOCKET", "absolute and of 100", "unset"),
        ({"VITRINE_LOCAL_SOCKET": "/tmp/a"}, "VITRINE_LOCAL_SOCKET", "open to everybody", "unset"),  # noqa: S108
        (
            {"VITRINE_LOCAL_SOCKET": "/nowhere/a/socket"},
            "VITRINE_LOCAL_SOCKET",
            "there is no /nowhere",
            "unset",
        ),
        (
            {"VITRINE_LOCAL_SOCKET": "/etc/passwd"},
            "VITRINE_LOCAL_SOCKET",
            "something else",
            "unset",
        ),
        (
            {"VITRINE_LOCAL_SOCKET": "/etc/socket", "VITRINE_LOCAL_SOCKET_GROUP": "none-has-it"},
            "VITRINE_LOCAL_SOCKET_GROUP",
            "getent group",
            "unset",
        ),
        (
            {"VITRINE_LOCAL_SOCKET": "off", "VITRINE_LOCAL_SOCKET_GROUP": "0"},
            "VITRINE_LOCAL_SOCKET_GROUP",
            "none is named",
            "export VITRINE_LOCAL_SOCKET=",
        ),
        ({"VITRINE_INTRA_OP_THREADS": "9999"}, "VITRINE_INTRA_OP_THREADS", "4096 at most", "unset"),
        ({"VITRINE_URL": "localhost:8080"}, "gateway", "no address", "export VITRINE_URL=http"),
        ({"VITRINE_URL": "http://[::1"}, "gateway", "no address", "export VITRINE_URL=http"),
        ({"VITRINE_PORT": "99999"}, "ports", "a number, 1 to 65535", "export VITRINE_PORT="),
        (
            {"VITRINE_GRPC_PORT": "http"},
            "ports",
            "VITRINE_GRPC_PORT='http'",
            "export VITRINE_PORT=",
        ),
        ({"VITRINE_DATA_DIR": NO_FILE}, "VITRINE_DATA_DIR", "no directory", "unset"),
        ({"TMPDIR": NO_FILE}, "TMPDIR", "no directory", "unset TMPDIR"),
        ({"REQUESTS_CA_BUNDLE": NO_FILE}, "REQUESTS_CA_BUNDLE", "No such file", "PEM file"),
        ({"SSL_CERT_FILE": "/dev/null"}, "SSL_CERT_FILE", "no regular file", "unset SSL_CERT_FILE"),
        ({"SSL_CERT_DIR": NO_FILE}, "SSL_CERT_DIR", "no directory", "unset SSL_CERT_DIR"),
        ({"CURL_CA_BUNDLE": NO_FILE}, "CURL_CA_BUNDLE", "No such file", "PEM file"),
        ({"VITRINE_TLS_CLIENT_CA": "/etc"}, "VITRINE_TLS_CLIENT_CA", "without VITRINE_TLS_", "ex"),
        ({"VITRINE_KEYS_FILE": NO_FILE}, "keys file", "No such file", "vitrine-serve keys add"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_variables(published, variables, name, seen, todo):
    """Each is named with what to do, and nothing else is blamed."""
    published.set(**variables)
    found = published.diagnose()
    found.check("problem", name, seen, todo)
    assert found.names("problem") - {name} <= {each for each in variables if each != name}
    assert "secret" not in str(found.findings)


def test_what_the_gateway_takes_for_no_prediction_log(tmp_path):
    """A pipe, a link or a directory: it starts with none of them, nor with one it cannot write."""
    for name in ("file", "closed"):
        (tmp_path / name).touch()
    (tmp_path / "closed").chmod(0o400)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    wrong = CHECKS["PREDICTION_LOG"]
    for name, told in (
        ("link", "link"),
        ("dangling", "link"),
        ("pipe", "pipe"),
        (".", "directory"),
    ):
        path = tmp_path / name
        assert told in wrong(str(path))
        with pytest.raises(PredictionLogError):
            prediction_log.check(PredictionLogSettings(prediction_log=path))
    assert os.geteuid() == 0 or "can be written" in wrong(str(tmp_path / "closed"))
    assert not wrong(str(tmp_path / "file")) + wrong(str(tmp_path / "new"))


def test_settings_of_no_log(tmp_path):
    """What is set beside a log that is not: it has no effect."""
    for kind, names in (("PREDICTION", ("FILES", "IMAGES")), ("FEEDBACK", ("FILES", "MAX_BYTES"))):
        named = [f"VITRINE_{kind}_LOG_{name}" for name in names]
        found = list(check(Installation(dict.fromkeys(named, "5000"), "http://x", tmp_path)))
        noted = [each for each in found if not each.todo]
        assert [each.name for each in noted] == named
        assert all(f"without a {kind.lower()} log" in each.seen for each in noted)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FEEDBACK_LOG", "PREDICTION_LOG"),
        ("FEEDBACK_LOG", "KEYS_FILE"),
        ("PREDICTION_LOG", "KEYS_FILE"),
    ],
)
def test_one_file_twice(tmp_path, one, other):
    """With which the gateway does not start."""
    names = (f"{PREFIX}{one}", f"{PREFIX}{other}")
    paths = (str(tmp_path / "log"), str(tmp_path / "x" / ".." / "log"))
    found = check(Installation(dict(zip(names, paths, strict=True)), "http://x", tmp_path))
    (said,) = (each for each in found if each.todo and f"the file of {names[1]}" in each.seen)
    assert said.name == names[0]


def test_one_port_twice_and_ports_beyond_the_last(published):
    """Two uses of a port, and a VITRINE_PORT from which the others do not follow."""
    published.set(VITRINE_GRPC_PORT=published.port)
    published.diagnose().check("problem", "ports", "a port each", "unset VITRINE_GRPC")
    published.set(VITRINE_PORT=65400, VITRINE_GRPC_PORT="", VITRINE_REST_PORT="")
    published.diagnose().check("problem", "ports", "above 65535", "VITRINE_PORT=9080")


def test_a_host_that_is_none(published):
    """An address of another machine, and a name of none, with which the service can't listen."""
    published.set(VITRINE_HOST="203.0.113.7")
    found = published.diagnose(timeout_s="2")
    found.check("problem", "VITRINE_HOST", "no address of this machine", "127.0.0.1")


def test_proxy_before_this_machine(published):
    """It catches no call of ours, by HTTP or by gRPC, of whichever variable it is."""
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "grpc_proxy"):
        published.set(**{variable: "http://me:secret@127.0.0.1:9"})
    found = published.diagnose()
    found.check("ok", "proxies", "none on the way", "")
    assert found.names("problem") == set()
    assert "secret" not in str(found.findings)


def test_proxy_on_the_way_elsewhere(published):
    """To other machines it may be right, and is told; one that is no address is a fault."""
    published.set(HTTP_PROXY="http://127.0.0.1:9")
    found = published.diagnose("--url", "http://vitrine.example", timeout_s="2")
    found.check("note", "HTTP_PROXY", "through the proxy http://127.0.0.1:9", "vitrine.example")
    found.check("problem", "gateway", "through a proxy, which fails", "NO_PROXY")
    published.set(HTTP_PROXY="http://127.0.0.1:many")
    found = published.diagnose("--url", "http://vitrine.example", timeout_s="2")
    found.check("problem", "HTTP_PROXY", "no port", "export HTTP_PROXY=http://HOST:PORT")


def test_good_certificate(published, tmp_path):
    """Its names and its days are told."""
    pair = make_certificate(tmp_path, "front", make_ca(tmp_path))
    pair.key.chmod(0o600)
    published.set(VITRINE_TLS_CERT=pair.cert, VITRINE_TLS_KEY=pair.key)
    found = published.diagnose()
    assert found.names("problem") == set()
    (line,) = found.of("VITRINE_TLS_CERT")
    assert "localhost, 127.0.0.1" in line["seen"]


def expiring(folder, *, days: float):
    """A certificate that expires so many days from now."""
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    leaf = trustme.CA().issue_cert("localhost", not_after=expires)
    cert, key = folder / "soon.pem", folder / "soon.key"
    leaf.cert_chain_pems[0].write_to_path(str(cert))
    leaf.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    return {"VITRINE_TLS_CERT": cert, "VITRINE_TLS_KEY": key}


def test_certificate_out_of_its_time(published, tmp_path):
    """One that has expired is a fault, one that will soon is told."""
    published.set(**expiring(tmp_path, days=-1))
    found = published.diagnose()
    found.check("problem", "VITRINE_TLS_CERT", "certificate has expired", "renewed")
    published.set(**expiring(tmp_path, days=3.5))
    found = published.diagnose()
    found.check("note", "VITRINE_TLS_CERT", "more days", "renewed")
    assert found.names("problem") == set()


def test_certificate_and_key_of_two(published, tmp_path):
    """A key that is another's, that others may read, that is no key, that is not there."""
    ca = make_ca(tmp_path)
    one, other = (make_certificate(tmp_path, name, ca) for name in ("one", "other"))
    other.key.chmod(0o644)
    published.set(VITRINE_TLS_CERT=one.cert, VITRINE_TLS_KEY=other.key)
    found = published.diagnose()
    found.check("problem", "VITRINE_TLS_CERT", "key values mismatch", "made together")
    found.check("problem", "VITRINE_TLS_KEY", "mode 644", f"chmod 600 {other.key}")
    published.set(VITRINE_TLS_KEY=one.cert)
    published.diagnose().check("problem", "VITRINE_TLS_CERT", "one.pem", "without a password")
    published.set(VITRINE_TLS_KEY=tmp_path / "none.key")
    published.diagnose().check("problem", "VITRINE_TLS_KEY", "No such file", "name a file")
    published.set(VITRINE_TLS_KEY="")
    published.diagnose().check("problem", "VITRINE_TLS_CERT", "VITRINE_TLS_KEY is not", "export")


def line(name: str, key: str) -> str:
    return f"{name} sha256:{hashlib.sha256(key.encode()).hexdigest()}\n"


@pytest.mark.parametrize(
    ("content", "mode", "level", "seen", "todo"),
    [
        (line("app", "k"), 0o600, "ok", "1 keys", ""),
        (line("app", "k"), 0o644, "note", "read by anybody", "chmod 640"),
        (line("app", "k"), 0o666, "problem", "changed by others (mode 666)", "chmod 600"),
        ("# none\n", 0o600, "problem", "no key", "keys add"),
        (line("app", "k") + "a-key-as-it-is\n", 0o600, "problem", "line 2", "keys add"),
        (line("app", "k") * 2, 0o600, "problem", "line 2", "keys add"),
        ("\udcff", 0o600, "problem", "no text", "keys add"),
    ],
)
def test_keys_file(published, tmp_path, content, mode, level, seen, todo):
    path = tmp_path / "keys.txt"
    path.write_bytes(content.encode(errors="surrogateescape"))
    path.chmod(mode)
    published.set(VITRINE_KEYS_FILE=path)
    found = published.diagnose()
    found.check(level, "keys file", seen, todo)
    assert found.names("problem") == ({"keys file"} if level == "problem" else set())
    assert "a-key-as-it-is" not in str(found.findings)


def test_api_key_that_is_not_in_the_file(published, tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text(line("app", "right"))
    path.chmod(0o600)
    published.set(VITRINE_KEYS_FILE=path, VITRINE_API_KEY="wrong")
    published.diagnose().check("problem", "VITRINE_API_KEY", "none of the keys", "keys add")
    published.set(VITRINE_API_KEY="right")
    assert published.diagnose().names("problem") == set()


def test_all_variables_are_known():
    """Those that are read somewhere, and no others."""
    read = {name.upper() for name in FIELDS} | {"DATA_DIR", "CACHE_DIR"}
    for command in COMMANDS.values():
        assert isinstance(command, click.Command)
        named = [option.envvar for option in options(command) if option.envvar]
        read |= {str(name).removeprefix(PREFIX) for name in named}
    assert set(CHECKS) == read


FAR = ("nan", "inf", "1e6", "1e9", "1e308", "https://a.example", "a b")
VALUES = ("0", "1", "-1", "7", "51", "5000", "1e3", "0.5", "1.5", "many", "yes", "json", *FAR)
ELSEWHERE = {
    *("host", "port", "v2_grpc_port", "models", "model_server", "trusted_proxies"),
    *("prediction_log", "feedback_log"),
    *(f"{kind}_{name}" for kind in ("tls", "model_server") for name in ("cert", "key", "ca")),
    *("tls_client_ca", "keys_file"),
}
"""Checks of their own look at these, or any text is a value."""


@pytest.mark.parametrize("name", sorted(set(FIELDS) - ELSEWHERE))
def test_values_are_judged_as_the_gateway_does(monkeypatch, tmp_path, name):
    """What the gateway refuses is a problem here, and nothing else."""
    variable = f"{PREFIX}{name.upper()}"
    for value in VALUES:
        monkeypatch.setenv(variable, value)
        refused = True
        with contextlib.suppress(ValidationError):
            Settings()
            refused = False
        here = Installation({variable: value}, url="", models_dir=tmp_path)
        assert bool([each for each in check(here) if each.todo]) == refused, value
