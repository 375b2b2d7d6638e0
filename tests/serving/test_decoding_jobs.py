"""Decoding jobs and their queue, without processes."""

import asyncio
import threading
import time

import grpc
import pytest

from vitrine_client.errors import DeadlineExceeded, InvalidImage, ServerError
from vitrine_client.images.headers import Header
from vitrine_serving.errors import ServingError
from vitrine_serving.gateway.inference.decoding import jobs
from vitrine_serving.gateway.inference.decoding.connections import Answered
from vitrine_serving.gateway.inference.decoding.load import DecodingLoad, Work
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import JobRefused, ThreadRunner
from vitrine_serving.gateway.shedding import TooLate

WAIT_S = 20
PHOTO = Work(Header("PNG", 4000, 3000))


def raising(error: Exception) -> jobs.Tasks:
    def task(*_):
        raise error

    return {"it": task}


def test_an_answer_comes_back_as_it_was():
    head = {"box": [1.5, None], "warnings": ["é"]}
    start = jobs.message(head, 3)
    size, content_bytes = jobs.lengths(start[: jobs.LENGTHS])
    assert jobs.parsed(start[jobs.LENGTHS :][:size]) == head
    assert content_bytes == 3


@pytest.mark.parametrize(
    "error",
    [
        InvalidImage("no picture"),
        ServingError.invalid("bad", "do this"),
        ServingError(grpc.StatusCode.UNIMPLEMENTED, "cannot"),
        MemoryError(),
    ],
)
def test_an_error_comes_back_as_it_was(error):
    answer, content = jobs.done(raising(error), {"task": "it"}, b"")
    there = jobs.parsed(jobs.message(answer, len(content))[jobs.LENGTHS :])
    with pytest.raises(type(error)) as raised:
        jobs.checked(there)
    assert str(raised.value) == str(error)
    assert vars(raised.value) == vars(error)


def test_a_fault_of_ours_is_for_the_log(caplog):
    """The client learns nothing of it."""
    answer, _ = jobs.done(raising(KeyError("secret")), {"task": "it"}, b"")
    with pytest.raises(ServerError, match="its log says why") as raised:
        jobs.checked(answer)
    assert raised.value.status == 500
    assert "secret" in caplog.text
    assert "secret" not in str(raised.value)


class Runner:
    """Says how long each job took, or raises."""

    count, ended = 2, 0

    def __init__(self, *took_s: float | Exception) -> None:
        self.took_s = list(took_s)

    async def run(self, head, content, deadline):
        took_s = self.took_s.pop(0)
        if isinstance(took_s, Exception):
            raise took_s
        return Answered({}, content.pop(), took_s)


def run(queue: DecodingQueue, *work: Work, left_s: float = WAIT_S) -> None:
    async def ask() -> None:
        with queue.admitted(work, time.monotonic() + left_s) as admitted:
            for _ in work:
                await admitted.run({}, [b""])

    asyncio.run(ask())


def test_what_a_kind_takes_is_learned():
    """On a slow machine it becomes more, and none of its kind alone shuts others out."""
    load = DecodingLoad(1)
    queue = DecodingQueue(Runner(*[10.0] * 200, *[0.1] * 40), load)
    jpeg = Work(Header("JPEG", 4000, 3000))
    before_us, other_us = load.cost_us(PHOTO), load.cost_us(jpeg)
    run(queue, PHOTO)
    assert before_us < load.cost_us(PHOTO) < 3 * before_us
    run(queue, *[PHOTO] * 199, left_s=1e6)
    assert 7 * before_us < load.cost_us(PHOTO) <= 8 * before_us, "bounded, and however many come"
    assert load.cost_us(jpeg) == other_us
    run(queue, *[PHOTO] * 40, left_s=1e6)
    assert load.cost_us(PHOTO) < before_us


def test_small_pictures_tell_nothing_of_their_kind():
    """What takes their time is not their pixels; the bytes of a file count for themselves."""
    load = DecodingLoad(1)
    queue = DecodingQueue(Runner(*[1.0] * 256), load)
    before_us = load.cost_us(PHOTO)
    run(queue, *[Work(Header("PNG", 40, 40))] * 256)
    assert load.cost_us(PHOTO) == before_us
    assert load.cost_us(Work(Header("PNG", 40, 40), 10_000_000)) > 10_000


@pytest.mark.parametrize("error", [JobRefused("slow"), DeadlineExceeded("late"), InvalidImage("")])
def test_nothing_waits_after_an_error(error):
    """Nor for those that were let in with it."""
    queue = DecodingQueue(Runner(0.1, error))
    with pytest.raises(type(error)):
        run(queue, PHOTO, PHOTO, PHOTO)
    assert queue.waiting_s == 0


def test_all_processes_share_the_work():
    """What waits at another worker counts; without any one job is always tried."""
    load = DecodingLoad(2)
    here, there = (DecodingQueue(Runner(0.1), load, slot) for slot in range(2))
    run(here, PHOTO, left_s=0.001)
    soon = time.monotonic() + 1
    with there.admitted([PHOTO] * 60, soon):
        assert there.waiting_s > 5
        with (
            pytest.raises(TooLate, match="send smaller pictures") as refused,
            here.admitted([PHOTO], soon),
        ):
            pass
        assert refused.value.retry_after_s > 1
        load.forget(1)
        with here.admitted([PHOTO], soon):
            assert here.waiting_s > 0
    assert here.waiting_s == 0


def test_a_thread_does_the_same():
    """Where no master has started processes."""
    runner = ThreadRunner({"it": lambda head, content: ({"n": head["n"] + 1}, content[::-1])})

    async def ask(left_s: float) -> Answered:
        return await runner.run({"task": "it", "n": 1}, [b"ab"], time.monotonic() + left_s)

    answered = asyncio.run(ask(WAIT_S))
    assert (answered.head, answered.content) == ({"n": 2}, b"ba")
    go_on = threading.Event()
    runner = ThreadRunner({"it": lambda *_: (go_on.wait(WAIT_S), ({}, b""))[1]})
    with pytest.raises(DeadlineExceeded, match="not decoded in time"):
        asyncio.run(ask(0.01))
    go_on.set()
