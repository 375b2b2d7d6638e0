"""Ranking of variants by validation, over their seeds. The test figures decide nothing."""

import math
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
    """Spread of the seeds: lowest and highest, and the median, in which a seed that failed is worse
    than all; None where half of them failed, or more."""

    median: float | None
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None], failed: Sequence[float] = ()) -> "Spread | None":
        """Returns that of values; None where there are none. `failed` has an infinity for each seed
        that failed, on the side that is worse."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        median = statistics.median([*known, *failed])
        return cls(median if math.isfinite(median) else None, min(known), max(known))


@dataclass(frozen=True)
class Standing:
    """Standing of a variant by a measure: the results of its runs, by seed."""

    variant: Variant
    results: Sequence[RunResult]
    measure: Measure

    @property
    def done(self) -> list[RunResult]:
        """Those that have figures."""
        return [result for result in self.results if result.is_done]

    @property
    def failed(self) -> list[RunResult]:
        """Those that came to no figures; the others without have not had their turn."""
        return [result for result in self.results if result.has_failed]

    @property
    def validation(self) -> Spread | None:
        """Spread of the validation figures."""
        return Spread.of((result.validation for result in self.results), self._worst)

    @property
    def test(self) -> Spread | None:
        """Spread of the test figures."""
        return Spread.of((result.test for result in self.results), self._worst)

    @property
    def _worst(self) -> list[float]:
        """A figure worse than all for each run that failed: else a variant that seldom comes to its
        end is judged by luck alone."""
        return [-math.inf if self.measure.higher_is_better else math.inf] * len(self.failed)

    @property
    def training_s(self) -> float | None:
        """Median of the seconds of training."""
        spread = Spread.of(result.training_s for result in self.results)
        return spread.median if spread else None

    @property
    def typical(self) -> RunResult:
        """The run in the middle: whoever trains it gets about what the table says. Of an even
        number it is the first of the two by seed. Those that failed are worse than all; where they
        are in the middle, too, it is the middle of the others."""
        ordered = sorted(
            self.done,
            key=lambda result: (result.validation, result.run.seed),
            reverse=self.measure.higher_is_better,
        )
        middle = _middle([*ordered, *self.failed])
        found = [result for result in middle if result.is_done] or _middle(ordered)
        return min(found, key=lambda result: result.run.seed)


def _middle(ordered: Sequence[RunResult]) -> Sequence[RunResult]:
    return ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]


def ranked(results: Iterable[RunResult], measure: Measure) -> list[Standing]:
    """Returns the standings, best median first; then those of which half of the seeds failed or
    more, by how many; those without any figure are last. Of equals the one that trained faster is
    first."""
    found: dict[Variant, list[RunResult]] = {}
    for result in results:
        found.setdefault(result.run.variant, []).append(result)
    sign = -1 if measure.higher_is_better else 1

    def place(standing: Standing) -> tuple[int, float, float]:
        spread = standing.validation
        if spread is None:
            return 2, 0.0, 0.0
        if spread.median is None:
            best = spread.high if measure.higher_is_better else spread.low
            return 1, len(standing.failed) / len(standing.results), sign * best
        return 0, sign * spread.median, standing.training_s or 0.0

    standings = [
        Standing(variant, sorted(each, key=lambda result: result.run.seed), measure)
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
    if _median(best) is None:
        return (
            f"Half of the seeds of each variant failed, or more: {best.variant} has "
            f"{_seeds(best)}, and cannot be relied on."
        )
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
        return f"{_one_seed(best, second)}; --seeds 0-4 can tell more."
    if _is_apart(best, second, measure):
        side = "above" if measure.higher_is_better else "below"
        apart = f"Each seed of the first is {side} every seed of the next"
        if fewest < _FEW_SEEDS:
            return (
                f"{apart}; with {_both(best, second)} that may still be chance, and more tell more."
            )
        return f"{apart}, so it is more than chance makes of seeds."
    ahead, equal, both = _duels(best, second, measure)
    duels = f"of {both} seeds that both have, the first is ahead with {ahead}" + (
        f" and equal with {equal}" if equal else ""
    )
    failed = [
        f"{len(each.failed)} of {len(each.results)} seeds of the {which} failed"
        for which, each in (("first", best), ("next", second))
        if each.failed
    ]
    return (
        f"That may be chance: {', '.join(failed) or 'their ranges overlap'}, and {duels}. More "
        "seeds may part them; else take the one that is smaller or faster."
    )


def _one_seed(best: Standing, second: Standing) -> str:
    """That one seed is too few, and of which variant."""
    if len(best.done) == len(second.done) and not (best.failed or second.failed):
        return "One seed each cannot tell whether that is chance"
    return (
        f"One seed of a variant cannot tell whether that is chance: of the first there are "
        f"{_seeds(best)}, of the next {_seeds(second)}"
    )


def _both(best: Standing, second: Standing) -> str:
    """How many seeds the two have."""
    counts = len(best.done), len(second.done)
    return (
        f"{counts[0]} seeds each"
        if counts[0] == counts[1]
        else f"{counts[0]} and {counts[1]} seeds"
    )


def _seeds(standing: Standing) -> str:
    """How many seeds have figures, of how many."""
    return f"{len(standing.done)} of {len(standing.results)}"


def _median(standing: Standing) -> float | None:
    return standing.validation.median if standing.validation else None


def _is_apart(best: Standing, second: Standing, measure: Measure) -> bool:
    """Whether each seed of the first is better than every seed of the second."""
    one, other = best.validation, second.validation
    if best.failed or one is None or other is None:
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
