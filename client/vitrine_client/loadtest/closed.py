"""The load lab's closed loop: a fixed number of requests in flight, and what latency they saw."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.table import Table

from vitrine_client.client import Client
from vitrine_client.errors import VitrineError

PERCENTILES = (50, 90, 95, 99, 99.9)


@dataclass(frozen=True)
class LoadResult:
    """What a load gave after its warm-up.

    `latencies_s` has one entry for each request that was answered, float64 [n]; `errors` counts the
    others by the name of their error; `elapsed_s` is what the requests were spread over.
    """

    concurrency: int
    elapsed_s: float
    latencies_s: npt.NDArray[np.float64]
    errors: Counter[str]

    @property
    def throughput(self) -> float:
        """Answered requests a second."""
        return len(self.latencies_s) / self.elapsed_s

    def percentile_ms(self, percent: float) -> float:
        """Returns the latency, in ms, that `percent` of the answered requests stayed within."""
        if not len(self.latencies_s):
            return float("nan")
        return float(np.percentile(self.latencies_s, percent, method="inverted_cdf") * 1000)


class _Worker(threading.Thread):
    """Sends one request after the other until `until`, and keeps what it saw after `since`."""

    def __init__(
        self,
        client: Client,
        bodies: Sequence[bytes],
        model: str,
        since: float,
        until: float,
    ) -> None:
        super().__init__(daemon=True)
        self.latencies_s: list[float] = []
        self.errors: Counter[str] = Counter()
        self._client, self._bodies, self._model = client, bodies, model
        self._since, self._until = since, until

    def run(self) -> None:
        with self._client as client:
            turn = 0
            while (started := time.monotonic()) < self._until:
                error = self._send(client, self._bodies[turn % len(self._bodies)])
                turn += 1
                if started < self._since:
                    continue
                if error:
                    self.errors[error] += 1
                else:
                    self.latencies_s.append(time.monotonic() - started)

    def _send(self, client: Client, body: bytes) -> str | None:
        try:
            client.predict(body, self._model)
        except VitrineError as error:
            return type(error).__name__
        return None


def closed_loop(
    make_client: Callable[[], Client],
    bodies: Sequence[bytes],
    model: str,
    *,
    concurrency: int,
    duration_s: float,
    warm_up_s: float,
) -> LoadResult:
    """Keeps `concurrency` requests in flight for `warm_up_s + duration_s` seconds."""
    since = time.monotonic() + warm_up_s
    until = since + duration_s
    workers = [_Worker(make_client(), bodies, model, since, until) for _ in range(concurrency)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return LoadResult(
        concurrency=concurrency,
        elapsed_s=max(time.monotonic() - since, duration_s),
        latencies_s=np.concatenate([worker.latencies_s for worker in workers]),
        errors=sum((worker.errors for worker in workers), Counter()),
    )


def to_table(result: LoadResult) -> Table:
    """Lays a result out for a terminal."""
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    table.add_row("in flight", f"{result.concurrency}")
    table.add_row("answered", f"{len(result.latencies_s):,} in {result.elapsed_s:.1f} s")
    table.add_row("throughput", f"{result.throughput:,.0f} requests/s")
    for percent in PERCENTILES:
        table.add_row(f"p{percent:g}", f"{result.percentile_ms(percent):.2f} ms")
    for name, count in result.errors.most_common():
        table.add_row(f"[red]{name}[/]", f"[red]{count:,}[/]")
    return table
