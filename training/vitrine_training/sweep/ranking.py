"""Ranking of variants by validation, over their seeds. The test figures decide nothing."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vitrine_training.sweep.plan import Variant
from vitrine_training.sweep.results import Measure, RunResult

_FEW_SEEDS = 4
"""Below so many of two variants, one is above the other with all of its seeds by chance in 1 of 10
cases and more, where both are as good: 2 in the number of ways to draw n of 2n."""


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of the seeds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """Returns that of values; None where there are none."""
        known = [value for value in values if value is not None]
        return cls(statistics.median(known), min(known), max(known)) if known else None


@dataclass(frozen=True)
class Standing:
    """Standing of a variant: the results of its runs, by seed."""

    variant: Variant
    results: Sequence[RunResult]

    @property
    def done(self) -> list[RunResult]:
        """Those that have figures."""
        return [result for result in self.results if result.is_done]

    @property
    def validation(self) -> Spread | None:
        """Spread of the validation figures."""
        return Spread.of(result.validation for result in self.results)

    @property
    def test(self) -> Spread | None:
        """Spread of the test figures."""
        return Spread.of(result.test for result in self.results)

    @property
    def training_s(self) -> float | None:
        """Median of the seconds of training."""
        spread = Spread.of(result.training_s for result in self.results)
        return spread.median if spread else None

    @property
    def typical(self) -> RunResult:
        """The run in the middle: whoever trains it gets about what the table says. Of an even
        number it is the first of the two by seed."""
        ordered = sorted(self.done, key=lambda result: (result.validation, result.run.seed))
        middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
        return min(middle, key=lambda result: result.run.seed)


def ranked(results: Iterable[RunResult], measure: Measure) -> list[Standing]:
    """Returns the standings, best median first; those without any figure are last. Of equals the
    one that trained faster is first."""
    found: dict[Variant, list[RunResult]] = {}
    for result in results:
        found.setdefault(result.run.variant, []).append(result)
    sign = -1 if measure.higher_is_better else 1

    def place(standing: Standing) -> tuple[bool, float, float]:
        spread = standing.validation
        if spread is None:
            return True, 0.0, 0.0
        return False, sign * spread.median, standing.training_s or 0.0

    standings = [
        Standing(variant, sorted(each, key=lambda result: result.run.seed))
        for variant, each in found.items()
    ]
    return sorted(standings, key=place)


def conclusion(standings: Sequence[Standing], measure: Measure) -> str:
    """Says in words which variant is the best, and whether chance may have made it so."""
    placed = [standing for standing in standings if standing.validation]
    if not placed:
        return "No run has a result."
    if len(placed) == 1:
        return f"{placed[0].variant} is the only variant with a result."
    best, second = placed[:2]
    return f"{_lead(best, second)} {_certainty(best, second, measure)}"


def _lead(best: Standing, second: Standing) -> str:
    """Who is first, and who is next."""
    if _median(best) == _median(second):
        return f"{best.variant} is no better on validation data than {second.variant}."
    return f"{best.variant} is the best on validation data, {second.variant} the next."


def _certainty(best: Standing, second: Standing, measure: Measure) -> str:
    """How sure the first place is, against the second."""
    if _median(best) == _median(second):
        return "More seeds may part them; else take the one that is smaller or faster."
    fewest = min(len(best.done), len(second.done))
    if fewest == 1:
        return "One seed each cannot tell whether that is chance; --seeds 0-4 can tell more."
    if _is_apart(best, second, measure):
        side = "above" if measure.higher_is_better else "below"
        apart = f"Each seed of the first is {side} every seed of the next"
        if fewest < _FEW_SEEDS:
            return (
                f"{apart}; with {fewest} seeds each that may still be chance, and more tell more."
            )
        return f"{apart}, so it is more than chance makes of seeds."
    ahead, equal, both = _duels(best, second, measure)
    duels = f"of {both} seeds that both have, the first is ahead with {ahead}" + (
        f" and equal with {equal}" if equal else ""
    )
    return (
        f"That may be chance: their ranges overlap, and {duels}. More seeds may part them; else "
        "take the one that is smaller or faster."
    )


def _median(standing: Standing) -> float | None:
    return standing.validation.median if standing.validation else None


def _is_apart(best: Standing, second: Standing, measure: Measure) -> bool:
    """Whether each seed of the first is better than every seed of the second."""
    one, other = best.validation, second.validation
    if one is None or other is None:
        return False
    return one.low > other.high if measure.higher_is_better else one.high < other.low


def _duels(best: Standing, second: Standing, measure: Measure) -> tuple[int, int, int]:
    """Returns with how many seeds the first is better and equal, and how many both have: with the
    same seed both have the same pictures to validate."""
    others = {result.run.seed: result.validation for result in second.done}
    sign = 1 if measure.higher_is_better else -1
    leads = [
        sign * (result.validation - other)
        for result in best.done
        if result.validation is not None and (other := others.get(result.run.seed)) is not None
    ]
    return sum(lead > 0 for lead in leads), sum(lead == 0 for lead in leads), len(leads)
