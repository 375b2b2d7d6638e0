"""Drift watch: collects answered images, a few at a time, and reports drift of each version."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import VitrineError
from vitrine_client.process.visible import visible
from vitrine_client.results.drift_statistics import STATISTICS, statistics
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.telemetry.drift import report, served
from vitrine_serving.gateway.telemetry.drift.baseline import Baseline, BaselineError
from vitrine_serving.gateway.telemetry.drift.detect import judge
from vitrine_serving.gateway.telemetry.drift.peers import (
    DriftPool,
    PeerRounds,
    PooledWindow,
    merged,
)
from vitrine_serving.gateway.telemetry.drift.peers.client import is_peer
from vitrine_serving.gateway.telemetry.drift.peers.document import written
from vitrine_serving.gateway.telemetry.drift.peers.pooled_window import CURRENT_S
from vitrine_serving.gateway.telemetry.drift.window import MODEL_BYTES, DriftState
from vitrine_serving.gateway.telemetry.drift.windows import Windows
from vitrine_serving.gateway.upstream.model_servers import ModelServers

log = logging.getLogger("vitrine_serving.gateway")

_AT_ONCE = 32
"""Images whose statistics are computed together, which takes a small part of one by one."""

_SMALL_BYTES = 16_384
"""Of an image: up to so many, images wait for others; of larger ones, or of another size than those
that wait, the statistics are computed at once, and no image is kept."""

_PIXELS = 1 << 19
"""Of large images that are looked at in a call: of more, some that are spread evenly, 32 of any
size."""

_FLUSH_S = 1.0
"""After which fewer than that are not waited for any more."""

_MOST_KNOWN = 256  # as many versions as descriptions are kept of

_MOST_TOLD = 200  # letters of what a card says

_DESCRIBE_S = 2.0  # for a version that a peer was asked about, and this process was not

Instances = npt.NDArray[Any]
Outputs = npt.NDArray[np.float32]
Rows = npt.NDArray[np.float64]


@dataclass
class _Version:
    """Watched version: its baseline, and those of its answers that are not in its window yet; or
    what it `lacks` a baseline for. `reason` is why no pictures can be sent to it, as it said."""

    known: Baseline | None
    lacks: str = ""
    reason: str = ""
    images: list[Instances] = field(default_factory=list)
    outputs: list[Outputs] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    count: int = 0

    def add(self, instances: Instances, probabilities: Outputs) -> None:
        """Takes an answer: images that are small and as large as those that wait, and the
        statistics of others. Raises `ValueError` for what has none."""
        first = self.images[0] if self.images else instances
        if first.shape[1:] == instances.shape[1:] and _are_small(instances):
            self.images.append(instances)
            self.outputs.append(probabilities)
            self.count += len(instances)
        else:
            self.rows.append(_rows(*_spread(instances, probabilities)))
            self.count += len(self.rows[-1])

    def computed(self, most: int) -> Rows:
        """Computes the statistics of those that wait; returns all rows, the last `most`, and keeps
        them."""
        if self.images:
            self.rows.append(_rows(np.concatenate(self.images), np.concatenate(self.outputs)))
            self.images, self.outputs = [], []
        rows = self.rows[0] if len(self.rows) == 1 else np.concatenate(self.rows)
        self.rows, self.count = [rows[-most:]], 0
        return self.rows[0]

    @property
    def waits(self) -> bool:
        """Whether there is something that is not in the window."""
        return bool(self.images or self.rows)

    def end(self, why: str) -> None:
        """Has it not watched any more."""
        self.known, self.lacks = None, why
        self.images, self.outputs, self.rows, self.count = [], [], [], 0


class Watch:
    """Drift watch of one process; all share `windows`, and `pool` where there are peers. Lives in
    one event loop."""

    def __init__(self, windows: Windows, pool: DriftPool | None = None) -> None:
        self._windows = windows
        self._pool = pool
        self._addresses: Callable[[], Sequence[str]] = tuple
        self._rounds: asyncio.Task[None] | None = None
        self._versions: dict[tuple[str, int], _Version] = {}
        self._ended: set[tuple[str, int]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self, addresses: Callable[[], Sequence[str]], servers: ModelServers) -> None:
        """Pools the windows with those of the gateways at `addresses` from now on, if at all."""
        self._addresses = addresses
        if self._pool:
            rounds = self.rounds(self._pool, addresses, servers)
            self._rounds = asyncio.get_running_loop().create_task(rounds.run())

    def rounds(
        self, pool: DriftPool, addresses: Callable[[], Sequence[str]], servers: ModelServers
    ) -> PeerRounds:
        """Returns the rounds over the gateways at `addresses`."""

        async def baseline(model: str, version: int) -> Baseline | None:
            return await self._baseline(model, version, servers)

        return PeerRounds(pool, addresses, self._own, baseline)

    def stop(self) -> None:
        """Asks no peers any more; another process of this gateway goes on with that."""
        if self._rounds:
            self._rounds.cancel()
            self._rounds = None

    @property
    def is_pooled(self) -> bool:
        """Whether there is a pool, which may be this gateway's alone at times."""
        return self._pool is not None

    def is_peer(self, client: str) -> bool:
        """Says whether an IP address is that of a gateway which the windows are pooled with."""
        return is_peer(client, self._addresses())

    def document(self) -> bytes:
        """Returns the windows of this gateway, for its peers."""
        instance = self._pool.instance if self._pool else ""
        return written(instance, self._own(), self._windows.now())

    def note(
        self,
        model: str,
        version: int,
        description: Description,
        instances: Instances,
        probabilities: Outputs,
    ) -> None:
        """Takes what a version answered to instances, levels [n, h, w] or [n, h, w, channels], and
        [n, classes].

        Keeps small ones until there are enough of them, so nobody may change them. Raises nothing:
        a version that cannot be watched is `unknown` from then on.
        """
        noted = self._versions.get((model, version))
        if noted is None or noted.known is None:
            noted = self._find(model, version, description)
            if noted.known is None:
                return
        try:
            noted.add(instances, probabilities)
        except Exception:  # a prediction must not fail because of what is only looked at
            self._end(model, version, noted)
            return
        if noted.count >= _AT_ONCE:
            self._flush(model, version, noted)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._tick)

    def flush(self) -> None:
        """Puts the noted images into the windows."""
        for (model, version), noted in self._versions.items():
            self._flush(model, version, noted)

    def states(self) -> list[DriftState]:
        """Returns the last verdicts, by whichever process; may be called in any thread.

        Leaves out versions that have ended, and those that have not been asked for a while.
        """
        since = self._windows.now() - CURRENT_S
        states = {each.key: each.state() for each in self._windows.all() if each.used >= since}
        pooled = self._pool.all() if self._pool else {}
        states |= {
            key: each.state
            for key, each in pooled.items()
            if key in states or each.others.used >= since
        }
        return [states[key] for key in sorted(states) if key not in self._ended]

    async def forget_ended(self, servers: ModelServers) -> None:
        """Drops the windows of versions that no server serves any more: should one be published
        again, or come back after a rollback, it begins without them. Raises nothing."""
        versions = {window.key for window in self._windows.all()}
        versions |= set(self._pool.all() if self._pool else ())
        self._ended = await served.ended(versions, servers)
        for model, version in self._ended:
            self._windows.drop(model, version)
            self._versions.pop((model, version), None)

    async def report(
        self, model: str, version: int | None, servers: ModelServers, *, timeout_s: float
    ) -> dict[str, Any]:
        """Returns what `GET /v1/models/<model>/drift` answers: the state of a version, or of all
        that are AVAILABLE, in words and figures.

        Raises what `servers` raise, and `NotFound` where no such version is AVAILABLE.
        """
        described = await report.describe(model, version, servers, timeout_s)
        self.flush()
        entries = [self._entry(model, number, says) for number, says in described.items()]
        return {"model": model, "versions": entries}

    def _entry(self, model: str, version: int, says: Description | None) -> dict[str, Any]:
        size = self._windows.size
        if says is None:
            return report.unknown(version, "it does not say what it is (`describe`)", size)
        noted = self._find(model, version, says)
        if noted.known is None:
            return report.unknown(version, noted.lacks, size)
        return report.entry(version, noted.known, self._seen(model, version, noted.known), size)

    def _seen(self, model: str, version: int, known: Baseline) -> PooledWindow | None:
        """Returns the images of a version that this gateway and its peers have seen."""
        seen = [
            each
            for each in self._own()
            if each.key == (model, version) and each.sample.sums.shape == known.means.shape
        ]
        pooled = self._pool.all().get((model, version)) if self._pool else None
        if pooled and pooled.others.fits(known):
            seen.append(pooled.others)
        return merged(seen)

    def _own(self) -> list[PooledWindow]:
        """Returns this gateway's windows; the verdicts are those on all that is pooled with them,
        as one that was raised is kept up by all."""
        pooled = self._pool.all() if self._pool else {}
        found = [PooledWindow.of(each, self._windows.size) for each in self._windows.all()]
        kinds = {key: each.state.alarm or "none" for key, each in pooled.items()}
        return [replace(each, kind=kinds.get(each.key, each.kind)) for each in found]

    async def _baseline(self, model: str, version: int, servers: ModelServers) -> Baseline | None:
        noted = self._versions.get((model, version))
        if noted is None or noted.known is None:
            try:
                says = await servers.describe(model, version, timeout_s=_DESCRIBE_S)
            except VitrineError:
                return None
            noted = self._find(model, version, says)
        return noted.known

    def _find(self, model: str, version: int, description: Description) -> _Version:
        """Returns what is known of a version; one that says something else of why no pictures can
        be sent to it begins again."""
        noted = self._versions.get((model, version))
        if noted is None or (noted.known is None and noted.reason != description.reason):
            return self._begin(model, version, description)
        return noted

    def _begin(self, model: str, version: int, description: Description) -> _Version:
        try:
            noted = _Version(_read(model, description), reason=description.reason)
        except BaselineError as error:
            noted = _Version(None, str(error), description.reason)
            log.info("No watch for drift on version %d of %s: %s", version, model, error)
        if len(self._versions) >= _MOST_KNOWN:
            del self._versions[next(iter(self._versions))]  # the oldest
        self._versions[model, version] = noted
        return noted

    def _tick(self) -> None:
        self._timer = None
        self.flush()
        if any(noted.rows for noted in self._versions.values()):
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._tick)

    def _flush(self, model: str, version: int, noted: _Version) -> None:
        if noted.known is None or not noted.waits:
            return
        try:
            self._put(model, version, noted, noted.known)
        except Exception:
            self._end(model, version, noted)

    def _end(self, model: str, version: int, noted: _Version) -> None:
        log.exception("Version %d of %s is not watched for drift any more", version, model)
        noted.end("what it answers cannot be compared with its baseline; see the log")

    def _put(self, model: str, version: int, noted: _Version, known: Baseline) -> None:
        rows = noted.computed(self._windows.size)
        if rows.shape[1] != len(known.means):
            raise ValueError(f"{rows.shape[1] - len(STATISTICS)} probabilities an image")
        with self._windows.change(model, version, len(known.labels)) as window:
            if window is None:  # others are at it; these come along next time
                return
            if len(rows):
                window.add(rows, self._windows.now())
                window.note(judge(known, window.sample(), window.kind))
        noted.rows = []


def _are_small(instances: Instances) -> bool:
    return instances.nbytes <= _SMALL_BYTES * len(instances)


def _spread(instances: Instances, probabilities: Outputs) -> tuple[Instances, Outputs]:
    """Returns as many of a call's images as there is time for, and their outputs; those of several
    callers may be in one call."""
    count = len(instances)
    most = max(_AT_ONCE, _PIXELS // max(1, math.prod(instances.shape[1:3])))
    if count <= most:
        return instances, probabilities
    chosen = np.linspace(0, count - 1, most).astype(np.int64)
    return instances[chosen], probabilities[chosen]


def _rows(instances: Instances, probabilities: Outputs) -> Rows:
    """Returns the statistics of those that have some. What a kernel overshoots by is cut off, as in
    the baseline of training."""
    if instances.dtype != np.uint8:
        instances = np.where(np.isfinite(instances), instances.clip(0, 255), instances)
    rows = statistics(instances, probabilities)
    return rows if np.isfinite(rows.sum()) else rows[np.isfinite(rows).all(axis=1)]


def _read(model: str, description: Description) -> Baseline:
    profile = description.profile
    if description.reason:
        raise BaselineError(f"no pictures can be sent to it: {description.reason}")
    if not description.labels:
        raise BaselineError("it answers numbers and not classes")
    if profile and profile.dtype == "string":
        raise BaselineError("it decodes pictures itself, so nobody else sees what it looks at")
    if len(model.encode()) > MODEL_BYTES:
        raise BaselineError(f"names of more than {MODEL_BYTES} bytes are not watched")
    why = description.card.get("not_watched")
    if isinstance(why, str) and "baseline" not in description.card:
        raise BaselineError(f"the training gave it no baseline: {visible(why[:_MOST_TOLD])}")
    shape = profile.shape if profile else ()
    return Baseline.read(description.card.get("baseline"), description.labels, shape)
