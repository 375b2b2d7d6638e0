"""What `GET /v1/models/<model>/drift` says, in words and figures."""

import asyncio
import json
import re
from datetime import UTC, datetime

import pytest

from tests.serving.clock import Clock
from tests.serving.drift.asked import FakeServers, inverted
from vitrine_client.errors import NotFound
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.telemetry.drift import STATISTICS, Watch, Windows
from vitrine_training.data.fashion_mnist import LABELS


@pytest.fixture
def watch():
    return Watch(Windows(500, now=Clock(1_000_000_000.25)))


@pytest.fixture
def report(watch, asked, description):
    """Asks for the report after some images were shown."""

    def report(*shown, version=None, described=None, **options):
        async def work():
            for count, change in shown:
                asked.show(watch, count, change, **options)
            servers = FakeServers(described or {1: description})
            return await watch.report("m", version, servers, timeout_s=5)

        found = asyncio.run(work())
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["model"] == "m"
        return found["versions"]

    return report


def test_nothing_seen_yet(report):
    """All is there that can be: what validation looked like."""
    (entry,) = report()
    assert entry["reason"] == "no images seen yet"
    assert (entry["drift"], entry["alarm"]) == ("none", False)
    assert (entry["images"], entry["window"], entry["since"]) == (0, 500, None)
    assert entry["scores"] == entry["thresholds"] == {}
    assert [one["label"] for one in entry["classes"]] == list(LABELS)
    assert [one["name"] for one in entry["statistics"]] == list(STATISTICS)
    for one in (*entry["classes"], *entry["statistics"]):
        assert one["validation"] > 0
    assert all(one["answered"] is one["estimated"] is None for one in entry["classes"])
    assert all(one["now"] is one["deviation"] is None for one in entry["statistics"])


def test_clean_images(report):
    """The last few, which are not in the window yet, are put in."""
    (entry,) = report((312, None))
    assert entry["version"] == "1"
    assert entry["reason"] == "312 images look as in validation"
    assert (entry["drift"], entry["alarm"], entry["images"]) == ("none", False, 312)
    assert datetime.fromisoformat(entry["since"]) == datetime.fromtimestamp(10**9, UTC)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)", entry["since"])
    for name in ("answered", "estimated"):
        assert sum(one[name] for one in entry["classes"]) == pytest.approx(1, abs=0.01)
    assert all(abs(one["deviation"]) < 0.5 for one in entry["statistics"])


def test_inverted_images(report):
    """It says what is different most, and by how much."""
    (entry,) = report((100, inverted))
    assert (entry["drift"], entry["alarm"]) == ("covariate", True)
    assert re.fullmatch(
        r"100 images: they look different, most in brightness: 0\.7\d, was 0\.2\d", entry["reason"]
    )
    assert entry["scores"]["covariate"] > entry["thresholds"]["covariate"]
    brightness = entry["statistics"][0]
    assert brightness["now"] == pytest.approx(0.71, abs=0.03)
    assert brightness["validation"] == pytest.approx(0.29, abs=0.01)
    assert 2 < brightness["deviation"] < 4


def test_changed_shares(report):
    """The class is told by its name, its share in per cent."""
    (entry,) = report((300, None), of=[6])
    assert (entry["drift"], entry["alarm"]) == ("label", True)
    words = r"300 images: other shares of the classes, most of Shirt: (\d+) %, was (9|10|11) %"
    share = int(re.fullmatch(words, entry["reason"])[1])
    assert share > 50
    shirt = entry["classes"][6]
    assert shirt["label"] == "Shirt"
    assert shirt["estimated"] == pytest.approx(share / 100, abs=0.006)
    assert shirt["answered"] < shirt["estimated"], "the model calls many shirts something else"


def test_too_few(report):
    """However strange they are, and one is not called `images`."""
    (entry,) = report((1, inverted))
    assert (entry["drift"], entry["alarm"], entry["images"]) == ("none", False, 1)
    assert entry["reason"] == "1 image: too few to tell, it takes 5"
    assert entry["scores"] == entry["thresholds"] == {}, "as if there were none"
    (entry,) = report((4, None))
    assert entry["images"] == 5
    assert entry["scores"].keys() == entry["thresholds"].keys() == {"covariate", "label"}


def test_newest_first_and_unknown(report, description, caplog):
    """Versions without a baseline are among the others, and those that are not AVAILABLE are not;
    they are told by their number."""
    old, silent = Description(tuple(LABELS), {}), None
    described = {1: description, 10: old, 9: silent}
    entries = report((40, None), described=described)
    assert [entry["version"] for entry in entries] == ["10", "9", "1"]
    assert [entry["drift"] for entry in entries] == ["unknown", "unknown", "none"]
    assert "does not say what it is" in entries[1]["reason"]
    assert "training the model again adds it" in entries[0]["reason"]
    assert entries[0] | {"reason": ""} == {
        **{"version": "10", "drift": "unknown", "alarm": False, "reason": "", "images": 0},
        **{"window": 500, "gateways": 1, "since": None, "scores": {}, "thresholds": {}},
        **{"classes": [], "statistics": []},
    }


def test_one_version(report, description):
    """Only that one; one that is not AVAILABLE, or not at all, is not found."""
    described = {1: description, 2: description}
    assert [entry["version"] for entry in report(described=described, version=1)] == ["1"]
    for version in (3, 99):
        with pytest.raises(NotFound, match=f"{version}"):
            report(described=described, version=version)


def test_all_processes_say_the_same(asked, description):
    """Once each has put in what it noted."""

    async def work():
        windows = Windows(500)
        processes = [Watch(windows) for _ in range(3)]
        for each in processes:
            asked.show(each, 50, inverted)
            each.flush()
        servers = FakeServers({1: description})
        return [await each.report("m", None, servers, timeout_s=5) for each in processes]

    first, *others = asyncio.run(work())
    assert first["versions"][0]["images"] == 150
    assert others == [first, first]


def test_what_it_did_not_say_at_first(watch, asked, description):
    """A version that did not say what it is when somebody asked for the report is watched all the
    same, once it does."""

    async def work():
        silent, speaking = FakeServers({1: None}), FakeServers({1: description})
        before = await watch.report("m", None, silent, timeout_s=5)
        asked.show(watch, 40)
        after = await watch.report("m", None, speaking, timeout_s=5)
        return [found["versions"][0] for found in (before, after)]

    before, after = asyncio.run(work())
    assert before["drift"] == "unknown"
    assert (after["drift"], after["images"]) == ("none", 40)
