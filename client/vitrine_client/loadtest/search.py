"""The search for the highest rate that still meets an objective.

Whether a rate meets it is seen in a probe: some seconds of an open loop. Near the boundary that is
in part a matter of luck, and any probe may be unlucky (a neighbour takes the processor for a
moment). So no probe has the last word. First the rate is doubled, or halved, until it is between
one that held and one that was violated twice. Then each probe shifts a belief of where the boundary
is, and the next is made in its middle: Bayesian bisection, as psychophysics looks for thresholds
(Watson and Pelli 1983, QUEST: https://doi.org/10.3758/BF03202828). Without luck that is bisection,
in the logarithm of the rate. Last, the rate that is found is probed again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vitrine_client.loadtest.plan import Open, Phase, Plan
from vitrine_client.loadtest.result import Result
from vitrine_client.loadtest.slo import Slo

MOST_PROBES = 23
CONFIRMATIONS = 4
WARM_UP_S = 0.5
PROBE_S = 4.0
"""Long enough to see a line that becomes longer; 23 of them, with the start of processes, take
less than two minutes."""

LOWEST_RATE, HIGHEST_RATE = 1.0, 1e6

_PRECISION = 1.05
"""How far the ends of the interval are from each other when the search is content."""

_BLUR = 0.025
"""How far a rate is from another, in its logarithm, at e times the odds that a probe holds: the
scale of a logistic curve."""

_AT_BOUNDARY = 0.8
"""Share of probes that hold at the boundary. It is not a half: some seconds have mostly less than
their share of what is rare, so that their p99 is more often too low than too high."""

_UNLUCKY, _LUCKY = 0.08, 0.002
"""Share of probes that are violated, or hold, whatever the rate is."""

_CAUTIOUS = 0.35
"""Probability that the boundary is below the rate that is confirmed."""

_STEP = 0.002
"""Of the belief, in the logarithm of the rate."""


@dataclass(frozen=True)
class Probe:
    """Some seconds at a rate, what they showed, and why that does not meet the objective."""

    rate: float
    result: Result
    violations: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether the objective was met."""
        return not self.violations


@dataclass(frozen=True)
class Found:
    """The highest rate that meets the objective, in requests/s; 0 if none does.

    With a probability of 90 %, as far as the probes tell, the boundary is within `low` and `high`.
    Of the `confirmations`, the last probes at this very rate, `confirmed` held.

    Where the search is not `complete`, `rate` is the highest that held so far, and the boundary is
    anywhere between `low` and `high` or beyond.
    """

    rate: float
    low: float
    high: float
    confirmed: int
    confirmations: int
    probes: tuple[Probe, ...]
    complete: bool = True

    @property
    def confidence(self) -> float:
        """Share of the probes at the rate that held, 0..1."""
        return self.confirmed / self.confirmations if self.confirmations else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the probes warned of, each once: the generator may be what was too slow."""
        return tuple(dict.fromkeys(text for probe in self.probes for text in probe.result.warnings))


def probing(plan: Plan, rate: float, number: int) -> Plan:
    """Returns the plan of a probe at a rate, with what is not the load's from `plan`; its `number`
    makes the arrivals others than those of the probes before it."""
    load = plan.load if isinstance(plan.load, Open) else Open(())
    phases = (Phase(WARM_UP_S + PROBE_S, rate, rate),)
    load = replace(load, phases=phases, seed=load.seed + number)
    return replace(plan, load=load, warm_up_s=WARM_UP_S)


def find_rate(
    probe: Callable[[float], Result],
    slo: Slo,
    *,
    start_rate: float = 100.0,
    most_probes: int = MOST_PROBES,
    confirmations: int = CONFIRMATIONS,
    watch: Callable[[Probe], None] = lambda _: None,
) -> Found:
    """Finds the highest rate that meets `slo` by at most `most_probes` calls of `probe`, which
    takes requests/s, once one has held and one was violated; `confirmations` of them are at the
    rate that is found. `watch` sees each as it is done.

    From a `start_rate` near half of what a closed loop reached, it takes about 18.
    """
    return _Search(probe, slo, watch, most_probes, confirmations).run(start_rate)


def cut_short(probes: Sequence[Probe]) -> Found:
    """Returns what at least one probe tells before the search is complete."""
    held = max((probe.rate for probe in probes if probe.held), default=0.0)
    above = [probe.rate for probe in probes if not probe.held and probe.rate > held]
    return Found(held, held, min(above, default=HIGHEST_RATE), 0, 0, tuple(probes), complete=False)


class _Search:
    def __init__(
        self,
        probe: Callable[[float], Result],
        slo: Slo,
        watch: Callable[[Probe], None],
        most_probes: int,
        confirmations: int,
    ) -> None:
        self._probe, self._slo, self._watch = probe, slo, watch
        self._most, self._confirmations = most_probes, confirmations
        self._probes: list[Probe] = []

    def run(self, start_rate: float) -> Found:
        rate = self._bracket(start_rate)
        if rate < LOWEST_RATE:
            return Found(0.0, 0.0, LOWEST_RATE, 0, 0, tuple(self._probes))
        while True:
            self._bisect()
            rate = _belief(self._probes)(_CAUTIOUS)
            held = sum(self._holds(rate) for _ in range(self._confirmations))
            if self._left < self._confirmations + 2 or not self._is_doubtful(rate, held):
                break
        belief = _belief(self._probes)
        low, high = min(rate, belief(0.05)), max(rate, belief(0.95))
        return Found(rate, low, high, held, self._confirmations, tuple(self._probes))

    @property
    def _left(self) -> int:
        return self._most - len(self._probes)

    def _bisect(self) -> None:
        """Probes where the boundary is most likely, until it is known well enough."""
        while True:
            belief = _belief(self._probes)
            is_known = belief(0.95) < _PRECISION * belief(0.05)
            if is_known or self._left <= 2 * self._confirmations + 2:
                break
            self._holds(belief(0.5))

    def _is_doubtful(self, rate: float, held: int) -> bool:
        """Says whether a rate was too high, or one that is 5 % higher seems to do as well."""
        if not self._confirmations:
            return False
        if held <= self._confirmations / 2:
            return True
        return self._holds(_PRECISION * rate) and self._holds(_PRECISION * rate)

    def _bracket(self, rate: float) -> float:
        """Returns a rate that held while its double did not."""
        violated = HIGHEST_RATE
        while self._fails(rate):
            violated, rate = rate, rate / 2
            if rate < LOWEST_RATE:
                return rate
        while 2 * rate < violated and not self._fails(2 * rate):
            rate *= 2
        return rate

    def _fails(self, rate: float) -> bool:
        """Says whether a rate is violated twice in turn: once may be bad luck."""
        return not self._holds(rate) and not self._holds(rate)

    def _holds(self, rate: float) -> bool:
        result = self._probe(rate)
        probe = Probe(rate, result, tuple(self._slo.violations(result)))
        self._probes.append(probe)
        self._watch(probe)
        return probe.held


def _belief(probes: Sequence[Probe]) -> Callable[[float], float]:
    """Returns what the probes tell of the boundary: the rate below which it is with a probability.

    Before them, it may be anywhere from half the lowest rate to twice the highest.
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
