"""Protocols of ports: who asks at a port speaks what is spoken there, HTTP or gRPC."""

import re
from collections.abc import Iterator

from tests.cluster.manifests.objects import RUNTIMES, Container, Object, Objects, Pod, title
from tests.cluster.manifests.service import addresses_of, flag
from vitrine_serving.gateway.settings import FIELDS

HTTP, GRPC = "HTTP", "gRPC"
_ASKED = {"httpGet": HTTP, "grpc": GRPC}
_ROUTED = {"HTTPRoute": HTTP, "GRPCRoute": GRPC}
_OPEN_INFERENCE = "inference.GRPCInferenceService"
_NAMES = {"http": HTTP, "rest": HTTP, "grpc": GRPC, "h2c": GRPC}
"""Protocols by how the name of a port begins."""


def spoken(container: Container) -> dict[int, str]:
    """Returns what one of our containers speaks at each port that it listens at."""
    if container.is_gateway or "VITRINE_PORT" in container.env:
        given = {
            HTTP: container.env.get("VITRINE_PORT") or "8080",
            GRPC: container.env.get("VITRINE_V2_GRPC_PORT") or "0",
        }
    elif container.is_model_server:
        given = {
            GRPC: flag(container, "port") or "8500",
            HTTP: flag(container, "rest_api_port") or "0",
        }
    else:
        given = {}
    return {int(port): name for name, port in given.items() if port.isdigit() and port != "0"}


def probes(objects: Objects) -> Iterator[str]:
    """Probes by HTTP of a port that speaks gRPC, and the other way round."""
    for container in objects.containers:
        numbers = {one.get("name"): one.get("containerPort") for one in container.ports}
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.spec.get(name) or {}
            for kind, protocol in _ASKED.items():
                port = (probe.get(kind) or {}).get("port")
                said = spoken(container).get(numbers.get(port, port), protocol)
                if said != protocol:
                    yield f"{container.title}: {name} asks by {protocol} at {port}, which is {said}"


def _of_pod(pod: Pod, wanted: int | str) -> str | None:
    """Returns what a pod speaks at a port, by its name or number."""
    number = pod.port(wanted)
    found = (spoken(one).get(number) for one in pod.containers if number and one.stays)
    return next(filter(None, found), None)


def _behind(objects: Objects, service: Object, port: Object) -> set[str]:
    """Returns what the pods behind a Service's port speak there."""
    target = port.get("targetPort", port.get("port"))
    found = (_of_pod(pod, target) for pod in objects.behind(service))
    return {one for one in found if one}


def services(objects: Objects) -> Iterator[str]:
    """Ports of Services whose names say another protocol than their pods speak."""
    for one in objects.of("Service"):
        for port in one["spec"].get("ports") or []:
            name = str(port.get("name", ""))
            wanted = next((_NAMES[each] for each in _NAMES if name.startswith(each)), None)
            for said in _behind(objects, one, port) if wanted else ():
                if said != wanted:
                    yield f"{title(one)}: {name} leads to a port that speaks {said}"
            if port.get("appProtocol") == "kubernetes.io/h2c" and wanted == HTTP:
                yield f"{title(one)}: {name} is said to be HTTP/2"


def routes(objects: Objects) -> Iterator[str]:
    """Routes to a port of the other protocol, of calls that there are not, or that end too soon."""
    for one in objects.of(*_ROUTED):
        for rule in one["spec"].get("rules") or []:
            for ref in rule.get("backendRefs") or []:
                where = ref.get("namespace", one["metadata"].get("namespace", ""))
                service = objects.find("Service", str(ref.get("name")), where) or {}
                for port in service.get("spec", {}).get("ports") or []:
                    if port.get("port") == ref.get("port"):
                        for said in _behind(objects, service, port) - {_ROUTED[one["kind"]]}:
                            yield f"{title(one)}: {ref['name']} speaks {said} at {ref['port']}"
            for match in rule.get("matches") or [] if one["kind"] == "GRPCRoute" else ():
                called = (match.get("method") or {}).get("service", _OPEN_INFERENCE)
                if called != _OPEN_INFERENCE:
                    yield f"{title(one)}: gateways have no calls of {called}"
            yield from (f"{title(one)}: {said}" for said in _times(rule))


def _times(rule: Object) -> Iterator[str]:
    """What a gateway takes by its own settings has to fit into a route's time."""
    least_s = sum(FIELDS[f"{name}_timeout_s"].default for name in ("body", "request"))
    for name, text in (rule.get("timeouts") or {}).items():
        found = re.fullmatch(r"(\d+)s", str(text))
        if found and 0 < int(found[1]) <= least_s:
            yield f"{name} ends after {text}, and gateways take up to {least_s:g} s"


def asked(objects: Objects) -> Iterator[str]:
    """Model servers that a gateway is to ask at a port that speaks no gRPC."""
    for container in objects.containers:
        for address in addresses_of(container) if container.is_gateway else ():
            host, _, port = address.rpartition(":")
            service = objects.find("Service", host.partition(".")[0], container.pod.namespace)
            pods = objects.behind(service) if service else [container.pod]
            for pod in pods if port.isdigit() else ():
                if _of_pod(pod, int(port)) == HTTP:
                    yield f"{container.title}: {address} speaks {HTTP}, and is asked by {GRPC}"


def runtimes(objects: Objects) -> Iterator[str]:
    """Ports of KServe's runtimes, and of InferenceServices, that nobody listens at."""
    for pod in objects.pods:
        for container in pod.containers if pod.is_runtime else ():
            for port in container.ports:
                yield from (f"{pod.title}: {said}" for said in _port(container, port))
            told = (pod.spec.get("annotations") or {}).get("prometheus.kserve.io/port")
            if told and spoken(container).get(int(told)) != HTTP:
                yield f"{pod.title}: nobody has metrics at {told}"
    for one in objects.of("InferenceService"):
        model = one["spec"].get("predictor", {}).get("model") or {}
        of = [pod for pod in objects.pods if pod.owner["metadata"]["name"] == model.get("runtime")]
        for pod in of:
            for port in model.get("ports") or [] if pod.owner["kind"] in RUNTIMES else ():
                for said in _port(pod.containers[0], port):
                    yield f"{title(one)}: {said}"


def _port(container: Container, port: Object) -> Iterator[str]:
    number, name = port.get("containerPort"), str(port.get("name", ""))
    said = spoken(container).get(number or 0)
    if said is None:
        yield f"nobody listens at {number}"
    elif _NAMES["h2c" if name == "h2c" else "http"] != said:
        yield f"{name} is a port that speaks {said}"
