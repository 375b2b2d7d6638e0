"""Pocket cluster: plays Kubernetes' documented order of events for processes on this machine.

A test double: no API server, no scheduler, no kube-proxy; one node, and pods that are network
namespaces. What it reads of manifests is in `manifests.py`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from harness.dns import Dns
from tests.cluster.pocket.deployments import Controller
from tests.cluster.pocket.endpoints import Endpoints, Names
from tests.cluster.pocket.images import Images
from tests.cluster.pocket.manifests import Deployment, Manifests
from tests.cluster.pocket.namespaces import NODE, Node
from tests.cluster.pocket.pods import Pod

_CLUSTER_IP = "10.96.0.1"
"""Of service links only: nobody connects to it."""

Event = tuple[float, str, str]
"""When it was, by `time.monotonic`; to whom; and what."""


class NotInTimeError(Exception):
    """State that the cluster did not come to in time; the message has events and logs."""


class PocketCluster:
    """Cluster of one node; `running` makes one."""

    def __init__(self, manifests: Manifests, images: Images, folder: Path, lag_s: float) -> None:
        self.events: list[Event] = []
        self.manifests = manifests
        self._images, self._folder = images, folder
        self._node = Node(folder)
        self._endpoints = [Endpoints(one, lag_s) for one in manifests.services.values()]
        Dns(Names(self._endpoints).lookup, NODE)
        self.controllers = {
            name: Controller(made, lambda pod, made=made: self._pod(pod, made))
            for name, made in manifests.deployments.items()
        }

    @property
    def pods(self) -> list[Pod]:
        """All pods that have not ended."""
        return [pod for one in self.controllers.values() for pod in one.pods]

    def note(self, name: str, what: str) -> None:
        """Notes an event."""
        self.events.append((time.monotonic(), name, what))

    async def settle(self, *names: str, timeout_s: float = 120) -> None:
        """Waits until Deployments, all unless some are named, have as many available pods as they
        want. Raises `NotInTimeError`."""
        wanted = [self.controllers[name] for name in names or self.controllers]
        await self._until(lambda: all(one.is_settled for one in wanted), "pods", timeout_s)

    async def finish(self, timeout_s: float = 120) -> None:
        """Waits until pods that are to end have ended. Raises `NotInTimeError`."""
        await self._until(
            lambda: not any(pod.is_terminating for pod in self.pods), "ends", timeout_s
        )

    async def see(self, service: str, number: int, timeout_s: float = 60) -> None:
        """Waits until others see this number of a Service's endpoints. Raises `NotInTimeError`."""
        await self._until(lambda: len(self.seen(service)) == number, f"{service} seen", timeout_s)

    def seen(self, service: str) -> tuple[str, ...]:
        """Returns a Service's endpoints as others see them."""
        (endpoints,) = (one for one in self._endpoints if one.service.name == service)
        return endpoints.seen()

    async def _until(self, holds: Callable[[], bool], awaited: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                raise NotInTimeError(f"{awaited}: not within {timeout_s:.0f} s\n{self._said()}")
            await asyncio.sleep(0.1)

    def _said(self) -> str:
        """Returns the last events, and the ends of the pods' logs."""
        lines = [f"{name} {what}" for _, name, what in self.events[-20:]]
        for log in sorted(self._folder.glob("*.log")):
            lines += [f"-- {log.name}", log.read_text(errors="replace")[-500:]]
        return "\n".join(lines)

    def _pod(self, name: str, made: Deployment) -> Pod:
        network = self._node.add()
        self.note(name, f"created at {network.address}")
        return Pod(
            name,
            made.template,
            network,
            self._images,
            self._folder,
            self.note,
            self._links,
            self._changed,
        )

    def _changed(self) -> None:
        """Brings endpoints up to date."""
        for one in self._endpoints:
            service = one.service
            those = [pod for pod in self.pods if service.selects(pod.template.labels)]
            one.update([pod.address for pod in those if service.has_unready or pod.is_ready])

    def _links(self) -> dict[str, str]:
        """Returns the variables that a pod has of each Service with an address, unless it says
        `enableServiceLinks: false`."""
        links = {}
        for one in self.manifests.services.values():
            if not one.is_headless:
                name = one.name.upper().replace("-", "_")
                links[f"{name}_SERVICE_HOST"] = _CLUSTER_IP
                links[f"{name}_SERVICE_PORT"] = str(one.port)
                links[f"{name}_PORT"] = f"tcp://{_CLUSTER_IP}:{one.port}"
        return links


@contextlib.asynccontextmanager
async def running(
    manifests: Manifests, images: Images, folder: Path, lag_s: float = 5
) -> AsyncIterator[PocketCluster]:
    """Runs a cluster while the block lasts; pods write their logs to `folder`. What is left of
    them ends with this process."""
    cluster = PocketCluster(manifests, images, folder, lag_s)
    tasks = [asyncio.create_task(one.run()) for one in cluster.controllers.values()]
    try:
        yield cluster
    finally:
        for task in tasks:
            task.cancel()
