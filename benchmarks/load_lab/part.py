"""What each part of the measurement gives, and what they share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.gateway.bodies import PICTURES
from benchmarks.gateway.figures import Verdict
from tests.programmed_server import Running
from vitrine_client.loadtest.plan import Target

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Figures for the file, what to print of them, and verdicts on the aims."""

    figures: dict[str, Any]
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    verdicts: list[Verdict]


def target(server: Running) -> Target:
    """Single pictures for a programmed server."""
    return Target("raw", server.url, "mlp", tuple(PICTURES))


def at_most(aim: str, value: float, bound: float) -> Verdict:
    """Judges a value."""
    return Verdict(f"{aim}: at most {bound:g}", value, value <= bound)


def at_least(aim: str, value: float, bound: float) -> Verdict:
    """Judges a value."""
    return Verdict(f"{aim}: at least {bound:g}", value, value >= bound)
