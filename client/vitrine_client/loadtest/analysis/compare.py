"""Comparison of two load tests: better, worse, the same, or too little data to tell.

Each measure has a confidence interval of the ratio of the two runs, from the variance of their
seconds (`confidence`). The intervals are wider for each measure that is looked at (Bonferroni), so
that all of them hold together in 95 of 100 comparisons. A run counts as different where both bounds
of a measure are beyond a margin. The margin has to have room for what changes from run to run and
not within one, such as a neighbour on the machine: no bounds from within show that.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any, Literal

from vitrine_client.loadtest import wording
from vitrine_client.loadtest.analysis.confidence import Estimate, Estimates, difference
from vitrine_client.loadtest.results.result import Result

MARGIN = 0.05
ERRORS_MARGIN = 0.001
"""The same for errors, whose shares are subtracted: there is no ratio to none."""

PERCENTILES = (50.0, 99.0)
FEWEST_INTERVALS = 8
FEWEST_BEYOND = 20
"""Requests that must be slower than a percentile for it to be compared."""

_CONFIDENCE = 0.95
_ERRORS = "errors"
_NOT_THE_TEST = {"seed", "duration_s"}

ComparisonVerdict = Literal["better", "worse", "the same", "cannot tell"]


@dataclass(frozen=True)
class ComparedMeasure:
    """Measure of both runs: latency in ms, requests/s, or errors as a share.

    `change` is relative, 0.1 for 10 % more, and is between `low` and `high` with the confidence; of
    errors it is the difference. All three and the verdict are None where the data are too few, and
    it "cannot tell" where `low` to `high` is too wide for any other. `text` says it in words.
    """

    measure: str
    before: float
    after: float
    change: float | None
    low: float | None
    high: float | None
    verdict: ComparisonVerdict | None
    text: str


@dataclass(frozen=True)
class Comparison:
    """Verdict on the second run: "worse" if a measure is, "better" if one is and none is
    worse, "the same" if one that is not errors is and none has changed. `warnings` say what makes
    it doubtful."""

    verdict: ComparisonVerdict
    rows: tuple[ComparedMeasure, ...]
    warnings: tuple[str, ...]
    margin: float

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return asdict(self)


def compare(before: Result, after: Result, *, margin: float = MARGIN) -> Comparison:
    """Compares a run to one before it; a `margin` of 0.05 overlooks changes of up to 5 %."""
    measures = list(_measures(before, after, margin))
    if min(len(before.intervals), len(after.intervals)) < FEWEST_INTERVALS:
        text = f"too little data: {FEWEST_INTERVALS} seconds of both runs are needed"
        rows = [measure.unknown(before, after, text) for measure in measures]
    elif not before.answered or not after.answered:
        rows = [measure.unknown(before, after, "nothing was answered") for measure in measures]
    else:
        confidence = 1 - (1 - _CONFIDENCE) / len(measures)
        known = Estimates(before, confidence), Estimates(after, confidence)
        rows = [measure.row(before, after, known) for measure in measures]
    verdict = _overall(rows)
    warnings = [
        *_differences(before.about.get("plan", {}), after.about.get("plan", {})),
        *(f"{row.measure}: {row.text}" for row in rows if row.verdict is None),
        *(f"before: {text}" for text in before.warnings),
        *(f"after: {text}" for text in after.warnings),
    ]
    return Comparison(verdict, tuple(rows), tuple(warnings), margin)


def _overall(rows: list[ComparedMeasure]) -> ComparisonVerdict:
    """Returns the worst verdict; that errors are the same says nothing of how fast it is."""
    found = {row.verdict for row in rows}
    if "worse" in found:
        return "worse"
    if "better" in found:
        return "better"
    same = any(row.verdict == "the same" for row in rows if row.measure != _ERRORS)
    return "the same" if same else "cannot tell"


@dataclass(frozen=True)
class _Measure:
    """Measure that counts as changed if its change is below `least` or above `most` for sure: of
    its ratio to the one before, or where it `is_share` of the difference. `value` is as a row has
    it; `estimate` has its confidence interval, and needs so many answers of both runs."""

    name: str
    least: float
    most: float
    value: Callable[[Result], float]
    estimate: Callable[[Estimates], Estimate]
    answers_needed: float = 0.0
    more_is_better: bool = False
    is_share: bool = False

    def unknown(self, before: Result, after: Result, text: str) -> ComparedMeasure:
        values = self.value(before), self.value(after)
        return ComparedMeasure(self.name, *values, None, None, None, None, text)

    def row(
        self, before: Result, after: Result, known: tuple[Estimates, Estimates]
    ) -> ComparedMeasure:
        if min(before.answered, after.answered) < self.answers_needed:
            text = f"too little data: {self.answers_needed:,.0f} answers of both runs are needed"
            return self.unknown(before, after, text)
        found = self._change(*map(self.estimate, known))
        verdict: ComparisonVerdict = "the same"
        if found.low > self.most:
            verdict = "better" if self.more_is_better else "worse"
        elif found.high < self.least:
            verdict = "worse" if self.more_is_better else "better"
        elif found.low < 2 * self.least or found.high > 2 * self.most:
            verdict = "cannot tell"
        values = self.value(before), self.value(after)
        text = f"{verdict}: {self._told(found)}"
        if verdict == "cannot tell":
            text += "; longer runs tell more"
        if self.is_share and not any(values):
            text = f"{verdict}: no errors in either"
        return ComparedMeasure(
            self.name, *values, found.value, found.low, found.high, verdict, text
        )

    def _change(self, before: Estimate, after: Estimate) -> Estimate:
        if self.is_share:
            return difference(before, after)
        found = difference(before.logarithm, after.logarithm)
        return Estimate(math.expm1(found.value), math.expm1(found.low), math.expm1(found.high))

    def _told(self, found: Estimate) -> str:
        """Says the change, and its confidence interval."""
        more, less = ("more", "less") if self.is_share else ("higher", "lower")
        unit = "% of requests" if self.is_share else "%"
        value, low, high = (
            f"{100 * abs(change):.2g} {unit} {more if change >= 0 else less}"
            for change in (found.value, found.low, found.high)
        )
        return f"{value}, between {low} and {high}"


def _measures(before: Result, after: Result, margin: float) -> Iterator[_Measure]:
    bounds = 1 / (1 + margin) - 1, margin
    for percent in PERCENTILES:
        yield _percentile(percent, bounds)
    if not wording.is_open(before.about) and not wording.is_open(after.about):
        throughput = attrgetter("throughput")
        yield _Measure("throughput", *bounds, throughput, Estimates.throughput, more_is_better=True)
    bounds = -ERRORS_MARGIN, ERRORS_MARGIN
    share = attrgetter("error_share")
    yield _Measure(_ERRORS, *bounds, share, Estimates.error_share, is_share=True)


def _percentile(percent: float, bounds: tuple[float, float]) -> _Measure:
    return _Measure(
        f"p{percent:g}",
        *bounds,
        value=lambda result: result.latency.percentile_ms(percent),
        estimate=lambda known: known.percentile_ms(percent),
        answers_needed=FEWEST_BEYOND / (1 - percent / 100),
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Says the differences of the plans of two runs that should be the same."""
    for part in ("target", "load"):
        first, second = before.get(part, {}), after.get(part, {})
        for name in sorted({*first, *second} - _NOT_THE_TEST):
            values = _told(name, first.get(name)), _told(name, second.get(name))
            if values[0] != values[1]:
                yield f"not the same test: {part} {name} was {values[0]}, and is {values[1]}"


def _told(name: str, value: Any) -> Any:
    """Leaves the durations of phases out."""
    if value is None:
        return "not set"
    if name != "phases" or not value:
        return value
    return ", ".join(f"{phase['rate']:g}..{phase['end_rate']:g} requests/s" for phase in value)
