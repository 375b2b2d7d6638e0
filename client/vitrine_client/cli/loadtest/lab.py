"""Load lab: runs one load, the search for a rate or a sweep, and reports the outcome."""

import dataclasses
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import click
from rich.text import Text

from vitrine_client.cli import options
from vitrine_client.cli.loadtest import files
from vitrine_client.cli.loadtest.request import LoadRequest
from vitrine_client.errors import VitrineError
from vitrine_client.loadtest import limits
from vitrine_client.loadtest.analysis import sweep
from vitrine_client.loadtest.analysis.compare import compare
from vitrine_client.loadtest.analysis.outcome import LoadTestOutcome, highest_kept_up
from vitrine_client.loadtest.analysis.probes import (
    PROBE_S,
    Probe,
    RateFound,
    cut_short,
    long_s,
    probing,
)
from vitrine_client.loadtest.analysis.search import find_rate
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.gateways import client_of
from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.open_inference import server_of
from vitrine_client.loadtest.plan import V2_KINDS, Plan, Workload
from vitrine_client.loadtest.report import tables
from vitrine_client.loadtest.report.live import LiveView
from vitrine_client.loadtest.results.request_rows import RequestRows
from vitrine_client.loadtest.results.result import Result, merge_results
from vitrine_client.loadtest.run import make_ready, run
from vitrine_client.loadtest.wording import loop_of, per_second
from vitrine_client.open_inference.client.predictor import default_model
from vitrine_client.process import signals
from vitrine_client.process.console import VisibleConsole

_LOOPS = {"open": "an open loop", "closed": "a closed loop"}

_FLAT_OUT, _FLAT_OUT_S = 32, 3.0
"""Requests in flight, and for how long, to see about the capacity."""


class LoadLab:
    """Load lab run: carries out a request, with progress on standard error unless it is quiet."""

    def __init__(
        self,
        asked: LoadRequest,
        *,
        run: Callable[..., Result] = run,
        make_ready: Callable[..., Any] = make_ready,
    ) -> None:
        """Raises `click.BadParameter` where a value makes no sense, before anything is sent."""
        self._asked, self._run, self._make_ready = asked, run, make_ready
        self._ready: Any = None
        with files.explained("--slo"):
            self._slo = Slo.parse(asked.slo) if asked.slo is not None else None
        self._before = files.earlier("--compare", asked.compare)
        self._earlier = files.earlier("RESULT", asked.earlier)
        self._check_comparable()
        self._log = VisibleConsole(stderr=True, highlight=False, quiet=asked.quiet)
        self._stop = threading.Event()
        self._flat_out: Result | None = None
        self._measured: list[Result] = []
        self._rows: dict[int, RequestRows] = {}
        self._points: list[sweep.Point] = []
        self._probes: list[Probe] = []
        for path in asked.outputs:
            if path != files.STDOUT and not os.access(path.parent, os.W_OK):
                raise click.UsageError(f"{path.parent} is no folder that can be written to")

    def _check_comparable(self) -> None:
        """Raises `click.BadParameter` where one load is of users who wait and the other is not:
        their latencies are two things."""
        if not self._before:
            return
        loops = [loop_of(self._before.about)]
        if self._earlier:
            loops.append(loop_of(self._earlier.about))
        else:
            loops.append("closed" if self._asked.task == "closed" else "open")
        if set(loops) == {"open", "closed"}:
            raise click.BadParameter(
                f"{self._asked.compare} is of {_LOOPS[loops[0]]}, and this is {_LOOPS[loops[1]]}: "
                "they cannot be compared; name a result of the same kind of load",
                param_hint="--compare",
            )

    def carry_out(self) -> int:
        """Measures, writes, shows; returns the exit code. Raises `VitrineError` and `OSError`.

        A signal ends the measuring, and its exit code is returned: measurements until then are
        written and shown.
        """
        with signals.noting(self._stop) as noted:
            try:
                outcome = self._outcome()
            except (_CutShortError, SystemExit):
                if noted.number is None or noted.again:
                    raise
                if not self._measured:
                    self._log.print(
                        f"{noted.name} came before the first load was whole: nothing is kept"
                    )
                    return noted.exit_code or 1
                outcome = self._so_far(f"{noted.name} cut it short")
            except VitrineError as error:
                if not self._measured and not self._flat_out:
                    raise
                self._log.print(Text(f"Error: {error}", style="red"))
                outcome = self._so_far(f"{error}: it was cut short")
            if self._before:
                compared = compare(self._before, outcome.result)
                outcome = dataclasses.replace(outcome, before=self._before, comparison=compared)
            try:
                files.write(self._asked, outcome, self._rows)
            finally:
                self._show(outcome)
            return noted.exit_code or (0 if outcome.well else 1)

    def _outcome(self) -> LoadTestOutcome:
        """Raises `_CutShortError`, and `SystemExit` where a signal came while others answered."""
        if self._earlier:
            return LoadTestOutcome(self._earlier, (self._earlier,), self._slo)
        with signals.hasty():
            target = of_served_model(self._asked, self._asked.target())
        if self._asked.searches:
            return self._several(target)
        plan = self._asked.plan(target)
        if target.kind in V2_KINDS:
            self._prepare(plan)
        result = self._measure(plan)
        return LoadTestOutcome(result, (result,), self._slo)

    def _several(self, target: Workload) -> LoadTestOutcome:
        """A closed loop shows about the capacity; the rates are chosen by that."""
        plan = self._asked.planned(target, self._asked.closed(_FLAT_OUT, _FLAT_OUT_S))
        self._prepare(plan)
        self._flat_out = self._measure(plan, "capacity: ")
        self._check(self._flat_out, plan)
        if not self._flat_out.answered:
            raise VitrineError(f"No request was answered right with {_FLAT_OUT} in flight")
        capacity = max(self._flat_out.throughput, 1.0)
        self._log.print(f"{per_second(capacity)} requests/s with {_FLAT_OUT} in flight")
        probe = partial(self._probe, self._asked.planned(target, self._asked.at_any_rate()))
        found = None
        if self._asked.task == "sweep":
            sweep.measure(probe, sweep.rates(capacity), self._swept)
        if self._slo:
            found = find_rate(
                probe,
                self._slo,
                start_rate=capacity / 2,
                confirm=lambda rate: probe(rate, long_s(len(self._measured))),
                watch=self._probed,
            )
        return self._summed_up(found)

    def _prepare(self, plan: Plan) -> None:
        """Makes the target ready, once for all loads; notes what is assumed of its pictures."""
        with signals.hasty():
            self._ready = self._make_ready(plan.target, plan.load, plan.timeout_s)
        if plan.target.kind in V2_KINDS and self._ready.assumed and not self._asked.quiet:
            options.note(
                f"{plan.target.model}: {self._ready.assumed} assumed; --profile FILE tells "
                "otherwise"
            )

    def _so_far(self, why: str) -> LoadTestOutcome:
        """Sums up at least one load, before all are measured."""
        found = cut_short(self._probes) if self._probes else None
        count = len(self._measured)
        text = f"{why} after {count} load{'' if count == 1 else 's'}"
        if not self._measured and self._flat_out:
            return LoadTestOutcome(self._flat_out, (self._flat_out,), self._slo, cut_short=text)
        return dataclasses.replace(self._summed_up(found), cut_short=text)

    def _summed_up(self, found: RateFound | None) -> LoadTestOutcome:
        curve = sweep.Curve(tuple(self._points))
        if found and self._slo:
            result = merge_results(found.at_rate)
        elif not self._points:
            result = self._measured[-1]
        else:
            result = highest_kept_up(curve, self._measured[: len(self._points)])
        measured = tuple(self._measured)
        return LoadTestOutcome(result, measured, self._slo, found, curve if self._points else None)

    def _probe(self, plan: Plan, rate: float, probe_s: float = PROBE_S) -> Result:
        plan = probing(plan, rate, len(self._measured), probe_s=probe_s)
        plan = dataclasses.replace(
            plan, processes=self._asked.processes or limits.shared(plan.load)
        )
        result = self._measure(plan, f"{per_second(rate)} requests/s: ")
        self._measured.append(result)
        self._check(result, plan)
        return result

    def _check(self, result: Result, plan: Plan) -> None:
        """Raises `VitrineError` where a load says nothing of how much the service takes: it is
        gone, or this machine is at its end."""
        if result.lost:
            raise VitrineError(result.lost)
        for kind in result.unsent:
            raise VitrineError(
                f"This machine could not send all requests ({faults.OWN.get(kind, kind)})"
            )
        if result.due and not result.answered and not any(map(faults.is_answer, result.errors)):
            with signals.hasty():
                self._make_ready(plan.target, plan.load, plan.timeout_s)

    def _measure(self, plan: Plan, title: str = "") -> Result:
        """Raises `_CutShortError` where it is one of several and not whole, or was ended before
        anything was measured."""
        asked = self._asked
        if self._stop.is_set():
            raise _CutShortError
        extra = {}
        if asked.requests_file:  # the first of several loads is not among those that are written
            number = len(self._rows) + (not asked.searches)
            extra["rows"] = self._rows[number] = RequestRows()
        with LiveView(plan, self._log, title) as view:
            if asked.swap_model:
                from vitrine_client.loadtest.chaos import run_with_swap

                result = run_with_swap(
                    plan,
                    asked.swap_model,
                    watch=view.watch,
                    stop=self._stop,
                    run=partial(self._run, **extra),
                )
            else:
                result = self._run(
                    plan, ready=self._ready, watch=view.watch, stop=self._stop, **extra
                )
        if self._stop.is_set() and (asked.searches or not result.intervals):
            raise _CutShortError
        return dataclasses.replace(
            result, about={**result.about, "command": files.command(sys.argv[1:])}
        )

    def _probed(self, probe: Probe) -> None:
        self._probes.append(probe)
        outcome = Text(tables.verdict(probe), style="green" if probe.held else "red")
        self._log.print(Text(f"{per_second(probe.rate)} requests/s: ").append_text(outcome))

    def _swept(self, point: sweep.Point) -> None:
        self._points.append(point)
        rate, answered, p50, _, p99, *_ = tables.point_cells(point)
        self._log.print(f"{rate} requests/s: {answered}/s answered, p50 {p50}, p99 {p99}")

    def _show(self, outcome: LoadTestOutcome) -> None:
        if not self._asked.quiet:
            console = self._log if files.STDOUT in self._asked.outputs else options.console
            console.print(tables.outcome(outcome))


class _CutShortError(Exception):
    """Load that a signal ended, and that is of no use in part."""


def of_served_model(asked: LoadRequest, target: Workload) -> Workload:
    """Returns the target with the service's own default model, where none was named; asks for
    it once. Raises `VitrineError` where nobody answers."""
    if asked.model is not None or asked.replay:
        return target
    told = options.note if not asked.quiet else lambda _: None
    if target.kind in V2_KINDS:
        with server_of(target, asked.timeout_s) as v2_server:
            return replace(target, model=default_model(v2_server, told))
    if target.kind != "grpc":
        with client_of(target, asked.timeout_s) as client:
            return replace(target, model=options.default_model(client.status, told))
    with options.needs("grpc", "--model-server"):
        from vitrine_client.model_server import ModelServerClient
    with ModelServerClient(target.address, timeout_s=asked.timeout_s, verify=target.tls) as server:
        return replace(target, model=options.default_model(server.status, told))
