"""Fleets of gateways that pool their windows: false alarms by size, and what each sees alone."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.drift.streams import Pool as Images
from benchmarks.drift.streams import Seen, Subject
from benchmarks.shift import only
from vitrine_client.results.drift_statistics import statistics
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.telemetry.drift import Baseline, Sample, Watch, Windows, detect
from vitrine_serving.gateway.telemetry.drift.peers import DriftPool, PeerClient, PooledWindow
from vitrine_serving.gateway.telemetry.drift.peers.rounds import PeerRounds
from vitrine_training.evaluation.drift_baseline import baseline

WINDOW = 500
SIZES = (500, 1_500, 2_500, 5_000, 10_000, 25_000)
"""Images in a pool."""
OF_BASELINES = (5_000, 1_000)
DRAWN = 500
"""Pools of each size."""

FLEETS = (1, 3, 10)
BEFORE, LONG = 6_000, 20_000
"""Images that fill the windows of all, and that a stream has after them."""
ROUND = 500
"""Images between two rounds of all gateways: 100 a second, in 5 s."""
_LARGEST_BATCH = 16
_LOOKS = 4  # batches from one look at all alarms to the next

STREAMS = {
    "no shift": None,
    "40 % shirts": 0.4 * only(6) + 0.6 * only(0, 1, 2, 3, 4, 5, 7, 8, 9),
    "15 % shirts": 0.15 * only(6) + 0.85 * only(0, 1, 2, 3, 4, 5, 7, 8, 9),
}


def rates(subject: Subject, baselines: int) -> dict[str, Any]:
    """Returns the share of pools without a shift that raise the alarm by the card's thresholds, of
    each baseline, by its images and the pool's; `in full` where all images of a pool count.

    Baselines and pools are drawn with replacement from the same images, so that there is none.
    """
    images, outputs = subject.pools["clean"]
    rows, rng = statistics(images, outputs), np.random.default_rng(0)
    samples = {
        size: [Sample.of(rows[rng.integers(len(rows), size=size)]) for _ in range(DRAWN)]
        for size in SIZES
    }
    found: dict[str, Any] = {}
    for count in OF_BASELINES:
        by_size = found[str(count)] = {size: {"pooled": [], "in full": []} for size in SIZES}
        for _ in track(range(baselines), f"baselines of {count}", transient=True):
            drawn = rng.integers(len(rows), size=count)
            card = baseline(images[drawn], outputs[drawn], subject.labels[drawn])
            known = Baseline.read(card)
            for size, some in samples.items():
                counted = _pooled(some[0]).counted(known)
                alarms = [detect(known, each, counted=counted).alarm for each in some]
                by_size[size]["pooled"].append(float(np.mean(alarms)))
                alarms = [detect(known, each).alarm for each in some]
                by_size[size]["in full"].append(float(np.mean(alarms)))
    return found


def _pooled(sample: Sample) -> PooledWindow:
    """Returns the pool of gateways with full windows that has so many images."""
    gateways, now = sample.size // WINDOW, time.time()
    return PooledWindow(
        *("m", 1, "", sample, sample.size, WINDOW, gateways), since=now, used=now, kind="none"
    )


class _Client(PeerClient):
    """Client of gateways in this process, by address."""

    def __init__(self, fleet: dict[str, "_Gateway"]) -> None:
        super().__init__("peers:1")
        self._fleet = fleet

    async def windows(self, address: str) -> bytes:
        return self._fleet[address].watch.document()


class _Gateway:
    """Gateway of one process, as far as drift goes: its watch, and its rounds."""

    def __init__(self, fleet: dict[str, "_Gateway"], known: Baseline) -> None:
        pool, self._windows = DriftPool(_Client(fleet)), Windows(WINDOW, slots=1)
        self.watch = Watch(self._windows, pool)

        async def found(_model: str, _version: int) -> Baseline | None:
            return known

        def own() -> list[PooledWindow]:
            return [PooledWindow.of(each, WINDOW) for each in self._windows.all()]

        self.rounds = PeerRounds(pool, lambda: list(fleet), own, found)


async def look(
    subject: Subject, stream: Images, rng: np.random.Generator, gateways: int, *, pooled: bool
) -> Seen:
    """Sends a stream to gateways at random, in batches of random sizes; an alarm is up where one
    of them has it."""
    known = Baseline.read(subject.description.card["baseline"], subject.description.labels)
    description = Description(subject.description.labels, subject.description.card)
    fleet: dict[str, _Gateway] = {}
    for number in range(gateways):
        fleet[f"10.0.0.{number}:1"] = _Gateway(fleet, known)
    asked = list(fleet.values())
    images, alarms, start, last_round, batches = [], [], 0, 0, 0
    while start < len(stream[0]):
        end = min(start + int(rng.integers(1, _LARGEST_BATCH + 1)), len(stream[0]))
        watch = asked[rng.integers(gateways)].watch
        watch.note("model", 1, description, stream[0][start:end], stream[1][start:end])
        if pooled and end - last_round >= ROUND:
            last_round = end
            for each in asked:
                await each.rounds.round()
        start, batches = end, batches + 1
        if batches % _LOOKS == 0:
            images.append(end)
            alarms.append(_alarm(asked))
    return Seen(np.array(images), np.array(alarms))


def _alarm(asked: Sequence[_Gateway]) -> str:
    return next((state.alarm for one in asked for state in one.watch.states() if state.alarm), "")


async def streams(subject: Subject, seeds: int) -> list[dict[str, Any]]:
    """Returns, by fleet, stream and whether windows are pooled, how often alarms went up, for which
    part of the time they were, and after how many images they first were, None for never."""
    found = []
    for gateways in FLEETS:
        for name, shares in STREAMS.items():
            for pooled in (False, True) if gateways > 1 else (False,):
                entry = {"gateways": gateways, "stream": name, "pooled": pooled}
                seen = []
                for seed in track(range(seeds), f"{gateways}: {name}", transient=True):
                    rng = np.random.default_rng(seed)
                    first, then = subject.draw("clean", BEFORE, rng), _drawn(subject, shares, rng)
                    images = np.concatenate([first[0], then[0]])
                    stream = images, np.concatenate([first[1], then[1]])
                    seen.append(await look(subject, stream, rng, gateways, pooled=pooled))
                figures = {
                    "alarms": sum(one.raised() for one in seen),
                    "up": float(np.mean([one.up() for one in seen])),
                    "first": [_first(one) for one in seen],
                }
                found.append(entry | figures)
    return found


def _drawn(subject: Subject, shares: Any, rng: np.random.Generator) -> Images:
    if shares is None:
        return subject.draw("clean", LONG, rng)
    images, outputs = subject.pools["clean"]
    weights = np.asarray(shares)[subject.labels] / np.bincount(subject.labels)[subject.labels]
    chosen = rng.choice(len(images), size=LONG, p=weights / weights.sum())
    return images[chosen], outputs[chosen]


def _first(seen: Seen) -> int | None:
    up = (seen.images > BEFORE) & (seen.alarms != "")
    return int(seen.images[up][0]) - BEFORE if up.any() else None


def show(figures: dict[str, Any], console: Console) -> None:
    """Prints the tables of docs/drift.md."""
    for count, by_size in figures["rates"].items():
        console.print(f"\nBaselines of {count}: alarms in % of pools, mean (worst baseline)")
        for kind in ("pooled", "in full"):
            rates = {size: one[kind] for size, one in by_size.items()}
            told = (f"{n}: {100 * np.mean(a):.2f} ({100 * max(a):.1f})" for n, a in rates.items())
            console.print(f"{kind}: {', '.join(told)}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("gateways", "stream", "pooled", "alarms", "up", "seen", "median", "worst"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in figures["streams"]:
        found = [each for each in one["first"] if each is not None]
        cells = [str(one["gateways"]), one["stream"], "yes" if one["pooled"] else "no"]
        cells += [str(one["alarms"]), f"{100 * one['up']:.2f} %"]
        cells += [f"{len(found)} of {len(one['first'])}"]
        cells += [f"{np.median(found):.0f}", str(max(found))] if found else ["–", "–"]
        table.add_row(*cells)
    console.print(table)
