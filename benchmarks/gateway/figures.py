"""Figures of the measurements: medians, ratios within a round, and which aims are met."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = Mapping[str, float]
"""What was measured of one peer in one round, by name; the unit is in the name."""

Rounds = Mapping[str, Sequence[Figures]]
"""The figures of each peer, in the order of the rounds, of which nobody has missed one."""

IN_FLIGHT = (1, 16, 64)

VITRINE, FASTAPI, NAIVE = "vitrine", "fastapi", "flask"


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


def ratio(rounds: Rounds, peer: str, other: str, figure: str) -> float:
    """Returns the median of the ratios within each round; NaN where one has no such figure."""
    pairs = zip(rounds[peer], rounds[other], strict=True)
    ratios = [one[figure] / two[figure] for one, two in pairs if figure in one and two.get(figure)]
    return statistics.median(ratios) if ratios else float("nan")


def best(rounds: Rounds, peers: Sequence[str], figure: str, *, least: bool = False) -> str:
    """Returns the peer with the largest median, or the smallest one; none without the figure."""
    having = [peer for peer in peers if any(figure in figures for figures in rounds[peer])]
    choose = min if least else max
    return choose(having, key=lambda peer: median(rounds, peer, figure), default="")


def verdicts(rounds: Rounds, families: Mapping[str, Sequence[str]]) -> list[Verdict]:
    """Judges Vitrine by its aims, as far as those that they name were measured.

    `families` has the peers of each family: of FastAPI with one process and with two, whichever
    is better at the figure in question counts.
    """
    if VITRINE not in rounds:
        return []
    judge = _Judge(rounds, families)
    if FASTAPI in families:
        for in_flight, least in ((64, 1.3), (16, 1.1), (1, 0.8)):
            judge.at_least(FASTAPI, f"rate_{in_flight}", f"requests/s at {in_flight}", least)
    for family in families:
        if family not in {VITRINE, FASTAPI, NAIVE}:
            for in_flight in (16, 64):
                judge.at_least(family, f"rate_{in_flight}", f"requests/s at {in_flight}", 2.5)
    if FASTAPI in families:
        judge.at_most_as(FASTAPI, "p99_64_ms", "p99 at 64")
        judge.at_least(FASTAPI, "images", "images/s in forms of 32", 1.5)
    judge.at_most("worker_mb", "memory of the largest gateway worker, MB", 100)
    judge.at_most("start_s", "gateway's start to the first answer, s", 2)
    judge.at_most("added_ms", "what the gateway adds to a direct Predict (p50 at 1), ms", 1)
    behind = "vitrine-tfs" if "vitrine-tfs" in rounds else VITRINE
    server = "TensorFlow Serving" if behind != VITRINE else "the embedded model server"
    judge.at_most(
        "gateway_cpu_64_us", f"gateway's CPU a request at 64, {server} behind, us", 350, behind
    )
    return judge.found


class _Judge:
    def __init__(self, rounds: Rounds, families: Mapping[str, Sequence[str]]) -> None:
        self._rounds = rounds
        self._families = families
        self.found: list[Verdict] = []

    def at_least(self, family: str, figure: str, name: str, least: float) -> None:
        other = best(self._rounds, self._families[family], figure)
        if other:
            value = ratio(self._rounds, VITRINE, other, figure)
            aim = f"{name}, of {other}'s: at least {least:g}"
            self.found.append(Verdict(aim, value, value >= least))

    def at_most_as(self, family: str, figure: str, name: str) -> None:
        other = best(self._rounds, self._families[family], figure, least=True)
        if other:
            value = ratio(self._rounds, VITRINE, other, figure)
            self.found.append(Verdict(f"{name}, of {other}'s: at most 1", value, value <= 1))

    def at_most(self, figure: str, name: str, most: float, peer: str = VITRINE) -> None:
        value = median(self._rounds, peer, figure)
        if value == value:
            self.found.append(Verdict(f"{name}: at most {most:g}", value, value <= most))
