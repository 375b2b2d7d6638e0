"""Deployment controller of the pocket cluster: rolling updates and scaling, as documented.

A rolling update makes new pods while there are no more than `maxSurge` beyond the replicas, and
ends old ones while no more than `maxUnavailable` of them are away. A pod is available once it has
been ready for `minReadySeconds`; one that is to end counts no more. (kubernetes.io: Deployments.)
"""

import asyncio
import itertools
from collections.abc import Callable

from tests.cluster.pocket.manifests import Deployment
from tests.cluster.pocket.pods import Pod

MakePod = Callable[[str], Pod]
"""Makes a pod of a name, which begins to start."""

_EVERY_S = 0.1


class Controller:
    """Controller of one Deployment."""

    def __init__(self, made: Deployment, make_pod: MakePod) -> None:
        self.made = made
        self.replicas = made.replicas
        self.pods: list[Pod] = []
        """All that have not ended, the newest last."""
        self._make_pod = make_pod
        self._revision = 1
        self._numbers = itertools.count(1)
        self._revisions: dict[str, int] = {}

    @property
    def ready(self) -> list[Pod]:
        """Its pods that are ready."""
        return [pod for pod in self.pods if pod.is_ready]

    @property
    def is_settled(self) -> bool:
        """Whether all its pods are of the last revision, as many as wanted, and available."""
        there = self._living()
        return (
            len(there) == self.replicas
            and all(self._is_new(pod) and self._is_available(pod) for pod in there)
        )  # fmt: skip

    def roll(self) -> None:
        """Begins a rolling update, as of another image."""
        self._revision += 1

    def evict(self, pod: Pod) -> None:
        """Ends a pod, as a node does that is drained; another takes its place."""
        self._end([pod])

    async def run(self) -> None:
        """Controls until it is cancelled."""
        while True:
            self.pods = [pod for pod in self.pods if not pod.has_ended]
            self._step()
            await asyncio.sleep(_EVERY_S)

    def _step(self) -> None:
        there = self._living()
        new = [pod for pod in there if self._is_new(pod)]
        old = [pod for pod in there if not self._is_new(pod)]
        if len(new) > self.replicas:
            self._end(_first_to_end(new)[: len(new) - self.replicas])
            return
        most = self.replicas + (self.made.surge(self.replicas) if old else 0)
        for _ in range(min(self.replicas - len(new), most - len(there))):
            self._add()
        self._end_old(new, old)

    def _end_old(self, new: list[Pod], old: list[Pod]) -> None:
        """Ends old pods as far as enough others are available: those first that are not."""
        least = self.replicas - self.made.unavailable(self.replicas)
        missing = sum(not self._is_available(pod) for pod in new)
        spare = len(new) + len(old) - least - missing
        for pod in _first_to_end(old):
            if spare <= 0:
                return
            available = sum(map(self._is_available, self._living()))
            if not self._is_available(pod) or available > least:
                self._end([pod])
                spare -= 1

    def _add(self) -> None:
        name = f"{self.made.name}-{self._revision}-{next(self._numbers)}"
        self._revisions[name] = self._revision
        self.pods.append(self._make_pod(name))

    def _end(self, pods: list[Pod]) -> None:
        for pod in pods:
            pod.is_terminating = True
            pod.spawn(pod.end())

    def _living(self) -> list[Pod]:
        return [pod for pod in self.pods if not pod.is_terminating]

    def _is_new(self, pod: Pod) -> bool:
        return self._revisions[pod.name] == self._revision

    def _is_available(self, pod: Pod) -> bool:
        since_s = pod.ready_since_s
        now_s = asyncio.get_running_loop().time()
        return since_s is not None and now_s - since_s >= self.made.min_ready_s


def _first_to_end(pods: list[Pod]) -> list[Pod]:
    """Returns pods in the order in which a ReplicaSet ends them: those that are not ready, then
    the newest."""
    newest_first = list(reversed(pods))
    return sorted(newest_first, key=lambda pod: pod.is_ready)
