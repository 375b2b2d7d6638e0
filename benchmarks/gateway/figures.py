"""Figures of the measurements: medians, and ratios within a round."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, float]
"""What was measured of one peer in one round, by name; the unit is in the name."""

Rounds = Mapping[str, Sequence[Figures]]
"""The figures of each peer, in the order of the rounds, of which nobody has missed one."""

IN_FLIGHT = (1, 16, 64)

COMPARED = {
    **{f"rate_{number}": f"c={number}" for number in IN_FLIGHT},
    "p99_64_ms": "p99",
    "images": "forms",
    "images_npy": "npy",
    **{f"cpu_{number}_us": f"us, {number}" for number in IN_FLIGHT},
    "memory_mb": "MB",
    "start_s": "start",
}
"""Figures that are held against those of others, and what they are called in tables."""

LEAST = {name for name in COMPARED if name.endswith(("_ms", "_us", "_mb", "_s"))}
"""Those of which less is better."""


@dataclass(frozen=True)
class Verdict:
    """An aim, what was reached, and whether that will do."""

    aim: str
    value: float
    holds: bool


def median(rounds: Rounds, peer: str, figure: str) -> float:
    """Returns the median of a figure over the rounds; NaN where the peer has no such figure."""
    values = [figures[figure] for figures in rounds[peer] if figure in figures]
    return statistics.median(values) if values else float("nan")


def ratios(rounds: Rounds, peer: str, other: str, figure: str) -> list[float]:
    """Returns the ratio within each round that has the figure of both."""
    pairs = zip(rounds[peer], rounds[other], strict=True)
    return [one[figure] / two[figure] for one, two in pairs if figure in one and two.get(figure)]


def ratio(rounds: Rounds, peer: str, other: str, figure: str) -> float:
    """Returns the median of the ratios within each round; NaN where one has no such figure."""
    found = ratios(rounds, peer, other, figure)
    return statistics.median(found) if found else float("nan")


def best(rounds: Rounds, peers: Sequence[str], figure: str) -> str:
    """Returns the peer with the best median, which is the smallest of `LEAST`; none without it."""
    having = [peer for peer in peers if any(figure in figures for figures in rounds[peer])]
    choose = min if figure in LEAST else max
    return choose(having, key=lambda peer: median(rounds, peer, figure), default="")


def against(rounds: Rounds, family: Sequence[str]) -> dict[str, dict[str, dict[str, object]]]:
    """Returns the ratios of each peer to the best of a family, by peer and figure: to whom, the
    median, and each round by itself."""
    found: dict[str, dict[str, dict[str, object]]] = {peer: {} for peer in rounds}
    for figure in COMPARED:
        other = best(rounds, family, figure)
        for peer in rounds if other else ():
            if each := ratios(rounds, peer, other, figure):
                told = {"of": other, "median": statistics.median(each), "rounds": each}
                found[peer][figure] = told
    return found
