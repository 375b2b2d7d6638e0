"""Before the load: what may pass is tried again, and one picture without an answer ends nothing."""

from collections.abc import Iterator

import pytest

from tests.client.loadtest.loop_runs import REQUEST
from tests.client.loadtest.scripted_server import (
    CLOSE,
    RIGHT,
    Script,
    always,
    answer,
    predictions,
    scripted_server,
)
from vitrine_client import errors
from vitrine_client.loadtest.generator.http_connection import reach
from vitrine_client.loadtest.generator.rehearsal import Rehearsed, rehearse
from vitrine_client.loadtest.plan import Workload

BUSY = answer({"error": "busy"}, "503 Service Unavailable")
REQUESTS = tuple(REQUEST.replace(b"image", f"img_{n}".encode()) for n in range(4))


def rehearsed(script: Script, *, timeout_s: float = 5.0) -> tuple[Rehearsed, int]:
    """What came of it, and how many requests the server had."""
    with scripted_server(script) as server:
        target = Workload("raw", server.url, "mlp", (b"a",))
        found = rehearse(target, reach(server.url, 5), REQUESTS, timeout_s)
        return found, len(server.requests)


def test_an_answer_that_fails_once_is_asked_for_again():
    """One 503 of several answers is no end, and neither is one connection that breaks."""

    def script(number: int) -> Iterator[bytes | None]:
        yield {1: BUSY, 3: CLOSE}.get(number, answer(predictions(number)))

    found, asked = rehearsed(script)
    assert found == Rehearsed(((0,), (2,), (4,), (5,)), closed_after=3)
    assert asked == 6


def test_a_picture_that_has_no_answer_is_left_open():
    """The others are asked; the right answer to it is the first one under load."""

    def script(number: int) -> Iterator[bytes]:
        yield BUSY if number in range(1, 5) else RIGHT

    found, _ = rehearsed(script)
    assert found.classes == ((7,), None, (7,), (7,))


def test_a_picture_that_can_have_no_class():
    """It ends the load test before it begins, and which it was is told."""

    def script(number: int) -> Iterator[bytes]:
        yield answer({"predictions": [{"empty": True, "warnings": []}]}) if number == 2 else RIGHT

    expected = r"There is nothing to see in a picture: leave that one out \(request 3 of 4\)"
    with pytest.raises(errors.InvalidRequest, match=expected):
        rehearsed(script)


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Content Too Large"])
def test_the_file_that_is_refused_is_named(status):
    """One of many, also where the service refuses its size."""
    names = tuple(f"photos/{n}.png" for n in range(4))
    refused = answer({"detail": "This is too much"}, status)
    with scripted_server(lambda n: iter([refused if n == 2 else RIGHT])) as server:
        target = Workload("raw", server.url, "mlp", tuple(b"abcd"), names=names)
        with pytest.raises(errors.VitrineError, match=r"too much \(photos/2\.png\)$"):
            rehearse(target, reach(server.url, 5), REQUESTS, 5.0)


def test_a_server_that_keeps_connections_for_a_few_answers():
    """Each is asked over another connection, and after how many is told."""

    def script(number: int) -> Iterator[bytes | None]:
        yield RIGHT
        if number % 2:
            yield CLOSE

    found, _ = rehearsed(script)
    assert found.classes == ((7,),) * 4
    assert found.closed_after in (0, 2)  # 0 where it was seen to be closed before the next one


def test_where_nothing_is_answered_it_ends():
    """With what was said first, and soon."""
    with pytest.raises(errors.Unavailable, match="503: busy"):
        rehearsed(always(BUSY))


def test_a_redirect_says_where_it_leads():
    """It is not followed, as the key would go wherever that is."""
    script = always(
        answer({}, "308 Permanent Redirect", "Location: https://user:secret@there.example/v")
    )
    with pytest.raises(errors.ServerError, match=r"leads to https://there\.example/v; name that"):
        rehearsed(script)
