"""Faults of the service: ports, the gateway and its key, TLS, model servers, models that fail."""

import datetime
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from harness.certificates import make_ca, make_certificate
from harness.fake_model_server import FakeModelServer, failing
from harness.gateway import gateway
from harness.ports import free_port
from harness.processes import end
from harness.service import started_service
from harness.waiting import wait_for
from tests.client.fake_gateway import FakeGateway, Reply, problem
from vitrine_client import Client
from vitrine_client.doctor import Installation
from vitrine_client.doctor.service.model_server import examined_states
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.store.model_configs import ModelConfigs

OK = {"status": "ok", "version": "0.1.0"}
READY = {"ready": True, "models": {"mlp": True}}


def answering(**answers: Reply):
    """Answers as a gateway that is well, but for `healthz`, `readyz` or `models`."""
    paths = {
        "/healthz": answers.get("healthz", Reply(content=OK)),
        "/readyz?models=1": answers.get("readyz", Reply(content=READY)),
        "/v1/models": answers.get("models", Reply(content={"models": [model("mlp", version(1))]})),
    }
    return lambda asked: paths.get(asked.path, problem(404, "nothing here"))


def model(name: str, *versions: dict[str, object], **labels: str) -> dict[str, object]:
    return {"name": name, "model_version_status": list(versions), "version_labels": labels}


def version(number: int, state: str = "AVAILABLE", message: str = "") -> dict[str, object]:
    code = "UNKNOWN" if message else "OK"
    status = {"error_code": code, "error_message": message}
    return {"version": str(number), "state": state, "status": status}


FAULTS = {
    "stranger": (
        {"healthz": Reply(content=b"hello", headers={"Server": "nginx/1.2"})},
        *("gateway", "is no gateway (nginx/1.2)", "export VITRINE_URL"),
    ),
    "proxy": ({"healthz": Reply(502, b"")}, "gateway", "finds no gateway", "make serve"),
    "redirect": (
        {"healthz": Reply(308, b"", {"Location": "https://there/"})},
        *("gateway", "leads to https://there/", "name the address itself"),
    ),
    "model server": (
        {"readyz": Reply(503, {"ready": False, "reason": "nobody at 8500"})},
        *("gateway readiness", "nobody at 8500", "VITRINE_MODEL_SERVER"),
    ),
    "model": (
        {"readyz": Reply(503, {"ready": False, "models": {"mlp": True, "mine": False}})},
        *("gateway readiness", "no version of mine answers", "VITRINE_MODELS"),
    ),
    "readyz": ({"readyz": Reply(500, b"x")}, "gateway readiness", "answers 500", "log"),
    "key": ({"models": problem(401, "key?")}, "API key", "wants one", "export VITRINE_API_KEY"),
    "failed version": (
        {"models": Reply(content={"models": [model("mlp", version(2, "END", "bad graph"))]})},
        *("model mlp, served", "version 2 is END: bad graph", "vitrine-train train mlp"),
    ),
    "unknown model": (
        {"models": Reply(content={"models": [model("mine")]})},
        *("model mine, served", "no version of it", "VITRINE_MODELS"),
    ),
    "nonsense": ({"models": Reply(content={"models": 7})}, "models", "makes no sense", "log"),
    "error": ({"models": problem(500, "broken")}, "models", "500 broken", "log"),
    "cut": (
        {"healthz": Reply(content=OK, cut=3)},
        *("gateway", "hangs up without an answer", "is it https://?"),
    ),
    "hangs up": (
        {"readyz": Reply(content=READY, cut=10**6)},
        *("gateway", "hangs up without an answer", "is it https://?"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_gateways(published, fault):
    """Each fault is named alone, with what to do."""
    answers, name, seen, todo = FAULTS[fault]
    with FakeGateway(answering(**answers)) as running:
        found = published.diagnose("--url", running.url)
    found.check("problem", name, seen, todo)
    assert found.names("problem") == {name}


def test_gateway_that_is_well(published):
    """Models with their labels; a note where it is busy, has another version, or another time."""
    now = datetime.datetime.now(datetime.UTC)
    past = (now - datetime.timedelta(minutes=9)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    listed = {"models": [model("mlp", version(3), version(2), stable="2")]}
    with FakeGateway(answering(models=Reply(content=listed))) as running:
        found = published.diagnose("--url", running.url)
        assert found.names("problem") == set()
        found.check("ok", "model mlp, served", "versions 3, 2 (stable is 2)", "")
        found.check("ok", "gateway readiness", "ready", "")
        old = Reply(content={"status": "ok", "version": "0.0.1"}, headers={"Date": past})
        busy = problem(429, "slow down", Retry_After="7")
        running.answer = answering(healthz=old, models=busy)
        found = published.diagnose("--url", running.url)
        assert found.names("problem") == set()
        found.check("note", "gateway", "of version 0.0.1", "install the client")
        found.check("note", "clocks", "54", "timedatectl")
        found.check("note", "models", "too many requests", "in 7 s")
        loading = Reply(content={"models": [model("mlp", version(1, "LOADING"))]})
        running.answer = answering(models=loading)
        found = published.diagnose("--url", running.url)
        found.check("note", "model mlp, served", "version 1 is LOADING", "wait")
        found.check("note", "default model", "photo is not served here", "")


def test_names_that_clients_cannot_ask_by(published):
    """Of the Open Inference Protocol's, over HTTP; the others are as good as any."""
    listed = {"models": [model(name, version(1)) for name in ("stats", "a/b", "infer")]}
    with FakeGateway(answering(models=Reply(content=listed))) as running:
        found = published.diagnose("--url", running.url)
    assert found.names("problem") == set()
    found.check("note", "model stats, served", "statistics of all models", "")
    found.check("note", "model a/b, served", "%2F", "")
    assert {each["level"] for each in found.of("model infer, served")} == {"ok"}


def test_pictures_of_models_that_are_served(published):
    """What is assumed of them, and why none can be sent to a model."""
    assumed = ["scaling 0..1 assumed: write profile.json to change it"]
    listed = [
        model("cnn", version(1)) | {"classifier": True, "assumptions": assumed},
        model("linear", version(1)) | {"classifier": False, "reason": "it answers numbers"},
    ]
    with FakeGateway(answering(models=Reply(content={"models": listed}))) as running:
        found = published.diagnose("--url", running.url)
    assert found.names("problem") == set()
    seen = "of version 1, scaling 0..1 assumed: write profile.json to change it"
    found.check("note", "model cnn, served", seen, "docs/your-own-model.md")
    found.check("ok", "model linear, served", "is sent no pictures: it answers numbers", "")


def test_nobody_where_a_gateway_was_named(published):
    """Silence at an address that somebody chose is a fault; so is a host that there is none of."""
    published.set(VITRINE_URL=f"http://127.0.0.1:{free_port()}")
    found = published.diagnose()
    found.check("problem", "gateway", "nothing listens", "make serve")
    published.set(VITRINE_URL="http://me:secret@no-such-host.invalid")
    found = published.diagnose()
    assert found.names("problem") == {"gateway"}
    assert "secret" not in str(found.findings)


def test_answer_without_an_end(published):
    """A byte now and then is no answer: the wait is for all of it."""
    slow = Reply(content=OK, drip_s=0.5)
    with FakeGateway(answering(healthz=slow)) as running:
        found = published.diagnose("--url", running.url, timeout_s="1.5")
    found.check("problem", "gateway", "silent for 1.5 s", "restart")


@contextmanager
def silent(port: int) -> Iterator[None]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_silent_ports(published):
    """Each wait has an end: the whole examination of three silent ports is over in time, and says
    who has them."""
    numbers = [published.environment[f"VITRINE_{name}PORT"] for name in ("", "GRPC_", "REST_")]
    with silent(int(numbers[0])), silent(int(numbers[1])), silent(int(numbers[2])):
        found = published.diagnose(timeout_s="1.5")
    found.check("problem", "gateway", "is silent for 1.5 s", "restart what listens there")
    found.check("problem", f"model server 127.0.0.1:{numbers[1]}", "is silent", "VITRINE_MODEL")
    for number, variable in zip(numbers, ("PORT", "GRPC_PORT", "REST_PORT"), strict=True):
        found.check("problem", f"port {number}", "taken by process", f"export VITRINE_{variable}=")


@contextmanager
def file_server(port: int) -> Iterator["subprocess.Popen[str]"]:
    """Somebody else's server, as a process."""
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, text=True, cwd="/usr", **quiet)
    try:
        wait_for(lambda: listens(port), 60, "the server")
        yield process
    finally:
        end(process)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_port_that_another_program_has(published):
    """Its process and its command are told, and which variable takes another port."""
    with file_server(published.port) as process:
        found = published.diagnose()
    name = f"port {published.port} (gateway)"
    found.check("problem", name, f"process {process.pid} (", f"kill {process.pid}")
    found.check("problem", name, "-m http.server", "export VITRINE_PORT=")
    found.check("problem", "gateway", "is no gateway (SimpleHTTP", "VITRINE_URL")
    assert found.names("problem") == {name, "gateway"}


def test_plain_http_where_there_is_tls(published, tmp_path):
    """And the other way round, and a certificate of a CA that nobody was told of."""
    pair = make_certificate(tmp_path, "front", ca := make_ca(tmp_path))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    with FakeGateway(answering(), tls=context) as running:
        found = published.diagnose("--url", running.url)
        found.check("problem", "gateway", "not trusted", "VITRINE_CA")
        found = published.diagnose("--url", running.url.replace("https", "http"))
        found.check("problem", "gateway", "without an answer", "VITRINE_URL=https://")
        published.set(REQUESTS_CA_BUNDLE=ca.cert)
        assert published.diagnose("--url", running.url).names("problem") == set()
    with FakeGateway(answering()) as running:
        found = published.diagnose("--url", running.url.replace("http", "https"))
        found.check("problem", "gateway", "does not speak TLS", "VITRINE_URL=http://127")


def test_gateway_that_wants_a_certificate(published, tmp_path):
    """The doctor says so where it has none to show, and shows the one that clients do."""
    pair = make_certificate(tmp_path, "front", ca := make_ca(tmp_path))
    nobody = f"127.0.0.1:{free_port()}"
    files = {"tls_cert": pair.cert, "tls_key": pair.key, "tls_client_ca": ca.cert}
    published.set(REQUESTS_CA_BUNDLE=ca.cert)
    with gateway(nobody, workers=1, **files) as running:
        url = f"https://{running.address}"
        found = published.diagnose("--url", url)
        found.check("problem", "gateway", "hangs up", "VITRINE_CERT")
        published.set(VITRINE_TLS_CLIENT_CA=ca.cert)
        found = published.diagnose("--url", url)
        found.check("note", "gateway", "wants a client's certificate", "VITRINE_CERT")
        found = published.diagnose("--url", url, f"--cert={pair.cert}", f"--cert-key={pair.key}")
        found.check("ok", "gateway", "answers", "")
        published.set(VITRINE_CA="/nope")
        found = published.diagnose("--url", url)
        found.check("problem", "gateway", "/nope cannot be read", "PEM")


def test_something_else_at_the_model_server(published):
    """A server of other things, and one that answers with errors."""
    published.set(VITRINE_MODEL_SERVER=f"127.0.0.1:{free_port()}")
    name = f"model server {published.environment['VITRINE_MODEL_SERVER']}"
    published.diagnose().check("problem", name, "does not answer", "make serve")
    with FakeGateway(answering()) as running:
        published.set(VITRINE_MODEL_SERVER=running.url.removeprefix("http://"))
        published.diagnose().check("problem", "model server", "not by gRPC", "its gRPC port")
    with FakeModelServer(failing(grpc.StatusCode.UNIMPLEMENTED)) as server:
        published.set(VITRINE_MODEL_SERVER=server.address)
        found = published.diagnose()
        found.check("problem", f"model server {server.address}", "is no model server", "VITRINE_")


def test_a_version_that_failed_is_told_once(tmp_path):
    """By its files, where these say why; else as the service says, with advice for any model."""
    (tmp_path / "mine" / "1").mkdir(parents=True)
    here = Installation({}, url="", models_dir=tmp_path)
    failed = [VersionStatus(1, "END", 2, "no graph"), VersionStatus(2, "END", 2, "odd")]
    (found,) = examined_states("mine", failed, {}, here)
    assert found.seen == "version 2 is END: odd"
    assert f"put another SavedModel into {tmp_path / 'mine'}" in found.todo
    assert "vitrine-train" not in found.todo


def test_real_gateway_without_a_model_server(published, tmp_path):
    """It wants a key, and has nobody to ask: both are said by a gateway that runs."""
    keys = tmp_path / "keys.txt"
    made = [sys.executable, "-m", "vitrine_serving", "keys", "add", "app", "--file", str(keys)]
    key = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
    nobody = f"127.0.0.1:{published.environment['VITRINE_GRPC_PORT']}"
    with gateway(nobody, keys_file=keys, port=published.port, workers=1):
        found = published.diagnose()
        found.check("ok", "gateway", "answers, version", "")
        found.check("ok", f"port {published.port}", "in use by this service", "")
        found.check("problem", "gateway readiness", "not answering", "make serve")
        found.check("problem", "API key", "wants one, and none is set", "keys add NAME")
        published.set(VITRINE_API_KEY="wrong")
        published.diagnose().check("problem", "API key", "does not know this one", "keys list")
        published.set(VITRINE_API_KEY=key)
        found = published.diagnose()
        assert not found.of("API key")


@pytest.mark.slow
def test_real_service_with_a_version_that_fails(published, tmp_path):
    """What the model server says of it is in its line; the service is known as ours at its ports,
    and a model that is published and not named in models.config is told."""
    with started_service(published.models, tmp_path / "log") as running:
        broken = tmp_path / "broken"
        shutil.copytree(published.models / "mlp" / "1", broken)
        (broken / "saved_model.pb").write_bytes(b"no graph at all")
        broken.rename(published.models / "mlp" / "2")
        published.set(VITRINE_PORT=running.url.rpartition(":")[2])
        published.set(VITRINE_V2_GRPC_PORT="0")
        published.set(VITRINE_GRPC_PORT=running.grpc_address.rpartition(":")[2])
        published.set(VITRINE_REST_PORT=running.rest_url.rpartition(":")[2])
        with Client(running.url) as client:
            wait_for(lambda: failed(client), 60, "the end of version 2")
        found = published.diagnose()
        shutil.copytree(published.models / "mlp" / "1", published.models / "other" / "1")
        config = published.models / "models.config"
        text = config.read_text()
        assert ModelConfigs.parse(text.encode()).models == ("mlp", "softmax")
        config.write_text(text.partition("\n")[2])
        left_out = published.diagnose()
    found.check("problem", "model mlp, served", "version 2 is END: ", "vitrine-train")
    assert found.names("problem") == {"model mlp, served"}
    assert len([each for each in found.findings if each["level"] == "problem"]) == 1
    ports = [each for each in found.of("port ") if each["level"] == "ok"]
    assert ["in use by this service" in each["seen"] for each in ports] == [True] * 3
    found.check("ok", "model softmax, served", "version 1", "")
    found.check("ok", "model server", "answers", "")
    left_out.check("note", "models.config", "other is published", "add to its model_config_list")
    left_out.check("note", "model other, not served", "not known to", "models.config")


def failed(client: Client) -> bool:
    return any(each.error_message for each in client.status("mlp"))
