"""Coordinate search of a tuning, pure: all measurements come through a function.

One setting after the other is tried, and the best so far is kept, until
nothing gets better or the time is up. Its winner may be one by luck, as a machine is not equally
fast all the time. So the best are then measured against the default in turn, and one is chosen only
if it is faster by more than these pairs differ from each other.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, stdev

from vitrine_client.loadtest.analysis.probes import LOWEST_RATE, RateFound
from vitrine_client.loadtest.tune.configuration import Axis, Configuration

SEARCH_SHARE = 0.55
"""Of the time, once something seems faster; the rest is for the comparison with the default."""

_STEP = 1.03
"""How much faster something has to be to go on from there: fewer settings that differ from their
defaults for no reason."""

_LOWER = (1, 1.25, 2, 4)
"""Parts of the rate that short probes found, one after the other, of which one holds for longer."""

_FINALISTS = 2
_FEWEST_PAIRS, _MOST_PAIRS = 3, 6
_T = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}
"""Student's t, one-sided 97.5 %, by degrees of freedom: of two duels, 5 % are won by luck."""

Measure = Callable[[Configuration], RateFound]
"""Finds the highest rate that meets the objective; raises `Unfit`."""


class Unfit(Exception):
    """Error of a configuration with which the service does not start, or does not answer."""


@dataclass(frozen=True)
class Trial:
    """Trial of a configuration: the rate that was found, or the reason why there is none."""

    configuration: Configuration
    found: RateFound | None
    reason: str = ""

    @property
    def rate(self) -> float:
        """Requests/s that meet the objective; 0 for none."""
        return self.found.rate if self.found else 0.0


@dataclass(frozen=True)
class Duel:
    """Duel of two configurations, measured in turn, as pairs of trials: the default first."""

    default: Configuration
    challenger: Configuration
    pairs: tuple[tuple[Trial, Trial], ...]

    @property
    def ratio(self) -> float:
        """By how much the challenger's rate is higher: the pairs' geometric mean."""
        return math.exp(fmean(self._logs)) if self.pairs else float("nan")

    @property
    def low(self) -> float:
        """Lower confidence bound of the ratio (paired t, 5 % over both duels); 0 with too few
        pairs."""
        if len(self.pairs) < _FEWEST_PAIRS:
            return 0.0
        logs = self._logs
        error = stdev(logs) / math.sqrt(len(logs))
        return math.exp(fmean(logs) - _T[len(logs) - 1] * error)

    @property
    def won(self) -> bool:
        """Whether the challenger is faster beyond the noise."""
        return self.low > 1

    @property
    def _logs(self) -> list[float]:
        return [
            math.log(max(challenger.rate, LOWEST_RATE) / max(default.rate, LOWEST_RATE))
            for default, challenger in self.pairs
        ]


@dataclass(frozen=True)
class Confirmation:
    """Confirmation run of a rate, longer than the probes, which miss stalls that recur more seldom:
    the violation of the objective, if there is one."""

    rate: float
    duration_s: float
    violations: tuple[str, ...]


@dataclass(frozen=True)
class Tuned:
    """Result of a tuning: the configuration to use, all that was tried, and the duels with the
    default. `complete` says that the search ended by itself, before its time was up.
    `confirmations` are of the best, at lower rates each; the last one holds if any does."""

    best: Configuration
    trials: tuple[Trial, ...]
    duels: tuple[Duel, ...]
    complete: bool
    confirmations: tuple[Confirmation, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether anything met the objective, at any rate, and for long, if that was looked at."""
        if self.confirmations and self.confirmations[-1].violations:
            return False
        return any(trial.rate for trial in self.trials)

    def rate_of(self, configuration: Configuration) -> float:
        """Returns the median of the rates that were found for a configuration."""
        pairs = [trial for duel in self.duels for pair in duel.pairs for trial in pair]
        return median(
            trial.rate for trial in (*self.trials, *pairs) if trial.configuration == configuration
        )


class Time:
    """Time budget of a tuning. `clock` is in seconds."""

    def __init__(self, for_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began_s, self._for_s = clock, clock(), for_s

    def has(self, share: float, needed_s: float = 0.0) -> bool:
        """Says whether a task of `needed_s` would end within a share of the time."""
        return self.spent_s + needed_s <= share * self._for_s

    @property
    def spent_s(self) -> float:
        """Since the beginning."""
        return self._clock() - self._began_s


def tune(
    default: Configuration,
    axes: Sequence[Axis],
    measure: Measure,
    time_: Time,
    *,
    watch: Callable[[Trial], None] = lambda _: None,
) -> Tuned:
    """Finds a configuration that beats `default`, or keeps that. Raises `Unfit` where the default
    itself cannot be measured; any other that cannot is a trial with its reason."""
    search = _Search(measure, time_, watch)
    complete = search.explore(default, axes)
    trials = tuple(search.trials.values())
    duels: list[Duel] = []
    for challenger in search.finalists(default):
        duels.append(search.duel(default, challenger))
        if duels[-1].won:
            return Tuned(challenger, trials, tuple(duels), complete)
    return Tuned(default, trials, tuple(duels), complete)


def confirm(tuned: Tuned, load: Callable[[Configuration, float], Confirmation]) -> Tuned:
    """Returns a tuning with its best configuration confirmed: at its rate, or else at lower ones.
    `load` makes the longer load."""
    found: list[Confirmation] = []
    rate = tuned.rate_of(tuned.best)
    for step in _LOWER if rate else ():
        found.append(load(tuned.best, max(rate / step, LOWEST_RATE)))
        if not found[-1].violations:
            break
    return replace(tuned, confirmations=tuple(found))


class _Search:
    def __init__(self, measure: Measure, time_: Time, watch: Callable[[Trial], None]) -> None:
        self._measure, self._time, self._watch = measure, time_, watch
        self.trials: dict[Configuration, Trial] = {}
        self._longest_s = 0.0

    def explore(self, default: Configuration, axes: Sequence[Axis]) -> bool:
        """Tries the default, and its neighbours, and those of the best; returns whether that came
        to its end."""
        first = self._try(default)
        if not first.found:
            raise Unfit(first.reason)
        self.trials[default] = first
        best, before = default, None
        while best != before:
            before = best
            for axis in axes:
                for candidate in axis(best):
                    if candidate in self.trials:
                        continue
                    if not self._has_time(default):
                        return False
                    self.trials[candidate] = self._try(candidate)
                best = self._best(best)
        return True

    def _has_time(self, default: Configuration) -> bool:
        share = SEARCH_SHARE if self.finalists(default) else 1.0
        return self._time.has(share, self._longest_s)

    def _best(self, best: Configuration) -> Configuration:
        fastest = max(self.trials.values(), key=lambda trial: trial.rate)
        beats = fastest.rate > _STEP * self.trials[best].rate
        return fastest.configuration if beats else best

    def finalists(self, default: Configuration) -> list[Configuration]:
        """Returns configurations that seemed faster than the default, the fastest first."""
        least = _STEP * self.trials[default].rate
        faster = [trial for trial in self.trials.values() if trial.rate > least]
        faster.sort(key=lambda trial: -trial.rate)
        return [trial.configuration for trial in faster[:_FINALISTS]]

    def duel(self, default: Configuration, challenger: Configuration) -> Duel:
        """Measures both in turn, who is first in turn, too; as often as there is time for, or until
        it is lost."""
        duel = Duel(default, challenger, ())
        while len(duel.pairs) < _MOST_PAIRS and self._time.has(1.0, 2 * self._longest_s):
            order = [default, challenger] if len(duel.pairs) % 2 == 0 else [challenger, default]
            tried = {configuration: self._try(configuration) for configuration in order}
            pair = (tried[default], tried[challenger])
            duel = Duel(default, challenger, (*duel.pairs, pair))
            if len(duel.pairs) >= _FEWEST_PAIRS and duel.ratio <= 1:
                break
        return duel

    def _try(self, configuration: Configuration) -> Trial:
        before_s = self._time.spent_s
        try:
            trial = Trial(configuration, self._measure(configuration))
        except Unfit as error:
            trial = Trial(configuration, None, str(error))
        self._longest_s = max(self._longest_s, self._time.spent_s - before_s)
        self._watch(trial)
        return trial
