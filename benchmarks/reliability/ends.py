"""Processes that are ended under load."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.embedded import model_server
from benchmarks.http_load import Reply, closed_loop, statuses
from benchmarks.reliability.subject import await_predictions, flags, served, wrong
from tests.conftest import free_port, wait_for
from tests.running_gateway import PICTURE, PREDICT, gateway

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


def _loaded(url: str, end_and_await: Callable[[int], float], count: int) -> Ends:
    """Calls `end_and_await` in a thread, `count` times, while 16 connections ask without a pause;
    it returns the seconds until all was well again."""
    replies: list[Reply] = []

    def disturb() -> list[float]:
        back_after_s = []
        for number in range(count):
            _await_more(replies)
            back_after_s.append(end_and_await(number))
        return back_after_s

    with ThreadPoolExecutor(1) as thread:
        disturbed = thread.submit(disturb)
        load = closed_loop(url, PICTURE, connections=16, until=disturbed.done, replies=replies)
        asyncio.run(load)
        back_after_s = disturbed.result()
    longest_ms = 1e3 * max(reply.latency_s for reply in replies)
    return Ends(count, statuses(replies), wrong(replies), longest_ms, back_after_s)


def _await_more(replies: list[Reply]) -> None:
    enough = len(replies) + _BETWEEN
    wait_for(lambda: len(replies) > enough, _START_S, "some load")


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

        return _loaded(started.url + PREDICT, kill, count)


def terms(models_dir: Path, folder: Path, count: int) -> Ends:
    """Ends a worker of the gateway `count` times with SIGTERM under load."""
    with served(models_dir, folder) as started:

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

        return _loaded(started.url + PREDICT, term, count)
