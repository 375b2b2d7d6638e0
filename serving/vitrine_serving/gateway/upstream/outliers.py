"""Outliers: whether one of several servers fails more often than the others, or is slower.

Only like calls are compared: those of one method, one model, version and signature, and of about
one size. A server that was given the large batches is not slow, and one that was asked for the
model that fails everywhere does not fail.

Both comparisons are the same test, of two coins: `k` of `n` calls were bad, and of the others' like
calls the share `p`. The evidence is the logarithm of the likelihood ratio of two shares to one in
common, n * KL(k/n, q) + m * KL(p, q), with KL the relative entropy (Dunning, "Accurate methods for
the statistics of surprise and coincidence", 1993, who shows that it holds for rare events). Twice
of it is distributed as chi squared with one degree of freedom, so that it is 14 or more once in
eight million comparisons of servers that are alike. Where calls are of several kinds, `p` is the
mean of the others' shares, weighted by the server's calls, and `m` is the number of calls that has
its variance.

Envoy's outlier detection has another test, success rates below their mean by 1.9 standard
deviations, of five hosts at least (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/
upstream/outlier). Of fewer it could find none: of n values none is further from their mean than
sqrt(n - 1) standard deviations. It does not compare latency; leaving slow servers alone, and trying
them meanwhile, is "latency-induced probation" (Dean and Barroso, "The Tail at Scale", 2013).
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import NamedTuple

OK, FAILED, FAULT = range(3)
"""Outcomes of a call: answered; not answered, as the server was late or unavailable; answered with
an error that is the server's, or the model's. All others tell nothing of the server."""

Kind = tuple[str, bytes, int]
"""Method, the model's specification as it is sent, and the size of the message in powers of 2."""

Call = tuple[Kind, float, float, int]
"""Kind, when it began and ended, in seconds of one monotonic clock, and its outcome."""

_FEW = 5
"""Calls of one kind that others must have answered, for a comparison."""

_MANY = 20
"""Calls that others must have answered in all."""

_LIKE = 4
"""A kind is not compared where the others have less than a quarter of the calls: what a client
asks for now and then must not be judged by one answer."""

_SLOW_TIMES = 4
_SLOW_S = 0.003
"""A call is slow that takes four times as long as the median of others, and 3 ms longer: the way to
a server in another zone takes 1 or 2."""


def kind_of(method: str, request: bytes) -> Kind:
    """Returns the kind of a call. All requests of TensorFlow Serving begin with the model's
    specification, field 1."""
    end = 0
    if request[:1] == b"\n" and len(request) > 1:
        length = request[1]  # of more than 127 bytes the rest of the length follows
        end = 2 + length if length < 128 else 130
    return method, request[:end], len(request).bit_length()


class Strictness(NamedTuple):
    """Strictness of a comparison: the calls and the bad ones that it takes, the evidence, and the
    shares of bad calls: of failed ones more than others have, of slow ones in all."""

    calls: int
    bad: int
    evidence: float
    failed_share: float
    slow_share: float


class Outlier(NamedTuple):
    """Finding that a server is an outlier: why, in words, and by how much."""

    reason: str
    words: str
    evidence: float


class CallTally:
    """Tally of the calls of one kind to one server.

    Of failures in a row `spells` counts one: a server that is started again fails all that it has
    in hand, and the circuit breaker is for those that go on.
    """

    def __init__(self) -> None:
        self.calls = self.failed = self.spells = 0
        self.took_s: list[float] = []
        """Of those that were answered, in order."""


class CallSample:
    """Sample of the last calls to one server."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.tallies: dict[Kind, CallTally] = {}
        before = OK
        for kind, started_s, ended_s, outcome in calls:
            tally = self.tallies.get(kind)
            if tally is None:
                tally = self.tallies[kind] = CallTally()
            tally.calls += 1
            if outcome == OK:
                tally.took_s.append(ended_s - started_s)
            else:
                tally.failed += 1
                tally.spells += outcome != FAILED or before != FAILED
            before = outcome
        for tally in self.tallies.values():
            tally.took_s.sort()

    def last(self, count: int) -> "CallSample":
        """Returns the sample of the last calls alone."""
        return self if len(self.calls) <= count else CallSample(self.calls[-count:])

    @cached_property
    def failed_share(self) -> float:
        """The share of failed calls, of all kinds."""
        failed = sum(tally.failed for tally in self.tallies.values())
        return failed / len(self.calls) if self.calls else 0.0


class _Compared(NamedTuple):
    """Counts of calls, and of bad ones, of a server and of others, of one kind."""

    calls: int
    bad: int
    others: int
    bad_others: int


def failing(own: CallSample, others: Sequence[CallSample], strict: Strictness) -> Outlier | None:
    """Returns a finding where a server fails more often than others do: than the better half of
    them, as several may be ill."""
    if not own.failed_share:
        return None
    known = [each for each in others if len(each.calls) >= _MANY] or list(others)
    known.sort(key=lambda each: each.failed_share)
    better = known[: (len(known) + 1) // 2]
    compared = list(_failures(own, better))
    return _finding("failures", "failed", compared, strict, strict.failed_share, above_others=True)


def slow(own: CallSample, others: Sequence[CallSample], strict: Strictness) -> Outlier | None:
    """Returns a finding where most calls to a server take far longer than those to others, and did
    so more than once: of a pause, all that was in hand tells the same."""
    compared, limits_s = [], {}
    for kind, tally in own.tallies.items():
        there = [each.tallies[kind].took_s for each in others if kind in each.tallies]
        took_s = sorted(chain.from_iterable(there))
        if not tally.took_s or not _are_alike(len(tally.took_s), len(took_s)):
            continue
        median_s = took_s[(len(took_s) - 1) // 2]
        limit_s = limits_s[kind] = _slow_from_s(median_s)
        compared.append(
            _Compared(
                *(len(tally.took_s), _above(tally.took_s, limit_s)),
                *(len(took_s), _above(took_s, limit_s)),
            )
        )
    found = _finding("latency", "were slow", compared, strict, strict.slow_share)
    return found if found and _happened_again(own.calls, limits_s) else None


def _slow_from_s(median_s: float) -> float:
    """Returns the seconds above which a call is slow, by the median of like ones."""
    return max(_SLOW_TIMES * median_s, median_s + _SLOW_S)


def slow_limits_s(samples: Sequence[CallSample]) -> dict[Kind, float]:
    """Returns for each kind the seconds above which a call is slow, by the medians of the faster
    quarter of the servers: what `slow` finds takes longer."""
    medians: dict[Kind, list[float]] = {}
    for sample in samples:
        for kind, tally in sample.tallies.items():
            if tally.took_s:
                medians.setdefault(kind, []).append(_median(tally.took_s))
    return {
        kind: _slow_from_s(sorted(found)[(len(found) - 1) // 4]) for kind, found in medians.items()
    }


def is_suspect(
    kept: CallSample, limits_s: dict[Kind, float], count: int, strict: Strictness
) -> bool:
    """Says whether the last `count` calls of a sample are worth a comparison, which costs more."""
    failed = sum(tally.failed for tally in kept.tallies.values())
    late = sum(
        _above(tally.took_s, limits_s[kind]) for kind, tally in kept.tallies.items() if tally.took_s
    )
    return failed >= strict.bad or late >= strict.slow_share * min(count, len(kept.calls))


def _failures(own: CallSample, others: Sequence[CallSample]) -> Iterator[_Compared]:
    """Yields counts by kind; kinds that are rare here and there are taken together."""
    rare = [0, 0, 0, 0]
    for kind, tally in own.tallies.items():
        there = [each.tallies[kind] for each in others if kind in each.tallies]
        calls, failed = sum(each.calls for each in there), sum(each.failed for each in there)
        if _are_alike(tally.calls, calls):
            yield _Compared(tally.calls, tally.spells, calls, failed)
        elif tally.calls < _FEW and calls:
            counts = tally.calls, tally.spells, calls, failed
            rare = [sum(pair) for pair in zip(rare, counts, strict=True)]
    if _are_alike(rare[0], rare[2]):
        yield _Compared(*rare)


def _are_alike(calls: int, others: int) -> bool:
    return others >= _FEW and calls <= _LIKE * others


def _finding(
    reason: str,
    words: str,
    compared: Sequence[_Compared],
    strict: Strictness,
    share: float,
    *,
    above_others: bool = False,
) -> Outlier | None:
    """Returns the finding of a comparison, if it is one."""
    calls = sum(each.calls for each in compared)
    bad = sum(each.bad for each in compared)
    others = sum(each.others for each in compared)
    bad_others = sum(each.bad_others for each in compared)
    if others < _MANY or calls < strict.calls or bad < strict.bad:
        return None
    like = sum(each.calls * each.bad_others / each.others for each in compared) / calls
    weight = calls**2 / sum(each.calls**2 / each.others for each in compared)
    evidence = _evidence(bad / calls, calls, like, weight)
    least = share + (like if above_others else 0.0)
    if evidence < strict.evidence or bad < least * calls:
        return None
    told = f"{bad} of {calls} calls {words}, of like ones to others {bad_others} of {others}"
    return Outlier(reason, told, evidence)


def _evidence(found: float, calls: int, like: float, weight: float) -> float:
    """Returns the evidence that a server has more bad calls than others, 0 where it has not."""
    if found <= like:
        return 0.0
    common = (found * calls + like * weight) / (calls + weight)
    return calls * _relative_entropy(found, common) + weight * _relative_entropy(like, common)


def _relative_entropy(found: float, expected: float) -> float:
    """Returns the relative entropy of two coins."""
    heads = found * math.log(found / expected) if found else 0.0
    return heads + ((1 - found) * math.log((1 - found) / (1 - expected)) if found < 1 else 0.0)


def _median(ordered: Sequence[float]) -> float:
    return ordered[(len(ordered) - 1) // 2]


def _above(ordered: Sequence[float], limit_s: float) -> int:
    return len(ordered) - bisect_right(ordered, limit_s)


def _happened_again(calls: Iterable[Call], limits_s: dict[Kind, float]) -> bool:
    """Says whether a slow call began after another had ended."""
    first_end_s = math.inf
    for kind, started_s, ended_s, outcome in calls:
        if outcome == OK and ended_s - started_s > limits_s.get(kind, math.inf):
            if started_s >= first_end_s:
                return True
            first_end_s = min(first_end_s, ended_s)
    return False
