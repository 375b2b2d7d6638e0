"""Soak: a long load on a gateway, whose memory is weighed before and after."""

from collections import Counter
from dataclasses import dataclass

from benchmarks.reliability.load import RIGHT, ask, statuses
from benchmarks.reliability.subject import workers_mb
from harness.gateway import Gateway
from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.plan import Closed


@dataclass(frozen=True)
class Soak:
    """What a long load left behind."""

    duration_s: float
    statuses: dict[int, int]
    wrong: int
    rss_mb_before: float
    rss_mb_after: float

    @property
    def growth(self) -> float:
        """How much heavier the workers are: 0.1 for a tenth."""
        return self.rss_mb_after / self.rss_mb_before - 1


def soak(started: Gateway, duration_s: float, warm_up_s: float) -> Soak:
    """Asks over 16 connections without a pause; memory is weighed after `warm_up_s` and at the
    end."""
    ask(started, Closed(16, warm_up_s))
    before_mb = workers_mb(started)
    seen = ask(started, Closed(16, duration_s))
    counted = statuses(seen.errors + Counter({RIGHT: seen.answered}))
    wrong = seen.errors[faults.WRONG]
    return Soak(duration_s, counted, wrong, before_mb, workers_mb(started))
