"""Outlier ejection: servers that do worse than the others are left alone for a while.

The circuit breaker is for failures in a row, the silence watch for servers that answer nothing,
`Lacking` for a model that one server lacks, or is too full for. This is for the half ill: a server
that fails every third call, or is many times as slow as the others. `outliers` compares them.

Times are as Envoy's: a server is left alone for `ejection_s`, twice as long the second time, and so
on, five minutes at most (`max_ejection_time`), and each `ejection_s` for which it is well takes one
time off. Unlike Envoy's, it is then on trial: it gets one call at a time, and comes back after ten.
Envoy leaves a tenth of the servers alone at most (`max_ejection_percent`); here it is half of those
that may be called, so that of two the worse one can be, and one alone never is.

Each process judges by its own calls: it needs no memory that is shared, and finds out as soon as it
has made some.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import grpc
from pydantic import Field

from vitrine_serving.gateway.settings_part import SettingsPart
from vitrine_serving.gateway.upstream.outliers import (
    FAILED,
    FAULT,
    Call,
    CallSample,
    Kind,
    Outlier,
    Strictness,
    failing,
    is_suspect,
    kind_of,
    slow,
    slow_limits_s,
)

log = logging.getLogger(__name__)

State = Literal["", "ejected", "trial"]

EVERY_S = 1.0
"""Seconds between two comparisons; sooner where a server has had `_SOON` more bad calls."""

WINDOW = 100
"""Calls of a server that is judged: its last ones."""

_KEPT = 200
"""Calls of the others that it is compared with, of each; none is older than `_OLDEST_S`."""

_OLDEST_S = 3600.0
_SOON = 8
_SOON_ON_TRIAL = 3
_PAUSE_S = 0.01
"""Seconds between two comparisons at least, for each server: one takes 0.1 ms for each."""

_LONGEST_S = 300.0
"""For which a server is left alone, and without a call after which its trial ends: others are
preferred, as those of a nearer zone are, or nobody asks anything."""

_TRIAL_CALLS = 10

_OUTLIER = Strictness(calls=20, bad=7, evidence=14.0, failed_share=0.1, slow_share=0.5)
"""A server that is as the others is found once in eight million comparisons: with three of them
that have other calls each second, once in a month, if it were not for the shares."""

_STILL = Strictness(calls=3, bad=3, evidence=3.0, failed_share=0.1, slow_share=0.5)
"""What it takes on trial, where a server was an outlier before: 1 in 70."""


FAULTS = (
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
)
"""Answers of a server that is broken, or is none of TensorFlow Serving's kind; or those of a model
that is: another server tells."""


class EjectionSettings(SettingsPart):
    """Time for which outliers are left alone."""

    ejection_s: float = Field(10.0, ge=0, le=86_400)
    """Seconds for which a model server is left alone that fails more often than the others, or is
    far slower; longer each time. 0: none is."""


def outcome_of(code: grpc.StatusCode, ok: bool | None) -> int | None:
    """Returns the outcome of a call that failed, by what the breaker was told of it; None where
    that tells nothing of the server: what a client did wrong, a version that is missing, a server
    that is full, a deadline that was too short."""
    return FAILED if ok is False else FAULT if code in FAULTS else None


class ServerStanding:
    """Standing of one server among the others: its last calls, and whether it is left alone."""

    def __init__(self, name: str, noted: "OutlierEjection") -> None:
        self.name = name
        self.state: State = ""
        self.finding: Outlier | None = None
        self.until_s = self.back_s = -math.inf
        self.times = 0
        self._noted = noted
        self._calls: deque[Call] = deque(maxlen=_KEPT)
        self._new = self._bad = 0
        self._sample = CallSample(())

    def note(self, method: str, request: bytes, started_s: float, outcome: int) -> None:
        """Notes a call that has ended now, by its outcome."""
        if self._noted.is_on:
            self.note_call((kind_of(method, request), started_s, time.monotonic(), outcome))

    def note_call(self, call: Call) -> None:
        """Notes a call, each after those that have ended before."""
        self._calls.append(call)
        self._new += 1
        kind, started_s, ended_s, outcome = call
        if outcome or ended_s - started_s > self._noted.slow_from_s.get(kind, math.inf):
            self._bad += 1
            if self._bad == (_SOON_ON_TRIAL if self.state else _SOON):
                self._noted.due.set()
        if self.state and self._new == _TRIAL_CALLS:
            self._noted.due.set()

    @property
    def has_new_calls(self) -> bool:
        """Whether calls have ended since the last sample."""
        return self._new > 0

    def may_be_asked(self, in_flight: int) -> bool:
        """Says whether it gets calls, where others do, with so many in flight."""
        return not self.state or (self.state == "trial" and not in_flight)

    def sample(self, now_s: float) -> CallSample:
        """Returns its last calls, from here on no longer new."""
        if self._new:
            self._new = self._bad = 0
            while self._calls and self._calls[0][2] < now_s - _OLDEST_S:
                self._calls.popleft()
            self._sample = CallSample(list(self._calls))
        return self._sample

    def forget_calls(self) -> None:
        """Has it judged by the calls that follow alone."""
        self._calls.clear()
        self._new, self._bad, self._sample = 0, 0, CallSample(())


class OutlierEjection:
    """Outlier ejection of one process.

    `is_on` says that there are several servers, `is_any_out` that one is left alone, or on trial;
    `due` is set where calls have come that are worth a comparison.
    """

    def __init__(self, settings: EjectionSettings) -> None:
        self._base_s = settings.ejection_s
        self.is_on = False
        self.is_any_out = False
        self.due = asyncio.Event()
        self.slow_from_s: dict[Kind, float] = {}
        """Seconds above which a call is slow, by its kind, as far as is known."""
        self.counts = {"failures": 0, "latency": 0}
        """Ejections, by reason."""

    def note_servers(self, count: int) -> None:
        """Notes how many servers there are."""
        self.is_on = bool(self._base_s) and count > 1

    def judge(self, standings: Sequence[ServerStanding], now_s: float) -> None:
        """Compares the servers that may be called, and decides which of them are left alone."""
        if not (self.is_any_out or any(each.state or each.has_new_calls for each in standings)):
            return
        for each in standings:
            if each.state == "ejected" and now_s >= each.until_s:
                each.state, each.until_s = "trial", now_s
                each.forget_calls()
        samples = {each: each.sample(now_s) for each in standings if each.state != "ejected"}
        self._end_trials(samples, now_s)
        out = sum(bool(each.state) for each in standings)
        self._eject(samples, len(standings) // 2 - out, now_s)
        self._take_back(standings, now_s)
        self.is_any_out = any(each.state for each in standings)

    def _end_trials(self, samples: dict[ServerStanding, CallSample], now_s: float) -> None:
        well = [sample for each, sample in samples.items() if not each.state]
        for each, sample in samples.items():
            if each.state != "trial":
                continue
            if found := failing(sample, well, _STILL) or slow(sample, well, _STILL):
                self.leave_alone(each, found, now_s)
            elif len(sample.calls) >= _TRIAL_CALLS:
                log.warning("%s does as well as the others again", each.name)
                _return(each, now_s)
            elif now_s - (sample.calls[-1][2] if sample.calls else each.until_s) >= _LONGEST_S:
                log.warning("%s is on trial no more, as no calls come to it", each.name)
                _return(each, now_s)

    def _eject(self, samples: dict[ServerStanding, CallSample], most: int, now_s: float) -> None:
        """Leaves alone the worst of those that are worse than others, `most` of them at most."""
        well = {each: sample for each, sample in samples.items() if not each.state}
        self.slow_from_s = slow_limits_s(list(well.values()))
        found: list[tuple[ServerStanding, Outlier]] = []
        for each, kept in well.items():
            if is_suspect(kept, self.slow_from_s, WINDOW, _OUTLIER):
                own = kept.last(WINDOW)
                others = [sample for other, sample in well.items() if other is not each]
                if finding := failing(own, others, _OUTLIER) or slow(own, others, _OUTLIER):
                    found.append((each, finding))
        found.sort(key=lambda pair: -pair[1].evidence)
        for each, finding in found[: max(0, most)]:
            told = each.name, finding.words
            log.warning("%s does worse than the others, and is left alone: %s", *told)
            self.leave_alone(each, finding, now_s)

    def leave_alone(self, each: ServerStanding, finding: Outlier, now_s: float) -> None:
        """Leaves a server alone for its time."""
        if each.times and not each.state:
            each.times = max(0, each.times - int((now_s - each.back_s) // self._base_s))
        each.times += 1
        longest_s = max(_LONGEST_S, self._base_s)
        each.until_s = now_s + min(each.times * self._base_s, longest_s)
        each.state, each.finding = "ejected", finding
        self.counts[finding.reason] += 1

    def _take_back(self, standings: Sequence[ServerStanding], now_s: float) -> None:
        """Asks servers again that were left alone, the least bad first, where they are more than
        half by now: others are lost, or were removed."""
        out = [each for each in standings if each.state]
        out.sort(key=lambda each: each.finding.evidence if each.finding else 0.0)
        for each in out[: max(0, len(out) - len(standings) // 2)]:
            log.warning("%s is asked again, as too few others can be", each.name)
            _return(each, now_s)


def _return(each: ServerStanding, now_s: float) -> None:
    each.state, each.finding, each.back_s = "", None, now_s
    each.forget_calls()


class EjectionWatch:
    """Watch that has servers compared each second, and sooner where there is something to see;
    `judge` compares them, and returns their number."""

    def __init__(self, due: asyncio.Event, judge: Callable[[], int]) -> None:
        self._due = due
        self._judge = judge
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends the watch."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            pause_s = EVERY_S
            try:
                pause_s = _PAUSE_S * self._judge()
            except Exception:  # else who is left alone would be so for ever
                log.exception("The model servers could not be compared")
            await asyncio.sleep(pause_s)
