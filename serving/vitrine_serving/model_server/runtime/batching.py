"""Batching (`--enable_batching`): requests that arrive together run together.

The rules and words are those of TensorFlow's shared_batch_scheduler.h and TensorFlow Serving's
batching_session.cc. One is ours: a batch that fails is run again request by request, so that a
bad one never spoils its neighbours.
"""

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server import options_pb2, text_protos

Array = np.ndarray[Any, Any]
Run = Callable[..., list[Array]]
"""Takes arrays whose first dimension counts rows, and returns such arrays."""


@dataclass(frozen=True)
class BatchingParameters:
    """Batching parameters; names and defaults are those of TensorFlow Serving."""

    max_batch_size: int = 1000
    batch_timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raises `ValueError` with the name of a parameter that makes no sense."""
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; was {getattr(self, name)}")
        if self.batch_timeout_s < 0:
            raise ValueError("batch_timeout_micros must be non-negative")
        allowed = self.allowed_batch_sizes
        if allowed and (
            list(allowed) != sorted(set(allowed)) or allowed[-1] != self.max_batch_size
        ):
            raise ValueError(
                "allowed_batch_sizes entries must be in increasing order, "
                "and the last must equal max_batch_size"
            )

    def padded(self, rows: int) -> int:
        """Returns the size that a batch of `rows` is filled up to."""
        sizes = self.allowed_batch_sizes
        return sizes[bisect_left(sizes, rows)] if sizes else rows


def read_parameters(path: Path) -> BatchingParameters:
    """Reads a `batching_parameters_file`. Raises `ServingError` that names the file."""
    try:
        read = text_protos.read(path, options_pb2.BatchingParameters())
        if read.pad_variable_length_inputs:
            raise ValueError("pad_variable_length_inputs is not supported")
        values: dict[str, Any] = {
            name: getattr(read, name).value
            for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads")
            if read.HasField(name)
        }
        return BatchingParameters(
            batch_timeout_s=read.batch_timeout_micros.value / 1e6,
            allowed_batch_sizes=tuple(read.allowed_batch_sizes),
            **values,
        )
    except ValueError as error:
        raise ServingError.invalid(f"{path}: {error}") from error


@dataclass
class _Task:
    inputs: Sequence[Array]
    rows: int
    done: "Future[list[Array]]" = field(default_factory=Future)


@dataclass
class _Batch:
    key: Hashable
    run: Run
    opened_at: float
    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0


class BatchScheduler:
    """Queues of batches, one for each function and shape of rows, and the threads that run them.

    `run` is called by request threads; `close` ends the batch threads once the queues are empty.
    """

    def __init__(self, parameters: BatchingParameters) -> None:
        self._parameters = parameters
        self._waiting: list[_Batch] = []
        self._changed = threading.Condition()
        self._closed = False
        for number in range(parameters.num_batch_threads):
            threading.Thread(target=self._work, daemon=True, name=f"batch-{number}").start()

    def run(self, function: Run, inputs: Sequence[Array]) -> list[Array]:
        """Returns `function(*inputs)`, computed beside the inputs that others gave `function`.

        Raises `ServingError`: INVALID_ARGUMENT for inputs that are no rows or too many,
        UNAVAILABLE where the queue is full; else the errors of `function`.
        """
        task = _Task(inputs, _rows(inputs, self._parameters.max_batch_size))
        key = (function, *((array.dtype, array.shape[1:]) for array in inputs))
        with self._changed:
            if self._closed:
                raise ServingError(grpc.StatusCode.UNAVAILABLE, "The batch scheduler is closed")
            self._batch_for(key, function, task.rows).tasks.append(task)
            self._changed.notify()
        return task.done.result()

    def close(self) -> None:
        """Ends the threads after the queue has run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _batch_for(self, key: Hashable, function: Run, rows: int) -> _Batch:
        of_key = [batch for batch in self._waiting if batch.key == key]
        if not of_key or of_key[-1].rows + rows > self._parameters.max_batch_size:
            if len(of_key) >= self._parameters.max_enqueued_batches:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; "
                    f"currently {len(of_key)} batches enqueued and max_enqueued_batches is "
                    f"{self._parameters.max_enqueued_batches}",
                )
            of_key.append(_Batch(key, function, time.monotonic()))
            self._waiting.append(of_key[-1])
        of_key[-1].rows += rows
        return of_key[-1]

    def _work(self) -> None:
        while True:
            with self._changed:
                while (batch := self._ready()) is None:
                    if self._closed:
                        return
                    self._changed.wait(self._wait_s())
            _process(batch, self._parameters)

    def _ready(self) -> _Batch | None:
        """Takes the oldest batch that is full, was closed by a successor, or waited enough."""
        now = time.monotonic()
        for place, batch in enumerate(self._waiting):
            if (
                self._closed
                or now >= batch.opened_at + self._parameters.batch_timeout_s
                or batch.rows >= self._parameters.max_batch_size
                or any(later.key == batch.key for later in self._waiting[place + 1 :])
            ):
                return self._waiting.pop(place)
        return None

    def _wait_s(self) -> float | None:
        if not self._waiting:
            return None
        opened_at = min(batch.opened_at for batch in self._waiting)
        return max(0.0, opened_at + self._parameters.batch_timeout_s - time.monotonic())


def _rows(inputs: Sequence[Array], most: int) -> int:
    if not inputs:
        raise ServingError.invalid("Batching Run() must have at least one input tensor")
    if any(array.ndim == 0 for array in inputs):
        raise ServingError.invalid("Batching Run() input tensors must have at least one dimension")
    rows = len(inputs[0])
    if any(len(array) != rows for array in inputs):
        raise ServingError.invalid(
            "Batching Run() input tensors must have equal 0th-dimension size"
        )
    if rows > most:
        raise ServingError.invalid(
            f"Task size {rows} is larger than maximum input batch size {most}"
        )
    return rows


def _process(batch: _Batch, parameters: BatchingParameters) -> None:
    tasks = batch.tasks
    try:
        columns = _joined(tasks, parameters.padded(batch.rows) - batch.rows)
        outputs = batch.run(*columns)
        _check_outputs(outputs, len(columns[0]))
    except Exception as error:
        if len(tasks) == 1:
            tasks[0].done.set_exception(error)
        else:
            for task in tasks:
                _process(_Batch(batch.key, batch.run, 0.0, [task], task.rows), parameters)
        return
    start = 0
    for task in tasks:
        task.done.set_result([array[start : start + task.rows] for array in outputs])
        start += task.rows


def _check_outputs(outputs: Sequence[Array], rows: int) -> None:
    for array in outputs:
        if np.ndim(array) == 0:
            problem = "has 0 dimensions"
        elif len(array) != rows:
            problem = (
                "'s 0th dimension does not equal the sum of the 0th dimension sizes of the input "
                "tensors"
            )
        else:
            continue
        raise ServingError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Batched output tensor{' ' * problem.startswith('has')}{problem}",
        )


def _joined(tasks: Sequence[_Task], padding: int) -> list[Array]:
    if len(tasks) == 1 and not padding:
        return list(tasks[0].inputs)
    fill = [array[:1].repeat(padding, axis=0) for array in tasks[0].inputs]  # any valid row will do
    return [
        np.concatenate([*(task.inputs[place] for task in tasks), fill[place]])
        for place in range(len(fill))
    ]
