"""Drift pool: windows of the peers, and the verdicts on them, in memory that processes share."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import NamedTuple

import orjson

from vitrine_serving.gateway.shared_memory import Snapshots
from vitrine_serving.gateway.telemetry.drift.peers.client import PeerClient
from vitrine_serving.gateway.telemetry.drift.peers.document import MOST_POOLED, as_json, from_json
from vitrine_serving.gateway.telemetry.drift.peers.pooled_window import PooledWindow
from vitrine_serving.gateway.telemetry.drift.window import DriftState

_MOST_BYTES = 1 << 20


class Pooled(NamedTuple):
    """Pooled version: the windows of the other gateways, and the verdict on these and this
    gateway's own."""

    others: PooledWindow
    state: DriftState


class DriftPool:
    """Pool of the windows of peers, who are asked by `client`. Make it before the fork: one
    process at a time leads, and the others read the versions that it has published.

    `instance` tells this gateway from all others.
    """

    def __init__(
        self,
        client: PeerClient,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.instance = secrets.token_hex(16)
        self.now = now
        self.monotonic = monotonic
        self._shared = Snapshots(1, _MOST_BYTES)
        self._read_turn = 0
        self._until_s = 0.0
        self._entries: dict[tuple[str, int], Pooled] = {}

    @contextmanager
    def lead(self) -> Iterator[bool]:
        """Says whether this process leads, until the end of the block, or its own; never waits."""
        with self._shared.lock() as is_leading:
            yield is_leading

    def publish(self, pooled: Sequence[Pooled], keep_s: float) -> None:
        """Replaces the versions that the processes read, for `keep_s`; for the one that leads.
        Raises `OSError` where there is no room for it."""
        now = self.now()
        entries = [
            {"others": as_json(each.others, now), "state": asdict(each.state)} for each in pooled
        ]
        content = {"at": now, "until_s": self.monotonic() + keep_s, "entries": entries}
        self._shared.write(0, orjson.dumps(content))

    def all(self) -> dict[tuple[str, int], Pooled]:
        """Returns the versions that were pooled, by model and version."""
        turn = self._shared.turn(0)
        if turn != self._read_turn:
            found = orjson.loads(self._shared.read(0))
            entries = [
                Pooled(from_json(each["others"], found["at"], MOST_POOLED), _state(**each["state"]))
                for each in found["entries"]
            ]
            self._entries = {each.others.key: each for each in entries}
            self._read_turn, self._until_s = turn, found["until_s"]
        return self._entries if self.monotonic() <= self._until_s else {}


def _state(*, estimated: Sequence[float], **figures: object) -> DriftState:
    return DriftState(estimated=tuple(estimated), **figures)  # type: ignore[arg-type]
