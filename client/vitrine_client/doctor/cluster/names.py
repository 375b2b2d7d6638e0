"""Check of DNS: names without an address, names of a ClusterIP, lookups that are in vain."""

import re
import time
from collections.abc import Iterator

from vitrine_client.doctor.cluster.endpoints import (
    Named,
    model_servers,
    named,
    of_one_family,
    side_by_side,
)
from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.name_service import NoNameService, NoSuchName, ResolverConfig
from vitrine_client.process import proxies

PEERS = "VITRINE_PEERS"
SERVERS = "VITRINE_MODEL_SERVER"

_SLOW_S = 0.5
_IN_A_POD = "KUBERNETES_SERVICE_HOST"


def check_resolver(here: Installation) -> Iterator[Finding]:
    """Looks at who is asked for names, and whether those of Services can be found."""
    config, path = here.names_service.resolver(), here.names_service.config
    if not config.nameservers:
        todo = "leave `dnsPolicy` out of the pod's spec, or name servers in its `dnsConfig`"
        yield problem("resolver", f"{path} names no server of names", todo)
        return
    seen = (
        f"asks {', '.join(config.nameservers)}, ndots {config.ndots}, "
        f"searches {' '.join(config.search) or 'nothing'}"
    )
    if not here.names(_IN_A_POD):
        yield note("resolver", f"{seen}; this looks like no pod ({_IN_A_POD} is not set)")
    elif not any(".svc." in f".{each}." for each in config.search):
        todo = (
            "`dnsPolicy: ClusterFirst`, its default, or with `hostNetwork: true` "
            "`ClusterFirstWithHostNet`; or write names as NAME.NAMESPACE.svc.cluster.local"
        )
        yield problem("resolver", f"{seen}: short names of Services are found nowhere", todo)
    else:
        yield ok("resolver", seen)


def check_names(here: Installation) -> Iterator[Finding]:
    """Looks up each name of model servers, and that of the peers: all at once, so that the wait is
    that for the slowest."""
    asked = [
        (variable, entry)
        for variable, entries in (
            (SERVERS, model_servers(here)),
            (PEERS, (here.environment.get(PEERS, ""),)),
        )
        for entry in named(entries)
        if entry.is_name
    ]
    for _, found in side_by_side(lambda each: list(_examined(*each, here)), asked):
        yield from found


def _examined(variable: str, entry: Named, here: Installation) -> Iterator[Finding]:
    name, started_s = f"name {entry.host}", time.monotonic()
    try:
        found = here.names_service.addresses(entry.host, here.wait_s)
    except NoSuchName:
        yield problem(name, f"of {variable} has no address", _todo_none(entry.host))
        return
    except NoNameService as error:
        todo = (
            "do pods of the DNS run (`kubectl -n kube-system get pods`)? A NetworkPolicy for these "
            "pods has to let them ask on port 53, UDP and TCP"
        )
        yield problem(name, f"of {variable} cannot be looked up: {error}", todo)
        return
    took_s = time.monotonic() - started_s
    yield from _addressed(name, variable, entry, found, here)
    yield from _lookups(name, entry.host, here.names_service.resolver(), took_s)


def _todo_none(host: str) -> str:
    service = host.partition(".")[0]
    return (
        f"`kubectl get service,endpointslices -l kubernetes.io/service-name={service}`, in all "
        "namespaces with -A: is there such a Service, in this namespace (else write "
        f"{service}.NAMESPACE), does its selector meet the pods' labels, and is one of them ready?"
    )


def _addressed(
    name: str, variable: str, entry: Named, found: list[str], here: Installation
) -> Iterator[Finding]:
    found = of_one_family(found)
    shown = ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
    if len(found) > 1:
        yield ok(name, f"{len(found)} addresses: {shown}")
        return
    stuck = (
        "a connection of gRPC stays with one server behind it, and the others get nothing"
        if variable == SERVERS
        else "the gateways behind it are not seen"
    )
    todo = "make the Service headless: `clusterIP: None`"
    if _is_cluster_ip(entry.host, found[0], here):
        yield problem(name, f"{shown} is the ClusterIP of a Service: {stuck}", todo)
    elif here.names(_IN_A_POD) and not proxies.is_loopback(found[0]):
        seen = f"one address, {shown}; if it is a Service's ClusterIP, {stuck}"
        yield note(name, seen, f"nothing, if there is one pod; else {todo}")
    else:
        yield ok(name, f"one address: {shown}")


def _is_cluster_ip(host: str, address: str, here: Installation) -> bool:
    """Says whether an address is known to be a Service's own: its name is the Service's, where that
    of a pod has a label more (the DNS specification of Kubernetes, 2.2.1 and 2.4.1); or the
    variables of links say so."""
    service = host.partition(".")[0].lower()
    labels = here.names_service.name_of(address, here.wait_s).lower().rstrip(".").split(".")
    if len(labels) >= 3 and labels[2] == "svc":
        return labels[0] == service
    link = re.sub(r"[^A-Z0-9]", "_", service.upper())
    return here.environment.get(f"{link}_SERVICE_HOST") == address


def _lookups(name: str, host: str, config: ResolverConfig, took_s: float) -> Iterator[Finding]:
    service, _, rest = host.partition(".")
    namespace = rest.partition(".")[0]
    if (wasted := config.wasted(host)) > 1:
        seen = f"is looked up in vain {wasted} times each second before it is found"
        shorter = f"{service}.{namespace}" if namespace else service
        todo = f"write {shorter}, or `dnsConfig: {{options: [{{name: ndots, value: '2'}}]}}`"
        yield note(f"{name}, search", f"{seen} (ndots {config.ndots})", todo)
    if took_s > _SLOW_S:
        seen = f"took {took_s:.1f} s to look up"
        yield note(f"{name}, time", seen, "look at the DNS' own load; NodeLocal DNSCache helps")
