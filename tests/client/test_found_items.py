"""Items of pictures, as every client tells of them: nothing to see, warnings, and boxes."""

import io

import numpy as np
import pytest

from harness.fake_model_server import FakeModelServer, classifying
from tests.client.fake_gateway import (
    BAD,
    BOX,
    EMPTY,
    KINDS,
    STRAY,
    FakeGateway,
    Kind,
    Reply,
    predicting,
    problem,
    seeing,
)
from tests.client.made_pictures import on_a_page
from vitrine_client import EmptyPicture, InvalidImage, Prediction, errors
from vitrine_client.images import NOTHING, find_item
from vitrine_client.model_server import ModelServerClient

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

BLANK = np.full((300, 200), 235, np.uint8)
PLACE = (80, 10, 200, 200)


@pytest.fixture(scope="module")
def photo(dataset):
    """A boot of the test set on a page, as PIL has it."""
    return on_a_page(dataset.test.images[0])


@both
def test_an_empty_picture_is_raised_or_in_its_place(kind: Kind):
    """It has the gateway's warnings, and is an `InvalidImage` for who knows no better."""
    with FakeGateway(seeing) as gateway:
        with pytest.raises(EmptyPicture, match=f"^{NOTHING}$") as caught:
            kind.ask(gateway.url, "predict", EMPTY)
        found = kind.ask(gateway.url, "predict_many", [b"Bag", EMPTY, BAD], "mlp")
        alone = kind.ask(gateway.url, "predict_many", [EMPTY, EMPTY])
    assert isinstance(caught.value, InvalidImage)
    assert caught.value.warnings == (NOTHING, STRAY)
    assert [type(each) for each in found] == [Prediction, EmptyPicture, InvalidImage]
    assert found[1].warnings == (NOTHING, STRAY)
    assert [type(each) for each in alone] == [EmptyPicture, EmptyPicture]


@both
def test_predictions_say_where_and_what_was_left_out(kind: Kind):
    """Box and warnings are those of the answer."""
    with FakeGateway(seeing) as gateway:
        one = kind.ask(gateway.url, "predict", b"Bag", "mlp")
        (many,) = kind.ask(gateway.url, "predict_many", [b"Bag"], "mlp")
    assert one == many
    assert (one.label, one.box, one.warnings) == ("Bag", tuple(BOX), (STRAY,))


@both
def test_gateways_of_before(kind: Kind):
    """Answers without box and warnings are read as ever; a box that is not known there is told,
    and not passed over."""
    with FakeGateway(predicting) as gateway:
        found = kind.ask(gateway.url, "predict", b"Bag", "mlp")
        with pytest.raises(errors.Unimplemented, match="knows no `box`"):
            kind.ask(gateway.url, "predict", b"Bag", "mlp", box=(1, 2, 3, 4))
    assert (found.label, found.box, found.warnings) == ("Bag", None, ())


@both
@pytest.mark.parametrize("box", [[1, 2], [1, 2, 3, None], "here", 5, [1, 2, 3, "x"]], ids=str)
def test_boxes_that_make_no_sense(kind, box):
    """They are the gateway's fault."""

    def answer(asked):
        reply = predicting(asked)
        reply.content["predictions"][0]["box"] = box
        return reply

    with FakeGateway(answer) as gateway, pytest.raises(errors.ServerError, match="no sense"):
        kind.ask(gateway.url, "predict", b"Bag")


@both
def test_a_box_is_asked_for(kind: Kind):
    """It goes with the address, in whole pixels or parts of them, and comes back; what is wrong
    with it is told from what is wrong with a picture."""
    with FakeGateway(seeing) as gateway:
        found = kind.ask(gateway.url, "predict", b"Bag", "mlp", version=3, box=(5, 6, 7, 8))
        assert gateway.asked[0].path == "/v1/models/mlp/versions/3:predict?box=5,6,7,8"
        with pytest.raises(errors.InvalidRequest, match="not inside") as caught:
            kind.ask(gateway.url, "predict", b"Bag", "mlp", box=(100, 0, 9, 9))
        assert not isinstance(caught.value, InvalidImage)
        for picture in (BAD, EMPTY):
            with pytest.raises(InvalidImage):
                kind.ask(gateway.url, "predict", picture, "mlp", box=[1, 2, 3, 4])
    assert found.box == (5, 6, 7, 8)
    with FakeGateway(lambda asked: problem(400, asked.path)) as gateway:
        for box in ((0.5, 1, 2.25, 3), (np.int64(1), 2, 3, 4)):
            with pytest.raises(errors.InvalidRequest, match=r"\?box=[\d.]+(,[\d.]+){3}$"):
                kind.ask(gateway.url, "predict", b"Bag", box=box)


@both
def test_items_found_here(kind: Kind, photo):
    """With `local` an empty picture is never sent, and the others have the finder's own box and
    warnings; a box goes to the finder, and an array without one to the gateway."""
    item, boxed = find_item(photo), find_item(photo, box=PLACE)
    with FakeGateway(seeing) as gateway:
        with pytest.raises(EmptyPicture, match=f"^{NOTHING}$") as caught:
            kind.ask(gateway.url, "predict", BLANK, local=True)
        alone = kind.ask(gateway.url, "predict_many", [BLANK, b"garbage"], local=True)
        assert gateway.asked == []
        one = kind.ask(gateway.url, "predict", photo, local=True)
        two = kind.ask(gateway.url, "predict", photo, local=True, box=PLACE)
        many = kind.ask(gateway.url, "predict_many", [BLANK, photo, b"garbage"], local=True)
    assert caught.value.warnings == find_item(BLANK).warnings
    assert [type(each) for each in alone] == [EmptyPicture, InvalidImage]
    assert (one.box, one.warnings) == (item.box, item.warnings)
    assert (two.box, two.warnings) == (boxed.box, boxed.warnings)
    assert [type(each) for each in many] == [EmptyPicture, Prediction, InvalidImage]
    assert many[1] == one
    assert {asked.path for asked in gateway.asked} == {"/v1/models/photo:predict"}
    sent = [np.load(io.BytesIO(asked.body)) for asked in gateway.asked]
    for found, expected in zip(sent, (item, boxed, item), strict=True):
        np.testing.assert_array_equal(found, expected.instance[np.newaxis])


@both
def test_a_request_that_makes_no_sense_is_no_empty_picture(kind: Kind):
    """Who tells a picture's fault from a request's by asking with another one has one that shows
    something: of nothing a gateway asks no model, so it would know no better."""

    def unless_empty(asked) -> Reply:
        seen = [each for each in asked.pictures if each not in (BAD, EMPTY)]
        if all(each.startswith(b"\x89PNG") and find_item(each).empty for each in seen):
            return seeing(asked)
        return problem(400, "unknown label")

    with FakeGateway(unless_empty) as gateway:
        for call, given in (("predict", BAD), ("predict_many", [BAD, BAD])):
            with pytest.raises(errors.InvalidRequest) as caught:
                kind.ask(gateway.url, call, given, "mlp", label="nope")
            assert not isinstance(caught.value, InvalidImage)


def test_past_the_gateway(photo):
    """`ModelServerClient` finds items itself; of nothing no model is asked."""
    item = find_item(photo)
    with FakeModelServer(classifying()) as server, ModelServerClient(server.address) as client:
        with pytest.raises(EmptyPicture, match=f"^{NOTHING}$"):
            client.predict(BLANK, "mlp")
        alone = list(client.predict_many([BLANK, b"garbage"], "mlp"))
        assert server.calls == []
        found = client.predict(photo, "mlp")
        boxed = client.predict(photo, "mlp", box=PLACE)
        many = list(client.predict_many([photo, BLANK, photo], "mlp"))
        rows = client.predict_instances("mlp", np.zeros((1, 28, 28), np.uint8))
    assert [type(each) for each in alone] == [EmptyPicture, InvalidImage]
    assert (found.box, found.warnings) == (item.box, item.warnings)
    assert boxed.box == find_item(photo, box=PLACE).box
    assert [type(each) for each in many] == [Prediction, EmptyPicture, Prediction]
    assert many[0] == many[2] == found
    assert (rows[0].box, rows[0].warnings) == (None, ())
