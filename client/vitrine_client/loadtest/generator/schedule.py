"""When the requests of an open loop are due, whatever becomes of them."""

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from vitrine_client.loadtest.plan import Open, Replay

Floats = npt.NDArray[np.float64]

_AT_ONCE = 1024
"""Requests worked out together: about 50 us of work, which the generator can be late by."""


def due_times(load: Open | Replay, *, first: int = 0, step: int = 1) -> Iterator[Floats]:
    """Yields when requests are due, in seconds from the start and ascending, some at a time.

    Of the whole schedule these are every `step`-th, from `first` on: with the same `step` and each
    `first` below it, they are together exactly the one schedule.

    The n-th request is due when the rate, summed over time, reaches the n-th point: n + 1/2 for
    constant gaps, the sum of n exponential gaps of mean 1 for Poisson's (the inversion method for a
    rate that changes: Cinlar, Introduction to Stochastic Processes, 1975, 4.7).
    """
    if isinstance(load, Replay):
        yield np.array(load.due_s, np.float64)[first::step]
        return
    curve = _Curve(load)
    taken = 0
    for points in _points(load):
        below = points[points < curve.total]
        yield curve.when(below)[(first - taken) % step :: step]
        taken += len(below)
        if len(below) < len(points):
            return


def _points(load: Open) -> Iterator[Floats]:
    if load.arrivals == "constant":
        for start in itertools.count(0, _AT_ONCE):
            yield np.arange(start, start + _AT_ONCE, dtype=np.float64) + 0.5
    random = np.random.default_rng(load.seed)
    reached = 0.0
    while True:
        points: Floats = reached + np.cumsum(random.exponential(size=_AT_ONCE), dtype=np.float64)
        reached = float(points[-1])
        yield points


class _Curve:
    """How many requests are due up to a moment, and when so many are."""

    def __init__(self, load: Open) -> None:
        phases = [phase for phase in load.phases if phase.duration_s > 0]
        durations = np.array([phase.duration_s for phase in phases], np.float64)
        self._rates = np.array([phase.rate for phase in phases], np.float64)
        end_rates = np.array([phase.end_rate for phase in phases], np.float64)
        self._slopes = (end_rates - self._rates) / durations
        self._starts_s = np.cumsum(durations) - durations
        requests = durations * (self._rates + end_rates) / 2
        self._ends = np.cumsum(requests)
        self._before = self._ends - requests
        self.total = float(self._ends[-1]) if phases else 0.0

    def when(self, points: Floats) -> Floats:
        """Solves rate * t + slope * t^2 / 2 = points in each phase, for points below `total`."""
        phase = np.searchsorted(self._ends, points, side="right")
        into, rate, slope = points - self._before[phase], self._rates[phase], self._slopes[phase]
        # Not the usual formula: this one is also right where the slope is 0.
        root = np.sqrt(np.maximum(rate**2 + 2 * slope * into, 0))
        return self._starts_s[phase] + 2 * into / np.maximum(rate + root, 1e-12)
