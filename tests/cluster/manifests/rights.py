"""Rights and resources of pods: no more than the Pod Security Standard "restricted" allows."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.cluster.manifests.objects import Container, Objects, Pod
from tests.cluster.manifests.syntax import quantity

_POD = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
}
_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
}
_NEVER = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
_SOURCES = {"configMap", "emptyDir", "image", "persistentVolumeClaim", "projected", "secret", "csi"}


def rights(objects: Objects) -> Iterator[str]:
    """Rights that a pod does not need."""
    for pod in objects.pods:
        yield from _of_pod(pod)
        for container in pod.containers:
            yield from (f"{container.title}: {said}" for said in _of_container(container))


def _of_pod(pod: Pod) -> Iterator[str]:
    for name, wanted in _POD.items() if not pod.is_runtime else ():
        if pod.spec.get(name) is not wanted:
            yield f"{pod.title}: {name} is not {str(wanted).lower()}"
    for name in _NEVER:
        if pod.spec.get(name):
            yield f"{pod.title} has {name}"
    for name, volume in pod.volumes.items():
        for source in volume.keys() - {"name"} - _SOURCES:
            yield f"{pod.title}: the volume {name} is a {source}"


def _of_container(container: Container) -> Iterator[str]:
    own = container.spec.get("securityContext") or {}
    for name, wanted in _CONTAINER.items():
        if own.get(name) is not wanted:
            yield f"{name} is not {str(wanted).lower()}"
    if own.get("privileged"):
        yield "is privileged"
    if own.get("procMount", "Default") != "Default":
        yield "has a procMount"
    if any(port.get("hostPort") for port in container.ports):
        yield "has a port of the node"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield "does not drop ALL capabilities"
    if added := capabilities.get("add"):
        yield f"has the capabilities {', '.join(added)}"
    yield from _of_user(container)


def _of_user(container: Container) -> Iterator[str]:
    if _effective(container, "runAsNonRoot") is not True:
        yield "may run as root"
    for name in ("runAsUser", "runAsGroup"):
        value = _effective(container, name)
        if not isinstance(value, int) or value == 0:
            yield f"{name} is {value!r}"
    profile = _effective(container, "seccompProfile") or {}
    if profile.get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccompProfile"


def _effective(container: Container, name: str) -> Any:
    """Returns a value that a container has of its own, or else of its pod."""
    pods = container.pod.spec.get("securityContext") or {}
    return (container.spec.get("securityContext") or {}).get(name, pods.get(name))


def resources(objects: Objects) -> Iterator[str]:
    """Requests and limits that are missing: of memory both, of processors a request alone, as a
    limit makes a burst wait."""
    for container in objects.containers:
        given = container.spec.get("resources") or {}
        limits, requests = given.get("limits") or {}, given.get("requests") or {}
        for name, part, what in (
            ("cpu", requests, "request"),
            ("memory", requests, "request"),
            ("memory", limits, "limit"),
        ):
            if name not in part:
                yield f"{container.title} has no {what} of {name}"
        if "cpu" in limits:
            yield f"{container.title} has a limit of cpu"


def writing(objects: Objects) -> Iterator[str]:
    """Containers on a read-only root without a place for temporary files, and volumes in memory
    without a size."""
    for container in objects.containers:
        if (container.is_gateway or container.is_model_server) and not _writes(container, "/tmp"):  # noqa: S108
            yield f"{container.title} has no /tmp to write to"
        yield from _in_memory(container)
    for pod in objects.pods:
        for name, volume in pod.volumes.items():
            if "emptyDir" in volume and not (volume["emptyDir"] or {}).get("sizeLimit"):
                yield f"{pod.title}: the volume {name} has no sizeLimit"


def _in_memory(container: Container) -> Iterator[str]:
    """What a container writes to volumes in memory counts as its own memory."""
    limits = (container.spec.get("resources") or {}).get("limits") or {}
    limit, written = quantity(limits.get("memory")), Decimal(0)
    for mount in container.mounts:
        volume = container.pod.volumes.get(str(mount.get("name")), {}).get("emptyDir") or {}
        if volume.get("medium") == "Memory" and not mount.get("readOnly"):
            written += quantity(volume.get("sizeLimit")) or 0
    if limit is not None and written > limit / 2:
        yield f"{container.title}: volumes in memory take over half of its {limits['memory']}"


def _writes(container: Container, path: str) -> bool:
    for mount in container.mounts:
        volume = container.pod.volumes.get(str(mount.get("name")), {})
        if mount.get("mountPath") == path and "emptyDir" in volume and not mount.get("readOnly"):
            return True
    return False
