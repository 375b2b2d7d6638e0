"""A long day."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.http_load import closed_loop, statuses
from benchmarks.reliability.subject import for_s, served, workers_mb, wrong
from tests.running_gateway import PICTURE, PREDICT


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


def soak(models_dir: Path, folder: Path, duration_s: float, warm_up_s: float) -> Soak:
    """Asks over 16 connections without a pause; memory is weighed after `warm_up_s` and at the
    end."""
    with served(models_dir, folder) as started:
        url = started.url + PREDICT
        asyncio.run(closed_loop(url, PICTURE, connections=16, until=for_s(warm_up_s)))
        before_mb = workers_mb(started)
        counted: Counter[int] = Counter()
        wrongs = 0
        over = for_s(duration_s)
        while not over():  # in pieces, so that replies need not be kept
            piece = for_s(min(5, duration_s))
            replies = asyncio.run(closed_loop(url, PICTURE, connections=16, until=piece))
            counted.update(statuses(replies))
            wrongs += wrong(replies)
        return Soak(duration_s, dict(counted), wrongs, before_mb, workers_mb(started))
