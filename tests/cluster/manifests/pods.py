"""Pods: their volumes, probes, ends and rights."""

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from tests.cluster.manifests.objects import Container, Object, Objects, Pod
from tests.cluster.manifests.syntax import repeated

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")
_START_S = 30
"""Seconds that a container has to start, at least."""

_FIELDS = re.compile(
    r"metadata\.(name|namespace|uid|(labels|annotations)\['[^']+'\])"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIP|podIP)s?"
)
_ENDS = ("httpGet", "tcpSocket", "exec", "sleep")
_LEAST = {
    "periodSeconds": 1,
    "timeoutSeconds": 1,
    "failureThreshold": 1,
    "successThreshold": 1,
    "initialDelaySeconds": 0,
}
_READ = {"image", "configMap", "secret", "projected", "persistentVolumeClaim"}
_OF_MANY = {"ReadWriteMany", "ReadOnlyMany"}
_CONFIGURED = {"configMap": ("ConfigMap", "name"), "secret": ("Secret", "secretName")}


def volumes(objects: Objects) -> Iterator[str]:
    """Mounts without a volume, volumes that nobody mounts, and sources that are not there."""
    for pod in objects.pods:
        mounted = {str(each.get("name")) for one in pod.containers for each in one.mounts}
        for name in mounted - pod.volumes.keys():
            users = [one.name for one in pod.containers if name in _mounted(one)]
            yield f"{pod.title}: {users[0]} mounts {name}, which is no volume"
        for name in pod.volumes.keys() - mounted:
            yield f"{pod.title}: nobody mounts the volume {name}"
        for name, volume in pod.volumes.items():
            if len(volume.keys() - {"name"}) != 1:
                yield f"{pod.title}: the volume {name} has not one source"
            yield from _sources(objects, pod, volume)
    for container in objects.containers:
        yield from _paths(container)
        yield from _references(objects, container)


def _mounted(container: Container) -> list[str]:
    return [str(one.get("name")) for one in container.mounts]


def _sources(objects: Objects, pod: Pod, volume: Object) -> Iterator[str]:
    parts = [volume, *((volume.get("projected") or {}).get("sources") or [])]
    for part in parts:
        for source, (kind, key) in _CONFIGURED.items():
            given = part.get(source)
            if given is None or given.get("optional"):
                continue
            name = given.get(key) or given.get("name")
            found = objects.find(kind, str(name), pod.namespace)
            if not found:
                yield f"{pod.title}: there is no {kind}/{name}"
            for item in (given.get("items") or []) if found else []:
                if item.get("key") not in keys_of(found):
                    yield f"{pod.title}: {kind}/{name} has no {item.get('key')}"
            mode = given.get("defaultMode", 0o644)
            if not (mode & 0o004 or (pod.spec.get("securityContext") or {}).get("fsGroup")):
                yield f"{pod.title}: {kind}/{name} is root's, and nobody else may read it"
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    found = objects.find("PersistentVolumeClaim", str(claim), pod.namespace)
    if claim and not found:
        yield f"{pod.title}: there is no PersistentVolumeClaim/{claim}"
    modes = set((found or {}).get("spec", {}).get("accessModes") or [])
    if claim and found and objects.is_served(pod) and not modes & _OF_MANY:
        yield f"{pod.title}: pods on one node alone can mount PersistentVolumeClaim/{claim}"


def keys_of(configured: Object | None) -> set[str]:
    """Returns the keys of a ConfigMap or a Secret."""
    parts = ("data", "binaryData", "stringData")
    return {str(key) for part in parts for key in (configured or {}).get(part) or {}}


def _paths(container: Container) -> Iterator[str]:
    paths = [str(one.get("mountPath", "")) for one in container.mounts]
    for path in repeated(paths):
        yield f"{container.title} mounts two volumes at {path}"
    for one in container.mounts:
        volume = container.pod.volumes.get(str(one.get("name")), {})
        if not one.get("readOnly") and volume.keys() & _READ:
            yield f"{container.title} mounts {one.get('name')} to write to"
    for one, path in zip(container.mounts, paths, strict=True):
        if not path.startswith("/") or path == "/" or ":" in path or ".." in path.split("/"):
            yield f"{container.title}: {path!r} is no path to mount at"
        below = str(one.get("subPath", ""))
        if below.startswith("/") or ".." in below.split("/"):
            yield f"{container.title}: subPath {below!r} leads out of the volume"
    if container.pod.is_runtime:
        paths.append("/mnt/models")  # KServe's, which the runtime does not name
    for path in _named_paths(container):
        if not any(posixpath.commonpath([path, mount]) == mount for mount in paths if mount):
            yield f"{container.title}: {path} is in no volume of it"


def _named_paths(container: Container) -> Iterator[str]:
    """Yields the absolute paths in flags and variables."""
    given = [*container.words[1:], *(value or "" for value in container.env.values())]
    for text in given:
        value = text.removeprefix("ttrpc:").partition("=")[2] if text.startswith("--") else text
        value = value.removeprefix("ttrpc:")
        if value.startswith("/") and "\n" not in value:
            yield posixpath.normpath(value)


def _references(objects: Objects, container: Container) -> Iterator[str]:
    where = container.pod.namespace
    for one in container.spec.get("env") or []:
        source = one.get("valueFrom") or {}
        if "value" in one and source:
            yield f"{container.title}: {one.get('name')} has a value and is from elsewhere"
        path = (source.get("fieldRef") or {}).get("fieldPath")
        if path is not None and not _FIELDS.fullmatch(path):
            yield f"{container.title}: {one.get('name')}: a pod has no {path}"
        for kind, ref in _needed(source, "KeyRef"):
            if ref.get("key") not in keys_of(objects.find(kind, str(ref.get("name")), where)):
                yield f"{container.title}: there is no {kind}/{ref.get('name')}: {ref.get('key')}"
    for one in container.spec.get("envFrom") or []:
        for kind, ref in _needed(one, "Ref"):
            if not objects.find(kind, str(ref.get("name")), where):
                yield f"{container.title}: there is no {kind}/{ref.get('name')}"
    for path in _named_paths(container):
        yield from _file_in_config(objects, container, path)


def _needed(source: Object, ending: str) -> Iterator[tuple[str, Object]]:
    """Yields the kinds and references of what has to be there."""
    for begins, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        ref = source.get(f"{begins}{ending}")
        if ref and not ref.get("optional"):
            yield kind, ref


def _file_in_config(objects: Objects, container: Container, path: str) -> Iterator[str]:
    """A file that is named has to be in the ConfigMap that is mounted there."""
    for mount in container.mounts:
        place = str(mount.get("mountPath", "")).rstrip("/")
        source = container.pod.volumes.get(str(mount.get("name")), {}).get("configMap")
        if source and path.startswith(f"{place}/") and mount.get("subPath"):
            yield f"{container.title}: {path} is below {place}, which is one file"
        elif source and path.startswith(f"{place}/"):
            found = objects.find("ConfigMap", str(source.get("name")), container.pod.namespace)
            items = {str(one.get("path")) for one in source.get("items") or []}
            name = path.removeprefix(f"{place}/")
            if found and name not in (items or keys_of(found)):
                yield f"{container.title}: ConfigMap/{source.get('name')} has no {name}"


def probes(objects: Objects) -> Iterator[str]:
    """Probes with no handler or two, of ports that are not there, or that ask too often."""
    for container in objects.containers:
        given = {name: container.spec[name] for name in PROBES if container.spec.get(name)}
        if not container.stays and given:
            yield f"{container.title} runs to its end, and has a {next(iter(given))}"
        for name in PROBES if container.stays and objects.is_served(container.pod) else ():
            if name not in given:
                yield f"{container.title} has no {name}"
        for name, probe in given.items():
            for said in _probe(container, name, probe):
                yield f"{container.title}: {name} {said}"


def _probe(container: Container, name: str, probe: Object) -> Iterator[str]:
    handlers = [each for each in HANDLERS if probe.get(each) is not None]
    if len(handlers) != 1:
        yield f"has {len(handlers)} handlers: {', '.join(handlers) or 'none'}"
    for key, least in _LEAST.items():
        if key in probe and not (isinstance(probe[key], int) and probe[key] >= least):
            yield f"has {key}: {probe[key]!r}"
    start_s = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    if name == "startupProbe" and start_s < _START_S:
        yield f"gives up after {start_s} s"
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        yield "has a successThreshold, which has to be 1"
    if name == "readinessProbe" and "terminationGracePeriodSeconds" in probe:
        yield "ends nothing, and has a terminationGracePeriodSeconds"
    for each in handlers:
        yield from _handler(container, each, probe[each])


def _handler(container: Container, kind: str, handler: Object) -> Iterator[str]:
    if kind == "exec":
        if not handler.get("command"):
            yield "runs no command"
        elif container.is_gateway:
            yield "runs a command, and the gateway's image has none"
        return
    if kind == "httpGet" and not str(handler.get("path", "/")).startswith("/"):
        yield f"asks for {handler['path']!r}, which is no path"
    port = handler.get("port")
    if not is_open(container, port):
        yield f"asks at {port}, which is no port of it"


def is_open(container: Container, port: Any) -> bool:
    """Says whether a container has a port of this name or number."""
    return any(port in (one.get("name"), one.get("containerPort")) for one in container.ports)


def ends(objects: Objects) -> Iterator[str]:
    """Ends that are too soon: endpoints are removed while the pod ends, and SIGKILL follows."""
    for pod in objects.pods:
        grace = pod.spec.get("terminationGracePeriodSeconds", 30)
        for container in pod.containers:
            lifecycle = container.spec.get("lifecycle") or {}
            stop = lifecycle.get("preStop")
            if not container.stays and lifecycle:
                yield f"{container.title} runs to its end, and has a lifecycle"
            for name, hook in lifecycle.items():
                count = sum(hook.get(each) is not None for each in _ENDS)
                if name in ("preStop", "postStart") and count != 1:
                    yield f"{container.title}: {name} has {count} handlers"
            if container.is_gateway and stop and "exec" in stop:
                yield f"{container.title}: preStop runs a command, and the gateway's image has none"
            wait_s = ((stop or {}).get("sleep") or {}).get("seconds", 0)
            is_asked = objects.is_served(pod) or pod.is_runtime  # whose Service KServe makes
            if container.role == "main" and is_asked and not wait_s > 0:
                yield f"{container.title} has no preStop sleep, and loses what comes meanwhile"
            needed_s = wait_s + drain_s(container)
            if not grace > needed_s:
                yield f"{container.title}: {grace} s of grace are not more than {needed_s:g} s"


HAND_S = 30
"""Seconds that a gateway has for what it has in hand (gunicorn's `graceful_timeout`)."""


def drain_s(container: Container) -> float:
    """Returns the seconds that a container takes after SIGTERM, for all we know."""
    if not container.is_gateway:
        return 0
    try:
        return HAND_S + float(container.env.get("VITRINE_DRAIN_S") or 0)
    except ValueError:  # which another check tells
        return HAND_S


def restarts(objects: Objects) -> Iterator[str]:
    """Restart policies that a pod's owner does not take."""
    for pod in objects.pods:
        kind = pod.owner.get("kind")
        policy = pod.spec.get("restartPolicy", "Always")
        taken = {
            "Job": ("OnFailure", "Never"),
            "CronJob": ("OnFailure", "Never"),
            "Pod": ("Always", "OnFailure", "Never"),
        }.get(str(kind), ("Always",))
        if policy not in taken:
            yield f"{pod.title}: restartPolicy {policy!r} is none of {', '.join(taken)}"
        for one in pod.spec.get("initContainers") or []:
            if one.get("restartPolicy", "Always") != "Always":
                yield f"{pod.title}: {one.get('name')}: restartPolicy {one['restartPolicy']!r}"
        for one in pod.spec.get("containers") or []:
            if "restartPolicy" in one:
                yield f"{pod.title}: {one.get('name')} is no sidecar, and has a restartPolicy"
        if not pod.spec.get("containers"):
            yield f"{pod.title} has no container"


def order(objects: Objects) -> Iterator[str]:
    """Init containers that write what a sidecar before them reads."""
    for pod in objects.pods:
        read: dict[str, str] = {}
        for container in pod.containers:
            for mount in container.mounts:
                name = str(mount.get("name"))
                if container.role == "init" and not mount.get("readOnly") and name in read:
                    yield f"{container.title} writes {name}, and comes after {read[name]}"
                if container.role == "sidecar":
                    read[name] = container.name
