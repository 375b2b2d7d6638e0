"""Micro-batching: what arrives while a Predict is in flight goes out together with the next.

Nobody waits for a timer: where nothing is in flight, a request is sent at once. There is no thread
of its own either: one of those who wait sends for all of them, and then hands over.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import DeadlineExceeded, Unavailable
from vitrine_client.predictions import Prediction

Rows = npt.NDArray[Any]
Send = Callable[[Any, Rows, float], list[Prediction]]
"""Takes a target, the rows for it and the seconds left; returns a prediction for each row."""


@dataclass(eq=False)
class _Task:
    rows: Rows
    deadline: float
    turn: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    predictions: list[Prediction] = field(default_factory=list)
    error: BaseException | None = None


@dataclass
class _Queue:
    tasks: deque[_Task] = field(default_factory=deque)
    busy: bool = False
    rows: int = 0


class Batcher:
    """Sends rows in batches, one at a time for each target; `predict` is for any thread."""

    def __init__(self, send: Send, *, max_batch_size: int, max_queued_rows: int) -> None:
        self._send = send
        self._max_batch_size = max_batch_size
        self._max_queued_rows = max_queued_rows
        self._lock = threading.Lock()
        self._queues: dict[Hashable, _Queue] = {}

    def predict(self, target: Hashable, rows: Rows, timeout_s: float) -> list[Prediction]:
        """Returns a prediction for each of `rows` [n, ...], all of the same version.

        Raises `Unavailable` where more than `max_queued_rows` would wait, `DeadlineExceeded` after
        `timeout_s`, and what `send` raises: for the rows of this call alone if it is to blame.
        """
        task = _Task(rows, time.monotonic() + timeout_s)
        with self._lock:
            queue = self._queues.setdefault(target, _Queue())
            if queue.busy and queue.rows + len(rows) > self._max_queued_rows:
                raise Unavailable(
                    f"{queue.rows} images wait already, more than the model server takes; "
                    "try again later"
                )
            queue.tasks.append(task)
            queue.rows += len(rows)
            if not queue.busy:
                queue.busy = task.leads = True
        if not task.leads:
            self._wait(queue, task)
        if task.leads:
            self._lead(target, queue)
        if task.error:
            raise task.error
        return task.predictions

    def waiting(self, target: Hashable) -> int:
        """Returns how many rows wait for the call in flight to end."""
        with self._lock:
            queue = self._queues.get(target)
            return queue.rows if queue else 0

    def _wait(self, queue: _Queue, task: _Task) -> None:
        if task.turn.wait(max(0.0, task.deadline - time.monotonic())):
            return
        with self._lock:
            if task.turn.is_set():  # in the last moment
                return
            if task in queue.tasks:
                queue.tasks.remove(task)
                queue.rows -= len(task.rows)
        raise DeadlineExceeded("The model server did not answer in time; try again later")

    def _lead(self, target: Hashable, queue: _Queue) -> None:
        with self._lock:
            batch = self._next_batch(queue)
        try:
            self._answer(target, batch)
        finally:  # whatever ends this thread must not keep the others waiting
            with self._lock:
                self._hand_over(target, queue)
            for task in batch:
                task.turn.set()

    def _hand_over(self, target: Hashable, queue: _Queue) -> None:
        if queue.tasks:
            queue.tasks[0].leads = True
            queue.tasks[0].turn.set()
        else:
            queue.busy = False
            del self._queues[target]

    def _next_batch(self, queue: _Queue) -> list[_Task]:
        """Takes as many tasks as fit; the first is always taken, and is the leader's own."""
        batch: list[_Task] = []
        size = 0
        while queue.tasks and (
            not batch or size + len(queue.tasks[0].rows) <= self._max_batch_size
        ):
            task = queue.tasks.popleft()
            size += len(task.rows)
            batch.append(task)
        queue.rows -= size
        return batch

    def _answer(self, target: Hashable, batch: list[_Task]) -> None:
        rows = batch[0].rows if len(batch) == 1 else np.concatenate([task.rows for task in batch])
        left_s = max(task.deadline for task in batch) - time.monotonic()
        try:
            predictions = self._send(target, rows, max(left_s, 0.001))
        except BaseException as error:
            expected = isinstance(error, Exception)
            for task in batch:
                task.error = error if expected else Unavailable("The call was ended; try again")
            if expected:
                return
            raise
        start = 0
        for task in batch:
            task.predictions = predictions[start : start + len(task.rows)]
            start += len(task.rows)
