"""Batching (`--enable_batching`): requests that arrive together run together.

The rules and words are those of TensorFlow's shared_batch_scheduler.h and TensorFlow Serving's
batching_session.cc. One is ours: a batch that fails is run again request by request, so that a
bad one never spoils its neighbours.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from vitrine_client.process.numbers import MOST_THREADS
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.protos import options_pb2, text_protos
from vitrine_serving.rest_json.deep import DeepArray

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
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` for parameters that make no sense, in the words of TensorFlow Serving
        2.20.0. It takes any `max_enqueued_batches`, a negative one for no bound."""
        for name in ("max_batch_size", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive; was {getattr(self, name)}")
        if self.num_batch_threads > MOST_THREADS:  # which are all made at once
            raise ValueError(
                f"num_batch_threads must be {MOST_THREADS} at most; was {self.num_batch_threads}"
            )
        if self.batch_timeout_s < 0:
            micros = round(self.batch_timeout_s * 1e6)
            raise ValueError(f"batch_timeout_micros must be non-negative; was {micros}")
        if self.max_execution_batch_size < 0:
            raise ValueError(
                f"max_execution_batch_size must be positive; was {self.max_execution_batch_size}"
            )
        if self.rows_of_a_batch > self.max_batch_size:
            raise ValueError(
                "When enable_large_batch_splitting is true, input_batch_size_limit must be greater "
                "than or equal to max_execution_batch_size."
            )
        allowed = self.allowed_batch_sizes
        if allowed and allowed[-1] != self.max_batch_size:
            raise ValueError(
                "Last entry in allowed_batch_sizes must match max_batch_size; "
                f"last entry was {allowed[-1]}; expected {self.max_batch_size}"
            )

    @property
    def rows_of_a_batch(self) -> int:
        """The most rows that run together. A request may have more, and is then split."""
        if not self.enable_large_batch_splitting:
            return self.max_batch_size
        return self.max_execution_batch_size or self.max_batch_size

    def is_full(self, batches: int) -> bool:
        """Whether a queue of so many batches takes no other one."""
        return 0 <= self.max_enqueued_batches <= batches

    def padded(self, rows: int) -> int:
        """Returns the size that a batch of `rows` is filled up to: the first that is no smaller."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


_NUMBERS = (
    "max_batch_size",
    "max_enqueued_batches",
    "num_batch_threads",
    "max_execution_batch_size",
)


def read_parameters(path: Path) -> BatchingParameters:
    """Reads a `batching_parameters_file`. Raises `ServingError`, whose words are TensorFlow
    Serving's; where they leave out the file, the hint names it."""
    try:
        read = text_protos.read(path, options_pb2.BatchingParameters())
        values: dict[str, Any] = {
            name: getattr(read, name).value for name in _NUMBERS if read.HasField(name)
        }
        return BatchingParameters(
            batch_timeout_s=read.batch_timeout_micros.value / 1e6,
            allowed_batch_sizes=tuple(read.allowed_batch_sizes),
            pad_variable_length_inputs=read.pad_variable_length_inputs,
            enable_large_batch_splitting=read.enable_large_batch_splitting.value,
            **values,
        )
    except ValueError as error:
        raise ServingError.invalid(str(error), f"it is in {path}") from error


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

    @property
    def max_batch_size(self) -> int:
        """The most rows that a request may have."""
        return self._parameters.max_batch_size

    def run(self, function: Run, inputs: Sequence[Array]) -> list[Array]:
        """Returns `function(*inputs)`, computed beside the inputs that others gave `function`.

        Raises `ServingError`: INVALID_ARGUMENT for inputs that are no rows or too many,
        UNAVAILABLE where the queue is full; else the errors of `function`.
        """
        rows = self.check_rows(inputs)
        key = (function, *map(self._kind, inputs))
        with self._changed:
            if self._closed:
                raise ServingError(grpc.StatusCode.UNAVAILABLE, "The batch scheduler is closed")
            tasks = self._enqueue(key, function, inputs, rows)
            self._changed.notify(len(tasks))
        found = [task.done.result() for task in tasks]
        if len(found) == 1:
            return found[0]
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def check_rows(self, inputs: Sequence[Array | DeepArray]) -> int:
        """Returns how many rows inputs have; raises `ServingError` for those that are no rows, or
        too many."""
        return _rows(inputs, self._parameters.max_batch_size)

    def _kind(self, array: Array) -> tuple[Any, ...]:
        """Returns what inputs of one batch have in common."""
        is_padded = self._parameters.pad_variable_length_inputs
        return array.dtype, array.ndim if is_padded else array.shape[1:]

    def close(self) -> None:
        """Ends the threads after the queue has run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _enqueue(
        self, key: Hashable, function: Run, inputs: Sequence[Array], rows: int
    ) -> list[_Task]:
        """Returns the tasks of a request: one, or as many as it is split into. As in
        shared_batch_scheduler.h, one batch is always open, and taken even where no batch may wait;
        raises `ServingError` where the request needs more batches than may wait."""
        of_key = [batch for batch in self._waiting if batch.key == key]
        most = self._parameters.rows_of_a_batch
        room = most - of_key[-1].rows if of_key else most
        if rows <= room:
            sizes = [rows]
        elif not self._parameters.enable_large_batch_splitting:
            sizes = [0, rows]
        else:
            left = rows - room
            sizes = [room, *(min(most, left - start) for start in range(0, left, most))]
        if len(sizes) > 1 and self._parameters.is_full(max(len(of_key), 1) + len(sizes) - 2):
            raise ServingError(
                grpc.StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full; "
                f"currently {len(of_key)} batches enqueued and max_enqueued_batches is "
                f"{self._parameters.max_enqueued_batches}",
            )
        tasks, start = [], 0
        for place, size in enumerate(sizes):
            if place or not of_key:
                of_key.append(_Batch(key, function, time.monotonic()))
                self._waiting.append(of_key[-1])
            if size or not rows:
                part = inputs if size == rows else [a[start : start + size] for a in inputs]
                tasks.append(_Task(part, size))
                of_key[-1].tasks.append(tasks[-1])
                of_key[-1].rows += size
                start += size
        return tasks

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
                or batch.rows >= self._parameters.rows_of_a_batch
                or any(later.key == batch.key for later in self._waiting[place + 1 :])
            ):
                return self._waiting.pop(place)
        return None

    def _wait_s(self) -> float | None:
        if not self._waiting:
            return None
        opened_at = min(batch.opened_at for batch in self._waiting)
        left_s = opened_at + self._parameters.batch_timeout_s - time.monotonic()
        return min(max(0.0, left_s), threading.TIMEOUT_MAX)


def _rows(inputs: Sequence[Array | DeepArray], most: int) -> int:
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
    columns = [
        _of_one_shape(column) for column in zip(*(task.inputs for task in tasks), strict=True)
    ]
    # Any valid row fills up.
    return [np.concatenate([*each, each[-1][:1].repeat(padding, axis=0)]) for each in columns]


def _of_one_shape(arrays: Sequence[Array]) -> Sequence[Array]:
    """Returns arrays with rows of one shape: the largest in each dimension, filled up with the
    first value of each array, as batching_util.cc (AddPadding) does. Raises `ServingError`."""
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) == 1:
        return arrays
    largest = tuple(map(max, *shapes))
    return [_filled_up(array, largest) for array in arrays]


def _filled_up(array: Array, shape: tuple[int, ...]) -> Array:
    if array.shape[1:] == shape:
        return array
    if not array.size:
        raise ServingError.invalid("Got empty tensor in batch of non-empty tensors.")
    made = np.full((len(array), *shape), array.flat[0], array.dtype)
    made[tuple(map(slice, array.shape))] = array
    return made
