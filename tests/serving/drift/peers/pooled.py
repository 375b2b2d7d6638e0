"""What tests of pooled drift share: gateways that tell each other their windows, no network."""

from tests.serving.drift.asked import FakeServers
from vitrine_serving.gateway.telemetry.drift import Watch, Windows
from vitrine_serving.gateway.telemetry.drift.peers import DriftPool, PeerClient

NAME = "vitrine-peers:8080"


class FakeClient(PeerClient):
    """Asks gateways in this process; `others` has by address what becomes of it: a gateway, bytes,
    or an error."""

    def __init__(self, others):
        super().__init__(NAME)
        self.others = others
        self.asked = []

    async def windows(self, address):
        self.asked.append(address)
        found = self.others[address]
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, bytes) else found.watch.document()


class FakeGateway:
    """A gateway of one process, as far as drift goes: its windows, and rounds when it is told."""

    def __init__(self, network, description, clock, *, size=500):
        self.windows = Windows(size, now=clock)
        self.pool = DriftPool(FakeClient(network), now=clock, monotonic=clock)
        self.watch = Watch(self.windows, self.pool)
        self.servers = FakeServers({1: description})
        self.rounds = self.watch.rounds(self.pool, lambda: list(network), self.servers)

    async def round(self):
        self.watch.flush()
        await self.rounds.round()

    async def told(self):
        """What it says of the only version."""
        found = await self.watch.report("m", None, self.servers, timeout_s=5)
        return found["versions"][0]

    def state(self):
        """What its metrics say of the only version, None for nothing."""
        return next(iter(self.watch.states()), None)


def fleet(description, clock, count=3, **options):
    """Gateways that know each other by addresses."""
    network = {}
    for number in range(count):
        network[f"10.0.0.{number + 1}:8080"] = FakeGateway(network, description, clock, **options)
    return network


async def rounds(network):
    """Each asks the others, twice: what the last has found is known to the first then."""
    for _ in range(2):
        for each in network.values():
            if isinstance(each, FakeGateway):
                await each.round()
