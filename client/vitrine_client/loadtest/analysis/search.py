"""Search for the highest arrival rate that still meets an objective.

A rate is tried by a probe: some seconds of an open loop. Near the boundary that is in part a matter
of luck, and any probe may be unlucky (a neighbour takes the processor for a moment). So no probe
has the last word. First the rate is doubled, or lowered, until it is between one that held and one
that was violated twice. Then each probe shifts a belief of where the boundary is, and the next is
made in its middle. Last, the rate that is found is probed again and for longer, and these probes
are judged as one: a pause that recurs every 10 seconds is in half of the short ones and in the sum
of the long ones. Where that does not meet the objective, lower rates are judged the same way, down
to the lowest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from vitrine_client.loadtest.analysis.probes import (
    HIGHEST_RATE,
    LONG_S,
    LOWEST_RATE,
    Probe,
    RateFound,
)
from vitrine_client.loadtest.analysis.slo import Slo, keeps_up
from vitrine_client.loadtest.results.result import Result

MOST_PROBES = 23
"""With the start of processes, they take about two minutes. Where rates fail that were to be
confirmed, there are more."""

CONFIRMATIONS = 4

_PRECISION = 1.05
"""How far the ends of the interval are from each other when the search is content."""

_CAUTIOUS = 0.35
"""Probability that the boundary is below the rate that is confirmed."""

_ATTEMPTS = 2
"""Rates to confirm near where the boundary seems to be."""

_DOWN = (2, 8, 64)
"""By how much a rate is lowered that was violated, the first time, the next, and from then on."""

_LOWER = (1.25, 2, 4, 8)
"""The same for rates that could not be confirmed, each time."""

_CLOSER = 3
"""Probed rates between one that was confirmed and one that was not."""

_FAR_BELOW = 16
"""A rate at which nobody waits, as a share of one where somebody may."""


def find_rate(
    probe: Callable[[float], Result],
    slo: Slo,
    *,
    start_rate: float = 100.0,
    most_probes: int = MOST_PROBES,
    confirmations: int = CONFIRMATIONS,
    confirm: Callable[[float], Result] | None = None,
    watch: Callable[[Probe], None] = lambda _: None,
) -> RateFound:
    """Finds the highest rate that meets `slo` by about `most_probes` calls of `probe`, which
    takes requests/s, once one has held and one was violated; `confirmations` of them are at the
    rate that is found, by `confirm`, which may take longer. `watch` sees each as it is done.

    From a `start_rate` near half of what a closed loop reached, it takes about 18.
    """
    search = _Search(probe, slo, watch, most_probes, confirmations, confirm or probe)
    return search.run(start_rate)


@dataclass
class _Search:
    probe: Callable[[float], Result]
    slo: Slo
    watch: Callable[[Probe], None]
    most: int
    confirmations: int
    confirm: Callable[[float], Result]
    probes: list[Probe] = field(default_factory=list)

    def run(self, start_rate: float) -> RateFound:
        # So low, and still with enough requests for the percentiles not to be luck.
        least = self.slo.fewest / (LONG_S * (self.confirmations or 1))
        self._floor = max(min(max(start_rate / _FAR_BELOW, least), start_rate), LOWEST_RATE)
        # Far below, a probe has so few requests that it holds by luck.
        self._lowest = max(start_rate / _DOWN[-1] if self.confirmations else 0.0, LOWEST_RATE)
        try:
            rate = self._bracket(start_rate)
        except _OutOfReachError as error:
            return self._none(error.rate, str(error))
        if not self.confirmations:
            self._bisect()
            rate = boundary(self.probes)(_CAUTIOUS)
            return self._found(rate)
        return self._confirmed()

    def _confirmed(self) -> RateFound:
        """Confirms the rate that is likely, and a higher one if that seems to do as well."""
        best, failed = 0.0, HIGHEST_RATE
        for _ in range(_ATTEMPTS):
            self._bisect()
            rate = min(boundary(self.probes)(_CAUTIOUS), failed / _PRECISION)
            if rate <= best:
                break
            if not self._confirms(rate):
                failed = rate
                continue
            best = rate
            if self._left < self.confirmations + 2:
                break
            if not (self._holds(_PRECISION * rate) and self._holds(_PRECISION * rate)):
                break
        return self._found(best) if best else self._lowered(failed)

    def _lowered(self, failed: float) -> RateFound:
        """Confirms a rate at which nobody waits; where that holds, one as high as can be below that
        which failed."""
        floor = min(self._floor, failed / _PRECISION)
        if not self._confirms(floor):
            return self._none(floor, self._why(floor))
        rate = floor
        for step in _LOWER:
            tried = failed / step
            if tried <= floor or self._confirms(tried):
                rate = max(tried, floor)
                break
            failed = tried
        for _ in range(_CLOSER):
            middle = sqrt(rate * failed)
            if middle < _PRECISION * rate:
                break
            if self._confirms(middle):
                rate = middle
            else:
                failed = middle
        return self._found(rate, high=failed)

    def _found(self, rate: float, high: float | None = None) -> RateFound:
        belief = boundary(self.probes)
        held = self._held(rate) if self.confirmations else []
        if high is None:
            low, high = min(rate, belief(0.05)), max(rate, belief(0.95))
        else:
            low = rate
        return RateFound(rate, low, high, sum(held), len(held), tuple(self.probes))

    def _none(self, rate: float, why: str) -> RateFound:
        return RateFound(0.0, 0.0, rate, 0, 0, tuple(self.probes), why=why)

    @property
    def _left(self) -> int:
        return self.most - len(self.probes)

    def _bisect(self) -> None:
        """Probes where the boundary is most likely, until it is known well enough."""
        while True:
            belief = boundary(self.probes)
            is_known = belief(0.95) < _PRECISION * belief(0.05)
            if is_known or self._left <= 2 * self.confirmations + 2:
                break
            self._holds(belief(0.5))

    def _confirms(self, rate: float) -> bool:
        """Says whether all probes at a rate, together, meet the objective, and half of them by
        themselves. Where they do not, as many again are made, unless these can't save it any more:
        one may have been unlucky."""
        for count in range(1, 2 * self.confirmations + 1):
            self._holds(rate, self.confirm)
            results, held = self._results(rate), self._held(rate)
            if (
                count >= self.confirmations
                and 2 * sum(held) >= len(held)
                and not self.slo.violations_of(results)
            ):
                return True
            if self.slo.is_lost(results, 2 * self.confirmations / count):
                return False
        return False

    def _bracket(self, rate: float) -> float:
        """Returns a rate that held while another above it did not. Raises `_OutOfReachError` where
        none holds."""
        violated, steps = HIGHEST_RATE, iter(_DOWN)
        while self._fails(rate):
            self._check_least(rate)
            if rate <= self._lowest:
                raise _OutOfReachError(rate, self._why(rate))
            violated, rate = rate, max(rate / next(steps, _DOWN[-1]), self._lowest)
        while 2 * rate < violated and violated == HIGHEST_RATE and not self._fails(2 * rate):
            rate *= 2
        return rate

    def _check_least(self, rate: float) -> None:
        """Raises `_OutOfReachError` where not even the fastest answer was fast enough, neither at
        this rate nor at one where nobody waits."""
        if not self.slo.out_of_reach(self._results(rate)):
            return
        below = max(rate / _FAR_BELOW, LOWEST_RATE)
        if below < rate:
            self._holds(below)
        if not all(map(keeps_up, self._results(below))):
            return  # they may have waited there, too
        told = self.slo.out_of_reach([*self._results(below), *self._results(rate)])
        if told:
            raise _OutOfReachError(below, told)

    def _fails(self, rate: float) -> bool:
        """Says whether a rate is violated twice in turn: once may be bad luck, unless even the
        fastest answer was too slow."""
        if self._holds(rate):
            return False
        return bool(self.slo.out_of_reach(self._results(rate))) or not self._holds(rate)

    def _holds(self, rate: float, by: Callable[[float], Result] | None = None) -> bool:
        """Makes one more, and says whether it meets the objective."""
        result = (by or self.probe)(rate)
        probe = Probe(rate, result, tuple(self.slo.violations(result)))
        self.probes.append(probe)
        self.watch(probe)
        return probe.held

    def _results(self, rate: float) -> list[Result]:
        """Returns the results of those at a rate."""
        return [probe.result for probe in self.probes if probe.rate == rate]

    def _held(self, rate: float) -> list[bool]:
        """Returns which of those at a rate met the objective by themselves."""
        return [probe.held for probe in self.probes if probe.rate == rate]

    def _why(self, rate: float) -> str:
        """Says why those at a rate do not meet it together."""
        held = self._held(rate)
        return "; ".join(self.slo.violations_of(self._results(rate))) or (
            f"only {sum(held)} of {len(held)} probes held"
        )


class _OutOfReachError(Exception):
    """Error where no rate meets the objective, not even `rate`; the text has the reason."""

    def __init__(self, rate: float, why: str) -> None:
        super().__init__(why)
        self.rate = rate


_BLUR = 0.025
"""How far a rate is from another, in its logarithm, at e times the odds that a probe holds: the
scale of a logistic curve."""

_AT_BOUNDARY = 0.8
"""Share of probes that hold at the boundary. It is not a half: some seconds have mostly less than
their share of rare events, so that their p99 is more often too low than too high."""

_UNLUCKY, _LUCKY = 0.08, 0.002
"""Share of probes that are violated, or hold, whatever the rate is."""

_STEP = 0.002
"""Of the belief, in the logarithm of the rate."""


def boundary(probes: Sequence[Probe]) -> Callable[[float], float]:
    """Returns the belief that probes give of the boundary: the rate below which it is with a
    probability. Before them, it may be anywhere from half the lowest rate to twice the highest.

    Bayesian bisection in the logarithm of the rate, as psychophysics looks for thresholds (Watson
    and Pelli 1983, QUEST: https://doi.org/10.3758/BF03202828); without luck that is bisection.
    """
    tried = np.log([probe.rate for probe in probes])
    held = np.array([probe.held for probe in probes])
    start, end = tried.min() - np.log(2), tried.max() + np.log(2)
    places = np.linspace(start, end, round((end - start) / _STEP))
    odds = np.log(_AT_BOUNDARY / (1 - _AT_BOUNDARY)) + (places[:, None] - tried) / _BLUR
    holds = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
    holds = _LUCKY + (1 - _UNLUCKY - _LUCKY) * holds
    likelihood = np.where(held, holds, 1 - holds).prod(axis=1)
    shares = np.cumsum(likelihood) / likelihood.sum()
    return lambda share: float(np.exp(np.interp(share, shares, places)))
