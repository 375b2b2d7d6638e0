"""What a process notes of its answers, and what it does where it cannot."""

import asyncio
import logging
from contextlib import nullcontext

import numpy as np
import pytest

from tests.serving.drift.asked import inverted
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.telemetry.drift import Watch, Windows
from vitrine_training.data.fashion_mnist import LABELS


@pytest.fixture
def watch():
    return Watch(Windows(500))


def run(work):
    async def main():
        return await work()

    return asyncio.run(asyncio.wait_for(main(), 20))


def in_loop(function):
    """Runs what needs a running loop, and lets no time pass in it."""

    async def work():
        return function()

    return run(work)


def test_clean_images_raise_no_alarm(watch, asked):
    """The state has the figures of the last 500 images or a few fewer."""
    in_loop(lambda: asked.show(watch, 2_000))
    (state,) = watch.states()
    assert (state.model, state.version, state.alarm) == ("m", 1, "")
    assert 475 <= state.images <= 500
    assert state.scores.keys() == state.thresholds.keys() == {"covariate", "label"}
    assert all(state.scores[test] < state.thresholds[test] for test in state.scores)
    assert sum(state.estimated) == pytest.approx(1)
    assert len(state.estimated) == 10


@pytest.mark.parametrize(
    ("change", "of", "alarm"),
    [(inverted, None, "covariate"), (None, [5, 7, 9], "label")],
    ids=["inverted", "shoes only"],
)
def test_a_shift_is_found_and_ends(watch, asked, change, of, alarm):
    """Within 500 images either way, between two processes that share the windows."""

    def work():
        windows = Windows(500)
        processes = [Watch(windows), Watch(windows)]

        def show(count, **options):
            for _ in range(count // 20):
                for each in processes:
                    asked.show(each, 10, batch=1, **options)

        show(1_000)
        assert [state.alarm for state in processes[0].states()] == [""]
        show(500, change=change, of=of)
        assert [state.alarm for state in processes[0].states()] == [alarm]
        assert processes[0].states() == processes[1].states()
        show(600)
        assert [state.alarm for state in processes[1].states()] == [""]

    in_loop(work)


def test_a_few_images_come_in_after_a_second(watch, asked):
    """What is not enough to be worth it does not wait for more for ever; `flush` brings it in
    at once."""

    async def work():
        asked.show(watch, 3)
        assert watch.states() == []
        while not watch.states():
            await asyncio.sleep(0.01)
        asked.show(watch, 2, model="other")
        watch.flush()
        return [(state.model, state.images) for state in watch.states()]

    assert run(work) == [("m", 3), ("other", 2)]


def test_who_finds_the_windows_taken_tries_again(asked):
    """Nothing is lost, and nobody waits."""

    def work():
        watch = Watch(TakenAtFirst(500))
        asked.show(watch, 80, batch=40)
        assert watch.states() == []
        asked.show(watch, 40, batch=40)
        assert [state.images for state in watch.states()] == [120]

    in_loop(work)


class TakenAtFirst(Windows):
    """Another process is at them, the first two times."""

    left = 2

    def change(self, model, version, classes):
        self.left -= 1
        return super().change(model, version, classes) if self.left < 0 else nullcontext()


UNKNOWN = [
    (LABELS, {}, "training the model again adds it"),
    (LABELS, {"baseline": {"means": [1]}}, "has no 'confusion'"),
    (LABELS, {"baseline": [float("nan")]}, "training the model again adds it"),
    ((), {}, "answers numbers and not classes"),
]


@pytest.mark.parametrize(("labels", "other_card", "says"), UNKNOWN)
def test_what_cannot_be_watched_is_told_once(watch, asked, caplog, labels, other_card, says):
    """In one line of the log, however often it is asked, and there is no state of it."""
    asked.description = Description(tuple(labels), other_card)
    with caplog.at_level(logging.INFO):
        in_loop(lambda: asked.show(watch, 200))
    assert len(caplog.records) == 1
    assert says in caplog.text
    assert watch.states() == []


@pytest.mark.parametrize(
    "outputs",
    [lambda images: np.full((len(images), 3), 1 / 3), lambda images: np.ones(len(images))],
    ids=["3 probabilities for 10 classes", "no rows"],
)
def test_answers_that_do_not_fit_the_card_break_nothing(watch, asked, caplog, outputs):
    """The version is not watched any more, and the log says why, once."""
    asked.answer = outputs
    in_loop(lambda: asked.show(watch, 400))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Version 1 of m is not watched for drift any more" in caplog.text
    assert watch.states() == []


def test_answers_that_are_not_finite_are_left_out(watch, asked, answer):
    """The others count."""

    def sometimes(images):
        return np.where(np.arange(len(images))[:, np.newaxis] % 2, answer(images), np.nan)

    asked.answer = sometimes
    in_loop(lambda: asked.show(watch, 400))
    watch.flush()
    (state,) = watch.states()
    assert state.images == 200
    assert state.alarm == ""


def test_more_versions_than_there_are_slots(asked):
    """The newest have windows."""

    def work():
        watch = Watch(Windows(500, slots=2))
        for version in (1, 2, 3):
            asked.show(watch, 40, version=version, batch=40)
        assert [state.version for state in watch.states()] == [2, 3]

    in_loop(work)


def test_what_a_kernel_overshoots_by_is_no_shift(asked):
    """It is cut off, as in the baseline: levels beyond 0..255 count as these."""
    images = asked.test.images[:500]
    levels = images.astype(np.float32)
    overshot = np.where(images == 0, -30, np.where(images == 255, 290, levels)).astype(np.float32)
    outputs = asked.answer(images)

    def scores(instances):
        watch = Watch(Windows(500))
        watch.note("m", 1, asked.description, instances, outputs)
        (state,) = watch.states()
        return state.scores

    assert in_loop(lambda: scores(overshot)) == in_loop(lambda: scores(levels))
