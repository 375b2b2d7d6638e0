"""Peer rounds: one process asks all peers for their windows, every few seconds, and judges."""

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence

from vitrine_serving.gateway.telemetry.drift.baseline import Baseline
from vitrine_serving.gateway.telemetry.drift.peers import document
from vitrine_serving.gateway.telemetry.drift.peers.client import PeerError
from vitrine_serving.gateway.telemetry.drift.peers.drift_pool import DriftPool, Pooled
from vitrine_serving.gateway.telemetry.drift.peers.pooled_window import (
    PooledWindow,
    merged,
    worst,
)
from vitrine_serving.gateway.telemetry.drift.window import DriftState

log = logging.getLogger("vitrine_serving.gateway")

EVERY_S = 5.0
"""Seconds between two rounds, a fifth more or less; so many that a gateway asks, and is asked by,
ten others a second at most."""

_A_SECOND = 10
_AT_ONCE = 16
_KEPT_ROUNDS = 4
"""Rounds after which a peer that tells nothing any more takes its images with it."""

_SAID_AFTER = 3
"""Rounds in which a peer fails before that is logged: those that begin and end do, too."""

_MOST_VERSIONS = 16
"""That are pooled: as many as a gateway has windows."""

_LOOK_S = 1.0

Key = tuple[str, int]
FindBaseline = Callable[[str, int], Awaitable[Baseline | None]]


class PeerRounds:
    """Rounds of one process, which runs them where no other of its gateway does.

    `addresses` are those of the peers, this gateway's own among them; `own` are its windows, and
    `baseline` finds that of a version, None where it is not known.
    """

    def __init__(
        self,
        pool: DriftPool,
        addresses: Callable[[], Sequence[str]],
        own: Callable[[], list[PooledWindow]],
        baseline: FindBaseline,
        every_s: float = EVERY_S,
    ) -> None:
        self._pool = pool
        self._addresses = addresses
        self._own = own
        self._baseline = baseline
        self._every_s = every_s
        self._heard: dict[str, tuple[float, document.WindowDocument]] = {}
        self._failed: Counter[str] = Counter()
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Asks the peers for as long as this process leads, and waits for that before."""
        while True:
            with self._pool.lead() as is_leading:
                while is_leading:
                    await self._safely()
                    await asyncio.sleep(self._pause_s * random.uniform(0.8, 1.2))  # noqa: S311
            await asyncio.sleep(_LOOK_S * random.uniform(0.8, 1.2))  # noqa: S311

    @property
    def _pause_s(self) -> float:
        return max(self._every_s, len(self._addresses()) / _A_SECOND)

    @property
    def _keep_s(self) -> float:
        return _KEPT_ROUNDS * self._pause_s

    async def _safely(self) -> None:
        try:
            await self.round()
        except Exception:
            log.exception("The drift windows of the peers could not be pooled")

    async def round(self) -> None:
        """Asks all peers once, and publishes the verdicts on their windows and this gateway's own.

        Peers are told apart by their instances: one that has several addresses counts
        once, and so does this gateway, with its own windows.
        """
        addresses = self._addresses()
        places = asyncio.Semaphore(_AT_ONCE)

        async def ask(address: str) -> None:
            async with places:
                await self._ask(address)

        await asyncio.gather(*map(ask, addresses))
        self._forget(addresses)
        pooled = await self._pooled()
        self._pool.publish(pooled, self._keep_s)

    async def _ask(self, address: str) -> None:
        try:
            found = document.read(await self._pool.client.windows(address), self._pool.now())
        except PeerError as error:
            self._note_failure(address, str(error))
        except ValueError as error:
            self._note_failure(address, f"its answer is no document of windows: {error}")
        else:
            if self._said.pop(address, ""):
                log.info("The gateway at %s tells its drift windows again", address)
            del self._failed[address]
            if found.instance != self._pool.instance:
                self._heard[found.instance] = self._pool.monotonic(), found

    def _note_failure(self, address: str, why: str) -> None:
        self._failed[address] += 1
        if self._failed[address] >= _SAID_AFTER and self._said.get(address) != why:
            self._said[address] = why
            log.warning("The drift windows of the gateway at %s are left out: %s", address, why)

    def _forget(self, addresses: Sequence[str]) -> None:
        since_s = self._pool.monotonic() - self._keep_s
        self._heard = {name: each for name, each in self._heard.items() if each[0] >= since_s}
        for gone in {*self._failed, *self._said} - set(addresses):
            del self._failed[gone]
            self._said.pop(gone, None)

    async def _pooled(self) -> list[Pooled]:
        heard: dict[Key, list[PooledWindow]] = defaultdict(list)
        for _, found in self._heard.values():
            for window in found.windows:
                heard[window.key].append(window)
        newest = sorted(heard, key=lambda key: -max(each.used for each in heard[key]))
        own = {window.key: window for window in self._own()}
        judged = [self._judged(key, heard[key], own.get(key)) for key in newest[:_MOST_VERSIONS]]
        return [each for each in await asyncio.gather(*judged) if each]

    async def _judged(
        self, key: Key, heard: Sequence[PooledWindow], own: PooledWindow | None
    ) -> Pooled | None:
        """Returns the verdict on a version, None where no peer has seen anything of it that this
        gateway can compare."""
        known = await self._baseline(*key)
        others = known and merged(each for each in heard if each.fits(known))
        if not known or not others:
            return None
        seen = merged([others, *([own] if own and own.fits(known) else [])]) or others
        before = self._pool.all().get(key)
        was = worst([seen.kind, (before and before.state.alarm) or "none"])
        found = seen.judged(known, was)
        return Pooled(others, DriftState.of(*key, found, gateways=seen.gateways))
