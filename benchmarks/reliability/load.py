"""Load on a gateway by the load lab: one picture again and again, and the replies to it."""

from collections import Counter, defaultdict
from threading import Event

import numpy as np

from harness.gateway import Gateway
from harness.paths import PICTURE
from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.loop import FIELDS
from vitrine_client.loadtest.generator.worker import Seen
from vitrine_client.loadtest.plan import Load, Plan, Workload
from vitrine_client.loadtest.results.request_rows import RequestRows
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import run

RIGHT, REFUSED = "", "HTTP 503"


class Replies(RequestRows):
    """Replies as they come: latencies in seconds, from when each request was due, by the load lab's
    word for its outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.latencies_s: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, process: int, seen: Seen) -> None:  # noqa: ARG002
        """Takes those that a process has seen."""
        records = np.frombuffer(seen.records, np.float64).reshape(-1, FIELDS)
        for due_s, _, _, done_s, outcome in records.tolist():
            self.latencies_s[seen.outcomes[int(outcome)]].append(done_s - due_s)

    @property
    def outcomes(self) -> Counter[str]:
        """How many replies had each outcome so far."""
        so_far = list(self.latencies_s.items())  # a copy: others may ask while more come
        return Counter({name: len(each) for name, each in so_far})

    def percentile_ms(self, outcome: str, percent: float) -> float:
        """The latency that `percent` of those with an outcome kept; NaN without any."""
        latencies_s = self.latencies_s.get(outcome) or [float("nan")]
        return 1e3 * float(np.percentile(latencies_s, percent))


def ask(
    gateway: Gateway,
    load: Load,
    replies: Replies | None = None,
    stop: Event | None = None,
    picture: bytes = PICTURE,
) -> Result:
    """Loads a gateway, from its first request on, until the load is over or `stop` is set."""
    target = Workload("raw", gateway.url, "mlp", (picture,))
    return run(Plan(target, load, warm_up_s=0), rows=replies, stop=stop)


def statuses(outcomes: Counter[str]) -> dict[int, int]:
    """Returns how many requests had each HTTP status, from their outcomes; 0 is no answer."""
    counted: Counter[int] = Counter()
    for outcome, count in outcomes.items():
        status = outcome.removeprefix("HTTP ")
        answered = outcome in (RIGHT, faults.WRONG)
        counted[200 if answered else int(status) if status.isdecimal() else 0] += count
    return dict(counted)
