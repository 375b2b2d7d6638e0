"""Shared state of a gateway's workers, which the master makes before it forks them."""

from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.server.listener import Shares
from vitrine_serving.gateway.server.tls import Tls
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shared_memory import SLOTS, Slots, Snapshots
from vitrine_serving.gateway.telemetry.drift import Windows
from vitrine_serving.gateway.telemetry.metrics import SharedSeries
from vitrine_serving.gateway.upstream.discovery import MOST_FOUND_BYTES


class SharedState:
    """State that workers inherit: memory in which they count together, keys and certificates as
    they were last good.

    Raises `TlsError` and `KeysFileError` for files that cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.tls = Tls(settings)
        self.guard = Guard(settings)
        self.windows = Windows(settings.drift_window) if settings.drift else None
        slots = max(SLOTS, 4 * settings.workers)
        self.found = Snapshots(1, MOST_FOUND_BYTES)
        self.shares = Shares(slots)
        self.series = SharedSeries(slots)
        self.slots = Slots()

    def release(self, slot: int) -> None:
        """Forgets what a process had in hand when it ended; what it counted stays."""
        self.shares.forget(slot)
        self.series.forget_gauges(slot)
        self.slots.release(slot)
