"""References between objects: selectors, ports, targets of scalers, routes and monitors."""

import math
import re
from collections.abc import Iterator
from typing import Any

from tests.cluster.manifests.objects import (
    Object,
    Objects,
    Pod,
    matches,
    namespace,
    title,
    walk,
)
from tests.cluster.manifests.syntax import quantity

_SELECTING = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_SCALED = ("Deployment", "StatefulSet")
_TOPOLOGIES = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
_PERCENT = re.compile(r"\d{1,3}%")


def workloads(objects: Objects) -> Iterator[str]:
    """Workloads that do not select their own pods, or another's; and how they are replaced."""
    for pod in objects.pods:
        kind = pod.owner.get("kind")
        if kind not in _SELECTING:
            continue
        selector = pod.owner["spec"].get("selector")
        if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
            yield f"{pod.title} selects no pods by name"
        elif not matches(selector, pod.labels):
            yield f"{pod.title}: its selector does not match the labels of its pods"
        for other in objects.selected(selector, pod.namespace):
            if other is not pod:
                yield f"{pod.title}: its selector matches the pods of {other.title} as well"
        yield from _history(pod)
        yield from _strategy(pod)
        yield from _spread(objects, pod)


def _history(pod: Pod) -> Iterator[str]:
    spec = pod.owner["spec"]
    if spec.get("revisionHistoryLimit", 10) < 1:
        yield f"{pod.title} keeps no revision, and so cannot be rolled back"
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        yield f"{pod.title}: progressDeadlineSeconds is not more than minReadySeconds"


def _strategy(pod: Pod) -> Iterator[str]:
    strategy = pod.owner["spec"].get("strategy") or {}
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling:
        yield f"{pod.title}: Recreate has no rollingUpdate"
    if pod.owner.get("kind") == "Deployment":
        if strategy.get("type") == "Recreate":
            yield f"{pod.title} is Recreate, which leaves nobody to ask"
        given = [(rolling or {}).get(each, "25%") for each in ("maxSurge", "maxUnavailable")]
        for each in given:
            if not _is_share(each):
                yield f"{pod.title}: rollingUpdate {each!r} is no number and no share"
        if all(str(each) in ("0", "0%") for each in given):
            yield f"{pod.title}: no pod may be more, and none fewer, in a rollingUpdate"
        if str(given[1]) not in ("0", "0%"):
            yield f"{pod.title}: a rolling update takes away pods before others are ready"


def _is_share(value: Any) -> bool:
    return (isinstance(value, int) and value >= 0) or bool(_PERCENT.fullmatch(str(value)))


def _spread(objects: Objects, pod: Pod) -> Iterator[str]:
    constraints = pod.spec.get("topologySpreadConstraints") or []
    for key in _TOPOLOGIES - {one.get("topologyKey") for one in constraints}:
        yield f"{pod.title} has no topologySpreadConstraint of {key}"
    for one in constraints:
        if not matches(one.get("labelSelector"), pod.labels):
            yield f"{pod.title}: a topologySpreadConstraint does not match its own pods"
        for other in objects.selected(one.get("labelSelector"), pod.namespace):
            if other is not pod:
                yield f"{pod.title}: a topologySpreadConstraint counts the pods of {other.title}"
        if one.get("topologyKey") not in _TOPOLOGIES:
            yield f"{pod.title}: nodes have no label {one.get('topologyKey')!r}"
        if not (isinstance(one.get("maxSkew"), int) and one["maxSkew"] >= 1):
            yield f"{pod.title}: maxSkew {one.get('maxSkew')!r}"


def services(objects: Objects) -> Iterator[str]:
    """Services of no pod, or of ports that its pods have not."""
    for one in objects.of("Service"):
        spec = one.get("spec") or {}
        if spec.get("type") == "ExternalName":
            continue
        found = objects.behind(one)
        if not found:
            yield f"{title(one)}: its selector matches no pod"
        ports = spec.get("ports") or []
        yield from (f"{title(one)} {said}" for said in _traffic(spec))
        if not ports:
            yield f"{title(one)} has no port"
        if len(ports) > 1 and not all(port.get("name") for port in ports):
            yield f"{title(one)} has several ports, and one without a name"
        for port in ports:
            target = port.get("targetPort", port.get("port"))
            for pod in found:
                if pod.port(target) is None:
                    yield f"{title(one)}: {pod.title} has no port {target}"


def _traffic(spec: Object) -> Iterator[str]:
    if spec.get("publishNotReadyAddresses"):
        yield "has the addresses of pods that are not ready"
    if spec.get("internalTrafficPolicy") == "Local":
        yield "refuses who is on a node without such a pod"


def service_port(objects: Objects, name: str, port: int | str, where: str) -> str:
    """Returns what is wrong with a port of a Service that somebody names, "" where nothing is."""
    found = objects.find("Service", name, where)
    if not found:
        return f"there is no Service/{name}"
    ports = found["spec"].get("ports") or []
    if not any(port in (one.get("port"), one.get("name")) for one in ports):
        return f"Service/{name} has no port {port}"
    return ""


def budgets(objects: Objects) -> Iterator[str]:
    """PodDisruptionBudgets of no pod, that let nobody go, or of pods that have none."""
    budgeted: list[Pod] = []
    for one in objects.of("PodDisruptionBudget"):
        spec = one.get("spec") or {}
        found = objects.selected(spec.get("selector") or None, namespace(one))
        if not found:
            yield f"{title(one)}: its selector matches no pod"
        given = [spec[each] for each in ("minAvailable", "maxUnavailable") if each in spec]
        if len(given) != 1 or not _is_share(given[0]):
            yield f"{title(one)} has not one of minAvailable and maxUnavailable"
        if str(spec.get("maxUnavailable")) in ("0", "0%") or spec.get("minAvailable") == "100%":
            yield f"{title(one)} lets no pod go, and no node be drained"
        for pod in found:
            least = _replicas(objects, pod)
            if (kept := _kept(spec.get("minAvailable", 0), least)) >= least:
                yield f"{title(one)} keeps {kept} of {least} pods"
            if pod in budgeted:
                yield f"{pod.title} has two PodDisruptionBudgets, and so cannot be evicted"
        budgeted += found
    for pod in objects.pods:
        if pod.owner.get("kind") in _SCALED and objects.is_served(pod) and pod not in budgeted:
            yield f"{pod.title} has no PodDisruptionBudget"


def _kept(given: int | str, least: int) -> int:
    """Returns how many of `least` pods a budget keeps: a share of them is rounded up."""
    return given if isinstance(given, int) else math.ceil(int(given.rstrip("%")) * least / 100)


def _replicas(objects: Objects, pod: Pod) -> int:
    """Returns the fewest pods that a workload has."""
    for one in _scalers(objects, pod):
        spec = one["spec"]
        return int(spec.get("minReplicas", spec.get("minReplicaCount", 1)))
    return int(pod.owner["spec"].get("replicas", 1))


def _scalers(objects: Objects, pod: Pod) -> list[Object]:
    return [
        one
        for one in objects.of("HorizontalPodAutoscaler", "ScaledObject")
        if namespace(one) == pod.namespace and _scaled(objects, one) is pod
    ]


def _scaled(objects: Objects, one: Object) -> Pod | None:
    ref = one["spec"].get("scaleTargetRef") or {}
    defaults = ("apps/v1", "Deployment") if one.get("kind") == "ScaledObject" else (None, None)
    wanted = ref.get("apiVersion", defaults[0]), ref.get("kind", defaults[1]), ref.get("name")
    for pod in objects.pods:
        owner = pod.owner
        given = owner.get("apiVersion"), owner.get("kind"), owner.get("metadata", {}).get("name")
        if given == wanted and pod.namespace == namespace(one):
            return pod
    return None


def scaling(objects: Objects) -> Iterator[str]:
    """Scalers of no workload, two for one, or whose numbers somebody else sets as well."""
    for one in objects.of("HorizontalPodAutoscaler", "ScaledObject"):
        pod = _scaled(objects, one)
        yield from (f"{title(one)}: {said}" for said in _scaler(one["spec"]))
        if pod is None:
            yield f"{title(one)}: there is no {'/'.join(_named(one['spec']))}"
            continue
        if len(_scalers(objects, pod)) > 1:
            yield f"{pod.title} has several scalers, {title(one)} among them"
        if "replicas" in pod.owner["spec"]:
            yield f"{pod.title} has replicas, which {title(one)} sets"
        for metric in one["spec"].get("metrics") or []:
            yield from (f"{title(one)}: {said}" for said in _metric(pod, metric))
        for trigger in one["spec"].get("triggers") or []:
            yield from (f"{title(one)}: {said}" for said in _trigger(pod, trigger))
    for pod in filter(objects.is_served, objects.pods):
        if pod.owner.get("kind") in _SCALED and _replicas(objects, pod) < 2:
            yield f"{pod.title} is one pod, and nobody answers while it is replaced"


def _scaler(spec: Object) -> Iterator[str]:
    least = spec.get("minReplicas", spec.get("minReplicaCount", 1))
    most = spec.get("maxReplicas", spec.get("maxReplicaCount", 100))
    if not 0 < least <= most:
        yield f"scales from {least} to {most}"
    if not (spec.get("metrics") or spec.get("triggers")):
        yield "has no metric"
    yield from _behavior(spec.get("behavior") or {})


def _behavior(behavior: Object) -> Iterator[str]:
    for name, rules in behavior.items():
        window = rules.get("stabilizationWindowSeconds", 0)
        if not 0 <= window <= 3600:
            yield f"{name}: stabilizationWindowSeconds {window} is not from 0 to 3600"
        if not rules.get("policies") and rules.get("selectPolicy") != "Disabled":
            yield f"{name} has no policy"
        for policy in rules.get("policies") or []:
            if not (policy.get("value", 0) > 0 and 0 < policy.get("periodSeconds", 0) <= 1800):
                yield f"{name}: a policy of {policy.get('value')} a {policy.get('periodSeconds')} s"


def _named(spec: Object) -> list[str]:
    ref = spec.get("scaleTargetRef") or {}
    return [str(ref.get("kind", "Deployment")), str(ref.get("name"))]


_SOURCE = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}
_VALUES = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}


def _metric(pod: Pod, metric: Object) -> Iterator[str]:
    kind = str(metric.get("type"))
    if metric.keys() - {"type"} != {_SOURCE.get(kind)}:
        yield f"a metric of type {kind} has {', '.join(metric.keys() - {'type'}) or 'nothing'}"
        return
    source = metric[_SOURCE[kind]]
    target = source.get("target") or {}
    if target.keys() - {"type"} != {_VALUES.get(str(target.get("type")))}:
        yield f"a target of type {target.get('type')} has {', '.join(target.keys() - {'type'})}"
    utilization = target.get("averageUtilization", 1)
    if not (isinstance(utilization, int) and 0 < utilization <= 100):
        yield f"averageUtilization {utilization!r}"
    if kind == "ContainerResource":
        yield from _requested(pod, source.get("container"), source.get("name"))
    if kind == "Resource":
        for container in pod.containers:
            if container.stays:
                yield from _requested(pod, container.name, source.get("name"))


def _requested(pod: Pod, name: Any, resource: Any) -> Iterator[str]:
    found = [one for one in pod.containers if one.name == name and one.stays]
    if not found:
        yield f"{pod.title} has no container {name}"
    for one in found:
        if resource not in ((one.spec.get("resources") or {}).get("requests") or {}):
            yield f"{one.title} requests no {resource}, of which this is a share"


def _trigger(pod: Pod, trigger: Object) -> Iterator[str]:
    given = trigger.get("metadata") or {}
    if trigger.get("type") in ("cpu", "memory"):
        if name := given.get("containerName"):
            yield from _requested(pod, name, trigger["type"])
        if trigger.get("metricType") not in ("Utilization", "AverageValue"):
            yield f"{trigger['type']} has the metricType {trigger.get('metricType')!r}"
        if not quantity(given.get("value")):
            yield f"value {given.get('value')!r} is no number"
    elif trigger.get("type") == "prometheus":
        if not given.get("query"):
            yield "asks Prometheus for nothing"
        if not quantity(given.get("threshold")):
            yield f"threshold {given.get('threshold')!r} is no number"
        if not str(given.get("serverAddress", "")).startswith(("http://", "https://")):
            yield f"serverAddress {given.get('serverAddress')!r} is no address"


def routes(objects: Objects) -> Iterator[str]:
    """Routes to no Service, or to a port that it has not."""
    for one in objects.of("HTTPRoute", "GRPCRoute"):
        if not one["spec"].get("parentRefs"):
            yield f"{title(one)} names no Gateway"
        for rule in one["spec"].get("rules") or []:
            for ref in rule.get("backendRefs") or []:
                where = ref.get("namespace", namespace(one))
                said = service_port(objects, ref.get("name"), ref.get("port"), where)
                if said:
                    yield f"{title(one)}: {said}"


def monitors(objects: Objects) -> Iterator[str]:
    """Monitors of no Service or pod, or of a port that they have not."""
    for one in objects.of("ServiceMonitor"):
        found = [
            each
            for each in objects.of("Service")
            if namespace(each) == namespace(one)
            and matches(one["spec"].get("selector"), each["metadata"].get("labels") or {})
        ]
        names = {port.get("name") for each in found for port in each["spec"].get("ports") or []}
        yield from _endpoints(one, "endpoints", bool(found), names)
    for one in objects.of("PodMonitor"):
        pods = objects.selected(one["spec"].get("selector"), namespace(one))
        names = {port.get("name") for pod in pods for each in pod.containers for port in each.ports}
        yield from _endpoints(one, "podMetricsEndpoints", bool(pods), names)


def _endpoints(one: Object, key: str, found: bool, names: set[Any]) -> Iterator[str]:
    if not found:
        yield f"{title(one)}: its selector matches nothing"
    for endpoint in one["spec"].get(key) or []:
        if endpoint.get("port") not in names:
            yield f"{title(one)}: there is no port {endpoint.get('port')}"


NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
_HOLDS = "vitrine/model-server"
_MADE = ("ConfigMap", "Namespace")
"""Kinds without labels of ours."""


def labels(objects: Objects) -> Iterator[str]:
    """Selectors that would match the pods of others, and labels that say two things."""
    for one in objects:
        for path, value in walk(one):
            if path[-1:] and path[-1] in _SELECTORS and isinstance(value, dict):
                of_labels = value.get("matchLabels") or {}
                if NAME not in (value if one.get("kind") == "Service" else of_labels):
                    yield f"{title(one)}: {path[-1]} has no {NAME}, and so matches pods of others"
        given = one.get("metadata", {}).get("labels") or {}
        if one.get("kind") not in _MADE and NAME not in given:
            yield f"{title(one)} has no label {NAME}"
    for pod in objects.pods:
        if not pod.is_runtime:
            yield from _told(objects, pod)


def _told(objects: Objects, pod: Pod) -> Iterator[str]:
    """A workload's own labels, by which components find it, are those of its pods."""
    given = pod.owner.get("metadata", {}).get("labels") or {}
    for key in (NAME, COMPONENT):
        if given.get(key) != pod.labels.get(key):
            yield f"{pod.title}: {key} is {given.get(key)!r}, and {pod.labels.get(key)!r} of pods"
    roles = [one.role for one in pod.containers if one.is_model_server]
    holds = {"sidecar": "sidecar", "main": "alone"}.get(roles[0]) if roles else None
    for owner in (pod.owner, *_scalers(objects, pod)):
        told = (owner["metadata"].get("labels") or {}).get(_HOLDS)
        if told != holds and owner.get("kind") != "ScaledObject":
            yield f"{title(owner)}: {_HOLDS} is {told!r}, and its model server {holds!r}"


_SELECTORS = ("selector", "podSelector", "labelSelector")


def accounts(objects: Objects) -> Iterator[str]:
    """ServiceAccounts that are not there, and ConfigMaps that nobody reads."""
    for pod in objects.pods:
        name = pod.spec.get("serviceAccountName", "default")
        if name != "default" and not objects.find("ServiceAccount", name, pod.namespace):
            yield f"{pod.title}: there is no ServiceAccount/{name}"
    used = str([pod.template for pod in objects.pods])
    for one in objects.of("ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount"):
        if f"'{one['metadata']['name']}'" not in used:
            yield f"{title(one)}: no pod names it"
    for one in objects.of("Secret"):
        if one.get("data") or one.get("stringData"):
            yield f"{title(one)}: a secret stands in the manifests"


def namespaces(objects: Objects) -> Iterator[str]:
    """Objects that are applied to other namespaces than the rest."""
    found = {namespace(one) for one in objects if one.get("kind") not in _OF_CLUSTERS}
    if len(found) > 1:
        listed = ", ".join(sorted(each or "-" for each in found))
        yield f"objects are in several namespaces: {listed}"
    for one in objects.of("Namespace"):
        if found - {one["metadata"]["name"]}:
            yield f"{title(one)}: the rest is elsewhere"


_OF_CLUSTERS = ("Namespace", "ClusterServingRuntime", "ClusterRole", "ClusterRoleBinding")
