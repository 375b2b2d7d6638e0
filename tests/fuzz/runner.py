"""Fuzz runner: sends hostile requests for a while, and watches the gateway meanwhile."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import requests

from harness.gateway import Gateway
from harness.processes import children_of
from tests.fuzz.hostile import Hostile, hostile

MIB = 2**20
CLIENTS = 4
DEADLINE_S = 30.0
"""For an answer, and more than the gateway has for one."""

HEALTHY_S = 5.0
"""For /healthz, on a machine that does all of this at once."""

MOST_BYTES = 600 * MIB
"""Of all of a gateway's processes together, above what they have before."""

_QUIET_S = 0.2
"""Without a byte, after which a request that may wait for more is left."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
ALLOWED = {501, 503, 504}
"""Statuses from 500 on that are no fault: a transfer coding that nobody knows (RFC 9112, section
6.1), too much to do, and too late."""


@dataclass
class Report:
    """Report of a run: requests by kind, answers by status, the worst that was seen, and faults."""

    seed: int
    sent: Counter[str] = field(default_factory=Counter)
    answers: Counter[int | str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    health_s: float = 0.0
    most_bytes: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """All of it, for people."""
        answers = ", ".join(
            f"{count} x {status}" for status, count in sorted(self.answers.items(), key=str)
        )
        return "\n".join(
            (
                ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.sent.items())),
                f"answers: {answers}",
                f"slowest {self.slowest_s:.2f} s, /healthz {self.health_s:.3f} s at most, "
                f"{self.most_bytes / MIB:+.0f} MiB in all of the gateway's processes at most",
                *self.faults,
            )
        )


class Asked(NamedTuple):
    """Request that was sent: its kind, the statuses of the answers, and what is wrong, if anything
    is."""

    kind: str
    statuses: Sequence[int | str]
    fault: str


def ask_hostile(gateway: Gateway, seed: int, number: int) -> Asked:
    """Sends the hostile request of that number."""
    request = hostile(seed, number)
    return Asked(request.kind, *answers(gateway.address, request))


def run(
    gateway: Gateway,
    seed: int,
    seconds: float,
    numbers: Iterator[int] | None = None,
    workers: int = 1,
    ask: Callable[[Gateway, int, int], Asked] = ask_hostile,
) -> Report:
    """Sends the requests of a seed by their `numbers`, all unless given, for so many seconds.

    It ends with the first fault: an answer of 500 and more that is no 503 or 504, none in time, a
    worker that was replaced, a /healthz that is late, too much memory.
    """
    report = Report(seed)
    left, lock, end_s = numbers or count(), threading.Lock(), time.monotonic() + seconds

    def ask_on() -> None:
        while time.monotonic() < end_s and not report.faults:
            with lock:
                number = next(left, None)
            if number is None:
                return
            began_s = time.monotonic()
            asked = ask(gateway, seed, number)
            with lock:
                report.sent[asked.kind] += 1
                report.answers.update(asked.statuses)
                report.slowest_s = max(report.slowest_s, time.monotonic() - began_s)
                if asked.fault:
                    report.faults.append(f"{asked.kind} {number}: {asked.fault}")

    with _watched(gateway, report, workers), ThreadPoolExecutor(CLIENTS) as clients:
        for client in [clients.submit(ask_on) for _ in range(CLIENTS)]:
            client.result()
    return report


def answers(address: str, request: Hostile) -> tuple[list[int], str]:
    """Returns the statuses of the answers to a request, and what is wrong with them, if anything
    is."""
    host, _, port = address.rpartition(":")
    received, is_whole = b"", request.whole
    with socket.create_connection((host, int(port)), DEADLINE_S) as connection:
        try:
            connection.sendall(request.raw)
            connection.settimeout(DEADLINE_S if is_whole else _QUIET_S)
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            if is_whole:
                return [], f"no answer in {DEADLINE_S:g} s"
        except OSError:  # it was refused before all was sent, and the refusal is lost with that
            is_whole = False
    statuses = [int(status) for status in _STATUS.findall(received)]
    if is_whole and not statuses:
        return [], f"no answer, but {received[:80]!r}"
    bad = [status for status in statuses if status >= 500 and status not in ALLOWED]
    return statuses, f"answered {received[:500]!r}" if bad else ""


@contextmanager
def _watched(gateway: Gateway, report: Report, workers: int) -> Iterator[None]:
    """Watches a gateway's processes, health and memory from a thread of its own."""
    over, before = threading.Event(), memory(gateway)
    checks: tuple[Callable[[], str], ...] = (
        lambda: "" if gateway.serves(workers) else "a worker was replaced",
        lambda: _health(gateway, report),
        lambda: _growth(gateway, report, before),
    )

    def watch() -> None:
        while not over.wait(0.1):
            report.faults.extend(filter(None, (check() for check in checks)))

    thread = threading.Thread(target=watch, name="watch")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _health(gateway: Gateway, report: Report) -> str:
    began_s = time.monotonic()
    try:
        status = requests.get(f"{gateway.url}/healthz", timeout=HEALTHY_S).status_code
    except requests.RequestException as error:
        return f"/healthz: {error}"
    report.health_s = max(report.health_s, time.monotonic() - began_s)
    return "" if status == requests.codes.ok else f"/healthz answered {status}"


def _growth(gateway: Gateway, report: Report, before: int) -> str:
    grown = memory(gateway) - before
    report.most_bytes = max(report.most_bytes, grown)
    return f"{grown / MIB:.0f} MiB more in all" if grown > MOST_BYTES else ""


def memory(gateway: Gateway) -> int:
    """Bytes in memory of a gateway's processes, what they share counted for each."""
    found = 0
    for process in (gateway.process.pid, *children_of(gateway.process.pid)):
        with suppress(OSError):  # one that just ended
            found += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096
    return found
