"""Wrong answers that people flag: what is taken, noted and refused, and who may."""

import asyncio
import json
import os
import re
import stat
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.gateway import start_in_vain
from tests.serving.asked_gateway import LABELS, PNG, PREDICT, FakeServers, Http, picture
from vitrine_client.errors import Unreachable
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings, SettingsError, checked_settings
from vitrine_serving.gateway.telemetry.feedback import FeedbackLog
from vitrine_serving.gateway.telemetry.feedback import log as feedback_log

FEEDBACK = "/v1/models/mlp/feedback"
SENT = {"request_id": "mine", "label": "class 4"}


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "feedback.jsonl"


@pytest.fixture
def keys_file(tmp_path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def key(keys_file) -> dict[str, str]:
    """Header of somebody who has a key, by the name of ann."""
    return {"X-API-Key": keys.add(keys_file, "ann")}


@pytest.fixture
def http(servers, runner, path, keys_file, key) -> Http:
    """Somebody who asks a gateway that notes what people flag."""
    settings = Settings(feedback_log=path, keys_file=keys_file, models=("mlp",), max_images=4)
    return Http(create_app(settings, servers), runner)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_flag_is_noted(http, path, key):
    """Of an answer's own request id: when, what is right, by whom, and nothing of the picture."""
    answer = http.post(PREDICT, content=picture(4), headers=PNG | key)
    sent = {"request_id": answer.headers["X-Request-ID"], "label": "class 7"}
    flagged = http.post(FEEDBACK, json=sent, headers=key)
    noted = {**sent, "index": 0, "model": "mlp", "class_id": 7}
    assert (flagged.status_code, flagged.json()) == (201, {**noted, "again": False})
    (line,) = lines(path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert line == {**noted, "key": "ann"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("place", "asked"),
    [("", {}), ("/versions/2", {"asked_version": 2}), ("/labels/stable", {})],
)
def test_addresses_are_those_of_predictions(http, path, key, place, asked):
    """A version by number is noted; an index and a class id are taken as well as a label."""
    sent = {"request_id": "a", "index": 3, "label": 9}
    answer = http.post(f"/v1/models/mlp{place}/feedback", json=sent, headers=key)
    assert answer.status_code == 201
    (line,) = lines(path)
    del line["time"]
    whose = {"request_id": "a", "index": 3, "model": "mlp", "key": "ann"}
    assert line == whose | asked | {"class_id": 9, "label": "class 9"}


def test_one_label_a_picture(http, path, key):
    """The same again is no fault and writes nothing; another one is refused, and says the first."""
    assert http.post(FEEDBACK, json=SENT, headers=key).status_code == 201
    for same in (SENT, SENT | {"label": 4}, SENT | {"index": 0}):
        answer = http.post(FEEDBACK, json=same, headers=key)
        assert (answer.status_code, answer.json()["again"]) == (200, True)
    answer = http.post(FEEDBACK, json=SENT | {"label": "class 5"}, headers=key)
    assert answer.status_code == answer.json()["status"] == 409
    assert "Picture 0 of request mine was flagged as class 4 of mlp" in answer.json()["detail"]
    assert http.post(FEEDBACK, json=SENT | {"index": 1, "label": 5}, headers=key).status_code == 201
    assert [line["label"] for line in lines(path)] == ["class 4", "class 5"]


BAD = {
    "no body": (b"", "is no JSON"),
    "no JSON": (b"{", "is no JSON"),
    "a list": (b"[]", "no JSON object"),
    "two documents": (b'{"request_id":"a","label":1} {}', "is no JSON"),
    "no UTF-8": (b'{"request_id":"a","label":"\xff"}', "it is not UTF-8"),
    "a mark": (b'\xef\xbb\xbf{"request_id":"a","label":1}', "is no JSON"),
    "a member twice": (
        b'{"request_id":"a","label":1,"label":2}',
        "'label' is there more than once",
    ),
    "a member of no name": (b'{"request_id":"a","label":1,"":2}', "no member"),
    "an unknown member": (b'{"request_id":"a","label":1,"lable":2}', "no member lable"),
    "deep": (b'{"label":' * 5000, "nested too deep"),
    "no request": (b'{"label":1}', "no `request_id`"),
    "no label": (b'{"request_id":"a"}', "no `label`"),
    "an empty request": (b'{"request_id":"","label":1}', "`request_id` is"),
    "a number as request": (b'{"request_id":1,"label":1}', "`request_id` is 1,"),
    "a blank": (b'{"request_id":"a b","label":1}', "`request_id` is a b,"),
    "a line end": (b'{"request_id":"a\\n","label":1}', "`request_id` is a\\u000a,"),
    "NUL": (b'{"request_id":"a\\u0000","label":1}', "`request_id` is a\\u0000,"),
    "no ASCII": ('{"request_id":"ä","label":1}'.encode(), "`request_id` is ä,"),
    "a long request": (b'{"request_id":"%b","label":1}' % (b"a" * 129), "`request_id` is aaa"),
    "an index below": (b'{"request_id":"a","label":1,"index":-1}', "`index` is -1;"),
    "an index above": (b'{"request_id":"a","label":1,"index":4}', "from 0 to 3"),
    "a fraction": (b'{"request_id":"a","label":1,"index":1.0}', "`index` is 1.0;"),
    "true as index": (b'{"request_id":"a","label":1,"index":true}', "`index` is true;"),
    "null as index": (b'{"request_id":"a","label":1,"index":null}', "`index` is null;"),
    "many digits": (b'{"request_id":"a","label":1,"index":%b}' % (b"9" * 5000), "5,000 digits"),
    "true as label": (b'{"request_id":"a","label":true}', "`label` is true;"),
    "null as label": (b'{"request_id":"a","label":null}', "`label` is null;"),
    "a fraction as label": (b'{"request_id":"a","label":1.5}', "`label` is 1.5;"),
    "beyond all": (b'{"request_id":"a","label":1e999}', "1e999 is beyond all numbers"),
    "NaN": (b'{"request_id":"a","label":NaN}', "NaN is no JSON"),
    "a list as label": (b'{"request_id":"a","label":[1]}', "`label` is a list;"),
    "another class": (b'{"request_id":"a","label":"Class 1"}', "mlp has no class Class 1; it has"),
    "a class id as text": (b'{"request_id":"a","label":"1"}', "class 9"),
    "a class id above": (b'{"request_id":"a","label":10}', "no class 10;"),
    "a class id below": (b'{"request_id":"a","label":-1}', "no class -1;"),
    "half a pair": (b'{"request_id":"a","label":"\\ud800"}', "no class \\ud800;"),
    "a colour": (b'{"request_id":"a","label":"\\u001b[31m"}', "no class \\u001b[31m;"),
    "a long label": (b'{"request_id":"a","label":"%b"}' % (b"x" * 9000), f"{'x' * 60}…;"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_feedback_is_refused(http, path, key, kind):
    """With a sentence, and nothing of it is noted."""
    body, said = BAD[kind]
    answer = http.post(FEEDBACK, content=body, headers=key)
    assert answer.status_code == answer.json()["status"] == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 600
    assert not lines(path)


def test_classes_are_named_up_to_some(http, key, servers):
    """A model may have thousands, and odd ones."""
    labels = ("\x1b[2J", "y" * 1000, *map(str, range(1000)))
    servers.described["mlp"] = Description(labels, {}, FASHION_MNIST)
    detail = http.post(FEEDBACK, json=SENT, headers=key).json()["detail"]
    assert detail.endswith(f"it has \\u001b[2J, {'y' * 60}…, 0, 1, 2, 3, 4, 5, 6, 7 and 992 more")


def test_content_types_change_nothing(http, path, key):
    """It is JSON, whatever it says that it is."""
    for number, kind in enumerate(("", "text/plain", "image/png", "application/json; x=y")):
        body = json.dumps(SENT | {"request_id": f"{number}"})
        headers = key | {"Content-Type": kind}
        assert http.post(FEEDBACK, content=body, headers=headers).status_code == 201
    assert len(lines(path)) == 4


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/v1/models/gone/feedback", 404, "not found"),
        ("/v1/models/mlp/versions/9/feedback", 404, "not found"),
        ("/v1/models/mlp/labels/none/feedback", 400, "Unrecognized servable version label"),
        ("/v1/models/linear/feedback", 422, "it answers numbers"),
    ],
)
def test_models_that_have_no_classes(http, path, key, address, status, said):
    """They are refused as by a prediction."""
    answer = http.post(address, json=SENT, headers=key)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert not lines(path)


def test_large_bodies_are_refused(http, key):
    """Long before all of one is read."""
    answer = http.post(FEEDBACK, content=b" " * 65537, headers=key)
    assert answer.status_code == 413
    assert "65536 bytes; no request to this address needs so many" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["max_json_bytes", "max_body_bytes"])
def test_a_setting_may_allow_less(name, servers, runner, path, keys_file, key):
    """Then the refusal names it, and nothing else."""
    settings = Settings(feedback_log=path, keys_file=keys_file, **{name: 40})
    http = Http(create_app(settings, servers), runner)
    answer = http.post(FEEDBACK, content=b" " * 41, headers=key)
    assert answer.status_code == 413
    assert answer.json()["detail"] == (
        f"The body has more than 40 bytes; the gateway's VITRINE_{name.upper()} allows more"
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_other_methods(http, path, key, method):
    """Whoever has a key learns which one there is, and nobody else."""
    assert http.request(method, FEEDBACK).status_code == 401
    answer = http.request(method, FEEDBACK, headers=key)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert not path.exists()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_slash_too_many(http, path, key, method):
    """It is no address, and nobody is sent elsewhere."""
    assert http.request(method, f"{FEEDBACK}/", json=SENT).status_code == 401
    answer = http.request(method, f"{FEEDBACK}/", json=SENT, headers=key)
    assert answer.status_code == 404
    assert "is no address of this gateway" in answer.json()["detail"]
    assert not path.exists()


def test_nobody_flags_without_a_key(http, path):
    """Whoever is unknown learns no more than that."""
    for headers in ({}, {"X-API-Key": "another"}):
        assert http.post(FEEDBACK, json=SENT, headers=headers).status_code == 401
    assert not lines(path)


def test_it_is_off_by_default(servers, runner, path):
    """The answer says what turns it on."""
    http = Http(create_app(Settings(), servers), runner)
    answer = http.post(FEEDBACK, json=SENT)
    assert answer.status_code == 404
    assert "VITRINE_FEEDBACK_LOG=FILE" in answer.json()["detail"]
    assert not path.exists()


@pytest.mark.wide  # beside test_checks
def test_a_gateway_without_keys_does_not_start(path):
    """Anybody could teach its models; the message says which setting is missing."""
    done = start_in_vain(feedback_log=path)
    assert done.returncode == 2
    assert "VITRINE_KEYS_FILE as well" in done.stderr
    assert "Traceback" not in done.stderr
    assert not path.exists()


@pytest.mark.parametrize("kind", ["nowhere/log", ".", "pipe", "link"])
def test_a_bad_path_ends_the_start(tmp_path, keys_file, key, monkeypatch, kind):
    """The message names the setting; a link is not followed, a pipe not waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    monkeypatch.setenv("VITRINE_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("VITRINE_FEEDBACK_LOG", str(tmp_path / kind))
    with pytest.raises(SettingsError, match=r"VITRINE_FEEDBACK_LOG='.*; name a file"):
        checked_settings()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("predictions", "flags", "names"),
    [
        ("log", "log", ("FEEDBACK_LOG", "PREDICTION_LOG")),
        ("log", "folder/../log", ("FEEDBACK_LOG", "PREDICTION_LOG")),
        ("log", "link/log", ("FEEDBACK_LOG", "PREDICTION_LOG")),
        ("log", "log.4", ("PREDICTION_LOG", "FEEDBACK_LOG")),
        ("log.1", "log", ("FEEDBACK_LOG", "PREDICTION_LOG")),
        ("log", "keys", ("FEEDBACK_LOG", "KEYS_FILE")),
        ("log", "twin", ("FEEDBACK_LOG", "KEYS_FILE")),
        ("keys", "log", ("PREDICTION_LOG", "KEYS_FILE")),
    ],
)
def test_files_of_several_settings_end_the_start(
    tmp_path, keys_file, key, monkeypatch, predictions, flags, names
):
    """Both are named; nothing is written."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(".")
    (tmp_path / "twin").hardlink_to(keys_file)
    before = keys_file.read_bytes()
    monkeypatch.setenv("VITRINE_KEYS_FILE", str(keys_file))
    monkeypatch.setenv("VITRINE_PREDICTION_LOG", str(tmp_path / predictions))
    monkeypatch.setenv("VITRINE_FEEDBACK_LOG", str(tmp_path / flags))
    one, other = names
    with pytest.raises(SettingsError, match=rf"VITRINE_{one}='.*' and VITRINE_{other}='"):
        checked_settings()
    assert keys_file.read_bytes() == before


@pytest.mark.parametrize("flags", ["log.5", "log.x", "log.0", "log.01", "log1", "lo"])
def test_files_beside_each_other_are_fine(tmp_path, keys_file, key, flags):
    """Names that no log is rotated to."""
    logs = {"prediction_log": tmp_path / "log", "feedback_log": tmp_path / flags}
    assert checked_settings(keys_file=keys_file, **logs)


def test_settings_without_a_log_are_told(keys_file):
    """By name, as they change nothing."""
    said = feedback_log.unused(Settings(feedback_log_files="2").feedback)
    assert said == (
        "VITRINE_FEEDBACK_LOG_FILES has no effect without a feedback log: name its file in "
        "VITRINE_FEEDBACK_LOG"
    )
    assert not feedback_log.unused(Settings().feedback)
    used = Settings(feedback_log="log", feedback_log_files="2", keys_file=keys_file)
    assert not feedback_log.unused(used.feedback)


def test_what_came_of_flags_is_counted(http, path, key, servers):
    """By model and outcome; zeros are there from the first, or an alert would miss the first."""
    for label in (4, 4, 5, "none"):
        http.post(FEEDBACK, json=SENT | {"label": label}, headers=key)
    http.post("/v1/models/odd/feedback", json=SENT, headers=key)
    servers.error = Unreachable("it is down")
    assert http.post(FEEDBACK, json=SENT, headers=key).status_code == 503
    servers.error = None
    path.unlink()
    path.mkdir()
    assert http.post(FEEDBACK, json=SENT, headers=key).status_code == 507
    families = text_string_to_metric_families(http.get("/metrics").text)
    (family,) = (each for each in families if each.name == "vitrine_feedback")
    counts = {tuple(each.labels.values()): each.value for each in family.samples}
    outcomes = ("noted", "again", "differs", "refused", "failed", "unwritten")
    assert counts == {(name, each): 0.0 for name in ("mlp", "other") for each in outcomes} | {
        ("mlp", each): 1.0 for each in outcomes
    } | {("other", "refused"): 1.0}


def test_an_error_of_our_own_is_counted(http, key, monkeypatch):
    """As what was not written, so that somebody is told."""

    async def fail(*_):
        raise KeyError("no such thing")

    monkeypatch.setattr(FeedbackLog, "note", fail)
    assert http.post(FEEDBACK, json=SENT, headers=key).status_code == 500
    assert (
        'vitrine_feedback_total{model="mlp",outcome="unwritten"} 1.0' in http.get("/metrics").text
    )


def test_a_request_whose_time_is_over_is_not_noted(path, keys_file, key, runner, caplog):
    """It says so, and nothing of the file, which nobody has looked at."""

    class Late(FakeServers):
        async def describe(self, model, version, *, timeout_s, first=None):
            await asyncio.sleep(timeout_s)
            return await super().describe(model, version, timeout_s=timeout_s)

    settings = Settings(feedback_log=path, keys_file=keys_file, request_timeout_s=0.05)
    answer = Http(create_app(settings, Late()), runner).post(FEEDBACK, json=SENT, headers=key)
    assert answer.status_code == 504
    assert "time of this request is over" in answer.json()["detail"]
    assert "locked" not in caplog.text
    assert not path.exists()


def test_labels_are_those_of_the_version(runner, path, keys_file, key):
    """Not of another one, in which the class has another id."""

    class Changing(FakeServers):
        async def describe(self, model, version, *, timeout_s, first=None):
            labels = LABELS if version == 3 else LABELS[::-1]
            return Description(labels, {}, FASHION_MNIST)

    settings = Settings(feedback_log=path, keys_file=keys_file)
    http = Http(create_app(settings, Changing()), runner)
    http.post(FEEDBACK, json=SENT, headers=key)
    http.post("/v1/models/mlp/versions/2/feedback", json=SENT | {"index": 1}, headers=key)
    http.post("/v1/models/mlp/labels/canary/feedback", json=SENT | {"index": 2}, headers=key)
    assert [line["class_id"] for line in lines(path)] == [4, 5, 5]
