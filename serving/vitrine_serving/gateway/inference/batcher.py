"""Micro-batching: rows that arrive while a call is in flight go out together in the next.

Nobody waits for a timer: where nothing is in flight, the rows of this turn of the event loop are
sent at once. Backpressure is a bound on the rows that wait: more are refused before work goes into
them. All of it runs in one event loop, so nothing here is locked.
"""

import asyncio
import contextvars
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import DeadlineExceeded, InvalidRequest, ModelFault
from vitrine_serving.gateway import shedding
from vitrine_serving.gateway.settings_part import Count, SettingsPart

Rows = npt.NDArray[Any]
T = TypeVar("T", bound="Sliceable")
Send = Callable[[Any, Rows, float, Sequence[Any]], Awaitable[T]]
"""Takes a target, the rows for it, the seconds left, and the caller of each request; returns
answers to the rows, of which a slice is the answers to a slice of the rows."""

_PASSES = 6
"""Turns of the event loop from a connection that is readable to a request that waits here, and one
more; measured: fewer let nobody in, more bring nothing."""

_FAR_TIMES = 3

_SMOOTHING = 0.2
"""Weight of the newest batch in the moving average of the time that one takes."""


class BatchingSettings(SettingsPart):
    """Size of batches."""

    max_batch_size: Count = 256
    """Most images that go to the model server in one call."""


_LOOK_AGAIN_S = 0.25
_MOST_USUAL = 256


class RowFault(ModelFault):
    """Fault of the model that concerns some rows of a call, and so not all of its requests."""


class Sliceable(Protocol):
    """Answers to rows: a list of them, or an `InferenceResponse`."""

    def __getitem__(self, rows: slice, /) -> Self:
        """Returns the answers to a slice of the rows."""


class Batched(NamedTuple, Generic[T]):
    """Answers for the rows of a call, and how long they waited and were then answered."""

    answers: T
    queue_s: float
    rpc_s: float


@dataclass(eq=False, slots=True)
class _Task(Generic[T]):
    target: Hashable
    rows: Rows
    caller: Any
    deadline: float
    answered: asyncio.Future[T]
    sent_at: float = 0.0


@dataclass(eq=False, slots=True)
class _Sender(Generic[T]):
    batch: Sequence[_Task[T]] = ()  # in flight; none while it gathers one
    task: asyncio.Task[None] | None = None


@dataclass(eq=False, slots=True)
class _Queue(Generic[T]):
    max_batch_size: int
    tasks: deque[_Task[T]] = field(default_factory=deque)
    senders: list[_Sender[T]] = field(default_factory=list)
    rows: int = 0
    batch_s: float = 0.0  # moving average
    usual_s: float = 0.0  # the same, in which a batch that takes far longer counts little
    timer: asyncio.TimerHandle | None = None  # for the first deadline, at `timer_s`
    timer_s: float = math.inf
    is_looked_at: bool = False  # again in a moment, as rows wait and no server was free


class Batcher(Generic[T]):
    """Sends rows in batches; of each target `servers()` may be in flight at a time, one for each
    server that is there to be asked. A batch has `max_batch_size` rows at most.

    A target has a queue of its own, unless it is asked with the name of one that it shares with
    others; each queue has its bound and its share of the servers, and a batch is of one target.
    """

    def __init__(
        self,
        send: Send[T],
        *,
        max_batch_size: int,
        max_queued_rows: int,
        servers: Callable[[], int] = lambda: 1,
    ) -> None:
        self._send = send
        self._servers = servers
        self._max_batch_size = max_batch_size
        self._max_queued_rows = max_queued_rows
        self._queues: dict[Hashable, _Queue[T]] = {}
        self._usual_s: dict[Hashable, float] = {}  # of queues that are gone, the newest last
        self._was_alone = True  # the last request that was sent: there is no crowd to wait for

    def check_room(self, name: Hashable, count: int, deadline: float) -> None:
        """Raises `QueueFull` or `TooLate` where `count` more rows in a queue would be
        too many, or too late.

        Ask before work goes into the rows: what is refused should cost nearly nothing.
        """
        if queue := self._queues.get(name):
            self._admit(queue, count, deadline)

    def _admit(self, queue: _Queue[T], count: int, deadline: float) -> None:
        batches = -(-(queue.rows + count) // queue.max_batch_size)  # rounded up
        # The batches in flight end first.
        wait_s = (1 - (-batches // self._servers())) * queue.batch_s
        shedding.admit(queue.rows, count, self._max_queued_rows, wait_s, deadline)

    async def ask(
        self,
        target: Hashable,
        rows: Rows,
        deadline: float,
        caller: Any = None,
        *,
        queue_name: Hashable = None,
        most_rows: int | None = None,
    ) -> Batched[T]:
        """Returns an answer for each of `rows` [n, ...], all of the same version.

        `deadline` is in seconds of `time.monotonic`; the queue's batches have `most_rows` at most
        from here on. Raises what `check_room` does, `DeadlineExceeded`, and what `send` raises.
        Rows that wait for a call that is cancelled are not sent, and a batch that nobody waits for
        any more is given up.
        """
        key = target if queue_name is None else queue_name
        queue = self._queues.get(key)
        if queue:
            self._admit(queue, len(rows), deadline)
        else:
            usual_s = self._usual_s.pop(key, 0.0)
            queue = self._queues[key] = _Queue(self._max_batch_size, usual_s=usual_s)
        if most_rows and most_rows < queue.max_batch_size:
            queue.max_batch_size = most_rows
        started = time.monotonic()
        task = _Task(target, rows, caller, deadline, asyncio.get_running_loop().create_future())
        queue.tasks.append(task)
        queue.rows += len(rows)
        self._start_sender(key, queue)
        if deadline < queue.timer_s:
            self._set_timer(queue, deadline)
        try:
            answers = await task.answered
        except BaseException:
            self._leave(queue, task)
            raise
        return Batched(answers, task.sent_at - started, time.monotonic() - task.sent_at)

    def waiting(self) -> dict[Any, int]:
        """Returns how many rows wait in each queue; from any thread."""
        return {key: queue.rows for key, queue in list(self._queues.items())}

    def usual_s(self, name: Hashable) -> float:
        """Returns the moving average of the seconds that a batch of a queue takes, 0 before the
        first. What takes far longer counts little: that a server stalls now and then does not
        become usual."""
        queue = self._queues.get(name)
        return queue.usual_s if queue else self._usual_s.get(name, 0.0)

    def _forget(self, key: Hashable, queue: _Queue[T]) -> None:
        """Takes out a queue that is empty; its average is kept for a while."""
        del self._queues[key]
        if queue.timer:
            queue.timer.cancel()
        if queue.usual_s:
            self._usual_s[key] = queue.usual_s
            if len(self._usual_s) > _MOST_USUAL:
                del self._usual_s[next(iter(self._usual_s))]

    def _start_sender(self, key: Hashable, queue: _Queue[T]) -> None:
        """Starts another sender where a server is free, and none gathers a batch already. Rows
        that wait are looked at again: servers come back, and not only requests."""
        for each in queue.senders:
            if not each.batch:
                return
        if len(queue.senders) >= max(1, self._servers()):
            if not queue.is_looked_at:
                queue.is_looked_at = True
                loop = asyncio.get_running_loop()
                loop.call_later(_LOOK_AGAIN_S, self._look_again, key, queue)
            return
        sender: _Sender[T] = _Sender()  # the alias would be called in Python
        queue.senders.append(sender)
        # It belongs to no request, and so has no request's context.
        sender.task = asyncio.get_running_loop().create_task(
            self._send_all(key, queue, sender), context=contextvars.Context()
        )

    def _look_again(self, key: Hashable, queue: _Queue[T]) -> None:
        queue.is_looked_at = False
        if queue.tasks:
            self._start_sender(key, queue)

    def _set_timer(self, queue: _Queue[T], deadline: float) -> None:
        """Has requests end by their deadline; one timer for all of them."""
        if queue.timer:
            queue.timer.cancel()
        loop = asyncio.get_running_loop()
        queue.timer_s = deadline
        queue.timer = loop.call_later(deadline - time.monotonic(), self._expire, queue)

    def _expire(self, queue: _Queue[T]) -> None:
        now_s = time.monotonic() + time.get_clock_info("monotonic").resolution
        queue.timer, queue.timer_s = None, math.inf
        in_flight = chain.from_iterable(sender.batch for sender in queue.senders)
        for task in chain(queue.tasks, in_flight):
            if task.answered.done():
                continue
            if task.deadline > now_s:
                queue.timer_s = min(queue.timer_s, task.deadline)
            else:
                task.answered.set_exception(
                    DeadlineExceeded("The model server did not answer in time; try again later")
                )
        if queue.timer_s < math.inf:
            self._set_timer(queue, queue.timer_s)

    def _leave(self, queue: _Queue[T], task: _Task[T]) -> None:
        """Takes out what was cancelled or is too late, and ends a call that is for nobody."""
        if not task.sent_at:
            if task in queue.tasks:
                queue.tasks.remove(task)
                queue.rows -= len(task.rows)
            return
        for sender in queue.senders:
            if task in sender.batch:
                if sender.task and all(each.answered.done() for each in sender.batch):
                    sender.batch = ()
                    sender.task.cancel()
                return

    async def _send_all(self, key: Hashable, queue: _Queue[T], sender: _Sender[T]) -> None:
        """Sends one batch after the other, until nothing waits or servers are fewer."""
        try:
            while queue.tasks and len(queue.senders) <= self._servers():
                if not (self._was_alone and len(queue.tasks) == 1):
                    await self._let_in(queue)
                if batch := self._next_batch(queue):  # unless all have left meanwhile
                    self._was_alone = len(batch) == 1
                    sender.batch = batch
                    if queue.tasks:
                        self._start_sender(key, queue)
                    await self._answer(queue, batch)
                    sender.batch = ()
        finally:
            queue.senders.remove(sender)
            if queue.tasks:  # the call was given up, and others came meanwhile
                self._start_sender(key, queue)
            elif not queue.senders and self._queues.get(key) is queue:
                self._forget(key, queue)

    async def _let_in(self, queue: _Queue[T]) -> None:
        """Gives the event loop its turn until nobody arrives any more: who is on the way in, having
        been answered by the last call, say, comes along. That takes microseconds, and no timer."""
        still = 0
        while still < _PASSES and queue.rows < queue.max_batch_size:
            before = queue.rows
            await asyncio.sleep(0)
            still = still + 1 if queue.rows == before else 0

    def _next_batch(self, queue: _Queue[T]) -> list[_Task[T]]:
        """Takes as many tasks as fit, of the first one's target; that one is always taken."""
        batch: list[_Task[T]] = []
        others: list[_Task[T]] = []
        size = 0
        while queue.tasks and (
            not batch or size + len(queue.tasks[0].rows) <= queue.max_batch_size
        ):
            task = queue.tasks.popleft()
            if batch and task.target is not batch[0].target and task.target != batch[0].target:
                others.append(task)
                continue
            size += len(task.rows)
            batch.append(task)
        if others:
            queue.tasks.extendleft(reversed(others))
        queue.rows -= size
        return batch

    async def _answer(self, queue: _Queue[T], batch: list[_Task[T]]) -> None:
        target = batch[0].target
        started = time.monotonic()
        for task in batch:
            task.sent_at = started
        left_s = max(max(task.deadline for task in batch) - started, 0.001)
        try:  # also what cannot be joined is an error of these requests, and of no others
            rows = batch[0].rows
            if len(batch) > 1:
                rows = np.concatenate([task.rows for task in batch])
            answers = await self._send(target, rows, left_s, [task.caller for task in batch])
            self._hand_out(batch, answers)
        except (InvalidRequest, RowFault) as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                await self._answer_each(queue, batch)
            return
        except Exception as error:
            _fail(batch, error)
            return
        batch_s = time.monotonic() - started
        queue.batch_s += (batch_s - queue.batch_s) * (_SMOOTHING if queue.batch_s else 1)
        usual_s = queue.usual_s or batch_s
        queue.usual_s = usual_s + (min(batch_s, _FAR_TIMES * usual_s) - usual_s) * _SMOOTHING

    async def _answer_each(self, queue: _Queue[T], batch: list[_Task[T]]) -> None:
        """Sends requests alone that were refused together: perhaps it is the fault of one of them.
        Where all are answered it was their number, and batches are half as large from then on, for
        as long as the queue is there."""
        there = [task for task in batch if not task.answered.done()]
        await asyncio.gather(*(self._answer(queue, [task]) for task in there))
        if not any(_has_failed(task) for task in batch):
            rows = [len(task.rows) for task in batch]
            queue.max_batch_size = min(queue.max_batch_size, max(*rows, sum(rows) // 2))

    @staticmethod
    def _hand_out(batch: Sequence[_Task[T]], answers: T) -> None:
        start = 0
        for task in batch:
            if not task.answered.done():
                task.answered.set_result(answers[start : start + len(task.rows)])
            start += len(task.rows)


def _has_failed(task: _Task[Any]) -> bool:
    """Says whether a task that has ended has no answer, as one whose client has left."""
    return task.answered.cancelled() or task.answered.exception() is not None


def _fail(batch: Sequence[_Task[Any]], error: Exception) -> None:
    for task in batch:
        if not task.answered.done():
            task.answered.set_exception(error)
