"""Trial runs: the highest rate that the service takes with a configuration, under the user's
load."""

import dataclasses
from collections.abc import Callable

from vitrine_client.errors import VitrineError
from vitrine_client.loadtest.analysis.probes import Probe, RateFound
from vitrine_client.loadtest.analysis.search import find_rate
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.plan import TIMEOUT_S, Open, Phase, Plan, Workload
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import Ready, make_ready, run
from vitrine_client.loadtest.tune.configuration import Configuration
from vitrine_client.loadtest.tune.search import Confirmation, Unfit
from vitrine_client.loadtest.tune.service import Services

MOST_PROBES = 14
"""A rate that is known well enough for a comparison, in half of the time."""

_FIRST_START, _LEAST_START, _BELOW = 100.0, 10.0, 0.7
"""Where the search for a rate begins: the first one, at least, and as a share of the one before."""

_WARM_UP_SHARE = 0.2
"""Warm-up of a probe, as a share of the seconds that it measures."""


class Trials:
    """Trials of configurations by probes of `probe_s` seconds each; calling it is a `Measure`.

    Of `target` only the address is another each time. `watch` sees each probe.
    """

    def __init__(
        self,
        services: Services,
        target: Workload,
        slo: Slo,
        *,
        probe_s: float,
        watch: Callable[[Probe], None],
    ) -> None:
        self._services, self._target, self._slo = services, target, slo
        self._probe_s, self._watch = probe_s, watch
        self._start_rate = _FIRST_START
        self._seed = 0

    def __call__(self, configuration: Configuration) -> RateFound:
        """Finds the highest rate that meets the objective. Raises `Unfit`."""
        try:
            target, ready = self._ready(configuration)
            found = find_rate(
                lambda rate: self._run(target, rate, ready, self._probe_s),
                self._slo,
                start_rate=self._start_rate,
                most_probes=MOST_PROBES,
                confirmations=0,
                watch=self._watch,
            )
        except VitrineError as error:
            raise Unfit(f"it does not answer: {error}") from error
        # The next one will not be far from it; rather below, as what holds is seen at once.
        self._start_rate = max(_BELOW * found.rate, _LEAST_START)
        return found

    def confirm(self, configuration: Configuration, rate: float, for_s: float) -> Confirmation:
        """Makes one load of so many seconds at a rate. Nothing is raised: it comes after all else
        was measured."""
        try:
            target, ready = self._ready(configuration)
            result = self._run(target, rate, ready, for_s)
        except (VitrineError, Unfit) as error:
            return Confirmation(rate, 0.0, (f"it does not answer: {error}",))
        return Confirmation(rate, result.duration_s, tuple(self._slo.violations(result)))

    def _ready(self, configuration: Configuration) -> tuple[Workload, Ready]:
        address = self._services.of(configuration).address(self._target.kind)
        target = dataclasses.replace(self._target, address=address)
        return target, make_ready(target, Open(()), TIMEOUT_S)

    def _run(self, target: Workload, rate: float, ready: Ready, for_s: float) -> Result:
        warm_up_s = self._probe_s * _WARM_UP_SHARE
        self._seed += 1  # other arrivals each time: none may be measured by the same lucky ones
        load = Open((Phase(warm_up_s + for_s, rate, rate),), seed=self._seed)
        return run(Plan(target, load, warm_up_s, TIMEOUT_S), ready=ready)
