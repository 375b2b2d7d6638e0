"""The reliability benchmark's scenarios, for seconds: what has to hold however long they last.
Those that share a service are in `make test`, and all others wide."""

import pytest

from benchmarks.reliability.ends import kills, terms
from benchmarks.reliability.overload import Overload, overload
from benchmarks.reliability.silence import silence
from benchmarks.reliability.soak import soak
from benchmarks.reliability.subject import served
from benchmarks.reliability.swaps import swap_under_load
from tests.conftest import measured

pytestmark = pytest.mark.slow


@pytest.mark.wide
@pytest.mark.alone
def test_too_much_load_is_refused_and_the_rest_is_answered():
    """At three times what the model server takes, those who are let in are answered before their
    deadline, others get 503, and afterwards all is as before."""

    def check(found: Overload) -> None:
        assert set(found.statuses) == {200, 503}
        assert found.answered_p99_ms < found.deadline_ms
        assert found.share_of_capacity > 0.5
        assert found.rss_mb_at_most < 2 * found.rss_mb_before
        assert found.normal_again_s < 10

    measured(lambda: overload(2), check)


@pytest.mark.wide
def test_a_model_server_that_is_killed_comes_back(training_run, tmp_path):
    """Under load there are only answers and 503, nobody hangs, and no answer is wrong."""
    found = kills(training_run.models_dir, tmp_path, 1)
    assert set(found.statuses) == {200, 503}
    assert found.wrong == 0
    assert found.longest_ms < 10_000  # the deadline is 3 s, and the machine may stall


@pytest.fixture(scope="module")
def started(training_run, tmp_path_factory):
    """A gateway in front of a model server, for those tests that leave it as it was."""
    with served(training_run.models_dir, tmp_path_factory.mktemp("served")) as running:
        yield running


def test_memory_does_not_grow(started):
    """Seconds of load leave no more behind than they found."""
    found = soak(started, 3, 3)
    assert set(found.statuses) == {200}
    assert found.wrong == 0
    assert found.growth < 0.1


def test_a_worker_that_is_ended_loses_no_request(started):
    """SIGTERM to one worker after the other under load: every request is answered."""
    found = terms(started, 2)
    assert set(found.statuses) == {200}
    assert found.wrong == 0


@pytest.mark.wide
def test_versions_swap_under_load(tmp_path):
    """10 versions published, rolled back, restored, some broken ones between them, under 4 clients:
    no failed and no wrong answer, every version seen, and the server no heavier than before."""
    steps = []
    outcome = swap_under_load(tmp_path, swaps=10, clients=4, each=lambda: steps.append(1))
    print(outcome)
    assert len(steps) == 10
    assert not outcome.failed
    assert outcome.wrong == 0
    assert outcome.versions == set(range(1, 12))
    assert outcome.answered > 20 * len(steps)
    assert outcome.growth < 0.1


@pytest.mark.wide
def test_a_silent_model_server_holds_up_nobody():
    """Of two one stands still, or the network forgets the connection to the only one: every request
    is answered."""
    found = silence(2)
    assert set(found.one_of_two_statuses) == {200}
    assert set(found.forgotten_statuses) == {200}
    assert found.back_after_s < 10
