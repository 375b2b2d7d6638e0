"""Objects of Kubernetes, as they were rendered: what they are, and the pods that they make."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

Object = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
RUNTIMES = ("ClusterServingRuntime", "ServingRuntime")
"""KServe's, whose `spec` has containers and volumes, and no more of a pod."""


def title(one: Object) -> str:
    """Returns how a finding names an object."""
    return f"{one.get('kind', '?')}/{one.get('metadata', {}).get('name', '?')}"


def namespace(one: Object) -> str:
    """Returns the namespace of an object; "" for that which it is applied to."""
    return str(one.get("metadata", {}).get("namespace", ""))


@dataclass(frozen=True)
class Container:
    """Container of a pod, and what it is there: `init` runs to its end, `sidecar` is an init
    container that stays, `main` is one of the others."""

    pod: "Pod"
    spec: Object
    role: str

    @property
    def name(self) -> str:
        return str(self.spec.get("name", "?"))

    @property
    def title(self) -> str:
        return f"{self.pod.title}: {self.name}"

    @property
    def stays(self) -> bool:
        return self.role != "init"

    @property
    def ports(self) -> list[Object]:
        return self.spec.get("ports") or []

    @property
    def mounts(self) -> list[Object]:
        return self.spec.get("volumeMounts") or []

    @property
    def env(self) -> dict[str, str | None]:
        """Variables by name; None where the value is from elsewhere."""
        return {
            str(one.get("name")): None if "valueFrom" in one else str(one.get("value", ""))
            for one in self.spec.get("env") or []
        }

    @property
    def flags(self) -> list[str]:
        return [str(each) for each in self.spec.get("args") or []]

    @property
    def words(self) -> list[str]:
        """The command and its arguments."""
        return [str(each) for each in self.spec.get("command") or []] + self.flags

    @property
    def is_gateway(self) -> bool:
        return repository(str(self.spec.get("image", ""))).rpartition("/")[2] == "vitrine-gateway"

    @property
    def is_model_server(self) -> bool:
        name = repository(str(self.spec.get("image", "")))
        return name.endswith("tensorflow/serving") or name.endswith("vitrine-model-server")


def repository(image: str) -> str:
    """Returns the name of an image without its tag and digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


@dataclass(frozen=True)
class Pod:
    """Pod that a workload makes from its template."""

    owner: Object

    @property
    def template(self) -> Object:
        if self.owner.get("kind") == "Pod" or self.is_runtime:
            return self.owner
        if self.owner.get("kind") == "CronJob":
            return self.owner["spec"]["jobTemplate"]["spec"].get("template") or {}
        return self.owner.get("spec", {}).get("template") or {}

    @property
    def is_runtime(self) -> bool:
        return self.owner.get("kind") in RUNTIMES

    @property
    def title(self) -> str:
        return title(self.owner)

    @property
    def namespace(self) -> str:
        return namespace(self.owner)

    @property
    def spec(self) -> Object:
        return self.template.get("spec") or {}

    @property
    def labels(self) -> dict[str, str]:
        return self.template.get("metadata", {}).get("labels") or {}

    @property
    def volumes(self) -> dict[str, Object]:
        return {str(one.get("name")): one for one in self.spec.get("volumes") or []}

    @property
    def containers(self) -> list[Container]:
        """All of them, in the order in which they start."""
        return [
            Container(self, one, "sidecar" if one.get("restartPolicy") == "Always" else "init")
            for one in self.spec.get("initContainers") or []
        ] + [Container(self, one, "main") for one in self.spec.get("containers") or []]

    def port(self, wanted: int | str) -> int | None:
        """Returns the number of a port, by its name or number; None where no container that stays
        has it."""
        for container in self.containers:
            for port in container.ports if container.stays else ():
                if wanted in (port.get("name"), port.get("containerPort")):
                    return int(port["containerPort"])
        return None


class Objects(list[Object]):
    """Objects that are applied together."""

    @classmethod
    def read(cls, text: str) -> "Objects":
        """Returns the objects of YAML documents."""
        return cls(one for one in yaml.safe_load_all(text) if one)

    def of(self, *kinds: str) -> Iterator[Object]:
        """Yields the objects of these kinds."""
        return (one for one in self if one.get("kind") in kinds)

    def find(self, kind: str, name: str, where: str = "") -> Object | None:
        """Returns the object of a kind by its name and namespace, None where there is none."""
        for one in self.of(kind):
            if one.get("metadata", {}).get("name") == name and namespace(one) == where:
                return one
        return None

    @cached_property
    def pods(self) -> list[Pod]:
        return [Pod(one) for one in self.of(*WORKLOADS, *RUNTIMES, "CronJob", "Pod")]

    @property
    def containers(self) -> Iterator[Container]:
        return (each for pod in self.pods for each in pod.containers)

    def is_served(self, pod: Pod) -> bool:
        """Says whether a Service has a pod's address."""
        return any(pod in self.behind(one) for one in self.of("Service"))

    def behind(self, service: Object) -> list[Pod]:
        """Returns the pods of a Service, whose selector is a map of labels."""
        selector = (service.get("spec") or {}).get("selector")
        labels = {"matchLabels": selector} if selector else None
        return self.selected(labels, namespace(service))

    def selected(self, selector: Object | None, where: str) -> list[Pod]:
        """Returns the pods in a namespace that a label selector matches."""
        return [
            pod for pod in self.pods if pod.namespace == where and matches(selector, pod.labels)
        ]


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Says whether a label selector matches; an empty one matches all, and None nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or [])


def _holds(expression: Object, labels: dict[str, str]) -> bool:
    key, values = expression.get("key"), expression.get("values") or []
    found = labels.get(str(key))
    return {
        "In": found in values,
        "NotIn": found not in values,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }.get(str(expression.get("operator")), False)


def walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields each value in an object with the keys that lead to it."""
    yield path, value
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, each in items:
        yield from walk(each, (*path, str(key)))
