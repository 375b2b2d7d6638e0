"""Metrics of one process: counters and histograms, for the cost of a few list items a request."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.outcomes import Outcome
from vitrine_serving.gateway.shedding import REASONS
from vitrine_serving.gateway.telemetry.drift import Watch
from vitrine_serving.gateway.telemetry.metrics import families
from vitrine_serving.gateway.telemetry.metrics.drift import DriftCollector
from vitrine_serving.gateway.telemetry.metrics.inference_statistics import InferenceStatistics
from vitrine_serving.gateway.telemetry.metrics.ledger import Histogram, Ledger, Series
from vitrine_serving.gateway.telemetry.metrics.shared_series import SharedSeries
from vitrine_serving.gateway.telemetry.observers import harmless
from vitrine_serving.gateway.telemetry.prediction_log import PredictionLog
from vitrine_serving.gateway.upstream.breaker import State
from vitrine_serving.gateway.upstream.connection import ServerState
from vitrine_serving.gateway.upstream.model_servers import ModelServers

OTHER = "other"
"""Stands for all names that are not in the setting: clients can send any."""

_FLUSH_S = 0.5
"""Age that the numbers of the other processes can have for the one that answers /metrics."""

_BREAKER: dict[State, float] = {"closed": 0.0, "half-open": 1.0, "open": 2.0}


_STATES = ("called", "ejected", "half-open", "open")


def _by_state(servers: Sequence[ServerState]) -> dict[tuple[str, ...], float]:
    """Returns how many servers are in each state."""
    counts: dict[tuple[str, ...], float] = {(state,): 0 for state in _STATES}
    for each in servers:
        well = "ejected" if each.is_ejected else "called"
        counts[(well if each.breaker == "closed" else each.breaker,)] += 1
    return counts


class _Kind(NamedTuple):
    """Series of requests that have endpoint, model and status in common."""

    requests: Series
    seconds: Histogram


class _Version(NamedTuple):
    """Series of one version of a model."""

    decode: Histogram
    queue: Histogram
    rpc: Histogram
    images: Histogram


class Metrics:
    """Metrics that one process observes, and `render`, which tells the sum of all.

    `shared` is made before a fork; without it this is a process of its own.
    """

    def __init__(
        self,
        models: Sequence[str],
        watch: Watch | None = None,
        shared: SharedSeries | None = None,
        slot: int = 0,
    ) -> None:
        self._models = frozenset(models)
        shared = shared or SharedSeries()
        self._ledger = Ledger(shared, slot)
        self.inference = InferenceStatistics(self._ledger, shared)
        self._requests: dict[tuple[str, str, int], _Kind] = {}
        self._versions: dict[tuple[str, int], _Version] = {}
        self._empty = {
            name: self._ledger.single(families.EMPTY_PICTURES, name) for name in (*models, OTHER)
        }
        self._sheds = {reason: self._ledger.single(families.SHEDS, reason) for reason in REASONS}
        self._feedback = {
            (name, outcome): self._ledger.single(families.FEEDBACK, name, outcome)
            for name in (*models, OTHER)
            for outcome in families.FEEDBACK_OUTCOMES
        }
        self._timer: asyncio.TimerHandle | None = None
        self._looks: list[Callable[[], None]] = []
        self._tick = harmless(self._look_and_flush)
        self._registry = CollectorRegistry()
        self._registry.register(shared)
        if watch:
            self._registry.register(DriftCollector(watch))

    def model_label(self, model: str) -> str:
        """Returns the name, or what stands for all that nobody has set up."""
        return model if model in self._models else OTHER

    def note_request(self, request: Request, answer: Answer, took_s: float) -> None:
        """Counts a request that was answered."""
        target = request.target
        model = self.model_label(target.model) if target else ""
        key = (request.endpoint, model, answer.status)
        kind = self._requests.get(key) or self._new_kind(key)
        kind.requests.value += 1
        kind.seconds.observe(took_s)
        if request.outcome:
            self._note_outcome(model, request.outcome)

    def note_call(self, model: str, version: int, rows: int, took_s: float) -> None:
        """Notes a call that was answered by a version."""
        known = self._version(self.model_label(model), version)
        known.rpc.observe(took_s)
        known.images.observe(rows)

    def count_shed(self, reason: str) -> None:
        """Counts what was turned away; `reason` is one of `sheds.REASONS`."""
        self._sheds[reason].value += 1

    def count_feedback(self, model: str, outcome: str) -> None:
        """Counts a flag by what came of it, one of `families.FEEDBACK_OUTCOMES`."""
        self._feedback[self.model_label(model), outcome].value += 1

    def follow_servers(self, servers: ModelServers) -> None:
        """Follows the retries, and how each model server is doing."""
        self._looks.append(servers.look_for_lost)
        self._ledger.follow(families.RETRIES, lambda: {(): servers.retries})
        self._ledger.follow(families.VERSION_SKEW, lambda: {(): servers.skews})
        self._ledger.follow(families.LARGE_MESSAGES, lambda: {(): servers.large_messages})
        self._ledger.follow(
            families.IN_FLIGHT,
            lambda: {(each.address,): each.in_flight for each in servers.snapshot()},
        )
        self._ledger.follow(
            families.BREAKER,
            lambda: {(each.address,): _BREAKER[each.breaker] for each in servers.snapshot()},
        )
        self._ledger.follow(
            families.EJECTED,
            lambda: {(each.address,): float(each.is_ejected) for each in servers.snapshot()},
        )
        self._ledger.follow(
            families.EJECTIONS,
            lambda: {(reason,): count for reason, count in servers.ejections.items()},
        )
        self._ledger.follow(families.MODEL_SERVERS, lambda: _by_state(servers.snapshot()))

    def follow_waiting(self, waiting: Callable[[], Mapping[str, int]]) -> None:
        """Follows how many images wait, by model."""

        def read() -> dict[tuple[str, ...], float]:
            found: dict[tuple[str, ...], float] = {(name,): 0 for name in (*self._models, OTHER)}
            for model, images in waiting().items():
                found[(self.model_label(model),)] += images
            return found

        self._ledger.follow(families.IMAGES_WAITING, read)

    def follow_decoding(self, queue: DecodingQueue) -> None:
        """Follows the work that waits, and the processes that ended with it."""
        self._ledger.follow(families.DECODING_WAITING, lambda: {(): queue.waiting_s})
        self._ledger.follow(families.DECODING_ENDED, lambda: {(): queue.processes_ended})

    def follow_peers(self, count: Callable[[], int]) -> None:
        """Follows how many gateways there are."""
        self._ledger.follow(families.PEERS, lambda: {(): count()})

    def follow_log(self, log: PredictionLog) -> None:
        """Follows what becomes of the lines of the prediction log."""
        self._ledger.follow(
            families.PREDICTIONS_LOGGED,
            lambda: {("written",): log.written, ("dropped",): log.dropped},
        )

    def start(self) -> None:
        """Looks and flushes twice a second from here on, in the running loop."""
        self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self.start)
        self._tick()

    def _look_and_flush(self) -> None:
        for look in self._looks:
            look()
        self.flush()

    def flush(self) -> None:
        """Tells the other processes what this one knows; from any thread."""
        self._ledger.flush()

    def close(self) -> None:
        """Flushes for the last time."""
        if self._timer:
            self._timer.cancel()
        self.flush()

    def render(self) -> tuple[bytes, str]:
        """Returns all metrics of all processes, and the content type; from any thread."""
        self.flush()
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def _new_kind(self, key: tuple[str, str, int]) -> _Kind:
        endpoint, model, status = key
        same = (kind for known, kind in self._requests.items() if known[:2] == key[:2])
        other = next(same, None)
        kind = _Kind(
            self._ledger.single(families.REQUESTS, endpoint, model, str(status)),
            other.seconds
            if other
            else self._ledger.histogram(families.REQUEST_SECONDS, endpoint, model),
        )
        self._requests[key] = kind
        return kind

    def _note_outcome(self, model: str, outcome: Outcome[Any]) -> None:
        known = self._version(model, outcome.version)
        shown = outcome.shown
        if shown or outcome.queue_s:  # JSON waits for nobody
            known.queue.observe(outcome.queue_s)
        if not shown or shown.found:  # not of arrays, which are pixels already
            known.decode.observe(outcome.decode_s)
        if empty := outcome.empty:
            self._empty[model].value += empty

    def _version(self, model: str, version: int) -> _Version:
        key = (model, version)
        if key not in self._versions:
            number, new = str(version), self._ledger.histogram
            self._versions[key] = _Version(
                decode=new(families.STAGE_SECONDS, model, number, "decode"),
                queue=new(families.STAGE_SECONDS, model, number, "queue"),
                rpc=new(families.STAGE_SECONDS, model, number, "rpc"),
                images=new(families.BATCH_IMAGES, model, number),
            )
        return self._versions[key]
