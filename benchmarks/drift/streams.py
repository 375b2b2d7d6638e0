"""Streams of test images that change their nature, and when the watch says so."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.shift import SHARES, noisy
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.telemetry.drift import Watch, Windows
from vitrine_training.data.fashion_mnist import LABELS, Split
from vitrine_training.evaluation.metrics import evaluate

WORKERS = 2
WINDOW = 500
BEFORE, DURING, AFTER = 1_000, 1_000, 1_500
"""Images before a shift, until it ends, and that are watched after it."""

CHANGES = {"inverted": lambda images: 255 - images, "noise, sigma 0.2": noisy}
SHIFTS = {**dict.fromkeys(CHANGES, "covariate"), **dict.fromkeys(SHARES, "label")}
"""What each should be called."""

_LARGEST_BATCH = 16

Pool = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]
"""Images and what a model answers to them."""


@dataclass(frozen=True)
class Subject:
    """A model: what it says of itself, the true labels of the test images, and these as they are
    and after each change."""

    description: Description
    labels: npt.NDArray[Any]
    pools: Mapping[str, Pool]

    @classmethod
    def of(cls, version_dir: Path, test: Split) -> "Subject":
        """Asks a published version."""
        card = json.loads((version_dir / "assets.extra" / "card.json").read_text())

        def answered(images: npt.NDArray[np.uint8]) -> Pool:
            probabilities = evaluate(version_dir, Split(images, test.labels)).probabilities
            return images, probabilities.astype(np.float32)

        pools = {name: answered(change(test.images)) for name, change in CHANGES.items()}
        pools["clean"] = answered(test.images)
        return cls(Description(tuple(LABELS), card), np.asarray(test.labels), pools)

    def draw(self, name: str, count: int, rng: np.random.Generator) -> Pool:
        """Draws images, with replacement: a pool's, or clean ones in the shares of that name."""
        images, outputs = self.pools.get(name, self.pools["clean"])
        if name in SHARES:
            classes = rng.choice(len(LABELS), size=count, p=SHARES[name])
            chosen = np.empty(count, np.int64)
            for one in range(len(LABELS)):
                members = np.flatnonzero(self.labels == one)
                chosen[classes == one] = rng.choice(members, (classes == one).sum())
        else:
            chosen = rng.integers(len(images), size=count)
        return images[chosen], outputs[chosen]


@dataclass(frozen=True)
class Seen:
    """What the watch said after each batch: how many images there had been, and its alarm."""

    images: npt.NDArray[np.int64]
    alarms: npt.NDArray[np.str_]

    def up(self) -> float:
        """Returns the share of the images that came while an alarm was up."""
        counts = np.diff(self.images, prepend=0)
        return float(counts[self.alarms != ""].sum() / self.images[-1])

    def raised(self) -> int:
        """Returns how many alarms went up."""
        up = (self.alarms != "").astype(int)
        return int((np.diff(up, prepend=0) == 1).sum())

    def first(self, alarm: str, since: int, until: int) -> int | None:
        """Returns after how many images from `since` the alarm was first this; None if it was not
        before `until`."""
        at = (self.images > since) & (self.images <= until) & (self.alarms == alarm)
        return int(self.images[at][0]) - since if at.any() else None


def look(subject: Subject, stream: Pool, rng: np.random.Generator, *, slowly: bool = False) -> Seen:
    """Sends a stream through the watches of some processes, in batches of random sizes.

    `slowly` is traffic that the watch keeps up with image by image: it looks after each. Needs a
    running event loop.
    """
    windows = Windows(WINDOW, slots=1)
    watches = [Watch(windows) for _ in range(WORKERS)]
    images, alarms, start = [], [], 0
    while start < len(stream[0]):
        end = start + (1 if slowly else int(rng.integers(1, _LARGEST_BATCH + 1)))
        watch = watches[rng.integers(WORKERS)]
        batch = stream[0][start:end], stream[1][start:end]
        watch.note("model", 1, subject.description, *batch)
        if slowly:
            watch.flush()
        start = min(end, len(stream[0]))
        images.append(start)
        alarms.append(next((state.alarm for state in watch.states()), ""))
    return Seen(np.array(images), np.array(alarms))


def false_alarms(subject: Subject, seeds: int, count: int, *, slowly: bool) -> dict[str, Any]:
    """Returns how often and for how long an alarm is up without a shift, over `count` images."""
    seen = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        seen.append(look(subject, subject.draw("clean", count, rng), rng, slowly=slowly))
    up, raised = [one.up() for one in seen], [one.raised() for one in seen]
    return {
        "up": float(np.mean(up)),
        "up_worst": max(up),
        "alarms": sum(raised),
        "alarms_per_10000": sum(raised) / (seeds * count) * 10_000,
    }


def shifts(subject: Subject, name: str, seeds: int) -> dict[str, Any]:
    """Returns how many images it takes until the alarm is up, by its right name, and down again
    after the shift; those that never come count as none, and are counted as `missed`."""
    until_up, until_down = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(1_000 + seed)
        parts = [("clean", BEFORE), (name, DURING), ("clean", AFTER)]
        drawn = [subject.draw(one, count, rng) for one, count in parts]
        stream = np.concatenate([d[0] for d in drawn]), np.concatenate([d[1] for d in drawn])
        seen = look(subject, stream, rng)
        ended = BEFORE + DURING
        until_up.append(seen.first(SHIFTS[name], BEFORE, ended))
        until_down.append(seen.first("", ended, ended + AFTER))
    return {"until_up": _figures(until_up), "until_down": _figures(until_down)}


def _figures(counts: list[int | None]) -> dict[str, Any]:
    found = [float(count) for count in counts if count is not None] or [math.nan]
    return {
        "missed": counts.count(None),
        "median": float(np.median(found)),
        "p95": float(np.quantile(found, 0.95)),
        "worst": max(found),
    }
