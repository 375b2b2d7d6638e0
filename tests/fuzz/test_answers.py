"""Answers that are nearly right, against everything that reads them: a result, or one error."""

import copy
import json
from contextlib import suppress

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client.cli_gateway import METADATA, PROFILE
from tests.client.cli_gateway import answering as listing
from tests.client.fake_gateway import Asked, FakeGateway, Reply, seeing
from tests.client.test_drift_reports import REPORT
from tests.client.test_explanations import explaining
from vitrine_client.cli import main
from vitrine_client.errors import InvalidImage, ServerError, VitrineError
from vitrine_client.http import explanations, predictions, protocol
from vitrine_client.http.asked_model import AskedModel
from vitrine_client.http.default_model import DefaultModel
from vitrine_client.http.retries import retry_after_s
from vitrine_client.results import strict_json
from vitrine_client.tfserving import examples, management, messages
from vitrine_client.tfserving import wire_pb2 as wire

URL = "http://127.0.0.1:1"
ASKED = AskedModel("mlp", None, None, DefaultModel())


def _json(answer, path: str):
    return answer(Asked(0, path, {"content-type": "image/png"}, b"Bag", 1)).content


GOOD = {
    "predict": _json(seeing, "/v1/models/mlp:predict"),
    "explain": _json(explaining, "/v1/models/mlp:explain"),
    "models": _json(listing, "/v1/models"),
    "status": _json(listing, "/v1/models/mlp"),
    "metadata": METADATA,
    "profile": PROFILE | {"profile": PROFILE["profile"] | {"labels": ["Bag", "Coat"]}},
    "drift": REPORT,
}
CONVERSATIONS = {
    "predict": lambda: predictions.predict(b"Bag", ASKED),
    "explain": lambda: explanations.explain(b"Bag", ASKED),
    "models": protocol.models,
    "status": lambda: protocol.states("mlp"),
    "metadata": lambda: protocol.metadata("mlp", None, None),
    "profile": lambda: protocol.profile("mlp", None, None),
    "drift": lambda: protocol.drift("mlp", None),
}
COMMANDS = {
    "models": ["models"],
    "status": ["status", "mlp"],
    "metadata": ["metadata", "mlp"],
    "profile": ["profile", "mlp"],
    "drift": ["drift", "mlp"],
}

odd = st.sampled_from(
    [
        *("Infinity", "-Infinity", "NaN", "1e400", "-1", "-0.0", "0.5", "1e30", "9" * 400, "null"),
        *("true", "false", "[]", "{}", '""', '"1"', '"-1"', '"x"', '"Infinity"', '"1e400"'),
        *(str(2**63), f'"{2**63}"', f'"{-(2**63) - 1}"', '"0x10"', '" 1"', '"\\u0661"'),
        *('{"size": "x"}', "[[[]]]", '"\\ud800"', '"\\u001b[31m\\n"', f'"{"9" * 5000}"'),
    ]
)


def places(content, path=()):
    """Every place in a JSON value: its keys and indexes from the outside."""
    yield path
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from places(value, (*path, key))


@st.composite
def mutated(draw, kind: str) -> bytes:
    """A good answer with one to three places that are gone or something else."""
    content = {"": copy.deepcopy(GOOD[kind])}
    marks = {}
    for number in range(draw(st.integers(1, 3))):
        found = list(places(content))[1:]
        *outer, last = draw(st.sampled_from(found)) if found else ("",)
        inner = content
        for key in outer:
            inner = inner[key]
        if outer and draw(st.integers(0, 3)) == 0:
            del inner[last]
        else:
            inner[last] = f"mark {number}"
            marks[f'"mark {number}"'] = draw(odd)
    text = json.dumps(content.get(""))
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text.encode()


def _read(kind: str, body: bytes):
    def answer(_: protocol.Call):
        return protocol.read_answer(URL, 200, {}, body)

    return protocol.held(CONVERSATIONS[kind](), answer)


def _read_or_refused(kind: str, body: bytes):
    refused = None
    try:
        return _read(kind, body)
    except ServerError as error:
        refused = error
    assert len(str(refused)) < 600
    return None


@pytest.mark.parametrize("kind", GOOD)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_mutated_answers(kind, data):
    """Each is read, into what JSON holds and a notebook shows, or is one error that is short."""
    body = data.draw(mutated(kind))
    with suppress(InvalidImage):  # its words are the answer's
        found = _read_or_refused(kind, body)
        strict_json.dumps(found)
        for each in found.values() if isinstance(found, dict) else [found]:
            if hasattr(each, "_repr_html_"):
                each._repr_html_()


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("version", ["Infinity", "1e400", "-1", "1.5", str(2**63), '"x"', "[]"])
def test_odd_versions(kind, version):
    """None is taken for a version, and the error shows it."""
    text = json.dumps(GOOD[kind]).replace('"version": "12"', f'"version": {version}')
    text = text.replace('"version": "3"', f'"version": {version}').replace(
        '"version": "2"', f'"version": {version}'
    )
    if kind == "metadata":  # it is passed on as it is
        return
    with pytest.raises(ServerError, match="The answer makes no sense"):
        _read(kind, text.encode())


def test_good_answers():
    """What is mutated is good to begin with."""
    for kind in GOOD:
        _read(kind, json.dumps(GOOD[kind]).encode())


@pytest.mark.parametrize("kind", COMMANDS)
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_commands_show_mutated_answers(kind, data, gateway):
    """What a client reads, a command prints; neither ends with a traceback."""
    body = data.draw(mutated(kind))
    gateway.answer = lambda _: Reply(content=body)
    done = CliRunner().invoke(main, [*COMMANDS[kind], "--url", gateway.url])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in (0, 1)


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway() as running:
        yield running


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ Jan \d{1,6} \d\d:\d\d:\d\d .\d+"))
def test_retry_after(text):
    """Whatever a header says is seconds, or nothing."""
    assert (retry_after_s(text) or 0.0) >= 0.0


STATUSES = wire.GetModelStatusResponse(
    model_version_status=[
        wire.ModelVersionStatus(
            version=3, state=wire.ModelVersionStatus.END, status=wire.Status(error_message="no")
        )
    ]
)
PREDICTED = wire.PredictResponse(model_spec=wire.ModelSpec(name="mlp"))
PREDICTED.outputs["labels"].CopyFrom(wire.Tensor(dtype=wire.DT_STRING, string_val=[b"a", b"b"]))
PROFILED = wire.GetModelMetadataResponse()
PROFILED.metadata["profile"].value = management.written_profile_files({"labels.txt": "a"})
READERS = [
    (messages.read_answer, PREDICTED),
    (messages.read_description, PREDICTED),
    (messages.read_statuses, STATUSES),
    (management.read_metadata, wire.GetModelMetadataResponse()),
    (management.read_profile_files, PROFILED),
    (management.check_reloaded, wire.ReloadConfigResponse(status=wire.Status(error_message="a"))),
    (examples.read_classes, wire.ClassificationResponse()),
    (examples.read_values, wire.RegressionResponse()),
]


@pytest.mark.parametrize(("read", "good"), READERS)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
def test_mutated_messages(read, good, data):
    """A model server's, too; what they raise beside is what `sensible` knows."""
    body = bytearray(good.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        if body and data.draw(st.booleans()):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        else:
            body += data.draw(st.binary(max_size=8))
    with suppress(VitrineError), protocol.sensible():
        read(bytes(body))
