"""A prediction log becomes a load: what was asked, of whom, and when."""

import base64
import io
import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.paths import SAMPLES
from tests.client.loadtest.scripted_server import RIGHT, answer, predictions, scripted_server
from tests.client.loadtest.test_targets import Read
from tests.conftest import measured
from vitrine_client.images import to_instance
from vitrine_client.loadtest import wording
from vitrine_client.loadtest.generator.schedule import due_times
from vitrine_client.loadtest.plan import Plan, Workload
from vitrine_client.loadtest.replay import replay
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import run
from vitrine_serving.gateway.api.bodies import read_npy, read_pictures

PICTURES = tuple(path.read_bytes() for path in SAMPLES[:2])
TO = Workload("logged", "http://host:8080", "", PICTURES, api_key="secret")
SHOE = to_instance(SAMPLES[0])
FULL = np.full((28, 28), 200, np.uint8)  # which a gateway takes for a background


def png(instance: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(instance).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def line(second: float, **members) -> str:
    """What a gateway notes of one picture for `mlp`."""
    noted = {
        "time": f"2026-11-28T05:40:{second:09.6f}Z",
        "request_id": "mine",
        "model": "mlp",
        "content": "picture",
        "status": 200,
        "results": [{"class_id": 7, "label": "Sneaker", "probability": 0.9}],
    }
    return json.dumps({n: value for n, value in (noted | members).items() if value is not None})


@pytest.fixture
def log(tmp_path):
    """Writes a log."""

    def write(*lines: str, name: str = "predictions.jsonl", end: str = "\n") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + end)
        return path

    return write


def sent(load) -> list[Read]:
    """The requests in the order in which they are due."""
    return [Read(load.requests[turn]) for turn in load.turns]


def test_requests_are_due_as_they_came(log):
    """In the order of their times, from the first on, over all files; divided by the speed."""
    older = log(line(3), line(1.25), name="log.1")
    newer = log(line(5), line(4, model="softmax"), name="log")
    target, load = replay([newer, older], TO, speed=2.0)
    assert load.due_s == pytest.approx((0, 0.875, 1.375, 1.875))
    assert load.duration_s == pytest.approx(1.875 + 0.5)  # the usual gap
    assert np.concatenate(list(due_times(load, first=1, step=2))) == pytest.approx((0.875, 1.875))
    assert (target.model, target.kind) == ("mlp, softmax", "logged")


def at_hour(hour: int, second: float) -> str:
    return line(second, time=f"2026-11-28T{hour:02}:00:{second:09.6f}Z")


def test_a_gap_of_hours_is_told_and_can_be_shortened(log):
    """A clock that was set forward, or a night; it does not make the duration longer still."""
    path = log(at_hour(5, 0), at_hour(5, 1), at_hour(8, 1), at_hour(8, 2), at_hour(8, 3))
    _, load = replay([path], TO)
    assert load.gaps == ("10,800 s from 2026-11-28 05:00:01 UTC on",)
    assert load.due_s == (0, 1, 10801, 10802, 10803)
    assert load.duration_s == 10804
    _, load = replay([path], TO, longest_gap_s=60)
    assert load.due_s == (0, 1, 61, 62, 63)
    assert "shortened to 60 s" in load.gaps[0]
    described = Plan(TO, load).described()
    assert "a gap of 10,800 s from 2026-11-28 05:00:01 UTC" in wording.load({"plan": described})
    _, load = replay([path], TO, speed=7200)
    assert load.gaps == ()


def test_each_line_asks_what_it_asked(log):
    """The model and its version by number or version label, and the kind of body."""
    path = log(
        line(0, model="a b", asked_version=3),
        line(1, asked_label="canary"),
        line(2, content="form", results=[{"class_id": 1}, {"error": "bad"}, {"class_id": 2}]),
        line(3, content="npy"),
        line(4, content="json", results=None),
        line(5, status=503, results=None),
    )
    _, load = replay([path], TO)
    requests = sent(load)
    assert [request.path for request in requests] == [
        "/v1/models/a%20b/versions/3:predict",
        "/v1/models/mlp/labels/canary:predict",
        *["/v1/models/mlp:predict"] * 4,
    ]
    assert all(request.headers["x-api-key"] == "secret" for request in requests)
    kinds = [request.headers["content-type"].partition(";")[0] for request in requests]
    assert kinds == [
        *["application/octet-stream"] * 2,
        *("multipart/form-data", "application/x-npy", "application/json"),
        "application/octet-stream",
    ]
    form = read_pictures(requests[2].headers["content-type"], requests[2].body, max_images=9)
    assert form == [PICTURES[0], PICTURES[1]]  # the pictures, in turn
    assert requests[0].body == PICTURES[0]
    assert requests[1].body == PICTURES[1]
    assert np.array_equal(read_npy(requests[3].body, max_images=1), [to_instance(PICTURES[0])])


def test_the_same_is_made_once(log):
    """Two pictures for one model are two requests, however many lines there are."""
    _, load = replay([log(*(line(number / 100) for number in range(500)))], TO)
    assert (len(load.requests), len(load.turns)) == (2, 500)


def test_logged_images_are_sent_to_the_bit(log):
    """Also those that a gateway would make other pixels of: these go as arrays."""
    path = log(
        line(0, instances=[png(SHOE)]),
        line(1, instances=[png(FULL)]),
        line(2, content="form", instances=[png(SHOE), None, png(FULL)]),
        line(3, content="npy", instances=[png(SHOE), png(FULL)]),
    )
    as_picture, *arrays = sent(replay([path], TO)[1])
    assert np.array_equal(to_instance(as_picture.body), SHOE)
    rows = [read_npy(request.body, max_images=2) for request in arrays]
    for found, logged in zip(rows, ([FULL], [SHOE, FULL], [SHOE, FULL]), strict=True):
        assert np.array_equal(found, logged)


def test_what_cannot_be_sent_is_counted(log):
    """Lines that are broken, were refused or have nothing to send; the others are sent."""
    path = log(
        "garbage",
        "[]",
        line(0, time="yesterday"),
        line(0, content="film"),
        line(0, model=None),
        line(0, asked_version="a b"),
        line(0, asked_version=-1),
        line(0, asked_label=""),
        line(0, instances=["not base64"]),
        line(0, instances=[base64.b64encode(b"no picture").decode()]),
        line(0, status=400, results=None),
        line(0, status=429, results=None),
        line(0, instances=[png(SHOE)]),
        line(0)[:40],
        end="",
    )
    target = Workload("logged", "http://host", "", ())
    _, load = replay([path], target)
    assert len(load.turns) == 1
    assert load.left_out == {"broken": 11, "refused": 1, "without images": 1}
    described = Plan(target, load).described()
    json.dumps(described)
    assert wording.load({"plan": described}) == (
        "replay of predictions.jsonl, 1 requests; lines left out: 11 broken, 1 refused, "
        "1 without images"
    )


def test_predictions_alone_are_sent(log):
    """A log has explanations and examples, too; they are counted."""
    path = log(
        line(0, instances=[png(SHOE)]),
        line(1, endpoint="explain", instances=[png(SHOE)]),
        line(2, endpoint="classify", content="json", results=None),
    )
    _, load = replay([path], TO)
    assert len(load.turns) == 1
    assert load.left_out == {"not predictions": 2}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "empty"),
        (["garbage"], "1 broken"),
        ([line(0, status=404)], "1 refused"),
        ([line(0)], "give --pictures"),
    ],
)
def test_nothing_to_send_is_an_error(lines, said, log):
    """Which says why, and names the file."""
    path = log(*lines, end="\n" if lines else "")
    with pytest.raises(ValueError, match=rf"predictions\.jsonl: .*{said}"):
        replay([path], Workload("logged", "http://host", "", ()))


@dataclass(frozen=True)
class Arrived:
    """What a server got, and when."""

    at_s: list[float]
    models: list[str]
    result: Result


@pytest.mark.alone
def test_a_server_gets_what_was_logged_when_it_came(log):
    """Gaps, bursts and order arrive as they were, from two processes; answers that change are
    wrong."""
    seconds = [0, 0.1, 0.1, 0.1, 0.45, 0.5, 0.9, 1.0]
    path = log(*(line(at, model=f"m{number % 3}") for number, at in enumerate(seconds)))

    def replayed() -> Arrived:
        arrived_s: list[float] = []

        def script(number: int):
            arrived_s.append(time.monotonic())
            yield RIGHT if number < 8 else answer(predictions(8))

        with scripted_server(script) as server:
            target, load = replay([path], Workload("logged", server.url, "", PICTURES[:1]))
            result = run(Plan(target, load, warm_up_s=0.0, processes=2))
            models = [Read(request).path for request in server.requests]
        assert models[0] == "/v1/models/m0:predict"  # asked before, to know that it can be
        assert (result.due, result.dropped) == (8, 0)
        return Arrived(arrived_s[1:], models[1:], result)

    def check(arrived: Arrived) -> None:
        assert sorted(arrived.models[1:4]) == [f"/v1/models/m{n}:predict" for n in range(3)]
        assert arrived.result.errors == {"wrong answer": 1}  # m1 was answered, and is asked last
        gaps_s = np.array([now - before for before, now in itertools.pairwise(arrived.at_s)])
        assert np.median(np.abs(gaps_s - np.diff(seconds))) < 0.05

    measured(replayed, check)
