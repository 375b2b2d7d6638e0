"""Accuracy by kind of picture, the gap to the same rows as they are, and the goal for both.

Gaps are in points: percent of the images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.photos.found import Found
from vitrine_training.photos import STRANGERS, Kind

MEAN_GAP, WORST_GAP = 4, 15
"""The goal, in points below plain: of the mean over the kinds that count, and of each of them."""

STRANGERS_GAP = 8
"""The goal for the mean over the kinds of each group of strangers."""

Answers = npt.NDArray[np.int64]
"""Class ids, -1 where there is no answer."""


@dataclass(frozen=True)
class Column:
    """A model's accuracy on the rows as they are, and on pictures of them, by kind."""

    plain: float
    by_kind: Mapping[str, float]

    def gap(self, kind: str) -> float:
        """Points below plain."""
        return round(100 * (self.plain - self.by_kind[kind]), 6)  # 15 is not 15.000000000000002


def accuracy(answers: Answers, found: Found, labels: npt.NDArray[np.integer[Any]]) -> float:
    """Returns the share of right answers; where no item was found there is none."""
    return float(np.mean((answers == labels) & found.seen))


def counts(kind: Kind) -> bool:
    """Returns whether the goal is counted over this kind."""
    return kind.leaves_item_visible and kind.group not in STRANGERS


def verdict(column: Column, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Returns the mean gap, the worst kind and whether the goal holds, of the kinds that count.

    Each group of strangers has a mean of its own.
    """
    counted = {name: column.gap(name) for name, kind in kinds.items() if counts(kind)}
    groups = {
        group: [column.gap(name) for name, kind in kinds.items() if kind.group == group]
        for group in STRANGERS
    }
    strangers = {group: float(np.mean(gaps)) for group, gaps in groups.items() if gaps}
    mean = float(np.mean(list(counted.values()))) if counted else None
    worst = max(counted, key=lambda name: counted[name], default=None)
    return {
        "plain": column.plain,
        "mean_gap": mean,
        "worst_kind": worst,
        "worst_gap": counted[worst] if worst else None,
        "beyond": sorted(name for name, gap in counted.items() if gap > WORST_GAP),
        "holds": mean is not None and mean <= MEAN_GAP and max(counted.values()) <= WORST_GAP,
        "strangers": strangers,
    }


def by_group(kinds: Mapping[str, Kind]) -> dict[str, list[str]]:
    """Returns the names of the kinds in each group, those that do not count in one of their own."""
    groups: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        group = kind.group if kind.leaves_item_visible else f"{kind.group}, tones lost"
        groups.setdefault(group, []).append(name)
    return groups
