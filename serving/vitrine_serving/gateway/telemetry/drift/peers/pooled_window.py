"""Pooled window: the last images of one version that one gateway or several saw, summed up."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vitrine_serving.gateway.telemetry.drift.baseline import Baseline
from vitrine_serving.gateway.telemetry.drift.detect import Kind, Sample, Shift, judge
from vitrine_serving.gateway.telemetry.drift.window import Window

CURRENT_S = 900.0
"""After so long without an image a window tells nothing of the pictures that a version gets now: it
may be AVAILABLE, and a version label name another. More than the ten minutes that the alert waits,
so that a service that is asked four times an hour has it, too."""

_OF_BASELINE = 0.5
"""Part of the baseline's images that a pool counts for at most. With as many images as a baseline
has, its own error would be noticed: the worst of 40 baselines of 1,000 raised an alarm in 5.2 % of
the pools of 2,500 images, and so counted in none (`python -m benchmarks.drift --peers`)."""


@dataclass(frozen=True)
class PooledWindow:
    """Window of a version, of one gateway or of several.

    `baseline` is the digest of its baseline, `size` how many images there are when all
    are full, and `largest` the same of the largest. `since` is when the oldest image came, `used`
    when the newest did, in seconds of `time.time` here. `kind` is the last verdict.
    """

    model: str
    version: int
    baseline: str
    sample: Sample
    size: int
    largest: int
    gateways: int
    since: float
    used: float
    kind: Kind

    @classmethod
    def of(cls, window: Window, size: int) -> "PooledWindow":
        """Returns a window of this gateway, which has `size` images when it is full."""
        return cls(
            *window.key,
            baseline=window.baseline,
            sample=window.sample(),
            size=size,
            largest=size,
            gateways=1,
            since=window.since,
            used=window.used,
            kind=window.kind,
        )

    @property
    def key(self) -> tuple[str, int]:
        """Model and version."""
        return self.model, self.version

    def fits(self, known: Baseline) -> bool:
        """Says whether it was compared with this baseline, too."""
        return self.baseline == known.digest and self.sample.sums.shape == known.means.shape

    def counted(self, known: Baseline) -> int:
        """Returns how many images it counts for: one gateway's own for all that it has."""
        return min(self.sample.size, max(self.largest, int(_OF_BASELINE * known.images)))

    def judged(self, known: Baseline, was: Kind) -> Shift:
        """Compares it with a baseline, as a sliding window that was found to be `was` before."""
        return judge(known, self.sample, was, self.counted(known))


def merged(windows: Iterable[PooledWindow]) -> PooledWindow | None:
    """Returns windows of one version as one, None without any. Those are left out that had their
    last image long before another one: nobody asks there any more."""
    found = list(windows)
    since = max((each.used for each in found), default=0.0) - CURRENT_S
    current = [each for each in found if each.used >= since]
    if len(current) < 2:
        return current[0] if current else None
    samples = [each.sample for each in current]
    return PooledWindow(
        *current[0].key,
        baseline=current[0].baseline,
        sample=Sample(
            sum(each.size for each in samples),
            np.sum([each.sums for each in samples], axis=0),
            np.sum([each.answered for each in samples], axis=0),
        ),
        size=sum(each.size for each in current),
        largest=max(each.largest for each in current),
        gateways=sum(each.gateways for each in current),
        since=min(each.since for each in current),
        used=max(each.used for each in current),
        kind=worst(each.kind for each in current),
    )


def worst(kinds: Iterable[Kind]) -> Kind:
    """Returns the verdict of several: one that a gateway has keeps the alarm of all of them up."""
    found = set(kinds)
    if "covariate" in found:
        return "covariate"
    return "label" if "label" in found else "none"
