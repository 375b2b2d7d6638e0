"""From inside a pod: links of services, directories, limits, probes, peers, and the command."""

import dataclasses
import datetime
import json
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.certificates import make_ca, make_certificate
from harness.fake_model_server import FakeModelServer
from harness.ports import free_port
from tests.client.doctor.pods import check, names, pod, problems, serving
from tests.client.fake_gateway import FakeGateway, Reply
from vitrine_client.doctor import CLUSTER_CHECKS, examine
from vitrine_client.doctor.cluster import peers, probes
from vitrine_client.doctor.cluster import pod as pods

LIVE = {"status": "ok", "version": "0.1.0"}
ENDING = {"ready": False, "reason": "The gateway is ending; ask another"}


def answering(**answers: Reply):
    """Answers as a gateway that is well, but for `healthz`, `readyz` or `models`."""
    paths = {
        "/healthz": answers.get("healthz", Reply(content=LIVE)),
        "/readyz": answers.get("readyz", Reply(content={"ready": True})),
        "/readyz?models=1": answers.get("models", Reply(content={"ready": True})),
    }
    return lambda asked: paths.get(asked.path, Reply(404, b""))


@pytest.mark.parametrize(
    "variables",
    [
        {"VITRINE_PORT": "tcp://10.96.7.7:80"},
        {"VITRINE_GRPC_PORT": "udp://10.96.7.7:80"},
        {"VITRINE_PEERS_SERVICE_HOST": "None"},
        {"VITRINE_PORT_80_TCP_ADDR": "10.96.7.7", "VITRINE_SERVICE_PORT": "80"},
    ],
)
def test_links_of_services(tmp_path, variables):
    here = pod(tmp_path, variables=variables)
    check(pods.check_links(here), "note", "service links", next(iter(variables)), "enableService")


def test_number_of_links(tmp_path):
    """Addresses are shown, and the others counted."""
    link = {"VITRINE_PORT": "tcp://10.96.7.7:80", "VITRINE_SERVICE_HOST": "10.96.7.7"}
    here = pod(tmp_path, variables=link | {"VITRINE_SERVICE_PORT": "80"})
    seen = "VITRINE_PORT=tcp://10.96.7.7:80 and 2 more"
    check(pods.check_links(here), "note", "service links", seen)


def test_no_links_of_services(tmp_path):
    here = pod(tmp_path, variables={"VITRINE_PORT": "8080", "PORT": "tcp://10.96.7.7:80"})
    check(pods.check_links(here), "ok", "service links")


def test_directories(tmp_path):
    """A root that is read-only wants /tmp mounted, and an image without /dev/shm that."""
    check(pods.check_directories(pod(tmp_path)), "ok", "directory /tmp", "MB free")
    here = pod(tmp_path, temporary_root=tmp_path / "none", shared_memory=Path("/proc"))
    found = check(
        pods.check_directories(here), "problem", "directory /tmp", "is not there", "emptyDir"
    )
    check(found, "problem", "directory /dev/shm", "cannot be written", "at /dev/shm")


def limited(folder: Path, files: dict[str, str]) -> None:
    """Writes files of a cgroup."""
    for name, content in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_limits_that_do(tmp_path):
    limited(tmp_path, {"cpu.max": "max 100000\n", "memory.max": "536870912\n"})
    found = check(pods.check_limits(pod(tmp_path)), "ok", "limit of memory", "537 MB")
    assert not problems(found)


@pytest.mark.parametrize(
    ("files", "variables", "name", "seen", "todo"),
    [
        ({"cpu.max": "50000 100000"}, {}, "processors", "0.5 processors", "VITRINE_WORKERS=1"),
        (
            {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
            *({"VITRINE_WORKERS": "4"}, "processors", "1 processors", "limits.cpu: 4"),
        ),
        ({"memory.max": "268435456"}, {}, "memory", "268 MB", "limits.memory: 539M"),
        (
            {"memory/memory.limit_in_bytes": "536870912"},
            *({"VITRINE_DECODING_PROCESSES": "4"}, "memory", "4 decoding", "869M"),
        ),
        ({"memory.events": "low 0\noom_kill 3\n"}, {}, "memory", "3 processes were", "M"),
    ],
)
def test_limits_that_do_not(tmp_path, files, variables, name, seen, todo):
    """Of cgroup v2, and of v1."""
    limited(tmp_path, files)
    here = pod(tmp_path, variables=variables)
    check(pods.check_limits(here), "problem", f"limit of {name}", seen, todo)


def test_throttling(tmp_path):
    limited(tmp_path, {"cpu.stat": "nr_periods 1000\nnr_throttled 400\nthrottled_usec 7\n"})
    check(pods.check_limits(pod(tmp_path)), "problem", "throttling", "40%", "limits.cpu")


def test_probes_that_are_answered(tmp_path):
    with FakeGateway(answering()) as running:
        found = check(probes.check(pod(tmp_path, url=running.url)), "ok", "probe /healthz", "200")
    assert not problems(found)
    check(found, "ok", "probe /readyz", "200")
    check(found, "ok", "models")


@pytest.mark.parametrize(
    ("answers", "name", "seen", "todo"),
    [
        ({"readyz": Reply(503, ENDING)}, "probe /readyz", "503: The gateway is ending", "Service"),
        ({"healthz": Reply(200, b"hello")}, "probe /healthz", "is no gateway", "VITRINE_PORT"),
        ({"healthz": Reply(content=LIVE, drip_s=0.04)}, "probe /healthz", "200 in", "throttled"),
        (
            {"models": Reply(503, {"ready": False, "models": {"mlp": True, "mine": False}})},
            *("models", "no version of mine", "VITRINE_MODELS"),
        ),
        ({"models": Reply(503, {"reason": "nobody"})}, "models", "nobody", "model servers"),
        ({"healthz": Reply(content=LIVE, cut=5)}, "probe /healthz", "does not answer", "logs"),
    ],
)
def test_probes_that_fail(tmp_path, answers, name, seen, todo):
    with FakeGateway(answering(**answers)) as running:
        here = pod(tmp_path, url=running.url)
        found = check(probes.check(here), "problem", name, seen, todo)
    assert problems(found) == [name]


def test_gateway_that_is_away(tmp_path):
    found = check(probes.check(pod(tmp_path)), "problem", "probe /healthz", "nothing listens")
    check(found, "problem", "probe /healthz", "", "kubectl exec -c gateway")


@pytest.mark.parametrize("url", ["http://me:secret@127.0.0.1:1/", "no address", "http://[::1", ""])
def test_addresses_of_gateways(tmp_path, url):
    """One that is none is a finding, and no password is in it."""
    found = check(probes.check(pod(tmp_path, url=url)), "problem", "probe /healthz")
    assert "secret" not in str(found)


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost", "::1"])
def test_hosts_that_no_probe_reaches(tmp_path, host):
    here = pod(tmp_path, variables={"VITRINE_HOST": host})
    check(probes.check(here), "problem", "VITRINE_HOST", "nor Services", "for IPv6")


def test_probes_and_tls(tmp_path):
    """The kubelet takes any certificate, and has none."""
    here = pod(tmp_path, variables={"VITRINE_TLS_CERT": "cert.pem"})
    check(probes.check(here), "note", "VITRINE_TLS_CERT", "TLS", "scheme: HTTPS")
    here = pod(tmp_path, variables={"VITRINE_TLS_CLIENT_CA": "ca.pem"})
    check(probes.check(here), "problem", "VITRINE_TLS_CLIENT_CA", "kubelet", "tcpSocket")


def peer_pod(folder: Path, running: FakeGateway, *hosts: str, **options):
    port = running.url.rpartition(":")[2]
    known = names(folder, {"vitrine-peers": hosts, "vitrine-0": ["127.0.0.1", "10.244.1.7"]})
    variables = {"VITRINE_PEERS": f"vitrine-peers:{port}"}
    return pod(folder, names_service=known, variables=variables, **options)


def test_peers(tmp_path):
    with FakeGateway(answering()) as running:
        here = peer_pod(tmp_path, running, "127.0.0.1", host_name="elsewhere")
        found = check(peers.check(here), "ok", "peers", "1 of 1 answer, version 0.1.0")
    assert [each.level for each in found] == ["ok"]


def test_peers_that_are_away(tmp_path):
    """One answers, one does not; and this pod is none of them."""
    with FakeGateway(answering()) as running:
        here = peer_pod(tmp_path, running, "127.0.0.1", "127.0.0.9")
        found = check(peers.check(here), "problem", "peer 127.0.0.9", "/healthz", "NetworkPolicy")
    check(found, "ok", "peers", "1 of 2 answer")
    check(found, "note", "peers", "this pod is 10.244.1.7", "selector")


def test_peers_that_differ(tmp_path):
    """By their address, which the Host says: two versions, and a clock that is late."""
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=9)
    late = {"Date": past.strftime("%a, %d %b %Y %H:%M:%S GMT")}

    def answer(asked):
        if asked.headers["host"].startswith("127.0.0.1:"):
            return Reply(content=LIVE)
        return Reply(content=LIVE | {"version": "0.0.9"}, headers=late)

    with ExitStack() as stack:
        running = stack.enter_context(FakeGateway(answer))
        hosts = ["127.0.0.1", "localhost"]
        known = names(tmp_path, {"vitrine-peers": hosts})
        variables = {"VITRINE_PEERS": f"vitrine-peers:{running.url.rpartition(':')[2]}"}
        here = pod(tmp_path, names_service=known, variables=variables)
        found = check(peers.check(here), "note", "peers", "0.0.9: localhost")
    check(found, "note", "peer localhost", "s apart", "time service")
    assert not problems(found)


def test_peers_that_are_no_gateways(tmp_path):
    with FakeGateway(lambda _: Reply(404, b"nginx")) as running:
        here = peer_pod(tmp_path, running, "127.0.0.1")
        check(peers.check(here), "problem", "peer 127.0.0.1", "is no gateway", "select")


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_peers_that_want_certificates(tmp_path):
    """A gateway shows its own, as it does to its peers; whose name theirs has does not matter."""
    pair = make_certificate(tmp_path, "front", ca := make_ca(tmp_path), "vitrine.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    context.load_verify_locations(ca.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    with FakeGateway(answering(), tls=context) as running:
        here = peer_pod(tmp_path, running, "127.0.0.1", url=running.url)
        told = {"VITRINE_TLS_CERT": str(pair.cert), "VITRINE_TLS_KEY": str(pair.key)}
        here = dataclasses.replace(here, environment=dict(here.environment) | told)
        check(peers.check(here), "ok", "peers", "1 of 1 answer")
        check(probes.check(here), "ok", "probe /healthz", "200")
        missing = dict(here.environment) | {"VITRINE_TLS_KEY": str(tmp_path / "none.pem")}
        here = dataclasses.replace(here, environment=missing)
        check(peers.check(here), "problem", "peer 127.0.0.1", "does not answer")
        check(probes.check(here), "problem", "probe /healthz", "does not answer")


@pytest.mark.parametrize(
    ("variables", "level", "name", "seen"),
    [
        ({}, "ok", "peers", "none"),
        ({"VITRINE_RATE_LIMIT": "0.0"}, "ok", "peers", "none"),
        (
            {"VITRINE_RATE_LIMIT": "30"},
            "note",
            "peers",
            "each gateway grants VITRINE_RATE_LIMIT=30",
        ),
        ({"VITRINE_PEERS": "3"}, "note", "peers", "3 gateways"),
    ],
)
def test_settings_of_peers(tmp_path, variables, level, name, seen):
    check(peers.check(pod(tmp_path, variables=variables)), level, name, seen)


@pytest.mark.parametrize("setting", ["0", "vitrine-peers", "a:1,b:2", "10.1.2.3:8080"])
def test_wrong_settings_of_peers(tmp_path, setting):
    """One finding tells of them: that of variables."""
    here = pod(tmp_path, variables={"VITRINE_PEERS": setting})
    found = [each for _, some in examine(CLUSTER_CHECKS, here, limit_s=60) for each in some]
    assert [each.level for each in found if "PEERS" in each.name] == ["problem"]


def test_all_checks(tmp_path):
    """Each check has a line of a pod that is well, in time."""
    port = free_port()
    with FakeGateway(answering()) as running, FakeModelServer(serving({1: "AVAILABLE"}), port=port):
        known = names(tmp_path, {"vitrine-model-servers": ["127.0.0.1"]})
        here = pod(
            tmp_path,
            url=running.url,
            names_service=known,
            model_servers=(f"vitrine-model-servers:{port}",),
            variables={"VITRINE_MODELS": "mlp"},
        )
        found = list(examine(CLUSTER_CHECKS, here, limit_s=60))
    assert [each.name for each, findings in found if not findings] == []
    assert problems(each for _, findings in found for each in findings) == []


def test_command(place):
    """As a user runs it: a pod whose DNS has no such name, and nothing but that cluster's part."""
    place.set(
        KUBERNETES_SERVICE_HOST="127.0.0.1",
        VITRINE_HOST="0.0.0.0",  # noqa: S104
        VITRINE_MODEL_SERVER="no-such-service.invalid:8500",
        VITRINE_PEERS="0",
    )
    done = place.run("--cluster", "--json", "--timeout-s", "5")
    found = json.loads(done.stdout)["findings"]
    wrong = {each["name"] for each in found if each["level"] == "problem"}
    assert {"name no-such-service.invalid", "probe /healthz", "VITRINE_PEERS"} <= wrong
    assert done.returncode == 1
    assert not {"data set", "Python", "container engine"} & {each["name"] for each in found}


def test_socket_of_the_sidecar(place):
    """A gateway that is told of no model server asks at the local socket."""
    place.set(VITRINE_LOCAL_SOCKET=place.folder / "none.sock")
    done = place.run("--cluster", "--problems")
    assert f"model server ttrpc:{place.folder}/none.sock: does not tell" in done.stdout
