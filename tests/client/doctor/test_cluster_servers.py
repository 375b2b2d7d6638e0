"""From inside a pod: model servers that are not reached, have no health service, or serve other
versions and version labels than their neighbours."""

import dataclasses
import socket
import threading

import grpc

from harness.fake_model_server import failing
from harness.ports import free_port
from tests.client.doctor.pods import check, model_servers, names, pod, problems, serving
from vitrine_client.doctor.cluster import endpoints
from vitrine_client.doctor.cluster.servers import check as check_servers

WELL = serving({2: "AVAILABLE", 1: "END"}, {"stable": 2})


def test_servers_that_agree(tmp_path):
    with model_servers(tmp_path, WELL, WELL, WELL) as here:
        found = check(check_servers(here), "ok", "model servers", "3 of 3 tell what they serve")
    assert not problems(found)
    check(found, "ok", "versions of mlp", "version 2")


def test_versions_that_differ(tmp_path):
    """The most of one mind come first; what is not AVAILABLE is not served."""
    older = serving({2: "LOADING", 1: "AVAILABLE"})
    with model_servers(tmp_path, WELL, older, WELL) as here:
        found = check_servers(here)
        port = here.model_servers[0].rpartition(":")[2]
        seen = f"version 2: 127.0.0.2:{port}, 127.0.0.4:{port}; version 1: 127.0.0.3:{port}"
        found = check(found, "problem", "versions of mlp", seen, "rollout status")
    assert "label stable of mlp" in problems(found)  # as the older one has none


def test_server_without_the_model(tmp_path):
    with model_servers(tmp_path, WELL, failing(grpc.StatusCode.NOT_FOUND, "no")) as here:
        found = check(check_servers(here), "problem", "versions of mlp", "none: 127.0.0.3")
    assert problems(found) == ["versions of mlp"]


def test_labels_that_differ(tmp_path):
    moved = serving({2: "AVAILABLE", 1: "AVAILABLE"}, {"stable": 1})
    stays = serving({2: "AVAILABLE", 1: "AVAILABLE"}, {"stable": 2})
    with model_servers(tmp_path, moved, stays) as here:
        found = check(check_servers(here), "problem", "label stable", "version 1: 127.0.0.2", "one")
    assert problems(found) == ["label stable of mlp"]  # and neither has a canary


def test_nothing_that_listens(tmp_path):
    """One of two pods is away: it is told of, and the other is looked at."""
    with model_servers(tmp_path, WELL) as here:
        known = names(tmp_path, {"vitrine-model-servers": ["127.0.0.2", "127.0.0.9"]})
        here = pod(tmp_path, model_servers=here.model_servers, names_service=known)
        found = check(check_servers(here), "problem", "model server 127.0.0.9", "nothing listens")
        check(found, "ok", "model servers", "1 of 2")


def test_silence(tmp_path):
    """What takes connections and says nothing, as a NetworkPolicy's far end may."""
    with socket.create_server(("127.0.0.1", port := free_port())):
        here = pod(tmp_path, model_servers=(f"127.0.0.1:{port}",), wait_s=0.5)
        name = f"model server 127.0.0.1:{port}"
        check(check_servers(here), "problem", name, "does not tell what it serves", "kubectl logs")


def test_server_that_is_slow_each_time(tmp_path):
    """Its answers come one by one, each in time: all of them together have an end, too, and the
    others are told of."""

    def slow(call, context):
        if call.method.endswith("GetModelMetadata"):
            threading.Event().wait(0.9)
        return WELL(call, context)

    with model_servers(tmp_path, slow, WELL) as here:
        here = dataclasses.replace(
            here,
            wait_s=2.0,
            environment=dict(here.environment) | {"VITRINE_VERSION_LABELS": "a,b,c,d,e,f"},
        )
        found = check(check_servers(here), "problem", "model server 127.0.0.2", "does not tell")
    assert len(problems(found)) == 1
    check(found, "ok", "model servers", "1 of 2")


def test_other_protocol(tmp_path):
    from tests.client.fake_gateway import FakeGateway, Reply

    with FakeGateway(lambda _: Reply(200, b"hello")) as other:
        here = pod(tmp_path, model_servers=(other.url.removeprefix("http://"),))
        check(check_servers(here), "problem", "model server 127.0.0.1", "", "8500")


def test_health(tmp_path):
    """None at all has probes fail, and one that says no is a fault."""
    none = serving({2: "AVAILABLE"}, health=failing(grpc.StatusCode.UNIMPLEMENTED))
    ill = serving({2: "AVAILABLE"}, health=lambda *_: b"\x08\x02")
    with model_servers(tmp_path, none, ill) as here:
        found = check(check_servers(here), "note", "model server 127.0.0.2", "no health service")
        check(found, "problem", "model server 127.0.0.3", "serves nothing")


def test_addresses_that_are_none(tmp_path):
    """They are told of, and the others are asked; zones are no part of an address."""
    with model_servers(tmp_path, WELL) as here:
        here = dataclasses.replace(
            here, model_servers=(f"{here.model_servers[0]}@zone-a", "no-port", "b:8500@zone a")
        )
        found = check(check_servers(here), "problem", "VITRINE_MODEL_SERVER", "no-port", "8500")
    assert problems(found) == ["VITRINE_MODEL_SERVER"] * 2
    check(found, "ok", "model servers", "1 of 1")


def test_uris_of_grpc(tmp_path):
    """They are asked as they are."""
    with model_servers(tmp_path, WELL) as here:
        port = here.model_servers[0].rpartition(":")[2]
        addresses = (f"ipv4:127.0.0.2:{port}", f"unix:{tmp_path}/none.sock")
        found = check_servers(dataclasses.replace(here, model_servers=addresses))
        found = check(found, "problem", f"model server unix:{tmp_path}", "does not tell")
    check(found, "ok", "model servers", "1 of 2")


def test_many_servers(tmp_path):
    """A bound is kept, and told."""
    many = endpoints.MOST_ASKED + 1
    hosts = [f"127.0.1.{number + 1}" for number in range(many)]
    known = names(tmp_path, {"many": hosts})
    here = pod(tmp_path, names_service=known, model_servers=(f"many:{free_port()}",))
    found = check(check_servers(here), "note", "model servers", f"{many} addresses")
    assert len(problems(found)) == endpoints.MOST_ASKED
