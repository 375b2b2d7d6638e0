"""Programmed HTTP server: a process of its own that behaves as it is told.

To whatever is posted it answers as a gateway does to one picture: the same to the same picture. It
is late by 0.1 to 0.4 ms: that long it takes to wake up a process that sleeps, twice. It logs each
request, and answers `GET /log` with that.
`python -m harness.programmed_server PORT '{"latency": {"kind": "exponential", "mean_s": 0.02}}'`
"""

import asyncio
import dataclasses
import gc
import heapq
import json
import select
import selectors
import sys
import urllib.request
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import httptools
import numpy as np

from harness.paths import ROOT
from harness.ports import free_port
from harness.processes import Process, running, wait_until_up
from harness.programmed_latency import Behaviour, Floats, Latency

LABELS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_STATUS = (
    b'{"model_version_status":[{"version":"1","state":"AVAILABLE",'
    b'"status":{"error_code":"OK","error_message":""}}]}'
)
_BLOCK = 1000


@dataclass(frozen=True)
class Running:
    """A running server: its address, and its process."""

    url: str
    process: Process

    def log(self) -> Floats:
        """Returns its log, float64 of shape (requests, 3): when each request was there whole and
        when its answer was sent, in seconds of `time.monotonic`, and the status."""
        with urllib.request.urlopen(f"{self.url}/log", timeout=60) as response:
            return np.frombuffer(response.read()).reshape(-1, 3)


@contextmanager
def programmed_server(behaviour: Behaviour | None = None) -> Iterator[Running]:
    """Runs one on a free port until the end of the block."""
    port = free_port()
    told = json.dumps(dataclasses.asdict(behaviour or Behaviour()))
    command = (sys.executable, "-m", "harness.programmed_server", str(port), told)
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with running(command, log, cwd=ROOT) as process:
            wait_until_up(process, log, lambda: log.read_text() != "", "the programmed server")
            yield Running(f"http://127.0.0.1:{port}", process)


def answer(status: int, content: bytes) -> bytes:
    """Returns an HTTP answer."""
    kind = "application/json" if status == 200 else "application/problem+json"
    reason = {200: "OK", 503: "Service Unavailable"}[status]
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}"
    return f"{head}\r\nConnection: keep-alive\r\n\r\n".encode() + content  # ab wants to be told


@lru_cache(1000)
def prediction(picture: bytes, model: str, wrong: bool = False) -> bytes:
    """Returns the answer for a picture: what it says depends on the picture's bytes alone."""
    number = zlib.crc32(picture)
    class_id, sure = (number + wrong) % len(LABELS), 0.5 + number % 400 / 1000
    shares = {label: (1 - sure) / (len(LABELS) - 1) for label in LABELS}
    shares[LABELS[class_id]] = sure
    found = {"label": LABELS[class_id], "class_id": class_id, "probability": sure}
    spec = {"name": model, "version": "1", "signature_name": "serving_default"}
    whole = {"predictions": [{**found, "probabilities": shares}], "model_spec": spec}
    return answer(200, json.dumps(whole, separators=(",", ":")).encode())


_FAILED = answer(503, b'{"title":"Service Unavailable","status":503,"error":"as it was told"}')


class Programme:
    """Says when each request is answered, and how; times are the server's, which begin with it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._random = np.random.default_rng(behaviour.seed)
        self._drawn_s: list[float] = []
        self._free_s = [0.0] * (behaviour.servers or 0)
        self._failed, self._wronged = 0.0, 0.5

    @property
    def idle(self) -> bool:
        """Whether everything is answered at once."""
        return not self._behaviour.latency.mean_s and not self._behaviour.period_s

    def done_at(self, arrived_s: float) -> float:
        """Returns when a request is answered that arrives now."""
        if not self._drawn_s:
            self._drawn_s = self._behaviour.latency.stratified(_BLOCK, self._random).tolist()
        work_s = self._drawn_s.pop() * self._behaviour.slow_down
        if not self._free_s:
            return self._behaviour.done_at(arrived_s, work_s)
        done_s = self._behaviour.done_at(max(arrived_s, self._free_s[0]), work_s)
        heapq.heapreplace(self._free_s, done_s)
        return done_s

    def answer(self, picture: bytes, url: bytes) -> bytes:
        """Returns the answer; the shares of errors and wrong ones are kept evenly."""
        self._failed += self._behaviour.errors
        self._wronged += self._behaviour.wrong
        if self._failed >= 1:
            self._failed -= 1
            return _FAILED
        wrong = self._wronged >= 1
        self._wronged -= wrong
        model = url.rpartition(b"/")[2].partition(b":")[0].decode()
        return prediction(picture, model, wrong)


class Connection(asyncio.Protocol):
    """One request after the other."""

    def __init__(
        self,
        programme: Programme,
        loop: asyncio.AbstractEventLoop,
        began_s: float,
        log: "array[float]",
    ) -> None:
        self._programme, self._loop, self._began_s, self._log = programme, loop, began_s, log
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url, self._body = url, b""

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"GET":
            content = self._log.tobytes() if self._url == b"/log" else _STATUS
            self._transport.write(answer(200, content))
            return
        arrived_s = self._loop.time()
        content = self._programme.answer(self._body, self._url)
        if self._programme.idle:
            self._send(content, arrived_s)
            return
        done_s = self._programme.done_at(arrived_s - self._began_s)
        self._loop.call_at(self._began_s + done_s, self._send, content, arrived_s)

    def _send(self, content: bytes, arrived_s: float) -> None:
        self._transport.write(content)
        self._log.extend((arrived_s, self._loop.time(), float(content[9:12])))


class PreciseSelector(selectors.EpollSelector):
    """epoll waits for whole milliseconds; this one waits for it by select, to the microsecond."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def precise_loop() -> asyncio.AbstractEventLoop:
    """Returns an event loop with timers of its selector's precision."""
    return asyncio.SelectorEventLoop(PreciseSelector())


async def serve(port: int, behaviour: Behaviour) -> None:
    """Serves until it is cancelled."""
    loop = asyncio.get_running_loop()
    programme, began_s = Programme(behaviour), loop.time()
    log = array("d")
    server = await loop.create_server(
        lambda: Connection(programme, loop, began_s, log), "127.0.0.1", port, backlog=4096
    )
    print("ready", flush=True)
    gc.freeze()
    gc.disable()  # a pause that nobody told it to make
    async with server:
        await server.serve_forever()


def main(port: str, told: str = "{}") -> None:
    """Serves on a port, as JSON tells."""
    content = json.loads(told)
    content["latency"] = Latency(**content.get("latency", {}))
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(serve(int(port), Behaviour(**content)))


if __name__ == "__main__":
    main(*sys.argv[1:])
