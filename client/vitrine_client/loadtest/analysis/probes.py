"""Probes: some seconds of an open loop at a rate, and what those of a search found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vitrine_client.loadtest.plan import Open, Phase, Plan
from vitrine_client.loadtest.results.result import Result

WARM_UP_S = 0.5
PROBE_S = 4.0
"""Long enough to see a line that becomes longer."""

LONG_S = 6.0
"""Of a probe at the rate that is to be confirmed: four of them see what comes every 20 seconds."""

_UNEVEN_S = (-1.0, 0.0, 0.5, 1.0)

LOWEST_RATE, HIGHEST_RATE = 1.0, 1e6


def long_s(number: int) -> float:
    """Returns how long the probe of that number is where it is to confirm a rate: about `LONG_S`.
    Were all the same, what recurs could fall between each two of them."""
    return LONG_S + _UNEVEN_S[number % len(_UNEVEN_S)]


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
    Of the `confirmations`, the last probes at this very rate, `confirmed` held by themselves; it is
    all of them together that meet the objective.

    Where no rate does, `high` is the lowest that was tried, and `why` says in what it fails there.
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
    why: str = ""

    @property
    def confidence(self) -> float:
        """Share of the probes at the rate that held, 0..1."""
        return self.confirmed / self.confirmations if self.confirmations else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the probes warned of, each once: the generator may be what was too slow."""
        return tuple(dict.fromkeys(text for probe in self.probes for text in probe.result.warnings))

    @property
    def at_rate(self) -> tuple[Result, ...]:
        """What the probes at the rate saw; where no rate was found, those at the lowest tried, all
        if it is not among them."""
        rate = self.rate or self.high
        return tuple(probe.result for probe in self.probes if probe.rate == rate) or tuple(
            probe.result for probe in self.probes
        )


def probing(plan: Plan, rate: float, number: int, *, probe_s: float = PROBE_S) -> Plan:
    """Returns the plan of a probe at a rate, with what is not the load's from `plan`; its `number`
    makes the arrivals others than those of the probes before it."""
    load = plan.load if isinstance(plan.load, Open) else Open(())
    phases = (Phase(WARM_UP_S + probe_s, rate, rate),)
    load = replace(load, phases=phases, seed=load.seed + number)
    return replace(plan, load=load, warm_up_s=WARM_UP_S)


def cut_short(probes: Sequence[Probe]) -> Found:
    """Returns what at least one probe tells before a search is complete: a rate held where most of
    its probes did."""
    held = {
        rate: sum(probe.held for probe in probes if probe.rate == rate)
        > sum(not probe.held for probe in probes if probe.rate == rate)
        for rate in {probe.rate for probe in probes}
    }
    best = max((rate for rate, well in held.items() if well), default=0.0)
    above = [rate for rate, well in held.items() if not well and rate > best]
    return Found(best, best, min(above, default=HIGHEST_RATE), 0, 0, tuple(probes), complete=False)
