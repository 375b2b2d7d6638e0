"""Probes that are made and judged, by the rate that they are of."""

from collections.abc import Callable

from vitrine_client.loadtest.analysis.probes import Probe
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.results.result import Result


class Judged:
    """Makes probes by `probe`, which takes requests/s, and keeps them; `watch` sees each."""

    def __init__(
        self, probe: Callable[[float], Result], slo: Slo, watch: Callable[[Probe], None]
    ) -> None:
        self._probe, self._slo, self._watch = probe, slo, watch
        self.probes: list[Probe] = []

    def holds(self, rate: float, by: Callable[[float], Result] | None = None) -> bool:
        """Makes one more, and says whether it meets the objective."""
        result = (by or self._probe)(rate)
        probe = Probe(rate, result, tuple(self._slo.violations(result)))
        self.probes.append(probe)
        self._watch(probe)
        return probe.held

    def results(self, rate: float) -> list[Result]:
        """Returns what those at a rate saw."""
        return [probe.result for probe in self.probes if probe.rate == rate]

    def held(self, rate: float) -> list[bool]:
        """Returns which of those at a rate met the objective by themselves."""
        return [probe.held for probe in self.probes if probe.rate == rate]

    def why(self, rate: float) -> str:
        """Says why those at a rate do not meet it together."""
        held = self.held(rate)
        return "; ".join(self._slo.violations_of(self.results(rate))) or (
            f"only {sum(held)} of {len(held)} probes held"
        )
