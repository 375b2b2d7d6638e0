"""Pod of the pocket cluster, and what the kubelet does with it, in the documented order.

Init containers run one after the other, sidecars among them until they have started; then all
others start. An end runs preStop hooks, SIGTERM and, when the grace period is over, SIGKILL: of
containers first, of sidecars afterwards in the opposite order. (kubernetes.io: Pod Lifecycle,
Sidecar Containers.)
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path

from tests.cluster.pocket.containers import RunningContainer
from tests.cluster.pocket.images import Images
from tests.cluster.pocket.manifests import Container, Template
from tests.cluster.pocket.namespaces import PodNetwork
from tests.cluster.pocket.probes import has_started, watch

BACK_OFF_S = (10.0, 300.0)
"""Wait before the second restart, which doubles with each, and the longest one. The first restart
is at once; ten minutes without an end forget all."""

FORGOTTEN_S = 600.0
_LEAST_S = 2.0
"""Grace that a container has left at least, also when a hook took all of it."""

Note = Callable[[str, str], None]
"""Takes the name of whom something happened to, and what that was."""


class Kept:
    """Container that is kept running: started, probed, and started again when it ends."""

    def __init__(self, pod: "Pod", made: Container) -> None:
        self.made = made
        self.is_ready = False
        self.started = asyncio.Event()
        self.running: RunningContainer | None = None
        self._pod = pod
        self._task: asyncio.Task[None] | None = None
        self._liveness: asyncio.Task[None] | None = None
        self._is_ending = False

    def start(self) -> None:
        """Begins to keep it running."""
        self._task = asyncio.create_task(self._keep())

    async def end(self, deadline: float, turn: asyncio.Event) -> None:
        """Runs its preStop hook, and ends it when it is its turn, at `deadline` by force."""
        self._is_ending = True
        if self._liveness:  # readiness is still probed
            self._liveness.cancel()
        loop, running = asyncio.get_running_loop(), self.running
        if running and not running.has_ended:
            await self._hook(running, deadline - loop.time())
            await _wait(turn, deadline - loop.time())
            self._pod.note(self.made.name, "SIGTERM")
            await running.send(signal.SIGTERM)
            if not await running.wait(max(_LEAST_S, deadline - loop.time())):
                self._pod.note(self.made.name, "SIGKILL")
                await running.send(signal.SIGKILL)
                await running.wait()
            self._pod.note(self.made.name, f"ended with {running.status}")
        if self._task:
            self._task.cancel()
        self.is_ready = False

    async def _keep(self) -> None:
        loop, ends, back_off_s = asyncio.get_running_loop(), 0, BACK_OFF_S[0]
        while True:
            began = loop.time()
            self.running = self._pod.run(self.made)
            await self._serve(self.running)
            self.is_ready = False
            self._pod.changed()
            if self._is_ending:
                return
            if loop.time() - began >= FORGOTTEN_S:
                ends, back_off_s = 0, BACK_OFF_S[0]
            self._pod.note(self.made.name, f"ended with {self.running.status}")
            ends += 1
            if ends > 1:
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, BACK_OFF_S[1])
            self._pod.note(self.made.name, "restarted")

    async def _serve(self, running: RunningContainer) -> None:
        """Probes a container until it has ended."""
        made, address = self.made, self._pod.address
        watching: list[asyncio.Task[None]] = []
        if await has_started(made.startup, address, running):
            self.started.set()
            if made.readiness:
                readiness = watch(made.readiness, address, running, self._set_ready)
                watching.append(asyncio.create_task(readiness))
            else:
                self._set_ready(True)
            if made.liveness:
                liveness = watch(made.liveness, address, running, self._note_alive)
                self._liveness = asyncio.create_task(liveness)
                watching.append(self._liveness)
        elif not running.has_ended:
            self._pod.note(made.name, "startup probe failed")
            await self._restart(running)
        await running.wait()
        for each in watching:
            each.cancel()

    def _set_ready(self, passed: bool) -> None:
        if passed is not self.is_ready:
            self.is_ready = passed
            self._pod.note(self.made.name, "ready" if passed else "not ready")
            self._pod.changed()

    def _note_alive(self, passed: bool) -> None:
        """Ends a container whose liveness probe has failed; it is then started again."""
        if not passed and self.running and not self._is_ending:
            self._pod.note(self.made.name, "liveness probe failed")
            self._pod.spawn(self._restart(self.running))

    async def _restart(self, running: RunningContainer) -> None:
        """Ends a container that a probe has given up: hook and SIGTERM share the grace period."""
        loop, grace_s = asyncio.get_running_loop(), self._pod.template.grace_s
        deadline = loop.time() + grace_s
        await self._hook(running, grace_s)
        await running.send(signal.SIGTERM)
        if not await running.wait(max(_LEAST_S, deadline - loop.time())):
            await running.send(signal.SIGKILL)

    async def _hook(self, running: RunningContainer, left_s: float) -> None:
        hook = self.made.pre_stop
        if hook is None or left_s <= 0:
            return
        self._pod.note(self.made.name, "preStop")
        if hook.command:
            await running.run(hook.command, left_s + _LEAST_S)
        else:
            await running.wait(min(hook.sleep_s, left_s + _LEAST_S))


class Pod:
    """Pod of a template: its network, its containers, and whether it is ready."""

    def __init__(
        self,
        name: str,
        template: Template,
        network: PodNetwork,
        images: Images,
        folder: Path,
        note: Note,
        links: Callable[[], dict[str, str]] = dict,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.template, self.address = name, template, network.address
        self._changed = changed
        self.is_terminating, self.has_ended = False, False
        self.ready_since_s: float | None = None
        self._network, self._images, self._folder, self._links = network, images, folder, links
        self._note = note
        self._first = [Kept(self, one) for one in template.first]
        self._main = [Kept(self, one) for one in template.containers]
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: RunningContainer | None = None
        self._starting = self.spawn(self._start())

    @property
    def is_ready(self) -> bool:
        """Whether all its containers are ready, sidecars included; not once it is to end."""
        kept = [*(one for one in self._first if one.made.is_sidecar), *self._main]
        return not self.is_terminating and all(one.is_ready for one in kept)

    def changed(self) -> None:
        """Says that it may have become ready, or no longer be."""
        if not self.is_ready:
            self.ready_since_s = None
        elif self.ready_since_s is None:
            self.ready_since_s = asyncio.get_running_loop().time()
        self._changed()

    def note(self, container: str, what: str) -> None:
        """Notes what happened to a container."""
        self._note(f"{self.name}/{container}", what)

    def run(self, made: Container) -> RunningContainer:
        """Starts a container."""
        fields = {
            "status.podIP": self.address,
            "metadata.name": self.name,
            "metadata.namespace": "default",
        }
        own = {name: fields.get(path, "") for name, path in made.own_fields.items()}
        links = self._links() if self.template.service_links else {}
        environment = links | self._images.environment(made) | own
        command = tuple(_expanded(word, environment) for word in self._images.command(made))
        log = self._folder / f"{self.name}.{made.name}.log"
        return RunningContainer(command, environment, self._network, log)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Runs something beside, and holds on to it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def kill(self, container: str = "") -> None:
        """Kills a container, the first of all where none is named, as nobody would expect."""
        for one in (*self._main, *self._first):
            if container in ("", one.made.name) and one.running:
                self.note(one.made.name, "killed")
                await one.running.send(signal.SIGKILL)
                return

    async def end(self) -> None:
        """Ends it within its grace period. From the beginning on it is no endpoint."""
        self.is_terminating = True
        self._note(self.name, "terminating")
        self.changed()
        self._starting.cancel()
        if self._finishing and not self._finishing.has_ended:
            await self._finishing.send(signal.SIGKILL)
        deadline = asyncio.get_running_loop().time() + self.template.grace_s
        in_turn = [self._main, *([one] for one in reversed(self._first))]
        turns = [asyncio.Event() for _ in in_turn]
        ends = [
            asyncio.gather(*(one.end(deadline, turn) for one in those))
            for those, turn in zip(in_turn, turns, strict=True)
        ]
        for turn, end in zip(turns, ends, strict=True):
            turn.set()
            await end
        self.has_ended = True
        self._note(self.name, "ended")
        self._network.remove()
        self.changed()

    async def _start(self) -> None:
        for one in self._first:
            if one.made.is_sidecar:
                one.start()
                await one.started.wait()
            else:
                await self._finish(one.made)
        for one in self._main:
            one.start()

    async def _finish(self, made: Container) -> None:
        """Runs an init container until it has succeeded."""
        for wait_s in _back_offs():
            self._finishing = running = self.run(made)
            await running.wait()
            if running.status == 0:
                self.note(made.name, "succeeded")
                return
            self.note(made.name, f"ended with {running.status}")
            await asyncio.sleep(wait_s)


def _back_offs() -> Iterable[float]:
    yield 0.0
    wait_s, most_s = BACK_OFF_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, most_s)


def _expanded(word: str, environment: dict[str, str]) -> str:
    """Returns a word in which `$(NAME)` is the variable."""
    for name, value in environment.items():
        word = word.replace(f"$({name})", value)
    return word


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), max(0.0, timeout_s))
    except TimeoutError:
        return
