"""What the gateway notes of predictions, and what it does where it cannot."""

import base64
import fcntl
import io
import json
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.gateway import start_in_vain
from harness.paths import SAMPLES
from harness.waiting import wait_for
from tests.serving.asked_gateway import PNG, PREDICT, Http, form, npy, picture
from vitrine_client.errors import Unavailable
from vitrine_client.images import to_instance
from vitrine_client.results.predictions import Prediction
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.decoding.decoder import Shown
from vitrine_serving.gateway.inference.outcomes import Outcome
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry import prediction_log
from vitrine_serving.gateway.telemetry.prediction_log import (
    PredictionLog,
    PredictionLogError,
    PredictionLogSettings,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def entries(path: Path, count: int) -> list[dict]:
    """The lines of a log, once there are so many."""

    def there() -> bool:
        return path.exists() and path.read_bytes().count(b"\n") >= count

    wait_for(there, 60, f"{count} lines")
    return [json.loads(line) for line in path.read_text().splitlines()]


def asked(request_id: str, images: int = 1) -> Request:
    """A request that was answered."""
    results = [Prediction("Bag", 8, 0.9, {}, "mlp", 3)] * images
    shown = Shown(np.zeros((images, 28, 28), np.uint8))
    outcome = Outcome(results, "mlp", 3, shown, 0.002, 0.003, decode_s=0.001)
    return Request(
        *("POST", PREDICT, "", {"content-type": "image/png"}, "", request_id),
        endpoint="predict",
        target=ModelRef("mlp"),
        outcome=outcome,
    )


@pytest.fixture(autouse=True)
def patience(monkeypatch) -> None:
    """A log's end waits for its lines longer than a busy machine may stall."""
    monkeypatch.setattr(prediction_log, "CLOSE_S", 30.0)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "predictions.jsonl"


@pytest.fixture
def ask(servers, runner, path) -> Callable[..., Http]:
    """Somebody who asks a gateway that notes predictions."""
    return lambda **settings: Http(
        create_app(Settings(prediction_log=path, **settings), servers), runner
    )


def test_an_answer_is_noted(ask, path):
    """When, by whom, what was asked and answered, and how long it took; nothing of the picture."""
    before = time.time()
    headers = PNG | {"X-Request-ID": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = ask().post("/v1/models/mlp/labels/stable:predict", content=picture(4), headers=headers)
    (prediction,) = answer.json()["predictions"]
    (entry,) = entries(path, 1)
    moment = np.datetime64(entry.pop("time").removesuffix("Z"))
    assert before - 1 < (moment - np.datetime64(0, "s")) / np.timedelta64(1, "s") < time.time()
    took = {name: entry.pop(f"{name}_ms") for name in ("duration", "decode", "queue", "rpc")}
    assert took["duration"] >= took["decode"] + took["queue"] + took["rpc"] > 0
    assert entry == {
        "request_id": "mine",
        "trace_id": TRACE,
        "model": "mlp",
        "asked_label": "stable",
        "version": 3,
        "content": "picture",
        "status": 200,
        "results": [
            {
                "class_id": 4,
                "label": "class 4",
                "probability": pytest.approx(prediction["probability"], abs=1e-6),
            }
        ],
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_each_kind_of_body_is_noted(ask, path, servers):
    """Several images have a result each, or what is wrong; what is refused has its status alone."""
    http = ask(prediction_log_images=True)
    http.post(PREDICT, files=form(picture(7), b"garbage", picture(5)))
    http.post(
        PREDICT, content=npy(np.zeros((2, 28, 28))), headers={"Content-Type": "application/x-npy"}
    )
    http.post(PREDICT, content=b"garbage", headers=PNG)
    http.post("/v1/models/mlp/versions/2:predict", json={"instances": []})
    servers.error = Unavailable("nobody there")
    http.post(PREDICT, content=picture(4), headers=PNG)
    http.get(PREDICT)
    http.get("/v1/models/mlp")
    several, array, bad, rest, refused = entries(path, 5)
    assert [each.get("class_id") for each in several["results"]] == [7, None, 5]
    assert "no picture" in several["results"][1]["error"]
    assert [bool(png) for png in several["instances"]] == [True, False, True]
    assert (array["content"], len(array["results"])) == ("npy", 2)
    assert (several["content"], bad["content"], rest["content"]) == ("form", "picture", "json")
    assert (bad["status"], refused["status"], rest["asked_version"]) == (400, 503, 2)
    assert not {"results", "instances"} & (bad.keys() | refused.keys() | rest.keys())


def test_images_are_what_the_model_saw(ask, path):
    """To the bit, whatever was sent, where they are asked for."""
    http = ask(prediction_log_images=True)
    random = np.random.default_rng(1).integers(0, 256, (3, 28, 28), np.uint8)
    http.post(PREDICT, content=npy(random), headers={"Content-Type": "application/x-npy"})
    http.post(PREDICT, files=form(*(sample.read_bytes() for sample in SAMPLES[:3])))
    noted = [base64.b64decode(png) for entry in entries(path, 2) for png in entry["instances"]]
    shown = [np.asarray(Image.open(io.BytesIO(png))) for png in noted]
    assert np.array_equal(shown[:3], random)
    assert np.array_equal(shown[3:], [to_instance(sample) for sample in SAMPLES[:3]])


def test_a_sample_is_the_same_everywhere(tmp_path):
    """Ids that resemble each other are spread evenly; every gateway takes the same of them."""
    noted = []
    for name in ("a", "b"):
        settings = PredictionLogSettings(prediction_log=tmp_path / name, prediction_log_sample=0.2)
        log = PredictionLog(settings)
        for number in range(2000):
            log.note(asked(f"request-{number}"), Answer(200, b""), 0.01)
        log.close()
        noted.append([each["request_id"] for each in entries(tmp_path / name, log.written)])
    assert noted[0] == noted[1]
    assert 340 < len(noted[0]) < 460


def test_hostile_names_stay_in_their_line(ask, path):
    """A model's name from an address ends no line, and escapes nothing."""
    ask().post("/v1/models/a%0A%1B%5B31m%C2%9B:predict", content=picture(4), headers=PNG)
    (entry,) = entries(path, 1)
    assert entry["model"] == "a\n\x1b[31m\x9b"
    assert path.read_text().isascii()


def test_what_cannot_be_written_is_dropped(tmp_path, caplog):
    """Predictions go on, the lines are counted, and the log says it once; then it is well again."""
    path = tmp_path / "logs" / "predictions.jsonl"
    log = PredictionLog(PredictionLogSettings(prediction_log=path))
    for number in range(3):
        log.note(asked(str(number)), Answer(200, b""), 0.01)
        wait_for(lambda at=number: log.dropped == at + 1, 20, "a dropped line")
    path.parent.mkdir()
    log.note(asked("4"), Answer(200, b""), 0.01)
    assert [entry["request_id"] for entry in entries(path, 1)] == ["4"]
    log.close()
    assert (log.written, log.dropped) == (1, 3)
    (said,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert str(path) in said.getMessage()


def test_what_no_line_can_be_made_of_is_dropped(path):
    """It takes no other with it, neither beside it nor after it."""
    log = PredictionLog(PredictionLogSettings(prediction_log=path, prediction_log_images=True))
    bad = asked("bad")
    bad.outcome = bad.outcome._replace(shown=Shown(np.zeros((1, 28, 28, 5))))  # as no PNG can be
    for request in (asked("before"), bad, asked("beside")):
        log.note(request, Answer(200, b""), 0.01)
    entries(path, 2)
    log.note(asked("after"), Answer(200, b""), 0.01)
    assert [each["request_id"] for each in entries(path, 3)] == ["before", "beside", "after"]
    log.close()
    assert (log.written, log.dropped) == (3, 1)


def test_a_machine_without_threads(path, caplog, monkeypatch):
    """Notes are dropped until it has one again, and the end waits for none."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    log = PredictionLog(PredictionLogSettings(prediction_log=path))
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        log.note(asked("a"), Answer(200, b""), 0.01)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{path}: can't start new thread; 1 predictions are not noted"
    log.note(asked("b"), Answer(200, b""), 0.01)
    assert [each["request_id"] for each in entries(path, 1)] == ["b"]
    log.close()
    assert (log.written, log.dropped) == (1, 1)


def test_a_slow_disk_holds_nobody_up(path, caplog):
    """While nothing can be written, some lines wait and the others are dropped, without delay, and
    the log says so once."""
    path.touch()
    log = PredictionLog(PredictionLogSettings(prediction_log=path))
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for number in range(300):
            log.note(asked(str(number), images=100), Answer(200, b""), 0.01)
        assert 200 < log.dropped < 300
        (said,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(rf"{path}: more wait .*; \d+ predictions are not noted", said)
    log.close()
    assert log.written + log.dropped == 300
    assert len(entries(path, log.written)) == log.written


def test_what_waits_at_the_end_is_told(path, caplog, monkeypatch):
    """Whoever holds the file's lock to the end keeps lines out of it: they are counted and said."""
    monkeypatch.setattr(prediction_log, "CLOSE_S", 0.1)
    path.touch()
    log = PredictionLog(PredictionLogSettings(prediction_log=path))
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for number in range(3):
            log.note(asked(str(number)), Answer(200, b""), 0.01)
        log.close()
        assert (log.written, log.dropped) == (0, 3)
        (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{path}: they could not be written before the end; 3 predictions are not noted"


def test_a_pipe_that_takes_its_place_stops_nothing(path, caplog):
    """It is not waited for: lines are dropped, said and counted, and go on once it is gone."""
    os.mkfifo(path)
    log = PredictionLog(PredictionLogSettings(prediction_log=path))
    log.note(asked("1"), Answer(200, b""), 0.01)
    wait_for(lambda: log.dropped == 1, 20, "a dropped line")
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{path}: It is no file but a named pipe; 1 predictions are not noted"
    path.unlink()
    log.note(asked("2"), Answer(200, b""), 0.01)
    assert [entry["request_id"] for entry in entries(path, 1)] == ["2"]
    log.close()


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("a symbolic link, which is not followed", lambda path: path.symlink_to(path.parent / "x")),
        ("a named pipe", os.mkfifo),
        ("a directory", Path.mkdir),
    ],
)
def test_what_is_no_file_ends_the_start(kind, make, path):
    """The message says what is in its place; a link is not followed, and a pipe not waited for."""
    make(path)
    with pytest.raises(PredictionLogError, match=f"'{path}': It is no file but {kind}; name a"):
        prediction_log.check(PredictionLogSettings(prediction_log=path))
    assert not (path.parent / "x").exists()


def test_the_check_waits_for_no_lock(path):
    """Whoever else holds it does not keep a gateway from its start."""
    path.touch()
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        prediction_log.check(PredictionLogSettings(prediction_log=path))


@pytest.mark.parametrize("name", ["nowhere/predictions.jsonl", "."])
def test_a_bad_path_ends_the_start(name, tmp_path):
    """The message names the setting and what is wrong with it."""
    path = tmp_path / name
    with pytest.raises(PredictionLogError, match=f"VITRINE_PREDICTION_LOG='{path}': "):
        prediction_log.check(PredictionLogSettings(prediction_log=path))


def test_the_check_lets_go_of_the_file(path):
    """Workers would inherit it, and a file that was rotated away would stay on the disk."""
    prediction_log.check(PredictionLogSettings(prediction_log=path))
    held = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # other threads close theirs meanwhile
            held.append(each.readlink())
    assert held
    assert path not in held


def test_a_gateway_does_not_start_with_a_bad_path(tmp_path):
    """It ends with the message, and without a traceback."""
    done = start_in_vain(prediction_log=tmp_path / "nowhere" / "log")
    assert done.returncode != 0
    assert "Error: VITRINE_PREDICTION_LOG=" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_without_a_log_are_told():
    """By name: somebody believes that pictures are kept."""
    said = prediction_log.unused(
        Settings(prediction_log_images="1", prediction_log_files="2").prediction_log
    )
    assert "VITRINE_PREDICTION_LOG_FILES, VITRINE_PREDICTION_LOG_IMAGES have no effect" in said
    for given in ({}, {"prediction_log_images": "0"}):
        assert not prediction_log.unused(Settings(**given).prediction_log)
    kept = Settings(prediction_log="log", prediction_log_images="1")
    assert not prediction_log.unused(kept.prediction_log)
