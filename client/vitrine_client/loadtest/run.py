"""Load test run: starts the processes that generate the load, and merges their reports."""

import dataclasses
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from vitrine_client import errors
from vitrine_client.loadtest import open_inference
from vitrine_client.loadtest.analysis.doubts import Processors, doubts
from vitrine_client.loadtest.gateways import client_of
from vitrine_client.loadtest.generator.fleet import Fleet
from vitrine_client.loadtest.generator.http_connection import Endpoint, reach
from vitrine_client.loadtest.generator.loop import Job
from vitrine_client.loadtest.generator.rehearsal import Rehearsed, rehearse
from vitrine_client.loadtest.generator.targets import requests_of
from vitrine_client.loadtest.generator.worker import Ended, Lost
from vitrine_client.loadtest.plan import V2_KINDS, Closed, Load, Plan, Replay, Workload
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.request_rows import RequestRows
from vitrine_client.loadtest.results.result import (
    Connecting,
    Generator,
    Interval,
    Result,
    closed_range,
)
from vitrine_client.loadtest.results.timeline import Timeline
from vitrine_client.process import signals

_MISSING = ("Servable not found", "Unrecognized servable version label")
"""What TensorFlow Serving says of a model, version or version label that is not there."""

_LOOK_S = 0.1
"""How often to look whether to stop."""


@dataclass(frozen=True)
class Ready:
    """Workload that was found to answer: its endpoint and its requests. Once found, it does for all
    loads of that workload."""

    endpoint: Endpoint | str
    requests: tuple[bytes, ...] = dataclasses.field(repr=False)
    rehearsed: Rehearsed
    turns: tuple[int, ...] = ()
    assumed: str = ""
    """What no server says of the pictures that a model takes, in words."""


def ignore(_: Interval) -> None:
    """Watches nothing."""


def make_ready(target: Workload, load: Load, timeout_s: float) -> Ready:
    """Asks a target for what a load will, so that what is wrong shows before the load.

    Raises a `VitrineError` where it does not give right answers.
    """
    turns: tuple[int, ...] = ()
    model = None
    if isinstance(load, Replay):  # it may have a hundred thousand, and ask for what is gone by now
        requests, turns = load.requests, load.turns
        rehearsed = requests[:1]
    else:
        if target.kind in V2_KINDS:
            model = open_inference.model_of(target, timeout_s)
        requests = rehearsed = requests_of(target, model)
    endpoint: Endpoint | str = target.address
    if not target.is_grpc:
        endpoint = reach(target.address, timeout_s, tls=target.tls, keep_alive=target.keep_alive)
    try:
        found = rehearse(target, endpoint, rehearsed, timeout_s)
    except (errors.NotFound, errors.InvalidRequest) as error:
        gateways = target.kind not in ("grpc", "rest", *V2_KINDS)
        if gateways and any(each in str(error) for each in _MISSING):
            _check_is_there(target, timeout_s)
        raise
    return Ready(endpoint, requests, found, turns, model.assumed if model else "")


def _check_is_there(target: Workload, timeout_s: float) -> None:
    """Raises `NotFound` that says what there is instead of a model, version or version label."""
    with client_of(target, timeout_s) as client:
        try:
            client.metadata(target.model, version=target.version, label=target.label)
        except errors.NotFound:
            raise
        except errors.VitrineError:
            return  # of an error there is one already


def run(
    plan: Plan,
    *,
    ready: Ready | None = None,
    watch: Callable[[Interval], None] = ignore,
    stop: threading.Event | None = None,
    rows: RequestRows | None = None,
) -> Result:
    """Carries out a plan, whose target is made ready first unless it is.

    `watch` is called in this thread with each second of the load, the warm-up's (`start_s` < 0) as
    well, once all that was due in it is answered or given up: later than a second after it where
    the server is slow. `stop` ends the test early; what was due by then counts. `rows` take each
    request.

    Where a process that makes it ends by itself, the load ends, and the result is of what all had
    told until then; its `lost` says so. Raises a `VitrineError` where that is nothing, or the
    target does not give right answers before the load begins.
    """
    stop = stop or threading.Event()
    with signals.hasty():
        ready = ready or make_ready(plan.target, plan.load, plan.timeout_s)
    jobs = _jobs(plan, ready)
    about = _about(plan)
    intervals: list[Interval] = []

    def finish(interval: Interval) -> None:
        intervals.append(interval)
        watch(interval)

    with Fleet(jobs) as fleet:
        processors = Processors()
        timeline = Timeline(plan, fleet.start(), len(jobs))
        if rows:
            rows.begin(timeline.zero_s)
        course = _follow(fleet, timeline, plan.give_up_s, finish, stop, rows)
        busy = processors.busy()
    measured = tuple(interval for interval in intervals if interval.start_s >= 0)
    if course.lost and not measured:
        raise errors.VitrineError(f"{course.lost} before anything was measured")
    generator = _generator(plan, course.ends, timeline)
    connecting = _connecting(ready, course.ends, timeline)
    result = Result(about | course.described(), measured, generator, connecting=connecting)
    warnings = (*course.warnings(), *doubts(plan, result, busy))
    return dataclasses.replace(result, warnings=warnings)


@dataclass
class _Course:
    """Course of a load: how each of its processes ended, for how many seconds nobody had answered
    where that ended the load, and which process ended by itself, in words."""

    ends: list[Ended] = dataclasses.field(default_factory=list)
    gone_s: float = 0.0
    lost: str = ""

    @property
    def is_over(self) -> bool:
        """Whether there is no use in going on."""
        return bool(self.gone_s or self.lost)

    def described(self) -> dict[str, Any]:
        """Returns what a result's `about` has of it."""
        return {"lost": self.lost} if self.lost else {}

    def warnings(self) -> Iterator[str]:
        """Yields why it was ended."""
        if self.lost:
            yield f"{self.lost}; what was measured until then is kept"
        if self.gone_s:
            yield f"Nobody answered for {self.gone_s:.1f} s, so it was ended"


def _follow(
    fleet: Fleet,
    timeline: Timeline,
    give_up_s: float | None,
    finish: Callable[[Interval], None],
    stop: threading.Event,
    rows: RequestRows | None,
) -> _Course:
    """Follows a fleet until its processes have ended."""
    course = _Course()
    while fleet.is_at_work:
        if give_up_s and not course.is_over:
            for_s = timeline.gone_for_s(time.monotonic())
            course.gone_s = for_s if for_s >= give_up_s else 0.0
        if stop.is_set() or course.is_over:
            timeline.cut(fleet.stop())
        for number, report in fleet.reports(_LOOK_S):
            if isinstance(report, Ended):
                course.ends.append(report)
                timeline.close(number, report.ended_s)
            elif isinstance(report, Lost):
                course.lost = str(report)
                timeline.lose(number)
            else:
                timeline.add(number, report)
                if rows:
                    rows.add(number, report)
        for interval in timeline.finished():
            finish(interval)
    return course


def _generator(plan: Plan, ends: Sequence[Ended], timeline: Timeline) -> Generator:
    busy = [end.busy for end in ends if end.busy is not None]
    lags_ms = [None, None] if isinstance(plan.load, Closed) else map(timeline.lag_ms, (99, 50))
    return Generator(sum(end.cpu_s for end in ends), max(busy, default=None), *lags_ms)


def _connecting(ready: Ready, ends: Sequence[Ended], timeline: Timeline) -> Connecting:
    closed = [end.closed_after for end in ends] + [(ready.rehearsed.closed_after,) * 2]
    connect_s, tls_s, before = timeline.made_meanwhile(end.connected for end in ends).T
    return Connecting(
        connect=LatencyHistogram.of(connect_s),
        tls=LatencyHistogram.of(tls_s[tls_s > 0]),
        again=int((before > 0).sum()),
        closed_after=closed_range(closed),
    )


def _jobs(plan: Plan, ready: Ready) -> list[Job]:
    target, load, known = plan.target, plan.load, ready.rehearsed.classes
    seats = load.concurrency if isinstance(load, Closed) else load.connections
    step = max(min(plan.processes, seats, plan.count or seats), 1)
    return [
        Job(
            kind=target.kind,
            endpoint=ready.endpoint,
            requests=ready.requests,
            classes=(*known, *[None] * (len(ready.requests) - len(known))),
            load=load,
            seats=_share(seats, first, step),
            timeout_s=plan.timeout_s,
            first=first,
            step=step,
            turns=ready.turns,
            headers=target.metadata,
            tls=target.tls,
            count=None if plan.count is None else _share(plan.count, first, step),
        )
        for first in range(step)
    ]


def _share(number: int, first: int, step: int) -> int:
    """Returns what the process `first` of `step` has of a number."""
    return number // step + (first < number % step)


def _about(plan: Plan) -> dict[str, Any]:
    return {
        "plan": json.loads(json.dumps(plan.described())),  # the same as when it is read again
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "client": version("vitrine-client"),
        "processors": os.cpu_count(),
    }
