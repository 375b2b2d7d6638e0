"""Shared state of a gateway's processes."""

from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.inference.decoding.jobs import Tasks
from vitrine_serving.gateway.inference.decoding.load import DecodingLoad
from vitrine_serving.gateway.inference.decoding.processes import DecodingProcesses
from vitrine_serving.gateway.server.draining import Draining
from vitrine_serving.gateway.server.listener import Shares
from vitrine_serving.gateway.server.peers import Peers
from vitrine_serving.gateway.server.tls import Tls
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shared_memory import SLOTS, Slots, Snapshots
from vitrine_serving.gateway.telemetry.drift import Windows
from vitrine_serving.gateway.telemetry.drift.peers import DriftPool, PeerClient, PeerTls
from vitrine_serving.gateway.telemetry.metrics import SharedSeries
from vitrine_serving.gateway.upstream.discovery import MOST_FOUND_BYTES


class SharedState:
    """State that workers inherit, made before the fork: memory in which they count together, keys
    and certificates as they were last good, and processes that do decoding `tasks` for them.

    Raises `TlsError` and `KeysFileError` for files that cannot be used.
    """

    def __init__(self, settings: Settings, tasks: Tasks) -> None:
        self.tls = Tls(settings.tls)
        self.guard = Guard(settings.access, settings.rates)
        self.windows = Windows(settings.drift.drift_window) if settings.drift.drift else None
        slots = max(SLOTS, 4 * settings.server.workers)
        self.found = Snapshots(1, MOST_FOUND_BYTES)
        self.peers = Peers(settings.peers, settings.server.host)
        self.drift_pool = _drift_pool(settings) if self.windows else None
        self.shares = Shares(slots)
        self.series = SharedSeries(slots)
        self.slots = Slots()
        pictures = settings.pictures
        self.decoding = DecodingProcesses(
            tasks, pictures.decoding_processes, pictures.decode_timeout_s
        )
        self.decoding_load = DecodingLoad(slots)
        self.draining = Draining()

    def look(self) -> None:
        """Reads keys and certificates again that have changed, and starts decoding processes that
        are missing; for the master."""
        self.guard.look()
        self.tls.look()
        self.decoding.look()

    def release(self, slot: int) -> None:
        """Forgets what a process had in hand when it ended; what it counted stays."""
        self.shares.forget(slot)
        self.series.forget_gauges(slot)
        self.decoding_load.forget(slot)
        self.slots.release(slot)


def _drift_pool(settings: Settings) -> DriftPool | None:
    """Returns the pool for the gateways behind a name, None without one."""
    tls, files = settings.tls, None
    if tls.tls_cert and tls.tls_key:
        files = PeerTls(tls.tls_cert, tls.tls_key, tls.tls_client_ca)
    name = settings.peers.name
    return DriftPool(PeerClient(name, files, settings.server.host)) if name else None
