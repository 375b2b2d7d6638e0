"""Both HTTP clients against peers that fail: what is tried again, for how long, and what is not."""

import dataclasses
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harness.ports import free_port
from harness.waiting import wait_for
from tests.client.fake_gateway import (
    KINDS,
    LONGEST_S,
    FakeGateway,
    Kind,
    Reply,
    first,
    predicting,
    problem,
)
from vitrine_client import errors
from vitrine_client.http.retries import Attempts, retry_after_s

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def predict(kind: Kind, gateway: FakeGateway, **client: object) -> str:
    return kind.ask(gateway.url, "predict", b"Bag", client=client).label


@both
@pytest.mark.parametrize(
    "reply",
    [
        Reply(502, b"<html>"),
        problem(503, "not ready"),
        problem(503, "not ready", Retry_After="0"),
        problem(429, "too many"),
        Reply(200, b"12345678", cut=5),
        Reply(200, b"12345678", cut=5, reset=True),
        Reply(200, b"12345678", {"Transfer-Encoding": "chunked"}, cut=5),
        Reply(reset=True, cut=len(Reply().on_the_wire())),
        Reply(cut=len(Reply().on_the_wire())),
    ],
    ids=["502", "503", "now", "429", "short", "reset", "chunk", "no answer", "closed"],
)
def test_what_can_help_is_tried_again(kind, reply):
    """A failure is not noticed."""
    with FakeGateway(first(reply)) as gateway:
        assert predict(kind, gateway) == "Bag"
    assert len(gateway.asked) == 2


WHOLE = Reply(200, {"predictions": []}, {"Server": "x"})


@both
@pytest.mark.parametrize("at", [0, 5, 20, -20, -1])
@pytest.mark.parametrize("reset", [False, True])
def test_an_answer_that_breaks_off_is_told_from_none(kind: Kind, at, reset):
    """In its head or its body: somebody is there, and it is no matter of another address."""
    left = -at if at < 0 else len(WHOLE.on_the_wire()) - at
    with (
        FakeGateway(lambda _: dataclasses.replace(WHOLE, cut=left, reset=reset)) as gateway,
        pytest.raises(errors.VitrineError, match="broke off") as caught,
    ):
        kind.ask(gateway.url, "models", client={"retries": 0})
    assert "No gateway answers" not in str(caught.value)


@both
def test_an_answer_that_cannot_be_unpacked_is_told_from_none(kind: Kind):
    """Gzip that is none."""
    reply = Reply(200, b"no gzip", {"Content-Encoding": "gzip"})
    with (
        FakeGateway(lambda _: reply) as gateway,
        pytest.raises(errors.Unavailable, match="is damaged"),
    ):
        kind.ask(gateway.url, "models", client={"retries": 0})


@both
def test_what_goes_on_failing_is_raised(kind: Kind):
    """Two more tries, or as many as are wanted, and the last failure is what is told."""
    replies = [problem(503, f"failure {n}") for n in range(3)]
    with FakeGateway(first(*replies)) as gateway:
        with pytest.raises(errors.Unavailable, match="failure 2"):
            predict(kind, gateway)
        assert len(gateway.asked) == 3
    with FakeGateway(first(*replies)) as gateway, pytest.raises(errors.Unavailable, match="re 0"):
        predict(kind, gateway, retries=0)
    assert len(gateway.asked) == 1


@both
def test_what_cannot_help_is_not_tried_again(kind: Kind):
    """Who is wrong is told so at once, and a deadline that was missed would be missed again."""
    statuses = (400, 401, 404, 413, 500, 501, 502, 504)
    with FakeGateway(first(*(problem(status, "no") for status in statuses))) as gateway:
        for count, status in enumerate(statuses, 1):
            with pytest.raises(errors.VitrineError) as caught:
                kind.ask(gateway.url, "models")
            assert caught.value.status == status
            assert len(gateway.asked) == count


@both
def test_retry_after_is_waited_for(kind: Kind):
    """As many seconds as the gateway says, and little more."""
    with FakeGateway(first(problem(503, "later", Retry_After="1"))) as gateway:
        started = time.monotonic()
        assert predict(kind, gateway) == "Bag"
        assert time.monotonic() - started >= 1
    told = errors.Unavailable("later", retry_after_s=1.0)
    assert 1 <= Attempts(10, retries=2).pause_s(told) <= 1.1


@both
def test_a_wait_that_does_not_fit_is_not_begun(kind: Kind):
    """It is told when to come again instead."""
    with FakeGateway(lambda _: problem(429, "later", Retry_After="90")) as gateway:
        started = time.monotonic()
        with pytest.raises(errors.ResourceExhausted, match="later") as caught:
            predict(kind, gateway, timeout_s=60)
        assert time.monotonic() - started < 30
    assert caught.value.retry_after_s == 90


@both
def test_nobody_there(kind: Kind):
    """A port where nobody listens is `Unavailable`, and the message says how to start a gateway."""
    with pytest.raises(errors.Unavailable, match="make serve"):
        kind.ask(f"http://127.0.0.1:{free_port()}", "models")


@both
@pytest.mark.parametrize("where", ["head", "body"])
def test_a_dripping_peer_does_not_hold_a_call(kind, where):
    """Each read is short, and the whole still ends at its deadline, whatever it is that drips."""
    body = Reply(content=b" " * 1000 + b"{}", drip_s=0.02)
    head = Reply(content=b"{}", headers={"X": "x" * 1000}, drip_s=0.02)
    with FakeGateway(lambda _: {"head": head, "body": body}[where]) as gateway:
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded, match=r"within 0\.6 s"):
            predict(kind, gateway, timeout_s=0.6)
        assert 0.6 <= time.monotonic() - started < 15
        wait_for(lambda: len(gateway.asked) == 1, LONGEST_S, "the only request")


@both
def test_a_peer_that_does_not_read_does_not_hold_a_call(kind: Kind):
    """A body that nobody takes is not pushed for ever."""
    hold = threading.Event()
    with FakeGateway(before_reading=lambda: hold.wait(LONGEST_S)) as gateway:
        with pytest.raises(errors.DeadlineExceeded):
            kind.ask(gateway.url, "predict", bytes(30_000_000), client={"timeout_s": 0.3})
        hold.set()


@both
def test_a_silent_gateway_is_a_deadline(kind: Kind):
    """No answer within the timeout is `DeadlineExceeded`, not a hang; retries come out of the same
    time."""
    hold = threading.Event()

    def silent(asked):
        hold.wait(LONGEST_S)
        return predicting(asked)

    answer = first(problem(503, "not yet"), then=silent)
    with FakeGateway(answer) as gateway:
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded, match=r"within 1 s"):
            predict(kind, gateway, timeout_s=1)
        assert time.monotonic() - started < LONGEST_S / 2
        hold.set()


def test_retry_after_as_a_date():
    """RFC 9110 has seconds and dates; a date that is over means now, and nonsense nothing."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_s("7") == 7
    assert retry_after_s(soon) == pytest.approx(30, abs=2)
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 -0000") == 0
    for nonsense in ("", "soon", "-1", "1.5", "²", "Wed, 99 Oct 2015 07:28:00 GMT"):
        assert retry_after_s(nonsense) is None


def test_pauses_grow_and_differ():
    """Each may be twice as long as the one before, and those of many clients are spread."""
    runs = [Attempts(100, retries=9) for _ in range(300)]
    error = errors.Unavailable("no")
    longest = [max(run.pause_s(error) for run in runs) for _ in range(9)]
    for pause_s, most_s in zip(longest, [0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2, 2], strict=True):
        assert 0.9 * most_s < pause_s <= most_s
    with pytest.raises(errors.Unavailable):
        runs[0].pause_s(error)


NULL = {"label": "Bag", "class_id": 8, "probability": None, "probabilities": {"Bag": None}}
GARBLED = {
    "null": NULL,
    "no label": {"class_id": 8, "probability": 1.0, "probabilities": {"Bag": 1.0}},
    "null inside": NULL | {"probability": 1.0},
    "text": NULL | {"probability": "much", "probabilities": {}},
    "a list of shares": NULL | {"probability": 1.0, "probabilities": [1.0]},
    "no class": NULL | {"class_id": None, "probability": 1.0, "probabilities": {"Bag": 1.0}},
    "no entry": 3,
}


@both
@pytest.mark.parametrize("entry", GARBLED.values(), ids=GARBLED)
def test_answers_without_numbers_are_no_predictions(kind: Kind, entry):
    """The gateway of before has `null` for NaN; nobody is to meet that later, in a sum."""
    spec = {"name": "mlp", "version": "1"}
    reply = Reply(200, {"predictions": [entry], "model_spec": spec})
    with (
        FakeGateway(lambda _: reply) as gateway,
        pytest.raises(errors.ServerError, match="makes no sense"),
    ):
        predict(kind, gateway)
