"""Batches form, end, fail and overflow by TensorFlow Serving's rules; no TensorFlow is needed."""

import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import grpc
import numpy as np
import pytest

from harness.waiting import wait_for
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.batching import (
    BatchingParameters,
    BatchScheduler,
    read_parameters,
)


class Doubler:
    """Doubles rows, counts its batches, refuses negative rows, and can be held back."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.running = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, rows: np.ndarray) -> list[np.ndarray]:
        self.running.set()
        assert self.go_on.wait(30)
        self.batches.append(len(rows))
        if (rows < 0).any():
            raise ServingError.invalid("negative")
        return [rows * 2]


@pytest.fixture
def doubler():
    return Doubler()


def held(doubler: Doubler, pool: ThreadPoolExecutor, scheduler: BatchScheduler):
    """Has the one batch thread busy with a first request, so that others have to wait."""
    doubler.go_on.clear()
    first = pool.submit(scheduler.run, doubler, [np.zeros(1)])
    assert doubler.running.wait(30)
    return first


def enqueue(pool, scheduler, doubler, rows):
    """Submits requests one after the other, each once the one before is in the queue."""
    entered = []

    def run(one):
        entered.append(one)
        return scheduler.run(doubler, [one])

    futures = []
    for one in rows:
        futures.append(pool.submit(run, np.array(one)))
        wait_for(lambda: len(entered) == len(futures), 30, "the request")
    return futures


ONE_THREAD = {"num_batch_threads": 1}


def test_what_waits_together_runs_together(doubler):
    """Requests that arrive while the thread is busy become one batch, and each gets its rows."""
    scheduler = BatchScheduler(BatchingParameters(**ONE_THREAD, batch_timeout_s=0.2))
    with ThreadPoolExecutor(10) as pool:
        first = held(doubler, pool, scheduler)
        futures = enqueue(pool, scheduler, doubler, [[1.0], [2.0, 3.0], [4.0]])
        doubler.go_on.set()
        assert [future.result(30)[0].tolist() for future in futures] == [[2], [4, 6], [8]]
        first.result(30)
    assert sum(doubler.batches) == 5
    assert len(doubler.batches) < 4


def test_a_full_batch_does_not_wait(doubler):
    """`max_batch_size` rows run at once, however long the timeout."""
    scheduler = BatchScheduler(BatchingParameters(max_batch_size=2, batch_timeout_s=3600))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda x: scheduler.run(doubler, [np.array([x])]), (1.0, 2.0)))
    assert [one[0].tolist() for one in found] == [[2], [4]]
    assert doubler.batches == [2]


def test_a_timeout_of_any_length(doubler):
    """The longest in a file is 292,000 years, and longer than a thread can wait at once."""
    scheduler = BatchScheduler(
        BatchingParameters(**ONE_THREAD, max_batch_size=2, batch_timeout_s=(2**63 - 1) / 1e6)
    )
    found = []
    for value in (1.0, 2.0):
        rows = [np.array([value])]
        threading.Thread(
            target=lambda rows=rows: found.append(scheduler.run(doubler, rows)), daemon=True
        ).start()
    wait_for(lambda: len(found) == 2, 30, "both answers")
    assert doubler.batches == [2]


def test_a_lonely_request_runs_after_the_timeout(doubler):
    """A batch that nobody joins runs all the same."""
    scheduler = BatchScheduler(BatchingParameters(batch_timeout_s=0.01))
    assert scheduler.run(doubler, [np.array([3.0])])[0].tolist() == [6]


def test_a_bad_request_does_not_spoil_its_neighbours(doubler):
    """Where a batch fails, only the request to blame gets the error."""
    scheduler = BatchScheduler(BatchingParameters(max_batch_size=3, batch_timeout_s=3600))

    def run(value: float):
        try:
            return scheduler.run(doubler, [np.array([value])])[0].tolist()
        except ServingError as error:
            return str(error)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, (1.0, -1.0, 2.0))) == [[2], "negative", [4]]
    assert sorted(doubler.batches) == [1, 1, 1, 3]


def test_a_full_queue_refuses(doubler):
    """More than `max_enqueued_batches` is UNAVAILABLE at once; what was queued is answered."""
    parameters = BatchingParameters(
        **ONE_THREAD, max_batch_size=1, max_enqueued_batches=2, batch_timeout_s=3600
    )
    scheduler = BatchScheduler(parameters)
    with ThreadPoolExecutor(10) as pool:
        held(doubler, pool, scheduler)
        futures = [
            pool.submit(scheduler.run, doubler, [np.array([value])]) for value in (1.0, 2.0, 3.0)
        ]
        done, waiting = wait(futures, 30, return_when=FIRST_COMPLETED)
        refused = done.pop().exception()
        doubler.go_on.set()
        assert isinstance(refused, ServingError)
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        assert "is full" in str(refused)
        assert all(future.result(30)[0].tolist() in ([2], [4], [6]) for future in waiting)
        assert len(waiting) == 2


def test_shapes_are_not_mixed():
    """Rows of different lengths run in batches of their own."""
    seen = []

    def sums(rows: np.ndarray) -> list[np.ndarray]:
        seen.append(rows.shape[1])
        return [rows.sum(axis=1)]

    scheduler = BatchScheduler(BatchingParameters(batch_timeout_s=0.05))
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda n: scheduler.run(sums, [np.ones((2, n))])[0].tolist(), (3, 5))
    assert list(found) == [[3, 3], [5, 5]]
    assert sorted(seen) == [3, 5]


def test_padding_to_allowed_sizes(doubler):
    """A batch is filled up to an allowed size, and nobody sees the filling."""
    parameters = BatchingParameters(max_batch_size=8, allowed_batch_sizes=(4, 8))
    scheduler = BatchScheduler(parameters)
    assert scheduler.run(doubler, [np.array([1.0, 2.0])])[0].tolist() == [2, 4]
    assert doubler.batches == [4]


@pytest.mark.parametrize(
    ("most", "allowed", "sizes"), [(4, (), [3, 4]), (4, (8,), [8, 8]), (0, (), [7])]
)
def test_a_large_request_is_split(doubler, most, allowed, sizes):
    """Into batches of `max_execution_batch_size`, which is `max_batch_size` unless it is given; the
    answer is one, in order. A request larger than `max_batch_size` is still refused."""
    parameters = BatchingParameters(
        max_batch_size=8,
        allowed_batch_sizes=allowed,
        enable_large_batch_splitting=True,
        max_execution_batch_size=most,
    )
    scheduler = BatchScheduler(parameters)
    rows = np.arange(7.0)
    assert scheduler.run(doubler, [rows])[0].tolist() == (rows * 2).tolist()
    assert sorted(doubler.batches) == sizes
    with pytest.raises(ServingError, match="Task size 9 is larger than maximum input batch size 8"):
        scheduler.run(doubler, [np.arange(9.0)])


def test_a_split_request_fills_the_batch_that_is_open(doubler):
    """What is left of it runs next, and each caller has its own rows."""
    parameters = BatchingParameters(
        **ONE_THREAD,
        max_batch_size=6,
        max_execution_batch_size=3,
        enable_large_batch_splitting=True,
        batch_timeout_s=0.2,
    )
    scheduler = BatchScheduler(parameters)
    with ThreadPoolExecutor(3) as pool:
        first = held(doubler, pool, scheduler)
        futures = enqueue(pool, scheduler, doubler, [[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]])
        doubler.go_on.set()
        assert [each.result(30)[0].tolist() for each in futures] == [[2, 4], [6, 8, 10, 12]]
        first.result(30)
    assert 3 in doubler.batches
    assert sum(doubler.batches) == 7


def test_a_split_that_needs_too_many_batches_is_refused(doubler):
    """As a whole: no part of it runs."""
    parameters = BatchingParameters(
        max_batch_size=8,
        max_execution_batch_size=2,
        enable_large_batch_splitting=True,
        max_enqueued_batches=2,
        batch_timeout_s=3600,
    )
    scheduler = BatchScheduler(parameters)
    with pytest.raises(ServingError, match="queue to which this task was submitted is full"):
        scheduler.run(doubler, [np.arange(8.0)])
    assert scheduler.run(doubler, [np.arange(4.0)])[0].tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize("most", [0, 1, -1])
def test_the_open_batch_takes_a_request_whatever_may_wait(doubler, most):
    """A `max_enqueued_batches` of 0 is no end of service, and a negative one no bound."""
    scheduler = BatchScheduler(BatchingParameters(max_enqueued_batches=most))
    assert scheduler.run(doubler, [np.array([1.0])])[0].tolist() == [2]


def test_an_empty_batch_is_answered(doubler):
    """With no rows, and with splitting as well."""
    for splits in (False, True):
        scheduler = BatchScheduler(BatchingParameters(enable_large_batch_splitting=splits))
        assert scheduler.run(doubler, [np.zeros(0)])[0].tolist() == []


def test_rows_of_different_lengths_run_together_where_they_may_be_padded():
    """With the first value of each request, to the longest of all."""
    seen = []

    def same(rows: np.ndarray) -> list[np.ndarray]:
        seen.append(rows.shape)
        return [rows]

    parameters = BatchingParameters(
        max_batch_size=3, batch_timeout_s=3600, pad_variable_length_inputs=True
    )
    scheduler = BatchScheduler(parameters)
    sent = ([[1.0, 2.0]], [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda rows: scheduler.run(same, [np.array(rows)])[0].tolist(), sent)
        assert list(found) == [[[1, 2, 1]], [[3, 4, 5], [6, 7, 8]]]
    assert seen == [(3, 3)]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([np.zeros(40)], "Task size 40 is larger than maximum input batch size 32"),
        ([np.array(1.0)], "Batching Run\\(\\) input tensors must have at least one dimension"),
        ([np.zeros(2), np.zeros(3)], "equal 0th-dimension size"),
    ],
)
def test_what_is_no_batch_of_rows(doubler, inputs, message):
    """Refused before it is queued."""
    scheduler = BatchScheduler(BatchingParameters(max_batch_size=32))
    with pytest.raises(ServingError, match=message) as caught:
        scheduler.run(doubler, inputs)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_answers_that_are_no_rows():
    """A function that loses the rows cannot be batched, and says so."""
    scheduler = BatchScheduler(BatchingParameters())
    with pytest.raises(ServingError, match="has 0 dimensions") as caught:
        scheduler.run(lambda rows: [rows.sum()], [np.zeros(3)])
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_closing(doubler):
    """What was queued is answered, what comes later refused, and the threads end."""
    scheduler = BatchScheduler(BatchingParameters(**ONE_THREAD, batch_timeout_s=3600))
    before = {thread for thread in threading.enumerate() if thread.name.startswith("batch-")}
    with ThreadPoolExecutor(1) as pool:
        entered = threading.Event()

        def run():
            entered.set()
            return scheduler.run(doubler, [np.array([1.0])])

        pool.submit(run)
        assert entered.wait(30)
        scheduler.close()
    with pytest.raises(ServingError, match="closed"):
        scheduler.run(doubler, [np.array([1.0])])
    wait_for(lambda: any(not t.is_alive() for t in before), 30, "the end of the batch thread")


def test_parameters_are_read(tmp_path):
    """TensorFlow Serving's file, and its defaults for what the file leaves out."""
    file = tmp_path / "batching.config"
    file.write_text(
        "max_batch_size { value: 32 } batch_timeout_micros { value: 1500 }\n"
        "max_enqueued_batches { value: 7 } num_batch_threads { value: 3 }\n"
        'allowed_batch_sizes: 8 allowed_batch_sizes: 32 thread_pool_name { value: "x" }'
    )
    assert read_parameters(file) == BatchingParameters(32, 0.0015, 7, 3, (8, 32))
    file.write_text(
        "max_batch_size { value: 32 } enable_large_batch_splitting { value: true }\n"
        "max_execution_batch_size { value: 8 } pad_variable_length_inputs: true"
    )
    read = read_parameters(file)
    assert read.pad_variable_length_inputs
    assert (read.max_batch_size, read.rows_of_a_batch) == (32, 8)
    file.write_text("\n")
    assert read_parameters(file) == BatchingParameters()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size: 3", "1:"),
        ("nonsense", "nonsense"),
        ("max_batch_size { value: 0 }", "max_batch_size"),
        ("num_batch_threads { value: 0 }", "num_batch_threads"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4 "
            "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 4 }",
            "allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        ),
        (
            "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 9 }",
            "greater than or equal to max_execution_batch_size",
        ),
        ("max_execution_batch_size { value: -1 }", "max_execution_batch_size"),
        ("num_batch_threads { value: 1000000000000 }", "must be 4096 at most"),
    ],
)
def test_bad_parameters_name_the_file(tmp_path, text, message):
    """A mistake in the file is told with the file's name."""
    file = tmp_path / "batching.config"
    file.write_text(text)
    with pytest.raises(ServingError) as caught:
        read_parameters(file)
    assert str(file) in f"{caught.value} {caught.value.hint}"
    assert message in f"{caught.value} {caught.value.hint}"
