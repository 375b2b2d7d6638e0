"""Latencies that a server can be told to have, and what a load test of it should find.

A server that works on everything at once (`Behaviour.servers` is None) gives each request a latency
S of its own. While it stalls, its clock stands still: from the beginning of each period P for D
seconds nothing goes on, neither for who is in hand nor for who arrives.

An open loop arrives at any point of a period with the same probability, so it finds, with y the
rest of the stall that an arrival meets and r the time that is left until the next one:

    P(L <= x) = 1/P * ( integral over y from 0 to D of F(x - y)
                      + integral over r from 0 to P - D of F(min(x, r)) + max(0, F(x - D) - F(r)) )

A closed loop waits with the server, so each of its connections meets a stall with one request a
period, the one that is in hand; that is a long one rather than a short one, in proportion to S.
Counting requests, not time, with P - D the time a period in which there is work:

    P(L <= x) = E[ 1{S <= x} * (1 - S / (P - D)) + 1{S + D <= x} * S / (P - D) ]

Both hold while S is shorter than P - D. With one server and a constant S, arrivals by chance at a
rate of a fraction rho of 1/S wait in line: M/D/1, whose wait has the tail

    P(W > x) = (1 - rho) / (rho * exp(theta * S) - 1) * exp(-theta * x)

where theta > 0 solves rho * (exp(theta * S) - 1) = theta * S. (The theorem of Cramér and Lundberg
for the M/G/1 queue; in the limit of large x, and to 1 % from x = S on.)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_POINTS = 20_000
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Latency:
    """A distribution of latencies with a mean of `mean_s` seconds.

    "lognormal" has a standard deviation of `sigma` in the logarithm. "bimodal" has a share `slow`
    of `times` the latency of the others, each spread evenly over 10 % to either side.
    """

    kind: Literal["constant", "exponential", "lognormal", "bimodal"] = "constant"
    mean_s: float = 0.0
    sigma: float = 0.5
    slow: float = 0.05
    times: float = 5.0

    def at(self, shares: Floats) -> Floats:
        """Returns the latencies that `shares` of all, within 0..1, stay below."""
        if self.kind == "constant":
            return np.full_like(shares, self.mean_s)
        if self.kind == "exponential":
            return -self.mean_s * np.log1p(-shares)
        if self.kind == "lognormal":
            normal = np.array([_NORMAL.inv_cdf(share) for share in shares.tolist()])
            return self.mean_s * np.exp(self.sigma * normal - self.sigma**2 / 2)
        quick = 1 - self.slow
        fast_s = self.mean_s / (quick + self.slow * self.times)
        within = np.where(shares < quick, shares / quick, (shares - quick) / self.slow)
        return fast_s * np.where(shares < quick, 1, self.times) * (0.9 + 0.2 * within)

    def stratified(self, count: int, random: np.random.Generator) -> Floats:
        """Draws `count` latencies, one from each of so many equal parts of the distribution, in
        any order: a short run has the percentiles of a long one."""
        return self.at(random.permutation((np.arange(count) + random.uniform(size=count)) / count))


@dataclass(frozen=True)
class Behaviour:
    """What a server is to do. With `servers`, so many requests are worked on, and others wait in
    line. It stands still for the first `stall_s` of each `period_s`, if that is set. `slow_down`
    multiplies the latency. Of the answers, `errors` are 503 and `wrong` are another label."""

    latency: Latency = Latency()
    servers: int | None = None
    period_s: float = 0.0
    stall_s: float = 0.0
    slow_down: float = 1.0
    errors: float = 0.0
    wrong: float = 0.0
    seed: int = 0

    @property
    def capacity(self) -> float:
        """Requests/s that it can answer; infinite without `servers`."""
        if self.servers is None or not self.latency.mean_s:
            return math.inf
        runs = 1 - self.stall_s / self.period_s if self.period_s else 1.0
        return runs * self.servers / (self.latency.mean_s * self.slow_down)

    def done_at(self, start_s: float, work_s: float) -> float:
        """Returns when work is done that is begun at `start_s` of the server's time."""
        if not self.period_s:
            return start_s + work_s
        within_s = start_s % self.period_s
        if within_s < self.stall_s:
            start_s, within_s = start_s + self.stall_s - within_s, self.stall_s
        while work_s > self.period_s - within_s:
            work_s -= self.period_s - within_s
            start_s += self.period_s - within_s + self.stall_s
            within_s = self.stall_s
        return start_s + work_s


def open_loop_s(behaviour: Behaviour, percents: Sequence[float]) -> list[float]:
    """Returns the percentiles, in seconds, that an open loop sees; without `servers`."""
    shares, latencies_s = _latencies(behaviour)
    period_s, stall_s = behaviour.period_s or 1.0, behaviour.stall_s
    rest_s, left_s = stall_s * shares, (period_s - stall_s) * shares

    def below(values_s: Floats) -> Floats:
        return np.interp(values_s, latencies_s, shares, left=0.0, right=1.0)

    by_left = below(left_s)

    def share(limit_s: float) -> float:
        met = below(limit_s - rest_s).mean()
        missed = below(np.minimum(limit_s, left_s))
        crossed = np.maximum(0.0, below(np.array(limit_s - stall_s)) - by_left)
        return float((met * stall_s + (missed + crossed).mean() * (period_s - stall_s)) / period_s)

    highest_s = float(latencies_s[-1]) + stall_s

    def percentile_s(percent: float) -> float:
        return _least(lambda limit_s: share(limit_s) >= percent / 100, 0.0, highest_s)

    return [percentile_s(percent) for percent in percents]


def closed_loop_s(behaviour: Behaviour, percents: Sequence[float]) -> list[float]:
    """Returns the percentiles, in seconds, that a closed loop sees; without `servers`."""
    _, latencies_s = _latencies(behaviour)
    runs_s = (behaviour.period_s or 1.0) - behaviour.stall_s
    hit = latencies_s / runs_s if behaviour.stall_s else np.zeros_like(latencies_s)
    values_s = np.concatenate([latencies_s, latencies_s + behaviour.stall_s])
    weights = np.concatenate([1 - hit, hit]) / _POINTS
    order = values_s.argsort()
    places = weights[order].cumsum().searchsorted(np.array(percents) / 100)
    return [float(value) for value in values_s[order][places.clip(max=len(order) - 1)]]


def line_s(service_s: float, rate: float, percent: float) -> float:
    """Returns a percentile of wait and service together, in seconds, with one server, a constant
    service time, and arrivals by chance; infinite from its capacity on."""
    rho = rate * service_s
    if rho >= 1:
        return math.inf
    theta = _least(lambda x: rho * math.expm1(x) > x, 0.0, 2 - 2 * math.log(rho))
    tail = (1 - rho) / (rho * math.exp(theta) - 1)
    return service_s * (1 + max(0.0, math.log(tail / (1 - percent / 100)) / theta))


def line_rate(service_s: float, percent: float, limit_s: float) -> float:
    """Returns the rate at which that percentile is `limit_s`."""
    most = 1 / service_s
    return _least(lambda rate: line_s(service_s, rate, percent) > limit_s, most / 1e3, most)


def _latencies(behaviour: Behaviour) -> tuple[Floats, Floats]:
    shares = (np.arange(_POINTS) + 0.5) / _POINTS
    return shares, behaviour.slow_down * behaviour.latency.at(shares)


def _least(holds: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
