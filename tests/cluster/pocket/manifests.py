"""Manifests as Kubernetes reads them: the fields that decide when a pod starts, serves and ends.

Defaults are those of Kubernetes' API reference. A field that the pocket cluster does not play, and
that would change the order of events, is refused rather than ignored.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Object = Mapping[str, Any]
Labels = Mapping[str, str]

_HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")


class ManifestError(ValueError):
    """Manifest that cannot be played."""


@dataclass(frozen=True)
class Probe:
    """Probe of a container; `kind` is the name of its handler."""

    kind: str
    port: int = 0
    path: str = "/"
    command: tuple[str, ...] = ()
    initial_delay_s: float = 0
    period_s: float = 10
    timeout_s: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3


@dataclass(frozen=True)
class Hook:
    """preStop hook: sleeps, or runs a command in the container."""

    sleep_s: float = 0
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """Container of a pod; `volumes` are names of volumes by the path that they are mounted at."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    own_fields: Mapping[str, str] = field(default_factory=dict)
    """Variables that are fields of the pod, such as its address, by the field's path."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None
    pre_stop: Hook | None = None
    is_sidecar: bool = False


@dataclass(frozen=True)
class Template:
    """Pod as a Deployment makes it."""

    labels: Labels
    first: tuple[Container, ...]
    """Init containers and sidecars, in the order in which they start."""
    containers: tuple[Container, ...]
    grace_s: float = 30
    service_links: bool = True
    configs: Mapping[str, Labels] = field(default_factory=dict)
    """Contents of files by their names, by the name of a volume that is a ConfigMap."""


@dataclass(frozen=True)
class Deployment:
    """Deployment; of `max_surge` and `max_unavailable` each number or percentage is as written."""

    name: str
    replicas: int
    selector: Labels
    template: Template
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"
    min_ready_s: float = 0

    def surge(self, replicas: int) -> int:
        """Returns how many pods more than `replicas` there may be: a percentage is rounded up."""
        return _share(self.max_surge, replicas, math.ceil)

    def unavailable(self, replicas: int) -> int:
        """Returns how many of `replicas` may be away: a percentage is rounded down; one where
        nothing could move otherwise."""
        away = _share(self.max_unavailable, replicas, math.floor)
        return away if away or self.surge(replicas) else 1


@dataclass(frozen=True)
class Service:
    """Service: the pods that it selects are its endpoints."""

    name: str
    selector: Labels
    port: int
    target_port: int | str
    is_headless: bool
    has_unready: bool = False

    def selects(self, labels: Labels) -> bool:
        """Says whether a pod with these labels is one of its endpoints."""
        return selects(self.selector, labels)


@dataclass(frozen=True)
class Manifests:
    """Deployments and Services by name."""

    deployments: Mapping[str, Deployment]
    services: Mapping[str, Service]


def selects(selector: Labels, labels: Labels) -> bool:
    """Says whether a selector, which is not empty, matches labels."""
    return bool(selector) and selector.items() <= labels.items()


def read(path: Path) -> Manifests:
    """Returns what a file of rendered manifests has. Raises `ManifestError`."""
    objects = [each for each in yaml.safe_load_all(path.read_text()) if each]
    configs = {
        each["metadata"]["name"]: each.get("data", {})
        for each in objects
        if each["kind"] == "ConfigMap"
    }
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"].get("minReplicas", 1)
        for each in objects
        if each["kind"] == "HorizontalPodAutoscaler"
    }
    deployments = (_deployment(one, configs, scaled) for one in _of_kind(objects, "Deployment"))
    services = (_service(one) for one in _of_kind(objects, "Service"))
    return Manifests({one.name: one for one in deployments}, {one.name: one for one in services})


def _of_kind(objects: Sequence[Object], kind: str) -> Iterator[Object]:
    return (each for each in objects if each["kind"] == kind)


def _deployment(
    made: Object, configs: Mapping[str, Labels], scaled: Mapping[str, int]
) -> Deployment:
    name, spec = made["metadata"]["name"], made["spec"]
    strategy = spec.get("strategy", {})
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        raise ManifestError(f"{name}: only rolling updates are played")
    template = _template(spec["template"], configs)
    selector = _selector(name, spec["selector"])
    if not selects(selector, template.labels):
        raise ManifestError(f"{name}: its selector does not match the labels of its pods")
    return Deployment(
        name,
        spec.get("replicas", scaled.get(name, 1)),
        selector,
        template,
        **_given(
            strategy.get("rollingUpdate", {}),
            {"maxSurge": "max_surge", "maxUnavailable": "max_unavailable"},
        ),
        min_ready_s=spec.get("minReadySeconds", 0),
    )


def _selector(name: str, selector: Object) -> Labels:
    if set(selector) != {"matchLabels"}:
        raise ManifestError(f"{name}: only a selector's matchLabels are played")
    labels: Labels = selector["matchLabels"]
    return labels


def _template(template: Object, configs: Mapping[str, Labels]) -> Template:
    spec = template["spec"]
    return Template(
        template.get("metadata", {}).get("labels", {}),
        tuple(_container(one, configs) for one in spec.get("initContainers", ())),
        tuple(_container(one, configs) for one in spec["containers"]),
        spec.get("terminationGracePeriodSeconds", 30),
        spec.get("enableServiceLinks", True),
        {
            each["name"]: configs[each["configMap"]["name"]]
            for each in spec.get("volumes", ())
            if "configMap" in each
        },
    )


def _container(made: Object, configs: Mapping[str, Labels]) -> Container:
    name, ports = (
        made["name"],
        {each["name"]: each["containerPort"] for each in made.get("ports", ()) if "name" in each},
    )
    if "postStart" in made.get("lifecycle", {}):
        raise ManifestError(f"{name}: a postStart hook is not played")
    environment, own_fields = _environment(made, configs)
    probes = {
        kind: made.get(f"{kind}Probe") and _probe(name, made[f"{kind}Probe"], ports)
        for kind in ("startup", "readiness", "liveness")
    }
    return Container(
        name,
        made["image"],
        tuple(map(str, made.get("command", ()))),
        tuple(map(str, made.get("args", ()))),
        environment,
        own_fields,
        {each["mountPath"]: each["name"] for each in made.get("volumeMounts", ())},
        pre_stop=_hook(name, made.get("lifecycle", {}).get("preStop")),
        is_sidecar=made.get("restartPolicy") == "Always",
        **probes,
    )


def _environment(
    made: Object, configs: Mapping[str, Labels]
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns a container's variables, and those that are fields of its pod."""
    values: dict[str, str] = {}
    for each in made.get("envFrom", ()):
        if "configMapRef" in each:
            prefix = each.get("prefix", "")
            found = configs.get(each["configMapRef"]["name"], {})
            values |= {prefix + key: str(value) for key, value in found.items()}
    fields: dict[str, str] = {}
    for each in made.get("env", ()):
        given = each.get("valueFrom", {})
        if "fieldRef" in given:
            fields[each["name"]] = given["fieldRef"]["fieldPath"]
        elif "configMapKeyRef" in given:
            key = given["configMapKeyRef"]
            values[each["name"]] = str(configs[key["name"]][key["key"]])
        elif not given:  # secrets and resources are not played
            values[each["name"]] = str(each.get("value", ""))
    return values, fields


def _probe(container: str, made: Object, ports: Mapping[str, int]) -> Probe:
    kinds = [kind for kind in _HANDLERS if kind in made]
    if len(kinds) != 1:
        raise ManifestError(f"{container}: a probe has one of {', '.join(_HANDLERS)}")
    handler, port = made[kinds[0]], made[kinds[0]].get("port", 0)
    if isinstance(port, str) and port not in ports:
        raise ManifestError(f"{container}: a probe's port {port} is none of its own")
    return Probe(
        kinds[0],
        ports[port] if isinstance(port, str) else port,
        **_given(handler, {"path": "path"}),
        command=tuple(handler.get("command", ())),
        **_given(
            made,
            {
                "initialDelaySeconds": "initial_delay_s",
                "periodSeconds": "period_s",
                "timeoutSeconds": "timeout_s",
                "successThreshold": "success_threshold",
                "failureThreshold": "failure_threshold",
            },
        ),
    )


def _hook(container: str, made: Object | None) -> Hook | None:
    if made is None:
        return None
    if "sleep" in made:
        return Hook(sleep_s=made["sleep"]["seconds"])
    if "exec" in made:
        return Hook(command=tuple(made["exec"]["command"]))
    raise ManifestError(f"{container}: of preStop hooks only sleep and exec are played")


def _service(made: Object) -> Service:
    spec = made["spec"]
    port = spec["ports"][0]
    return Service(
        made["metadata"]["name"],
        spec.get("selector", {}),
        port["port"],
        port.get("targetPort", port["port"]),
        spec.get("clusterIP") == "None",
        spec.get("publishNotReadyAddresses", False),
    )


def _given(made: Object, names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the fields that are there, by our names."""
    return {ours: made[theirs] for theirs, ours in names.items() if theirs in made}


def _share(written: int | str, replicas: int, rounded: Any) -> int:
    if isinstance(written, int):
        return written
    return int(rounded(int(written.rstrip("%")) * replicas / 100))
