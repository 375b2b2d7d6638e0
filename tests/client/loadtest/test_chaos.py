"""A model's swap in the middle of a load: what is published, what is told, and what is left."""

import fcntl
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.waiting import wait_for
from tests.client.loadtest.made_results import TARGET, made
from vitrine_client.loadtest.analysis.swap_effect import effect
from vitrine_client.loadtest.chaos import run_with_swap
from vitrine_client.loadtest.copied_version import CopiedVersion, PublisherAtWorkError
from vitrine_client.loadtest.plan import Closed, Plan
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Generator, Interval, Result
from vitrine_client.results.predictions import VersionStatus
from vitrine_training.publish import versions as publish

PLAN = Plan(TARGET, Closed(1, 0.2), warm_up_s=0.0)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A model with versions 1 and 2, and 3 rolled back."""
    for name in ("1", "2", ".retired-3"):
        (tmp_path / "mlp" / name / "variables").mkdir(parents=True)
        (tmp_path / "mlp" / name / "saved_model.pb").write_text(f"graph {name}")
        (tmp_path / "mlp" / name / "variables/data").write_text(f"weights {name}")
    (tmp_path / "mlp/.lock").touch()
    return tmp_path


def content(models_dir: Path) -> dict[str, str]:
    """Every file by its path."""
    files = (path for path in models_dir.rglob("*") if path.is_file())
    return {str(path.relative_to(models_dir)): path.read_text() for path in files}


def never() -> bool:
    return False


def test_the_copy_is_the_next_version_and_goes_without_a_trace(models_dir):
    """It is whole, its number was never another's, and afterwards all is as before; leftovers of a
    publisher that was killed are no obstacle."""
    before = content(models_dir)
    (models_dir / "mlp/.unfinished-4").mkdir()
    copy = CopiedVersion(models_dir, "mlp")
    assert copy.publish(never) == 4
    assert (copy.number, copy.copied) == (4, 2)
    published = content(models_dir)
    assert published["mlp/4/saved_model.pb"] == "graph 2"
    assert published["mlp/4/variables/data"] == "weights 2"
    assert len(published) == len(before) + 2
    assert publish.versions(models_dir, "mlp") == [1, 2, 4]
    copy.remove(never)
    assert content(models_dir) == before
    copy.remove(never)  # there is nothing to remove any more


def test_other_publishers_are_not_disturbed(models_dir):
    """Who publishes holds the lock meanwhile, and so do we: neither sees half of the other's work,
    and a version that comes meanwhile stays."""
    copy = CopiedVersion(models_dir, "mlp")
    waits = []

    def write(directory: Path, version: int) -> None:
        directory.mkdir()
        with pytest.raises(PublisherAtWorkError, match="Somebody else"):
            copy.publish(lambda: waits.append(1) or len(waits) < 3)
        assert content(models_dir)["mlp/2/saved_model.pb"] == "graph 2"

    assert publish.publish(models_dir, "mlp", write).name == "4"
    assert len(waits) == 3
    assert copy.publish(never) == 5
    assert publish.publish(models_dir, "mlp", lambda folder, _: folder.mkdir()).name == "6"
    copy.remove(never)
    assert publish.versions(models_dir, "mlp") == [1, 2, 4, 6]


def test_what_cannot_be_swapped_is_told_before_the_load(models_dir, tmp_path):
    """A model without a version, and a directory where nothing may be written."""
    with pytest.raises(FileNotFoundError, match="softmax has no version"):
        CopiedVersion(models_dir, "softmax")
    with pytest.raises(FileNotFoundError):
        CopiedVersion(tmp_path / "nowhere", "mlp")


class Server:
    """Says which versions it serves: the newest of a directory, once it has loaded."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._served = 2

    def statuses(self) -> list[VersionStatus]:
        newest = publish.versions(self._models_dir, "mlp")[-1]
        told = [VersionStatus(newest, "AVAILABLE")]
        if newest != self._served:
            told.append(VersionStatus(self._served, "UNLOADING"))
            self._served = newest
        return told


def interval(start_s: float) -> Interval:
    return Interval(start_s, 0.1, 1, LatencyHistogram.of([0.01]), LatencyHistogram.of([0.01]), 1)


def until(condition: Callable[[], bool]) -> Callable[..., Result]:
    """A load that lasts until something holds."""

    def run(plan: Plan, *, watch: Callable[[Interval], None], stop: object) -> Result:
        watch(interval(0.0))
        wait_for(condition, 30, "what the load lasts for")
        return Result({}, (interval(0.0),), Generator(0.0, 0.0, None))

    return run


def test_a_swap_under_load(models_dir):
    """Published in the middle, followed until the old version is gone, and then removed; `watch`
    sees every interval all the same."""
    before, server, seen = content(models_dir), Server(models_dir), []
    gone = threading.Event()

    def statuses() -> list[VersionStatus]:
        told = server.statuses()
        if [one.version for one in told] == [4]:
            gone.set()
        return told

    result = run_with_swap(
        PLAN, models_dir, watch=seen.append, run=until(gone.is_set), statuses=statuses
    )
    assert [text for _, text in result.events] == [
        "published version 4",
        "version 4 answers",
        "version 2 is unloaded",
    ]
    times = [at_s for at_s, _ in result.events]
    assert times == sorted(times)
    assert 0.05 < times[0] < 5
    assert not result.warnings
    assert len(seen) == 1
    assert content(models_dir) == before


def test_a_directory_that_nobody_serves(models_dir):
    """The version never answers: a warning asks whether it is the right directory."""
    before, looks = content(models_dir), []
    result = run_with_swap(
        PLAN,
        models_dir,
        run=until(lambda: len(looks) > 1),
        statuses=lambda: looks.append(1) or [VersionStatus(2, "AVAILABLE")],
    )
    assert [text for _, text in result.events] == ["published version 4"]
    assert "Version 4 was published and did not answer" in result.warnings[0]
    assert content(models_dir) == before


def test_a_load_that_ends_early_or_fails(models_dir):
    """Before its middle nothing is published; where it fails or is killed, the copy goes all the
    same."""
    before = content(models_dir)
    long = Plan(TARGET, Closed(1, 1000.0))
    result = run_with_swap(long, models_dir, run=until(lambda: True), statuses=list)
    assert not result.events
    assert not result.warnings

    def fails() -> bool:
        if publish.versions(models_dir, "mlp") == [1, 2, 4]:
            raise OSError("the load failed")
        return False

    with pytest.raises(OSError, match="the load failed"):
        run_with_swap(PLAN, models_dir, run=until(fails), statuses=list)
    assert content(models_dir) == before

    def killed() -> bool:
        if publish.versions(models_dir, "mlp") == [1, 2, 4]:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    with pytest.raises(SystemExit):
        run_with_swap(PLAN, models_dir, run=until(killed), statuses=list)
    assert content(models_dir) == before


def test_a_publisher_that_works_all_the_time(models_dir):
    """Nothing is swapped, and the warning says why."""
    at_once = Plan(TARGET, Closed(1, 0.0), warm_up_s=0.0)
    with (models_dir / "mlp/.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run_with_swap(at_once, models_dir, run=until(lambda: True), statuses=list)
    assert not result.events
    assert "Somebody else publishes" in result.warnings[0]


EVENTS = ((8.2, "published version 4"), (9.1, "version 4 answers"), (10.4, "version 2 is unloaded"))


def test_the_effect_of_a_swap():
    """Seconds 8 to 10 are the swap's: a stall in one of them is told beside what is usual."""
    told = effect(made(stalls=(9,), events=EVENTS))
    assert (told.before.end_s, told.during.start_s, told.after.start_s) == (8, 8, 11)
    assert told.answered_s == pytest.approx(0.9)
    assert told.during.p99_ms > 100 > told.before.p99_ms
    assert told.during.worst_p99_ms > 300
    assert "published at 8.2 s and answered 0.9 s later; after 2.2 s the old" in str(told)
    assert "failed 0, 0, 0" in str(told)
    assert "times as slow as the worst of the others" in str(told)


def test_a_swap_without_an_effect():
    """Nothing worse than in other seconds is called so; failures are, whatever the latency."""
    assert "No second of the swap was worse" in str(effect(made(stalls=(2,), events=EVENTS)))
    failed = made(events=EVENTS, errors={9: Counter({"HTTP 503": 3})})
    assert effect(failed).during.failed == 3
    assert "Requests failed in the seconds of the swap" in str(effect(failed))


def test_a_swap_that_was_seen_in_part():
    """Without the old version's end it counts for some seconds; without an answer to the end."""
    assert effect(made(events=EVENTS[:2])).after.start_s == 13
    unanswered = effect(made(events=EVENTS[:1]))
    assert (unanswered.answered_s, unanswered.after.answered) == (None, 0)
    assert "was not seen to answer" in str(unanswered)
    assert "in the worst second" in str(unanswered)
    assert effect(made()) is None
    assert effect(made(events=((1.0, "something else"),))) is None
