"""Syntax of names, labels, quantities and words, which Kubernetes' schemas leave open."""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from decimal import Decimal
from typing import Any

from tests.cluster.manifests.objects import Object, Objects, namespace, title, walk

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?")
_SUFFIXES = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

_WORDS: dict[str, set[str]] = {
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "pullPolicy": {"Always", "IfNotPresent", "Never"},
    "terminationMessagePolicy": {"File", "FallbackToLogsOnError"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "medium": {"", "Memory"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "nodeAffinityPolicy": {"Honor", "Ignore"},
    "nodeTaintsPolicy": {"Honor", "Ignore"},
    "unhealthyPodEvictionPolicy": {"AlwaysAllow", "IfHealthyBudget"},
    "dnsPolicy": {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"},
    "concurrencyPolicy": {"Allow", "Forbid", "Replace"},
    "podManagementPolicy": {"OrderedReady", "Parallel"},
    "sessionAffinity": {"None", "ClientIP"},
    "internalTrafficPolicy": {"Cluster", "Local"},
    "externalTrafficPolicy": {"Cluster", "Local"},
    "trafficDistribution": {"PreferClose", "PreferSameZone", "PreferSameNode"},
    "ipFamilyPolicy": {"SingleStack", "PreferDualStack", "RequireDualStack"},
    "volumeMode": {"Filesystem", "Block"},
    "selectPolicy": {"Max", "Min", "Disabled"},
    "preemptionPolicy": {"PreemptLowerPriority", "Never"},
    "fsGroupChangePolicy": {"OnRootMismatch", "Always"},
    "mountPropagation": {"None", "HostToContainer", "Bidirectional"},
    "scheme": {"HTTP", "HTTPS"},
    "recursiveReadOnly": {"Disabled", "IfPossible", "Enabled"},
    "accessModes": {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"},
    "policyTypes": {"Ingress", "Egress"},
}
"""Values that a key takes, in whatever object it is; the last ones are of lists."""

_TYPES: dict[tuple[str, ...], set[str]] = {
    ("seccompProfile",): {"RuntimeDefault", "Localhost"},
    ("appArmorProfile",): {"RuntimeDefault", "Localhost"},
    ("target",): {"Utilization", "AverageValue", "Value"},
    ("policies", "#"): {"Percent", "Pods"},
    ("metrics", "#"): {"Resource", "ContainerResource", "Pods", "Object", "External"},
}
"""Values of the key `type`, by the keys above it; `#` is a place in a list."""

_KIND_TYPES = {
    "Service": {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"},
    "Deployment": {"RollingUpdate", "Recreate"},
    "DaemonSet": {"RollingUpdate", "OnDelete"},
    "StatefulSet": {"RollingUpdate", "OnDelete"},
}
"""Values of `type` of a Service, and of the strategy of others."""

_PROTOCOLS = ("http", "https", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss")
_LIMITED = ("limits", "requests")


def quantity(value: Any) -> Decimal | None:
    """Returns the number that a quantity is; None where it is none."""
    found = _QUANTITY.fullmatch(str(value)) if not isinstance(value, bool) else None
    if not found:
        return None
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * 2 ** _BINARY[suffix]
    if suffix in _SUFFIXES:
        return number.scaleb(_SUFFIXES[suffix])
    return number.scaleb(int(suffix[1:]))


def repeated(values: Iterable[Hashable]) -> list[Hashable]:
    """Returns the values that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def names(objects: Objects) -> Iterator[str]:
    """Names that Kubernetes refuses, or that are there twice."""
    keys = [
        (one.get("kind"), namespace(one), one.get("metadata", {}).get("name")) for one in objects
    ]
    for kind, _, name in repeated(keys):
        yield f"{kind}/{name} is there twice"
    for one in objects:
        name = str(one.get("metadata", {}).get("name", ""))
        shape = _SERVICE_NAME if one.get("kind") == "Service" else _LABEL
        if not shape.fullmatch(name):
            yield f"{title(one)}: {name!r} is no DNS label"
        if namespace(one) and not _LABEL.fullmatch(namespace(one)):
            yield f"{title(one)}: namespace {namespace(one)!r} is no DNS label"
        for path, value in walk(one):
            yield from (f"{title(one)}: {said}" for said in _named(path, value))
    for pod in objects.pods:
        for said in repeated(each.name for each in pod.containers):
            yield f"{pod.title}: container {said} is there twice"


def _named(path: tuple[str, ...], value: Any) -> Iterator[str]:
    key = path[-1] if path else ""
    if key in _NAMED and isinstance(value, list) and "egress" not in path:
        yield from _NAMED[key](value)
    elif key in ("labels", "matchLabels", "nodeSelector") and isinstance(value, dict):
        yield from _labels(value)
    elif key == "annotations" and isinstance(value, dict):
        yield from (f"annotation {each!r} is no key" for each in value if not is_label_key(each))
    elif key in ("data", "binaryData", "stringData") and len(path) == 1:
        unfit = (each for each in value if not _FILE_KEY.fullmatch(each))
        yield from (f"{each!r} is no key of a file" for each in unfit)
    elif key == "serviceAccountName" and not _SUBDOMAIN.fullmatch(str(value)):
        yield f"serviceAccountName {value!r} is no DNS name"


def _parts(parts: list[Any]) -> Iterator[str]:
    for name in (one.get("name", "") for one in parts if isinstance(one, dict)):
        if not _LABEL.fullmatch(str(name)):
            yield f"{name!r} is no DNS label"
    yield from (f"{name} is there twice" for name in repeated(_key(parts, "name")))


def _variables(variables: list[Any]) -> Iterator[str]:
    for name in _key(variables, "name"):
        if not _VARIABLE.fullmatch(str(name)):
            yield f"{name!r} is no name of a variable"
    found = repeated(_key(variables, "name"))
    yield from (f"the variable {name} is there twice" for name in found)


def _hosts(names: list[Any]) -> Iterator[str]:
    for each in names:
        if not _SUBDOMAIN.fullmatch(str(each).removeprefix("*.")):
            yield f"hostname {each!r} is no DNS name"


def _ports(ports: list[Any]) -> Iterator[str]:
    for name in _key(ports, "name"):
        if not _PORT_NAME.fullmatch(str(name)):
            yield f"{name!r} is no name of a port (15 characters, a-z, 0-9 and -)"
    for key in ("name", "containerPort", "nodePort"):
        found = [(one[key], one.get("protocol", "TCP")) for one in ports if key in one]
        yield from (f"port {each[0]} is there twice" for each in repeated(found))  # type: ignore[index]
    for one in ports:
        for key in ("port", "containerPort", "targetPort", "nodePort", "hostPort"):
            number = one.get(key)
            if isinstance(number, int) and not 1 <= number <= 65535:
                yield f"{key} {number} is no port"


def _key(values: list[Any], key: str) -> list[Any]:
    return [one[key] for one in values if isinstance(one, dict) and key in one]


_NAMED: dict[str, Callable[[list[Any]], Iterator[str]]] = {
    "containers": _parts,
    "initContainers": _parts,
    "volumes": _parts,
    "ports": _ports,
    "env": _variables,
    "hostnames": _hosts,
}
"""Checks of the names in lists, by the key that has the list."""


def is_label_key(key: str) -> bool:
    """Says whether a text is a key of labels and annotations: a name, after a prefix or none."""
    prefix, slash, name = key.rpartition("/")
    return bool(_KEY_NAME.fullmatch(name)) and (not slash or bool(_SUBDOMAIN.fullmatch(prefix)))


def _labels(labels: dict[Any, Any]) -> Iterator[str]:
    for key, value in labels.items():
        if not is_label_key(str(key)):
            yield f"label {key!r} is no key"
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            yield f"label {key}: {value!r} is no value"


def words(objects: Objects) -> Iterator[str]:
    """Words where Kubernetes takes some alone, of which its schemas only say that they are text."""
    for one in objects:
        for path, value in walk(one):
            if wanted := _wanted(one, path):
                given = value if isinstance(value, list) else [value]
                for each in given:
                    if each not in wanted:
                        expected = ", ".join(sorted(filter(None, wanted)))
                        yield f"{title(one)}: {path[-1]} {each!r} is none of {expected}"
        yield from _networks(one)


def _wanted(one: Object, path: tuple[str, ...]) -> set[str]:
    """Returns the words that a value may be; none where it may be anything."""
    if not path or path[-1].isdigit():
        return set()
    if path[-1] in _WORDS and path[0] != "data":
        return _WORDS[path[-1]]
    if path[-1] != "type" or one.get("apiVersion", "").startswith(
        ("gateway.", "keda.", "serving.")
    ):
        return set()
    if path in (("spec", "type"), ("spec", "strategy", "type"), ("spec", "updateStrategy", "type")):
        return _KIND_TYPES.get(str(one.get("kind")), set())
    above = tuple("#" if key.isdigit() else key for key in path[:-1])
    return next((words for keys, words in _TYPES.items() if above[-len(keys) :] == keys), set())


def _networks(one: Object) -> Iterator[str]:
    for path, value in walk(one):
        if isinstance(value, int) and value < 0 and path[0] != "data":
            yield f"{title(one)}: {'.'.join(path[-2:])} is {value}"
        if path[-1:] == ("clusterIP",) and value not in ("None", ""):
            yield f"{title(one)}: clusterIP {value!r}; it is None, or left out"
        if path[-1:] == ("appProtocol",) and value not in _PROTOCOLS:
            yield f"{title(one)}: appProtocol {value!r} is none of {', '.join(_PROTOCOLS)}"
        if path[-1:] == ("cidr",) or path[-2:-1] == ("except",):
            try:
                ipaddress.ip_network(str(value))
            except ValueError as error:
                yield f"{title(one)}: {error}"


def quantities(objects: Objects) -> Iterator[str]:
    """Quantities that do not parse, or are none that anybody means."""
    for one in objects:
        for path, value in walk(one):
            for said in _measured(path, value):
                yield f"{title(one)}: {'.'.join(path[-3:])}: {said}"


def _measured(path: tuple[str, ...], value: Any) -> Iterator[str]:
    if path[-1:] in (("sizeLimit",), ("averageValue",)) or path[-2:] == ("target", "value"):
        found = quantity(value)
        if found is None:
            yield f"{value!r} is no quantity"
        elif found <= 0 or (path[-1] == "sizeLimit" and found % 1):
            yield f"{value!r} is no size"
    elif path[-1:] and path[-1] in _LIMITED and path[-2:-1] == ("resources",):
        for name, given in (value or {}).items():
            yield from _resource(str(name), given)
    elif path[-1:] == ("resources",) and isinstance(value, dict):
        limits, requests = value.get("limits") or {}, value.get("requests") or {}
        for name in limits.keys() & requests.keys():
            least, most = quantity(requests[name]), quantity(limits[name])
            if least is not None and most is not None and least > most:
                yield f"requests {requests[name]} of {name}, and is limited to {limits[name]}"


def _resource(name: str, value: Any) -> Iterator[str]:
    found = quantity(value)
    if found is None or found < 0:
        yield f"{value!r} is no quantity"
    elif name == "cpu":
        if found < Decimal("0.001") or found > 64 or (found * 1000) % 1:
            yield f"{value!r} are no processors"
    elif name in ("memory", "ephemeral-storage", "storage"):
        if found < 2**20 or found % 1:
            yield f"{value!r} is under a MiB"
    elif not name.startswith("hugepages-") and "/" not in name:
        yield f"there is no resource {name}"
