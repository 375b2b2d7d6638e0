"""The parts of a result: its seconds, what making the load took, and the connections."""

from collections import Counter
from dataclasses import dataclass, field

from vitrine_client.loadtest.results.histogram import Histogram


@dataclass(frozen=True)
class Interval:
    """About a second of the measurement, which begins after the warm-up.

    Requests belong to the second in which they were due (open loop) or sent (closed loop).
    `latency` is of those that were answered and right, from then; `service` from when they were
    really sent. In a closed loop both are the same. `errors` counts the others by kind, "wrong
    answer" among them; `late` were sent over a millisecond after they were due; `dropped` never, as
    the server was too slow, and `unsent` neither, for lack of what `faults.OWN` names.
    `completed` is how many right answers came in this second, whenever they were due.
    """

    start_s: float
    duration_s: float
    due: int
    latency: Histogram
    service: Histogram
    completed: int
    errors: Counter[str] = field(default_factory=Counter)
    late: int = 0
    dropped: int = 0
    unsent: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """How many were answered, and right."""
        return self.latency.count


@dataclass(frozen=True)
class Generator:
    """What generating the load took: processor seconds and their share of the wall clock, in the
    process that was busiest (None where that was for less than a second); and by how much half and
    99 % of requests were sent too late because of the generator itself, in ms (None for a closed
    loop)."""

    cpu_s: float
    busiest: float | None
    lag_p99_ms: float | None
    lag_p50_ms: float | None = None


@dataclass(frozen=True)
class Connecting:
    """The connections that were made while it was measured: how long it took to connect, and to
    shake hands for TLS (none without). `again` had taken the place of one that had answered, and
    was closed. `closed_after` are the fewest and the most answers on one
    that was closed under a request; both are 0 where none was."""

    connect: Histogram
    tls: Histogram
    again: int = 0
    closed_after: tuple[int, int] = (0, 0)
