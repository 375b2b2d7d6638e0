"""A server with one line to wait in, simulated: no process, no socket, and no time."""

import math

import numpy as np

from harness.programmed_latency import line_rate
from tests.client.loadtest.made_results import plan_of
from vitrine_client.loadtest.analysis.probes import LONG_S, PROBE_S, WARM_UP_S, long_s
from vitrine_client.loadtest.plan import Open, Phase
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Generator, Interval, Result


class SimulatedQueue:
    """Gives what a probe of some seconds would show of a server that works on one request at a
    time, for `service_s`. In a share `unlucky` of the probes it stands still for 0.3 s."""

    def __init__(
        self, service_s: float, seed: int, *, unlucky: float = 0.0, duration_s: float = PROBE_S
    ) -> None:
        self._service_s = service_s
        self._unlucky, self._duration_s = unlucky, duration_s
        self._random = np.random.default_rng(seed)
        self.calls = 0

    def capacity(self, percent: float, limit_s: float) -> float:
        """The rate at which a percentile is `limit_s`, in the long run."""
        return line_rate(self._service_s, percent, limit_s)

    def longer(self, rate: float) -> Result:
        """Gives what a probe shows that is as long as those which confirm a rate."""
        return self(rate, LONG_S)

    def __call__(self, rate: float, duration_s: float | None = None) -> Result:
        self.calls += 1
        duration_s, random = duration_s or self._duration_s, self._random
        count = random.poisson(rate * (WARM_UP_S + duration_s))
        due_s = np.sort(random.uniform(-WARM_UP_S, duration_s, count))
        # Who is the n-th is done when all before are, or a service time after it came (Lindley).
        work_s = np.arange(count) * self._service_s
        done_s = work_s + np.maximum.accumulate(due_s - work_s) + self._service_s
        if random.uniform() < self._unlucky:
            from_s = random.uniform(0, duration_s)
            until_s = from_s + 0.3
            done_s = np.where((done_s > from_s) & (done_s < until_s), until_s, done_s)
        return _result(rate, duration_s, due_s, done_s - due_s)


class StallingServer:
    """Gives what probes show of a server that answers all in 5 ms, but stands still for a second
    every `period_s`: of its own clock, which goes on for a second between two probes."""

    def __init__(self, seed: int, *, period_s: float = 10.0) -> None:
        self._random = np.random.default_rng(seed)
        self._period_s = period_s
        self._now_s = self._random.uniform(0, period_s)
        self.took_s, self._longer = 0.0, 0

    def longer(self, rate: float) -> Result:
        """Gives what a probe shows that is as long as those which confirm a rate."""
        self._longer += 1
        return self(rate, long_s(self._longer))

    def __call__(self, rate: float, duration_s: float = PROBE_S) -> Result:
        count = self._random.poisson(rate * duration_s)
        due_s = np.sort(self._random.uniform(0, duration_s, count))
        into_s = (self._now_s + WARM_UP_S + due_s) % self._period_s
        latency_s = 0.005 + np.clip(1 - into_s, 0, None)
        took_s = duration_s + WARM_UP_S + 1
        self._now_s += took_s
        self.took_s += took_s
        return _result(rate, duration_s, due_s, latency_s)


def _result(rate: float, duration_s: float, due_s: np.ndarray, latency_s: np.ndarray) -> Result:
    intervals = []
    for second in range(math.ceil(duration_s)):
        within = (due_s >= second) & (due_s < second + 1)
        latency = LatencyHistogram.of(latency_s[within])
        intervals.append(
            Interval(float(second), 1.0, int(within.sum()), latency, latency, latency.count)
        )
    plan = plan_of(Open((Phase(WARM_UP_S + duration_s, rate, rate),)))
    return Result({"plan": plan.described()}, tuple(intervals), Generator(0.1, 0.1, 0.1))
