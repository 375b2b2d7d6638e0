"""Scenario of the pocket cluster: rolling updates, scaling and kills under load."""

import asyncio
import dataclasses
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.cluster.pocket import load, pictures
from tests.cluster.pocket.cluster import PocketCluster, running
from tests.cluster.pocket.images import MODEL, Images, written
from tests.cluster.pocket.manifests import Manifests, Template, read
from tests.cluster.pocket.report import Report

MANIFESTS = Path(__file__).parent.parent / "rendered" / "split.yaml"
GATEWAYS, SERVERS = "vitrine", "vitrine-model-servers"
PORT = 8080

LAG_S = 5.0
"""Seconds after which others see that an endpoint came or left."""

START_S = 180.0
"""For the first pods, on a machine that has much else to do."""

KILL_EVERY_S = 20.0
_LONG = (
    (0, "roll gateways"),
    (35, "roll servers"),
    (60, "evict gateway"),
    (75, "5 servers"),
    (90, "2 servers"),
    (108, "3 servers"),
)
_CYCLE_S = 120.0
_SHORT = (
    (0, "roll gateways"),
    (4, "roll servers"),
    (20, "5 servers"),
    (24, "evict gateway"),
    (28, "2 servers"),
)
_WITHOUT = (
    (0, "roll gateways"),
    (1, "roll servers"),
    (3, "evict gateway"),
    (9, "evict gateway"),
    (15, "evict gateway"),
)
"""Changes, and how many seconds after the beginning they are."""

Plan = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Variant:
    """Run of the scenario, of `for_s` seconds."""

    for_s: float
    has_pre_stop: bool = True
    kills_gateway: bool = False
    models: Path | None = None
    """Directory of published models, for real model servers."""

    @property
    def plan(self) -> Plan:
        """Its changes."""
        if self.kills_gateway:
            return [(5, "kill gateway")]
        if not self.has_pre_stop:
            return _WITHOUT
        changes = _SHORT if self.for_s < _CYCLE_S else _repeated(self.for_s)
        kills = np.arange(KILL_EVERY_S / 2, self.for_s, KILL_EVERY_S)
        return sorted([*changes, *((float(at_s), "kill server") for at_s in kills)])


def _repeated(for_s: float) -> Plan:
    begins = np.arange(0, for_s, _CYCLE_S)
    every = ((float(begin + at_s), what) for begin in begins for at_s, what in _LONG)
    # A rolling update that begins shortly before the end is not seen to its end.
    return [(at_s, what) for at_s, what in every if at_s < for_s - 20]


def without_pre_stop(manifests: Manifests) -> Manifests:
    """Returns manifests whose containers have no preStop hook."""

    def bare(template: Template) -> Template:
        first, containers = (
            tuple(dataclasses.replace(one, pre_stop=None) for one in those)
            for those in (template.first, template.containers)
        )
        return dataclasses.replace(template, first=first, containers=containers)

    deployments = {
        name: dataclasses.replace(one, template=bare(one.template))
        for name, one in manifests.deployments.items()
    }
    return dataclasses.replace(manifests, deployments=deployments)


async def play(
    variant: Variant, folder: Path, tell: Callable[[str], None] = lambda _: None
) -> Report:
    """Runs a cluster in this process's namespaces, and the load; returns what came of it. Each
    change is told when it is made."""
    manifests = read(MANIFESTS)
    if not variant.has_pre_stop:
        manifests = without_pre_stop(manifests)
    models = variant.models or folder / "models"
    models.mkdir(exist_ok=True)
    configs = {
        name: files
        for one in manifests.deployments.values()
        for name, files in one.template.configs.items()
    }
    volumes = written(configs, models, folder)
    images = Images(variant.models, volumes, {"VITRINE_MODELS": MODEL})
    async with running(manifests, images, folder, LAG_S) as cluster:
        await cluster.settle(timeout_s=START_S)
        await cluster.see(GATEWAYS, 2)
        await cluster.see(SERVERS, 3)
        await _pictures(cluster, variant, folder)
        options = ["--next"] if variant.kills_gateway else []
        command = load.command(folder, GATEWAYS, PORT, variant.for_s, *options)
        clients = await asyncio.create_subprocess_exec(*command)
        changing = asyncio.create_task(_change(cluster, variant.plan, tell))
        try:
            await asyncio.wait_for(clients.wait(), variant.for_s + 60)
        finally:
            changing.cancel()
        if clients.returncode:
            raise RuntimeError(f"the load ended with {clients.returncode}")
        return Report(np.load(folder / "answers.npy"), cluster.events)


async def _pictures(cluster: PocketCluster, variant: Variant, folder: Path) -> None:
    """Writes the pictures, with the answers of one real model server or the programmed one's."""
    if variant.models is None:
        made = pictures.of_programmed()
    else:
        address = cluster.controllers[SERVERS].ready[0].address
        made = await asyncio.to_thread(pictures.of_model_server, address)
    pictures.save(folder, made)


async def _change(cluster: PocketCluster, plan: Plan, tell: Callable[[str], None]) -> None:
    """Makes the changes of a plan, each when it is time."""
    began_s, chance = time.monotonic() + 1, random.Random(7)
    gateways, servers = cluster.controllers[GATEWAYS], cluster.controllers[SERVERS]

    for at_s, what in plan:
        await asyncio.sleep(max(0.0, began_s + at_s - time.monotonic()))
        cluster.note("-", what)
        tell(f"{at_s:4.0f} s  {what}")
        match what.split():
            case ["roll", which]:
                (gateways if which == "gateways" else servers).roll()
            case ["kill" | "evict" as how, which]:
                controller = gateways if which == "gateway" else servers
                if len(controller.ready) < 2:
                    continue  # nobody could answer
                pod = chance.choice(controller.ready)
                if how == "kill":
                    await pod.kill()
                else:
                    controller.evict(pod)
            case [number, _]:
                servers.replicas = int(number)
