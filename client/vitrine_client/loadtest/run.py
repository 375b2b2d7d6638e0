"""Runs a load test: starts the processes that make the load, and puts together what they saw."""

import dataclasses
import json
import os
import platform
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from vitrine_client import signals
from vitrine_client.loadtest.doubts import Processors, doubts
from vitrine_client.loadtest.endpoint import reach
from vitrine_client.loadtest.fleet import Fleet
from vitrine_client.loadtest.loop import Job
from vitrine_client.loadtest.plan import Closed, Plan, Replay
from vitrine_client.loadtest.rehearsal import right_answers
from vitrine_client.loadtest.result import Generator, Interval, Result
from vitrine_client.loadtest.targets import requests_of
from vitrine_client.loadtest.timeline import Timeline
from vitrine_client.loadtest.worker import Ended

_LOOK_S = 0.1
"""How often to look whether to stop."""


def ignore(_: Interval) -> None:
    """Watches nothing."""


def run(
    plan: Plan,
    *,
    watch: Callable[[Interval], None] = ignore,
    stop: threading.Event | None = None,
) -> Result:
    """Carries out a plan.

    `watch` is called in this thread with each second of the load, the warm-up's (`start_s` < 0) as
    well, once all that was due in it is answered or given up: later than a second after it where
    the server is slow. `stop` ends the test early; what was due by then counts.

    Raises a `VitrineError` where the target does not give right answers before the load begins, or
    a process that makes it ends by itself.
    """
    stop = stop or threading.Event()
    with signals.hasty():
        jobs = _jobs(plan)
    about = _about(plan)
    intervals: list[Interval] = []
    ends: list[Ended] = []
    with Fleet(jobs) as fleet:
        processors = Processors()
        timeline = Timeline(plan, fleet.start(), len(jobs))
        while fleet.is_at_work:
            if stop.is_set():
                timeline.cut(fleet.stop())
            for number, report in fleet.reports(_LOOK_S):
                if isinstance(report, Ended):
                    ends.append(report)
                else:
                    timeline.add(number, report)
            for interval in timeline.finished():
                intervals.append(interval)
                watch(interval)
        busy = processors.busy()
    generator = Generator(
        cpu_s=sum(end.cpu_s for end in ends),
        busiest=max(end.busy for end in ends),
        lag_p99_ms=None if isinstance(plan.load, Closed) else timeline.lag_p99_ms(),
    )
    measured = tuple(interval for interval in intervals if interval.start_s >= 0)
    result = Result(about, measured, generator)
    return dataclasses.replace(result, warnings=tuple(doubts(plan, result, busy)))


def _jobs(plan: Plan) -> list[Job]:
    """Asks the target first, so that what is wrong shows before the load."""
    target, load = plan.target, plan.load
    turns: tuple[int, ...] = ()
    if isinstance(load, Replay):  # it may have a hundred thousand, and ask for what is gone by now
        requests, turns = load.requests, load.turns
        rehearsed = requests[:1]
    else:
        requests = rehearsed = requests_of(target)
    endpoint = (
        target.address
        if target.kind == "grpc"
        else reach(target.address, plan.timeout_s, tls=target.tls)
    )
    known = right_answers(target, endpoint, rehearsed, plan.timeout_s)
    classes = (*known, *[None] * (len(requests) - len(known)))
    seats = load.concurrency if isinstance(load, Closed) else load.connections
    step = max(min(plan.processes, seats), 1)
    return [
        Job(
            kind=target.kind,
            endpoint=endpoint,
            requests=requests,
            classes=classes,
            load=load,
            seats=seats // step + (first < seats % step),
            timeout_s=plan.timeout_s,
            first=first,
            step=step,
            turns=turns,
            tls=target.tls,
        )
        for first in range(step)
    ]


def _about(plan: Plan) -> dict[str, Any]:
    return {
        "plan": json.loads(json.dumps(plan.described())),  # the same as when it is read again
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "client": version("vitrine-client"),
        "processors": os.cpu_count(),
    }
