"""Documents of windows: what one gateway writes another reads, and nothing else is believed."""

import json

import numpy as np
import orjson
import pytest

from vitrine_serving.gateway.telemetry.drift import Sample
from vitrine_serving.gateway.telemetry.drift.peers import PooledWindow
from vitrine_serving.gateway.telemetry.drift.peers.document import MOST_BYTES, read, written

NOW = 1_000_000.0
CLASSES = 3


def window(**changes):
    sums, answered = np.linspace(0.1, 7.7, 6 + CLASSES), np.array([3, 0, 4], np.int64)
    figures = {
        **{"model": "m", "version": 1, "baseline": "abc", "sample": Sample(7, sums, answered)},
        **{"size": 500, "largest": 500, "gateways": 1, "since": NOW - 60, "used": NOW - 2},
        "kind": "label",
    }
    return PooledWindow(**(figures | changes))


def test_it_comes_back_as_it_was():
    """To the last bit, and by the clock of who reads it."""
    content = written("me", [window(), window(version=2, model="ü/x")], NOW)
    instance, (one, other) = read(content, NOW + 5000)
    assert instance == "me"
    assert other.key == ("ü/x", 2)
    assert (one.since, one.used) == (NOW + 5000 - 60, NOW + 5000 - 2)
    assert one.sample.sums.tolist() == window().sample.sums.tolist()
    assert one.sample.answered.tolist() == [3, 0, 4]
    assert (one.sample.size, one.kind, one.size, one.baseline) == (7, "label", 500, "abc")


def test_all_windows_fit():
    """Of as many classes as are watched, and the longest names."""
    rows = np.full(6 + 64, 1234567.1234567)
    answered = np.full(64, 5000 / 64)
    full = [
        window(model="m" * 256, version=2**63 - 1 - n, sample=Sample(5000, rows, answered))
        for n in range(16)
    ]
    assert len(written("i" * 32, full, NOW)) < MOST_BYTES / 2


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("model", 5, "model is no text"),
        ("model", "", "model is no text"),
        ("model", "m" * 257, "model is no text"),
        ("version", -1, "version is no whole number"),
        ("version", 2**63, "version is no whole number"),
        ("version", True, "version is no whole number"),
        ("baseline", None, "baseline is no text"),
        ("images", 0, "images is no whole number"),
        ("images", 7.5, "images is no whole number"),
        ("images", 10**7, "images is no whole number"),
        ("images", 8, "the answers are others than the images"),
        ("sums", "1", "sums is no list of numbers"),
        ("sums", [1.0], "do not go together"),
        ("sums", [1.0] * 500, "do not go together"),
        ("sums", [[1.0] * 9], "sums is no list of numbers"),
        ("sums", [None] * 9, "sums is no list of numbers"),
        ("sums", [True] * 9, "sums is no list of numbers"),
        ("sums", [1e300] * 9, "sums has values that are too large"),
        ("sums", [10**400] * 9, "no JSON|makes no sense|no list of numbers"),
        ("answered", {}, "answered is no list of numbers"),
        ("answered", [-1, 4, 4], "the answers are others than the images"),
        ("answered", [1, 2, 3], "the answers are others than the images"),
        ("answered", [3.5, 0, 3.5], "the answers are others than the images"),
        ("answered", [], "do not go together"),
        ("size", 0, "size is no whole number"),
        ("largest", "x", "largest is no whole number"),
        ("gateways", 0, "gateways is no whole number"),
        ("oldest_s", -1, "oldest_s is no number of seconds"),
        ("newest_s", None, "newest_s is no number of seconds"),
        ("newest_s", True, "newest_s is no number of seconds"),
        ("drift", "much", "drift is no kind"),
        ("drift", [], "drift is no kind"),
    ],
)
def test_windows_that_make_no_sense(member, value, said):
    found = orjson.loads(written("me", [window()], NOW))
    found["windows"][0][member] = value
    content = json.dumps(found).encode()
    with pytest.raises(ValueError, match=said):
        read(content, NOW)


def test_an_age_beyond_all_dates():
    """As of a gateway whose clock was set meanwhile: it is that of an image a century old."""
    found = orjson.loads(written("me", [window()], NOW))
    found["windows"][0]["oldest_s"] = 1e300
    assert read(orjson.dumps(found), NOW).windows[0].since == NOW - 3e9


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no", b"[]", b"null", b"5", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000),
        b'{"format": 1}',
        b'{"format": 2, "instance": "me", "windows": []}',
        b'{"format": 1, "instance": 5, "windows": []}',
        b'{"format": 1, "instance": "", "windows": []}',
        b'{"format": 1, "instance": "me", "windows": {}}',
        b'{"format": 1, "instance": "me", "windows": [5]}',
        b'{"format": 1, "instance": "me", "windows": [[]]}',
        b'{"format": 1, "instance": "me", "windows": [null]}',
        b'{"format": 1, "instance": "me", "windows": [' + b"{}," * 64 + b"{}]}",
        b'{"format": 1, "instance": "\\ud800", "windows": []}',
        b'{"format": NaN, "instance": "me", "windows": []}',
    ],
)
def test_no_documents(content):
    with pytest.raises(ValueError, match=r"it |is no"):
        read(content, NOW)


@pytest.mark.parametrize("member", ["model", "baseline", "images", "sums", "answered", "newest_s"])
def test_what_lacks_is_named(member):
    found = orjson.loads(written("me", [window()], NOW))
    del found["windows"][0][member]
    with pytest.raises(ValueError, match=f"it has no '{member}'"):
        read(orjson.dumps(found), NOW)


def test_more_than_is_known_is_no_matter():
    """What a later release tells beside it."""
    found = orjson.loads(written("me", [window()], NOW)) | {"zone": "a"}
    found["windows"][0]["more"] = 5
    assert read(orjson.dumps(found), NOW).windows[0].key == ("m", 1)
