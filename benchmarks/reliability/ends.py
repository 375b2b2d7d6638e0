"""Processes that are ended under load."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from benchmarks.reliability.load import Replies, ask, statuses
from benchmarks.reliability.subject import await_predictions
from harness.gateway import Gateway, gateway
from harness.model_server import flags, model_server
from harness.ports import free_port
from harness.waiting import wait_for
from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.plan import LONGEST_S, Closed

_START_S = 60
_BETWEEN = 100
"""Requests that are answered, or refused, before the next end."""


@dataclass(frozen=True)
class Ends:
    """What clients saw while processes were ended again and again."""

    ends: int
    statuses: dict[int, int]
    wrong: int
    longest_ms: float
    back_after_s: list[float]


def _loaded(started: Gateway, end_and_await: Callable[[int], float], count: int) -> Ends:
    """Calls `end_and_await` in a thread, `count` times, while 16 connections ask without a pause;
    it returns the seconds until all was well again."""
    replies, over = Replies(), Event()

    def disturb() -> list[float]:
        back_after_s = []
        try:
            for number in range(count):
                _await_more(replies)
                back_after_s.append(end_and_await(number))
            _await_more(replies)
        finally:
            over.set()
        return back_after_s

    with ThreadPoolExecutor(1) as thread:
        disturbed = thread.submit(disturb)
        ask(started, Closed(16, LONGEST_S), replies, over)
        back_after_s = disturbed.result()
    longest_ms = 1e3 * max(map(max, replies.latencies_s.values()))
    outcomes = replies.outcomes
    return Ends(count, statuses(outcomes), outcomes[faults.WRONG], longest_ms, back_after_s)


def _await_more(replies: Replies) -> None:
    enough = replies.outcomes.total() + _BETWEEN
    wait_for(lambda: replies.outcomes.total() > enough, _START_S, "some load")


def kills(models_dir: Path, folder: Path, count: int) -> Ends:
    """Kills the model server `count` times under load, and starts it again each time."""
    ports = free_port(), free_port()
    told = flags(models_dir)
    with (
        gateway(f"127.0.0.1:{ports[0]}", request_timeout_s=3) as started,
        ExitStack() as servers,
    ):
        server = servers.enter_context(model_server(folder / "log", *told, ports=ports))
        await_predictions(started.url)

        def kill(_: int) -> float:
            nonlocal server
            os.kill(server.pid, signal.SIGKILL)
            servers.close()
            server = servers.enter_context(model_server(folder / "log", *told, ports=ports))
            listens = time.monotonic()
            await_predictions(started.url)
            return time.monotonic() - listens

        return _loaded(started, kill, count)


def terms(started: Gateway, count: int) -> Ends:
    """Ends a worker of a gateway `count` times with SIGTERM under load."""

    def term(number: int) -> float:
        wait_for(lambda: len(started.workers) == 2, _START_S, "two workers")
        victim = sorted(started.workers)[number % 2]
        began = time.monotonic()
        os.kill(victim, signal.SIGTERM)
        wait_for(
            lambda: victim not in started.workers and len(started.workers) == 2,
            _START_S,
            "another worker",
        )
        return time.monotonic() - began

    return _loaded(started, term, count)
