"""Latencies of a closed loop: each as it was, by the load lab's own connections.

wrk counts requests that it never sent into its percentiles (`stats_correct`, always), so that its
p50 and p99 are not those of the requests that were answered: docs/load-testing.md has figures.
"""

import time
from dataclasses import dataclass, field
from functools import partial
from selectors import DefaultSelector
from urllib.parse import urlsplit

from benchmarks.gateway.bodies import Body
from vitrine_client.loadtest.generator.connections import HttpConnections
from vitrine_client.loadtest.generator.http_connection import HttpConnection, reach
from vitrine_client.loadtest.results.histogram import LatencyHistogram

_TIMEOUT_S = 30


@dataclass
class _Lane:
    """A request in flight, again and again."""

    request: bytes
    latencies_s: list[float] = field(default_factory=list)
    failed: bool = False
    sent_s: float = 0.0
    connection: HttpConnection | None = None

    def send(self) -> None:
        self.sent_s = time.monotonic()
        if self.connection and self.connection.send(self.request):
            self.failed = True

    def answered(self, end_s: float, fault: str, _: bytes, now_s: float) -> None:
        self.failed = self.failed or bool(fault)
        if not fault:
            self.latencies_s.append(now_s - self.sent_s)
        if now_s < end_s and not self.failed:
            self.send()


def closed_loop(url: str, body: Body, *, in_flight: int, duration_s: float) -> LatencyHistogram:
    """Returns the latencies of right answers while `in_flight` requests are kept in flight. A
    connection that failed sends nothing more: errors are wrk's to count."""
    address = urlsplit(url)
    headers = "".join(f"{key}: {value}\r\n" for key, value in body.headers.items())
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n{headers}"
        f"Content-Length: {len(body.content)}\r\n\r\n"
    )
    end_s = time.monotonic() + duration_s
    with DefaultSelector() as selector:
        connections = HttpConnections(reach(url, _TIMEOUT_S), selector)
        lanes = [_Lane(head.encode() + body.content) for _ in range(in_flight)]
        for lane in lanes:
            lane.connection = connections.connect(partial(lane.answered, end_s))
            lane.send()
        while (now_s := time.monotonic()) < end_s:
            events = selector.select(end_s - now_s)
            now_s = time.monotonic()
            for key, mask in events:
                key.data(mask, now_s)
        connections.close()
    return LatencyHistogram.of([each for lane in lanes for each in lane.latencies_s])
