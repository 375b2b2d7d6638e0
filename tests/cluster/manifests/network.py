"""Network policies: whom they are for, and that they let through what the service needs."""

from collections.abc import Iterator
from typing import Any

from tests.cluster.manifests.objects import Object, Objects, Pod, matches, namespace, title

DNS = 53
HTTPS = 443
ANYWHERE = {DNS, HTTPS}
"""Ports at which a pod may connect to anybody."""

_OF_NAMESPACES = "kubernetes.io/metadata.name"
"""Label that each namespace has by itself."""


def policies(objects: Objects) -> Iterator[str]:
    """NetworkPolicies of no pod, that name ports that are not there, or that say two things."""
    for one in objects.of("NetworkPolicy"):
        spec = one.get("spec") or {}
        if not _of(objects, one):
            yield f"{title(one)}: its podSelector matches no pod"
        for name in ("Ingress", "Egress"):
            if name.lower() in spec and name not in (spec.get("policyTypes") or []):
                yield f"{title(one)} has rules of {name}, and not the type"
        for rule in spec.get("ingress") or []:
            yield from _open(one, rule)
            yield from _peers(objects, one, rule.get("from") or [])
            yield from _ports(one, rule, _of(objects, one))
        for rule in spec.get("egress") or []:
            yield from _open(one, rule)
            yield from _out(objects, one, rule)
    for pod in filter(objects.is_served, objects.pods):
        for kind in ("Ingress", "Egress"):
            if not _for(objects, pod, kind):
                yield f"{pod.title}: no NetworkPolicy has its {kind}"


def _out(objects: Objects, policy: Object, rule: Object) -> Iterator[str]:
    if not rule.get("to") and _numbers(rule) - ANYWHERE:
        yield f"{title(policy)} lets out to anybody at {sorted(_numbers(rule) - ANYWHERE)}"
    yield from _peers(objects, policy, rule.get("to") or [])
    for peer in rule.get("to") or []:
        if "podSelector" in peer and "namespaceSelector" not in peer:
            pods = objects.selected(peer["podSelector"], namespace(policy))
            yield from _ports(policy, rule, pods)


def _open(policy: Object, rule: Object) -> Iterator[str]:
    if not all(one.get("port") is not None for one in rule.get("ports") or [{}]):
        yield f"{title(policy)}: a rule names no port, which is all of them"


def _numbers(rule: Object) -> set[Any]:
    return {one.get("port") for one in rule.get("ports") or []}


def callers(objects: Objects) -> Iterator[str]:
    """Model servers that others than gateways and Prometheus may ask, as they know no keys."""
    for container in objects.containers:
        if not container.is_model_server or container.pod.is_runtime:
            continue
        for port in (one.get("containerPort") for one in container.ports):
            if accepts_everybody(objects, container.pod, port):
                yield f"{container.title}: anybody may ask it at {port}"
            for other in objects.pods:
                is_gateway = any(one.is_gateway for one in other.containers)
                if other.is_runtime or is_gateway or other.namespace != container.pod.namespace:
                    continue
                into = _for(objects, container.pod, "Ingress")
                if any(_passes(one, "ingress", "from", other, port, container.pod) for one in into):
                    yield f"{container.title}: {other.title} may ask it at {port}"


def _of(objects: Objects, policy: Object) -> list[Pod]:
    return objects.selected((policy.get("spec") or {}).get("podSelector"), namespace(policy))


def _for(objects: Objects, pod: Pod, kind: str) -> list[Object]:
    """Returns the policies of a pod that have rules for one direction."""
    return [
        one
        for one in objects.of("NetworkPolicy")
        if kind in ((one.get("spec") or {}).get("policyTypes") or []) and pod in _of(objects, one)
    ]


def _peers(objects: Objects, policy: Object, peers: list[Object]) -> Iterator[str]:
    for peer in peers:
        if "ipBlock" in peer and len(peer) > 1:
            yield f"{title(policy)}: an ipBlock has no selector beside it"
        for key in (peer.get("namespaceSelector") or {}).get("matchLabels") or {}:
            if key != _OF_NAMESPACES:
                yield f"{title(policy)}: no namespace has the label {key} by itself"
        is_here = "podSelector" in peer and "namespaceSelector" not in peer
        if is_here and not objects.selected(peer["podSelector"], namespace(policy)):
            yield f"{title(policy)}: a podSelector of its rules matches no pod"


def _ports(policy: Object, rule: Object, pods: list[Pod]) -> Iterator[str]:
    for port in rule.get("ports") or []:
        wanted = port.get("port")
        if "endPort" in port or wanted is None:
            continue
        if pods and all(pod.port(wanted) is None for pod in pods):
            yield f"{title(policy)}: none of its pods has the port {wanted}"


def allows(objects: Objects, source: Pod, target: Pod, port: int) -> bool:
    """Says whether a pod may connect to another by TCP."""
    out = _for(objects, source, "Egress")
    into = _for(objects, target, "Ingress")
    return (not out or any(_passes(one, "egress", "to", target, port) for one in out)) and (
        not into or any(_passes(one, "ingress", "from", source, port, target) for one in into)
    )


def _passes(
    policy: Object, rules: str, peers: str, other: Pod, port: int, target: Pod | None = None
) -> bool:
    for rule in policy["spec"].get(rules) or []:
        allowed = rule.get(peers)
        is_peer = not allowed or any(_is_peer(one, other) for one in allowed)
        if is_peer and _has_port(rule, port, target or other):
            return True
    return False


def _is_peer(peer: Object, pod: Pod) -> bool:
    if "podSelector" not in peer or "namespaceSelector" in peer:
        return False
    return matches(peer["podSelector"], pod.labels)


def _has_port(rule: Object, port: int, pod: Pod) -> bool:
    given = rule.get("ports")
    return not given or any(
        one.get("protocol", "TCP") == "TCP" and _is_in(one, port, pod) for one in given
    )


def _is_in(one: Object, port: int, pod: Pod) -> bool:
    wanted: Any = one.get("port")
    if isinstance(wanted, str):
        wanted = pod.port(wanted)
    return wanted is None or wanted <= port <= one.get("endPort", wanted)


def asks_dns(objects: Objects, pod: Pod) -> bool:
    """Says whether a pod may look names up, by UDP and TCP."""
    out = _for(objects, pod, "Egress")
    return not out or all(
        any(
            one.get("protocol", "TCP") == protocol and one.get("port") == DNS
            for policy in out
            for rule in policy["spec"].get("egress") or []
            if not rule.get("to") or any(_is_of_dns(peer) for peer in rule["to"])
            for one in rule.get("ports") or []
        )
        for protocol in ("UDP", "TCP")
    )


def _is_of_dns(peer: Object) -> bool:
    """Says whether a peer may be the DNS, which is in the namespace kube-system."""
    labels = (peer.get("namespaceSelector") or {}).get("matchLabels") or {}
    is_there = labels.get(_OF_NAMESPACES, "kube-system") == "kube-system"
    return "ipBlock" in peer or ("namespaceSelector" in peer and is_there)


def accepts_everybody(objects: Objects, pod: Pod, port: int) -> bool:
    """Says whether some policy lets anybody in by a port, or none is there."""
    into = _for(objects, pod, "Ingress")
    return not into or any(
        _is_anybody(rule.get("from")) and _has_port(rule, port, pod)
        for one in into
        for rule in one["spec"].get("ingress") or []
    )


def _is_anybody(peers: list[Object] | None) -> bool:
    every = ({"namespaceSelector": {}}, {"podSelector": {}}, {"ipBlock": {"cidr": "0.0.0.0/0"}})
    return not peers or any(one in every for one in peers)


def accepts_others(objects: Objects, pod: Pod, port: int) -> bool:
    """Says whether a pod's policies let others than its peers in by a port."""
    into = _for(objects, pod, "Ingress")
    return not into or any(
        (not rule.get("from") or any("podSelector" not in one for one in rule["from"]))
        and _has_port(rule, port, pod)
        for one in into
        for rule in one["spec"].get("ingress") or []
    )


def reaches_outside(objects: Objects, pod: Pod, port: int) -> bool:
    """Says whether a pod may connect to anybody at a port, or to some network outside."""
    out = _for(objects, pod, "Egress")
    return not out or any(
        (not rule.get("to") or any("ipBlock" in peer for peer in rule["to"]))
        and _has_port(rule, port, pod)
        for policy in out
        for rule in policy["spec"].get("egress") or []
    )
