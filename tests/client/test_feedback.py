"""Feedback by both clients and the command: what is sent and read, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.client.fake_gateway import (
    BAD,
    EMPTY,
    KINDS,
    Asked,
    FakeGateway,
    Kind,
    Reply,
    lacking,
    predicting,
    problem,
    seeing,
)
from vitrine_client import EmptyPicture, Feedback, InvalidImage, Prediction, errors
from vitrine_client.cli import main

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

TAKEN = Feedback("r-1", 2, "mlp", 6, "Shirt", False)


def noting(asked: Asked) -> Reply:
    """Notes flags of a model whose classes are Shirt, 6, and 7, by name; predicts with an id."""
    if not asked.path.endswith("/feedback"):
        return _with_id(asked)
    sent = json.loads(asked.body)
    if sent["label"] not in ("Shirt", 6, "7"):
        return problem(400, f"mlp has no class {sent['label']}; it has Shirt")
    noted = replace(TAKEN, request_id=sent["request_id"], index=sent["index"])
    return Reply(201, noted.to_dict())


def _with_id(asked: Asked) -> Reply:
    return replace(seeing(asked), headers={"X-Request-ID": f"r-{asked.number}"})


@pytest.fixture
def gateway():
    with FakeGateway(noting) as running:
        yield running


@both
def test_what_is_sent(kind: Kind, gateway):
    """Id, place and label, to the model and version that are named; the answer is a record."""
    assert kind.ask(gateway.url, "send_feedback", "r-1", "Shirt", 2, model="mlp") == TAKEN
    kind.ask(gateway.url, "send_feedback", "a", np.int64(6), np.uint8(1), model="a b", version=3)
    kind.ask(gateway.url, "send_feedback", "a", 6, model="m", version_label="stable")
    assert [asked.path for asked in gateway.asked] == [
        "/v1/models/mlp/feedback",
        "/v1/models/a%20b/versions/3/feedback",
        "/v1/models/m/labels/stable/feedback",
    ]
    assert {asked.headers["content-type"] for asked in gateway.asked} == {"application/json"}
    assert [json.loads(asked.body) for asked in gateway.asked] == [
        {"request_id": "r-1", "index": 2, "label": "Shirt"},
        {"request_id": "a", "index": 1, "label": 6},
        {"request_id": "a", "index": 0, "label": 6},
    ]


@both
def test_no_model_stands_in(kind: Kind):
    """The one that is not there for a moment may have answered, and no other learns from that."""
    with FakeGateway(lacking("photo", then=noting)) as gateway:
        with pytest.raises(errors.NotFound):
            kind.ask(gateway.url, "send_feedback", "r-1", "Shirt")
        assert command(gateway, "r-1", "Shirt").exit_code == 1
        sent = [asked.path for asked in gateway.asked if asked.path.endswith("/feedback")]
    assert sent == ["/v1/models/photo/feedback"] * 2


@both
def test_predictions_have_their_request(kind: Kind, gateway):
    """Each its id, and its place there, whatever stands beside it; those are of no comparison."""
    one = kind.ask(gateway.url, "predict", b"a", "mlp")
    assert (one.request_id, one.index) == ("r-0", 0)
    options = {"batch_size": 3, "concurrency": 1}
    pictures = [b"a", BAD, b"b", EMPTY, "no such file", b"c"]
    found = kind.ask(gateway.url, "predict_many", pictures, "mlp", **options)
    kinds = [Prediction, InvalidImage, Prediction, EmptyPicture, InvalidImage, Prediction]
    assert list(map(type, found)) == kinds
    places = [(each.request_id, each.index) for each in found if isinstance(each, Prediction)]
    assert places == [("r-1", 0), ("r-1", 2), ("r-2", 1)]
    assert found[0] == one
    assert one.to_dict()["request_id"] == "r-0"


@both
def test_halves_of_a_batch_have_their_own_request(kind: Kind):
    """Where a gateway takes less at once, the place is that in the request that was answered."""

    def answer(asked: Asked) -> Reply:
        return problem(413, "Too many") if len(asked.pictures) > 2 else _with_id(asked)

    with FakeGateway(answer) as gateway:
        found = kind.ask(gateway.url, "predict_many", [b"a", b"b", b"c", b"d"], "mlp")
    assert [(each.request_id, each.index) for each in found] == [
        *(("r-1", 0), ("r-1", 1)),
        *(("r-2", 0), ("r-2", 1)),
    ]


@both
def test_pixels_made_here_have_it_as_well(kind: Kind, gateway):
    """And so has the answer of the model that stands in for the default one."""
    square = np.zeros((28, 28), np.uint8)
    square[5:20, 8:20] = 200
    assert kind.ask(gateway.url, "predict", square, "mlp", local=True).request_id == "r-0"
    with FakeGateway(lacking("photo", then=_with_id)) as other:
        with pytest.warns(UserWarning, match="mlp is asked"):
            found = kind.ask(other.url, "predict", b"a")
        assert (found.request_id, found.index) == ("r-1", 0)


def test_without_the_header_there_is_none():
    """As from a proxy that drops it; nothing can be flagged of that."""
    with FakeGateway(predicting) as gateway:
        found = KINDS[0].ask(gateway.url, "predict", b"a", "mlp")
        assert found.request_id == ""
        with pytest.raises(errors.InvalidRequest, match="is named by its id"):
            KINDS[0].ask(gateway.url, "send_feedback", found.request_id, "Shirt")


@both
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((None, "Shirt"), "not None"),
        (("", "Shirt"), "not ''"),
        ((7, "Shirt"), "not 7"),
        (("a", True), "a text or a whole number, not True"),
        (("a", None), "a text or a whole number, not None"),
        (("a", 1.5), "not 1.5"),
        (("a", "Shirt", "1"), "The index is a whole number, not '1'"),
        (("a", "Shirt", False), "not False"),
    ],
)
def test_what_makes_no_sense_is_not_sent(kind: Kind, gateway, arguments, said):
    """It is told in words."""
    with pytest.raises(errors.InvalidRequest, match=said):
        kind.ask(gateway.url, "send_feedback", *arguments, model="mlp")
    assert not gateway.asked


@both
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.InvalidRequest),
        (401, errors.Unauthorized),
        (404, errors.NotFound),
        (409, errors.AlreadyFlagged),
        (422, errors.TakesNoPictures),
        (507, errors.NotStored),
    ],
)
def test_refusals(kind: Kind, status, error):
    """Each is its own error, in the gateway's words, and is asked for once."""
    with FakeGateway(lambda _: problem(status, "Because")) as gateway:
        with pytest.raises(error, match="Because"):
            kind.ask(gateway.url, "send_feedback", "a", "Shirt", model="mlp")
        sent = [asked for asked in gateway.asked if asked.path.endswith("/feedback")]
        assert len(sent) == 1


@both
def test_a_busy_file_is_tried_again(kind: Kind):
    """The same label again is no fault, so that a call whose answer was lost may be made again."""

    def answer(asked: Asked) -> Reply:
        return noting(asked) if asked.number else problem(503, "Busy", Retry_After="0")

    with FakeGateway(answer) as gateway:
        found = kind.ask(gateway.url, "send_feedback", "r-1", "Shirt", 2, model="mlp")
    assert found == TAKEN


@both
@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        TAKEN.to_dict() | {"again": 1},
        TAKEN.to_dict() | {"index": "x"},
        TAKEN.to_dict() | {"label": None},
        TAKEN.to_dict() | {"class_id": 2**70},
    ],
)
def test_answers_that_make_no_sense(kind: Kind, content):
    """They are no gateway's."""
    makes_no_sense = pytest.raises(errors.ServerError, match="makes no sense")
    with FakeGateway(lambda _: Reply(201, content)) as gateway, makes_no_sense:
        kind.ask(gateway.url, "send_feedback", "a", "Shirt", model="mlp")


def command(gateway, *words: str) -> Result:
    return CliRunner().invoke(main, ["feedback", "--url", gateway.url, *words])


def test_the_command(gateway):
    """One line says what is noted; with --json it is the record."""
    done = command(gateway, "r-1", "Shirt", "--index", "2", "--model", "mlp")
    assert done.exit_code == 0, done.output
    assert done.stdout == "Picture 2 of request r-1 is noted as Shirt\n"
    done = command(gateway, "r-1", "Shirt", "--index=2", "--model=mlp", "--json")
    assert json.loads(done.stdout) == TAKEN.to_dict()


def test_the_command_takes_a_class_id(gateway):
    """Digits are a label where a class has that name, and else a class id."""
    for label, sent in (("6", ["6", 6]), ("7", ["7"])):
        before = len(gateway.asked)
        assert command(gateway, "r-1", label, "--model", "mlp").exit_code == 0
        found = [json.loads(asked.body)["label"] for asked in gateway.asked[before:]]
        assert found == sent
    done = command(gateway, "r-1", "12", "--model", "mlp")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: mlp has no class 12; it has Shirt\n"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [(409, 1, "Because"), (404, 1, "Because"), (401, 1, "--key (VITRINE_API_KEY)"), (503, 2, "Be")],
)
def test_the_command_says_why_not(status, code, said):
    """And ends as the others do."""
    with FakeGateway(lambda _: problem(status, "Because; or so", Retry_After="9")) as gateway:
        done = command(gateway, "r-1", "Shirt", "--model=mlp", "--timeout-s=5")
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_others_wrote_is_shown_and_not_obeyed():
    """A label with an escape sequence is text."""
    odd = replace(TAKEN, label="\x1b[2J[red]", again=True)
    with FakeGateway(lambda _: Reply(200, odd.to_dict())) as gateway:
        done = command(gateway, "r-1", "Shirt", "--model=mlp")
    assert done.stdout == "Picture 2 of request r-1 was noted before as \\u001b[2J[red]\n"
