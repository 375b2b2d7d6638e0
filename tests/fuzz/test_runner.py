"""The fuzz command's runner: the same requests for a seed, and what it calls a fault."""

import pytest

from tests.client.loadtest.scripted_server import CLOSE, answer, scripted_server
from tests.fuzz import runner
from tests.fuzz.hostile import hostile

SEED, COUNT, LONGEST_S = 2026, 600, 10.0


@pytest.mark.slow
def test_hostile_requests(running):
    """A few seconds of `make fuzz`, on the gateway of the other tests."""
    report = runner.run(running, SEED, LONGEST_S, iter(range(COUNT)))
    print(report)
    assert not report.faults
    assert report.answers[400] > 10
    assert len(report.sent) == 6
    assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize(
    ("pieces", "statuses", "fault"),
    [
        ([answer({}), CLOSE], [200], ""),
        ([answer({}, "503 Busy"), CLOSE], [503], ""),
        ([answer({}, "500 No"), CLOSE], [500], "answered b'HTTP/1.1 500 No"),
        ([b"SSH-2.0", CLOSE], [], "no answer, but b'SSH-2.0'"),
    ],
)
def test_what_is_a_fault(pieces, statuses, fault):
    """An answer that blames the service, or none."""
    picture = next(each for each in (hostile(1, number) for number in range(60)) if each.whole)
    with scripted_server(lambda _: iter(pieces)) as server:
        found, told = runner.answers(server.url.removeprefix("http://"), picture)
    assert found == statuses
    assert told.startswith(fault)
    assert bool(told) == bool(fault)


def test_the_same_requests_for_a_seed():
    """And others for another."""
    once, again = ([hostile(seed, number) for number in range(20)] for seed in (1, 1))
    assert once == again
    assert once != [hostile(2, number) for number in range(20)]
