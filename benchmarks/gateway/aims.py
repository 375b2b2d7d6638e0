"""Aims of the gateway among its peers, and which of them a run has met."""

from collections.abc import Mapping, Sequence

from benchmarks.gateway.figures import LEAST, Rounds, Verdict, best, median, ratio
from benchmarks.gateway.peers.builds import EARLIER

VITRINE, FASTAPI, NAIVE, BEFORE = "vitrine", "fastapi", "flask", "before"

_FASTAPI = {
    "rate_64": ("requests/s at 64", 1.25),
    "rate_16": ("requests/s at 16", 1.2),
    "rate_1": ("requests/s at 1", 1.0),
    "p99_64_ms": ("p99 at 64", 0.8),
    "images": ("images/s in forms of 32", 1.2),
    "images_npy": ("images/s in npy of 32", 0.8),
}
"""Figures beside the best FastAPI: their name, and their ratio at least, or at most of `LEAST`."""

_FRAMEWORK = {"rate_64": ("requests/s at 64", 3.0)}

_EARLIER = {
    "cpu_64_us": ("processor time of all of Vitrine a request at 64", 0.6),
    "cpu_1_us": ("processor time of all of Vitrine a request at 1", 0.5),
    "start_s": ("start to the first answer", 1.2),
}

_WORKER_MB = 90


def verdicts(rounds: Rounds, families: Mapping[str, Sequence[str]]) -> list[Verdict]:
    """Judges Vitrine by its aims, as far as those that they name were measured.

    `families` has the peers of each family: the one that is better at the figure in question
    counts.
    """
    if VITRINE not in rounds:
        return []
    found: list[Verdict] = []
    for family, peers in families.items():
        for figure, (name, bound) in _aims(family).items():
            if other := best(rounds, peers, figure):
                value = ratio(rounds, VITRINE, other, figure)
                found.append(_verdict(f"{name}, of {other}'s", value, bound, figure in LEAST))
    worker_mb = median(rounds, VITRINE, "worker_mb")
    if worker_mb == worker_mb:
        found.append(_verdict("the largest gateway worker, MB", worker_mb, _WORKER_MB, True))
    return found


def _aims(family: str) -> Mapping[str, tuple[str, float]]:
    if family == FASTAPI:
        return _FASTAPI
    if family == EARLIER:
        return _EARLIER
    if family == BEFORE:
        return {"start_s": _EARLIER["start_s"]}
    return {} if family in {VITRINE, NAIVE} or family.endswith("-session") else _FRAMEWORK


def _verdict(name: str, value: float, bound: float, at_most: bool) -> Verdict:
    aim = f"{name}: at {'most' if at_most else 'least'} {bound:g}"
    return Verdict(aim, value, value <= bound if at_most else value >= bound)
