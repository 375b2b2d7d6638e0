"""From inside a pod: names without an address, a ClusterIP where there should be pods, lookups in
vain, resolvers that find no Service."""

import dataclasses
import socket
import threading
import time

import pytest

from tests.client.doctor.pods import RESOLV_CONF, broken, check, names, pod, problems
from vitrine_client.doctor.cluster.endpoints import endpoints
from vitrine_client.doctor.cluster.names import check_names, check_resolver
from vitrine_client.doctor.name_service import ResolverConfig

SERVERS = "vitrine-model-servers"
REVERSE = {
    "10.96.7.7": f"{SERVERS}.shop.svc.cluster.local",
    "10.244.1.5": f"10-244-1-5.{SERVERS}.shop.svc.cluster.local",
}


def test_several_addresses(tmp_path):
    here = pod(tmp_path, names_service=names(tmp_path, {SERVERS: ["10.244.1.5", "10.244.2.5"]}))
    assert not problems(check(check_names(here), "ok", f"name {SERVERS}", "2 addresses"))


def test_name_without_an_address(tmp_path):
    check(check_names(pod(tmp_path)), "problem", f"name {SERVERS}", "has no address", "selector")


def test_peers_without_an_address(tmp_path):
    """The name of the peers is looked up as well; a number is no name."""
    here = pod(tmp_path, variables={"VITRINE_PEERS": "vitrine-peers:8080"}, model_servers=())
    check(check_names(here), "problem", "name vitrine-peers", "VITRINE_PEERS has no address")
    here = pod(tmp_path, variables={"VITRINE_PEERS": "3"}, model_servers=("10.1.2.3:8500",))
    assert list(check_names(here)) == []


def test_cluster_ip(tmp_path):
    """Its name in the DNS is the Service's own; that of a pod has a label more."""
    for address, level, seen in (
        ("10.96.7.7", "problem", "is the ClusterIP of a Service"),
        ("10.244.1.5", "note", "one address"),
    ):
        known = names(tmp_path, {SERVERS: [address]}, REVERSE)
        here = pod(tmp_path, names_service=known)
        check(check_names(here), level, f"name {SERVERS}", seen, "clusterIP: None")


def test_cluster_ip_of_both_families(tmp_path):
    """A Service of two address families has a ClusterIP of each, and is no several servers."""
    known = names(tmp_path, {SERVERS: ["10.96.7.7", "fd00:10:96::77"]}, REVERSE)
    here = pod(tmp_path, names_service=known)
    check(check_names(here), "problem", f"name {SERVERS}", "ClusterIP", "clusterIP: None")


def test_cluster_ip_by_its_link(tmp_path):
    """Where the DNS has no names of addresses, a variable of Kubernetes' may tell."""
    here = pod(
        tmp_path,
        names_service=names(tmp_path, {SERVERS: ["10.96.7.7"]}),
        variables={"VITRINE_MODEL_SERVERS_SERVICE_HOST": "10.96.7.7"},
    )
    check(check_names(here), "problem", f"name {SERVERS}", "ClusterIP", "headless")


def test_one_address_that_may_be_a_cluster_ip(tmp_path):
    """Where nothing tells, it is a note, and outside of a cluster nothing."""
    here = pod(tmp_path, names_service=names(tmp_path, {SERVERS: ["10.96.7.7"]}))
    check(check_names(here), "note", f"name {SERVERS}", "if it is a Service's ClusterIP")
    outside = dataclasses.replace(here, environment={})
    check(check_names(outside), "ok", f"name {SERVERS}", "one address")
    own = pod(tmp_path, names_service=names(tmp_path, {SERVERS: ["127.0.0.1"]}))
    check(check_names(own), "ok", f"name {SERVERS}", "one address")


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "Temporary failure"),
        (OSError("no network"), "no network"),
    ],
)
def test_dns_that_fails(tmp_path, error, seen):
    service = dataclasses.replace(names(tmp_path, {}), forward=broken(error))
    here = pod(tmp_path, names_service=service)
    check(check_names(here), "problem", f"name {SERVERS}", seen, "port 53")


def test_what_no_name_can_be(tmp_path):
    """Python refuses it before anybody is asked."""
    service = dataclasses.replace(names(tmp_path, {}), forward=broken(UnicodeError("too long")))
    here = pod(tmp_path, names_service=service)
    check(check_names(here), "problem", f"name {SERVERS}", "has no address", "such a Service")


def test_dns_that_is_silent(tmp_path):
    """The C library would wait for half a minute; the check waits as long as it may."""
    ended = threading.Event()

    def forward(_):
        ended.wait(60)
        return []

    service = dataclasses.replace(names(tmp_path, {}), forward=forward)
    here = pod(tmp_path, names_service=service, wait_s=0.2)
    try:
        check(check_names(here), "problem", f"name {SERVERS}", "no answer within 0.2 s", "53")
    finally:
        ended.set()


def test_many_names_that_are_slow(tmp_path):
    """They are looked up side by side: one after the other they would take longer than a whole
    check may, and what is known of the others would not be told."""
    at_once = threading.Barrier(3)

    def forward(_):
        at_once.wait(10)
        return ["10.244.1.5", "10.244.2.5"]

    service = dataclasses.replace(names(tmp_path, {}), forward=forward)
    servers = ("a:8500", "b:8500", "c:8501")
    here = pod(tmp_path, names_service=service, model_servers=servers)
    found = [each.name for each in check_names(here) if each.level == "ok"]
    assert found == ["name a", "name b", "name c"]
    assert [each.address for each in endpoints(here, servers)] == [
        *("10.244.1.5:8500", "10.244.2.5:8500", "10.244.1.5:8501", "10.244.2.5:8501")
    ]


def test_slow_dns(tmp_path):
    def forward(_):
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            threading.Event().wait(0.1)
        return ["10.244.1.5", "10.244.2.5"]

    service = dataclasses.replace(names(tmp_path, {}), forward=forward)
    check(check_names(pod(tmp_path, names_service=service)), "note", f"name {SERVERS}, time")


@pytest.mark.parametrize(
    ("host", "wasted"),
    [
        (SERVERS, 0),
        (f"{SERVERS}.shop", 1),
        (f"{SERVERS}.shop.svc.cluster.local", 3),
        (f"{SERVERS}.shop.svc.cluster.local.", 0),
        ("model.example.org", 0),
    ],
)
def test_lookups_in_vain(tmp_path, host, wasted):
    """By resolv.conf(5): a name with fewer dots than ndots is tried with each domain first."""
    known = names(tmp_path, {host: ["10.244.1.5", "10.244.2.5"]})
    assert known.resolver().wasted(host) == wasted
    here = pod(tmp_path, names_service=known, model_servers=(f"{host}:8500@zone-a",))
    found = list(check_names(here))
    told = [each for each in found if each.name.endswith(", search")]
    assert [each.level for each in told] == ["note"] * (wasted > 1)
    assert all(f"write {SERVERS}.shop," in each.todo for each in told)


def test_resolvers(tmp_path):
    """That of a pod is well; without a domain of Services, or a server, nothing is found."""
    check(check_resolver(pod(tmp_path)), "ok", "resolver", "ndots 5")
    for config, seen, todo in (
        ("nameserver 192.168.1.1\nsearch example.org\n", "found nowhere", "ClusterFirst"),
        ("search svc.cluster.local\n", "names no server", "dnsPolicy"),
    ):
        here = pod(tmp_path, names_service=names(tmp_path, {}, config=config))
        check(check_resolver(here), "problem", "resolver", seen, todo)
    outside = dataclasses.replace(pod(tmp_path), environment={})
    check(check_resolver(outside), "note", "resolver", "looks like no pod")


def test_resolver_configurations(tmp_path):
    """The last line of a kind counts, odd ones count for nothing, and so does a file that is not
    there."""
    file = tmp_path / "resolv.conf"
    assert ResolverConfig.read(file) == ResolverConfig()
    file.write_text(f"{RESOLV_CONF}nameserver\nsearch a.b c.d\noptions ndots:x\nsortlist 1\n")
    assert ResolverConfig.read(file) == ResolverConfig(("10.96.0.10",), ("a.b", "c.d"), 1)
