"""A server with one line to wait in, simulated: no process, no socket, and no time."""

import math

import numpy as np

from tests.client.loadtest.made_results import plan_of
from tests.programmed_latency import line_rate
from vitrine_client.loadtest.histogram import Histogram
from vitrine_client.loadtest.parts import Generator, Interval
from vitrine_client.loadtest.plan import Open, Phase
from vitrine_client.loadtest.result import Result
from vitrine_client.loadtest.search import PROBE_S, WARM_UP_S


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

    def __call__(self, rate: float) -> Result:
        self.calls += 1
        random = self._random
        count = random.poisson(rate * (WARM_UP_S + self._duration_s))
        due_s = np.sort(random.uniform(-WARM_UP_S, self._duration_s, count))
        # Who is the n-th is done when all before are, or a service time after it came (Lindley).
        work_s = np.arange(count) * self._service_s
        done_s = work_s + np.maximum.accumulate(due_s - work_s) + self._service_s
        if random.uniform() < self._unlucky:
            from_s = random.uniform(0, self._duration_s)
            until_s = from_s + 0.3
            done_s = np.where((done_s > from_s) & (done_s < until_s), until_s, done_s)
        return _result(rate, self._duration_s, due_s, done_s - due_s)


def _result(rate: float, duration_s: float, due_s: np.ndarray, latency_s: np.ndarray) -> Result:
    intervals = []
    for second in range(math.ceil(duration_s)):
        within = (due_s >= second) & (due_s < second + 1)
        latency = Histogram.of(latency_s[within])
        intervals.append(
            Interval(float(second), 1.0, int(within.sum()), latency, latency, latency.count)
        )
    plan = plan_of(Open((Phase(WARM_UP_S + duration_s, rate, rate),)))
    return Result({"plan": plan.described()}, tuple(intervals), Generator(0.1, 0.1, 0.1))
