"""Whether one load test went better than another, worse, or the same as far as one can tell.

For each measure there are bounds of the ratio of the two runs, from how their seconds vary
(`confidence`). They are wider for each measure that is looked at (Bonferroni), so that all of them
hold together in 95 of 100 comparisons. A run counts as different where both bounds of a measure are
beyond a margin. The margin has to have room for what changes from run to run and not within one,
such as a neighbour on the machine: no bounds from within show that.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from vitrine_client.loadtest.analysis.confidence import Estimate, Estimates, difference
from vitrine_client.loadtest.report import wording
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

Verdict = Literal["better", "worse", "the same", "cannot tell"]


@dataclass(frozen=True)
class Row:
    """One measure of both runs: latency in ms, requests/s, or errors as a share.

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
    verdict: Verdict | None
    text: str


@dataclass(frozen=True)
class Comparison:
    """The verdict on the second run: "worse" if a measure is, "better" if one is and none is
    worse, "the same" if one that is not errors is and none has changed. `warnings` say what makes
    it doubtful."""

    verdict: Verdict
    rows: tuple[Row, ...]
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


def _overall(rows: list[Row]) -> Verdict:
    """Returns the worst verdict; that errors are the same says nothing of how fast it is."""
    found = {row.verdict for row in rows}
    if "worse" in found:
        return "worse"
    if "better" in found:
        return "better"
    same = any(row.verdict == "the same" for row in rows if row.measure != _ERRORS)
    return "the same" if same else "cannot tell"


def _measures(before: Result, after: Result, margin: float) -> Iterator["_Measure"]:
    for percent in PERCENTILES:
        yield _Percentile(f"p{percent:g}", 1 / (1 + margin) - 1, margin, percent=percent)
    if not wording.is_open(before.about) and not wording.is_open(after.about):
        yield _Throughput("throughput", 1 / (1 + margin) - 1, margin, more_is_better=True)
    yield _Errors(_ERRORS, -ERRORS_MARGIN, ERRORS_MARGIN)


@dataclass(frozen=True)
class _Measure(ABC):
    """Counts as changed if that is below `least` or above `most` for sure."""

    name: str
    least: float
    most: float
    more_is_better: bool = False

    @abstractmethod
    def value(self, result: Result) -> float:
        """Returns it as a row has it."""

    @abstractmethod
    def change(self, before: Estimates, after: Estimates) -> Estimate:
        """Returns the change, and between what it is."""

    @abstractmethod
    def words(self, change: float) -> str:
        """Says a change."""

    def lacks(self, result: Result) -> str:  # noqa: ARG002
        """Says what a result lacks to be compared, if anything."""
        return ""

    def unknown(self, before: Result, after: Result, text: str) -> Row:
        return Row(self.name, self.value(before), self.value(after), None, None, None, None, text)

    def row(self, before: Result, after: Result, known: tuple[Estimates, Estimates]) -> Row:
        lacking = self.lacks(before) or self.lacks(after)
        if lacking:
            return self.unknown(before, after, lacking)
        found = self.change(*known)
        verdict: Verdict = "the same"
        if found.low > self.most:
            verdict = "better" if self.more_is_better else "worse"
        elif found.high < self.least:
            verdict = "worse" if self.more_is_better else "better"
        elif found.low < 2 * self.least or found.high > 2 * self.most:
            verdict = "cannot tell"
        values = self.value(before), self.value(after)
        text = self.told(verdict, found, *values)
        return Row(self.name, *values, found.value, found.low, found.high, verdict, text)

    def told(self, verdict: Verdict, found: Estimate, before: float, after: float) -> str:  # noqa: ARG002
        """Says the verdict, the change, and between what it is."""
        bounds = f"between {self.words(found.low)} and {self.words(found.high)}"
        text = f"{verdict}: {self.words(found.value)}, {bounds}"
        return f"{text}; longer runs tell more" if verdict == "cannot tell" else text


@dataclass(frozen=True)
class _Ratio(_Measure):
    @abstractmethod
    def estimate(self, known: Estimates) -> Estimate:
        """Returns it, and between what it is."""

    def change(self, before: Estimates, after: Estimates) -> Estimate:
        found = difference(self.estimate(before).logarithm, self.estimate(after).logarithm)
        return Estimate(math.expm1(found.value), math.expm1(found.low), math.expm1(found.high))

    def words(self, change: float) -> str:
        return f"{100 * abs(change):.2g} % {'higher' if change >= 0 else 'lower'}"


@dataclass(frozen=True, kw_only=True)
class _Percentile(_Ratio):
    percent: float

    def value(self, result: Result) -> float:
        return result.latency.percentile_ms(self.percent)

    def estimate(self, known: Estimates) -> Estimate:
        return known.percentile_ms(self.percent)

    def lacks(self, result: Result) -> str:
        needed = FEWEST_BEYOND / (1 - self.percent / 100)
        few = result.answered < needed
        return f"too little data: {needed:,.0f} answers of both runs are needed" if few else ""


class _Throughput(_Ratio):
    def value(self, result: Result) -> float:
        return result.throughput

    def estimate(self, known: Estimates) -> Estimate:
        return known.throughput()


class _Errors(_Measure):
    def value(self, result: Result) -> float:
        return result.error_share

    def change(self, before: Estimates, after: Estimates) -> Estimate:
        return difference(before.error_share(), after.error_share())

    def words(self, change: float) -> str:
        return f"{100 * abs(change):.2g} % of requests {'more' if change >= 0 else 'less'}"

    def told(self, verdict: Verdict, found: Estimate, before: float, after: float) -> str:
        if not before and not after:
            return f"{verdict}: no errors in either"
        return super().told(verdict, found, before, after)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Says in what the plans of two runs differ that should be the same."""
    for part in ("target", "load"):
        first, second = before.get(part, {}), after.get(part, {})
        for name in sorted({*first, *second} - _NOT_THE_TEST):
            values = _told(name, first.get(name)), _told(name, second.get(name))
            if values[0] != values[1]:
                yield f"not the same test: {part} {name} was {values[0]}, and is {values[1]}"


def _told(name: str, value: Any) -> Any:
    """Leaves the durations of phases out."""
    if name != "phases" or not value:
        return value
    return ", ".join(f"{phase['rate']:g}..{phase['end_rate']:g} requests/s" for phase in value)
