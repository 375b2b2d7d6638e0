"""Outcome of a load test: its result, and the verdict by objective, search or comparison."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vitrine_client.loadtest.analysis.compare import Comparison
from vitrine_client.loadtest.analysis.probes import RateFound
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.analysis.sweep import Curve
from vitrine_client.loadtest.results.result import Result

_FIGURES = re.compile(r"[\d.,]+")

KEPT_UP = 0.97
"""Share of a rate that has to be answered for a server to keep up with it."""


@dataclass(frozen=True)
class LoadTestOutcome:
    """Outcome: `result` is of the load that was asked for; after a search or a sweep, of all probes
    at the rate that was found together, or of the highest that was kept up with. `results` are all,
    as they were measured.

    `before` is what `comparison` compares the result with. `cut_short` says so in words where not
    all was measured that was asked for.
    """

    result: Result
    results: tuple[Result, ...] = ()
    slo: Slo | None = None
    found: RateFound | None = None
    curve: Curve | None = None
    before: Result | None = None
    comparison: Comparison | None = None
    cut_short: str = ""

    @property
    def violations(self) -> list[str]:
        """Why the result does not meet the objective, if there is one."""
        if self.found and not self.found.rate and self.found.why:
            return [self.found.why]
        if self.found and self.slo:
            return self.slo.violations_of(self.found.at_rate)
        return self.slo.violations(self.result) if self.slo else []

    @property
    def warnings(self) -> list[str]:
        """What was warned of while measuring: in one load, or in how many of several; first that
        they are not all."""
        first = [self.cut_short] if self.cut_short else []
        if len(self.results) < 2:
            return [*first, *self.result.warnings]
        alike: dict[str, list[str]] = {}
        for text in (text for result in self.results for text in result.warnings):
            alike.setdefault(_FIGURES.sub("", text), []).append(text)
        return first + [
            f"In {len(texts)} of {len(self.results)} loads, as here: {texts[-1]}"
            for texts in alike.values()
        ]

    @property
    def doubts(self) -> list[str]:
        """What makes the comparison doubtful, but for what its rows and `warnings` say."""
        if not self.comparison:
            return []
        rows = {f"{row.measure}: {row.text}" for row in self.comparison.rows}
        return [
            text
            for text in self.comparison.warnings
            if text not in rows and not text.startswith("after: ")
        ]

    @property
    def well(self) -> bool:
        """Whether it is as one hopes: it was measured whole, the objective is met, or without one
        no request failed; and nothing got worse."""
        if (
            self.cut_short
            or self.result.lost
            or (self.comparison and self.comparison.verdict == "worse")
        ):
            return False
        if self.found:
            return self.found.rate > 0
        if self.curve:
            return self.curve.highest_throughput > 0
        if self.slo:
            return not self.violations
        return self.result.answered > 0 and not self.result.error_share and not self.result.unsent

    def to_json(self) -> dict[str, Any]:
        """The result as `Result` has it, and beside it what was found."""
        content = self.result.to_json()
        content["warnings"] = self.warnings
        if self.slo:
            content["objective"] = {"slo": str(self.slo), "violations": self.violations}
        if self.found:
            content["search"] = _search(self.found)
        if self.curve:
            content["sweep"] = self.curve.to_json()
        if self.comparison:
            content["comparison"] = self.comparison.to_json()
        return content


def _search(found: RateFound) -> dict[str, Any]:
    probes = [
        {
            "rate": probe.rate,
            "violations": list(probe.violations),
            "summary": probe.result.to_json()["summary"],
        }
        for probe in found.probes
    ]
    content = dataclasses.asdict(dataclasses.replace(found, probes=()))
    return content | {"confidence": found.confidence, "probes": probes}


def highest_kept_up(curve: Curve, results: Sequence[Result]) -> Result:
    """Returns, of the results of a curve's points, that of the highest rate that was kept up with;
    the first if none was."""
    kept = [
        result
        for point, result in zip(curve.points, results, strict=True)
        if point.throughput >= KEPT_UP * point.rate and point.error_share <= 1 - KEPT_UP
    ]
    return kept[-1] if kept else results[0]
