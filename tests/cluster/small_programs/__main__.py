"""Order of events in a pocket cluster of a few small programs, as JSON on standard output.

`with inside("tests.cluster.small_programs", [FOLDER])` runs it. It waits until all pods are
available, then ends the pods of `stubborn`, rolls `web` and kills `crashing`.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from tests.cluster.pocket.cluster import PocketCluster, running
from tests.cluster.pocket.images import Images
from tests.cluster.pocket.manifests import read

LAG_S = 1.0
MANIFESTS = Path(__file__).parent / "manifests.yaml"

WAITED_FOR = ("web", "stubborn", "crashing")

Sample = tuple[float, int, int, tuple[str, ...]]
"""When it was taken; how many pods of `web` were ready, how many were not to end, and those of its
Service that others saw."""


async def main(folder: Path) -> None:
    """Plays, and prints the events, samples of what there was, and a container's variables."""
    samples: list[Sample] = []
    images = Images(volumes={"shared": folder})
    async with running(read(MANIFESTS), images, folder, LAG_S) as cluster:
        await cluster.settle(*WAITED_FOR)
        await cluster.see("web", 2)
        watching = asyncio.create_task(_watch(cluster, samples))
        cluster.note("-", "changes")
        cluster.controllers["stubborn"].replicas = 0
        cluster.controllers["web"].roll()
        await cluster.controllers["crashing"].ready[0].kill()
        await cluster.settle(*WAITED_FOR)
        await cluster.finish()
        watching.cancel()
        variables = {path.stem: path.read_text() for path in folder.glob("*.variables")}
        print(json.dumps({"events": cluster.events, "samples": samples, "variables": variables}))


async def _watch(cluster: PocketCluster, samples: list[Sample]) -> None:
    web = cluster.controllers["web"]
    while True:
        living = [pod for pod in web.pods if not pod.is_terminating]
        samples.append((time.monotonic(), len(web.ready), len(living), cluster.seen("web")))
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
