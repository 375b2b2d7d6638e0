"""Batches asked for side by side, and answered in order, with few of them in hand."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

from vitrine_client.errors import VitrineError

B = TypeVar("B")
T = TypeVar("T")


class StoppedError(Exception):
    """Nobody wants the answer any more."""


class Stop:
    """Ends what threads wait for, when nobody wants it any more."""

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._cancels: set[Callable[[], object]] = set()

    def set(self) -> None:
        """Ends what is under way; nothing else begins."""
        self._wanted.set()
        for cancel in tuple(self._cancels):
            cancel()

    def pause(self, pause_s: float) -> None:
        """Waits, until it is over at the longest."""
        self._wanted.wait(pause_s)

    @contextmanager
    def during(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Has `cancel` called, from another thread, if it is over meanwhile. Raises `StoppedError`
        where it was over before."""
        self._cancels.add(cancel)
        try:
            if self._wanted.is_set():
                raise StoppedError
            yield
        finally:
            self._cancels.discard(cancel)


def check(batch_size: int, concurrency: int) -> None:
    """Raises `ValueError` where there would be nothing to do, for ever."""
    if batch_size < 1 or concurrency < 1:
        raise ValueError(f"batch_size={batch_size}, concurrency={concurrency}: both are 1 at least")


def in_order(
    batches: Iterator[B], work: Callable[[B, Stop], list[T]], concurrency: int
) -> Generator[T, None, None]:
    """Yields what `work` makes of each batch, in order; `concurrency` threads do it.

    At most `concurrency + 1` batches are in hand. What `work` raises is raised in its turn, and
    ends all; so does closing the generator, which does not wait for what can't be cancelled. It
    belongs to its process, whose threads a child does not have: there it raises `VitrineError`.
    """
    stop, pid = Stop(), os.getpid()
    threads = ThreadPoolExecutor(concurrency, "vitrine")
    waiting: deque[Future[list[T]]] = deque()
    try:
        for batch in batches:
            # With its context, so that what a thread asks belongs to the caller's trace.
            waiting.append(threads.submit(copy_context().run, work, batch, stop))
            while waiting and (len(waiting) > concurrency or waiting[0].done()):
                yield from _of_process(pid, waiting.popleft().result())
        while waiting:
            yield from _of_process(pid, waiting.popleft().result())
    finally:
        if os.getpid() == pid:  # else it would end what the parent has under way
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)


def _of_process(pid: int, results: list[T]) -> Iterator[T]:
    for result in results:
        yield result
        if os.getpid() != pid:
            raise VitrineError(
                "predict_many goes on in the process that began it; call it anew after a fork"
            )


async def in_order_async(
    batches: AsyncIterator[B], work: Callable[[B], Awaitable[list[T]]], concurrency: int
) -> AsyncGenerator[T, None]:
    """Does the same in an event loop, with tasks."""
    slots = asyncio.Semaphore(concurrency)
    waiting: deque[asyncio.Task[list[T]]] = deque()

    async def in_a_slot(batch: B) -> list[T]:
        async with slots:
            return await work(batch)

    try:
        async for batch in batches:
            waiting.append(asyncio.create_task(in_a_slot(batch)))
            while waiting and (len(waiting) > concurrency or waiting[0].done()):
                for result in await waiting[0]:
                    yield result
                waiting.popleft()
        while waiting:
            for result in await waiting[0]:
                yield result
            waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
