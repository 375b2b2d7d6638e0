"""Pictures as the input `image_bytes`, decoded by the gateway."""

import numpy as np
import pytest

from tests.serving.asked_gateway import picture, png
from tests.serving.open_inference.asked_service import Asked, request, strings, tensor
from tests.serving.open_inference.typed_servers import LABELS, Version, classifier, echo, signature
from vitrine_client.errors import (
    InvalidImage,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    TakesNoPictures,
    Unavailable,
)
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor
from vitrine_serving.gateway.models.reference import ModelRef

ROWS = strings("image_bytes", picture(3), picture(7))


@pytest.fixture
def asked(runner) -> Asked:
    return Asked(runner, classifier())


def coloured(shape=(4, 4, 3), **members) -> Version:
    """A classifier of others' that answers the mean of each channel, as logits."""
    profile = ModelProfile(
        **{"input": "x", "output": "y", "shape": shape, "fit": "stretch", "kind": "logits"}
        | {"scaling": "0..255"}
        | members
    )
    dims = [-1 if size is None else size for size in shape]
    specs = {"x": (wire.DT_FLOAT, [-1, *dims])}, {"y": (wire.DT_FLOAT, [-1, 3])}

    def run(inputs):
        return {"y": inputs["x"].mean(axis=(1, 2))}

    made = signature(*specs)
    return Version({profile.signature: made}, run, Description(LABELS[:3], {}, profile))


def colour(*levels: int, side: int = 40) -> bytes:
    return png(np.full((side, side, 3), levels, np.uint8))


def test_pictures(asked):
    """The outputs are those of the model's own tensors; [n, 1] is as good as [n]."""
    found = asked.outputs(request(ROWS))
    assert found["class_ids"] == [3, 7]
    assert np.shape(found["probabilities"]) == (2, 10)
    column = ROWS._replace(array=ROWS.array.reshape(2, 1))
    assert asked.outputs(request(column)) == found
    assert asked.outputs(request(ROWS, outputs=["class_ids"])) == {"class_ids": [3, 7]}
    wanted = {"probabilities": {"classification": 1}}
    classes = asked.outputs(request(ROWS, outputs=wanted))["probabilities"]
    assert [row[0].split(b":")[2] for row in classes] == [b"class 3", b"class 7"]


def test_the_outcome_has_the_stages(asked):
    outcome = asked.run(asked.infer(request(ROWS))).outcome
    assert (outcome.model, outcome.version) == ("m", 1)
    assert outcome.decode_s > 0
    assert outcome.queue_s > 0


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (strings("image_bytes"), InvalidRequest, "has no picture"),
        (tensor("image_bytes", np.uint8([1])), InvalidRequest, "and UINT8 [1] came"),
        (
            ROWS._replace(array=ROWS.array.reshape(1, 2)),
            InvalidRequest,
            "a picture each, and BYTES [1, 2] came",
        ),
        (strings("image_bytes", picture(3), b"GIF89a"), InvalidImage, "image 1:"),
        (strings("image_bytes", picture(3), b""), InvalidImage, "image 1:"),
        (
            strings("image_bytes", picture(3), png(np.zeros((28, 28), np.uint8))),
            InvalidImage,
            "image 1 shows nothing",
        ),
        (strings("image_bytes", *[picture(3)] * 257), PayloadTooLarge, "257"),
    ],
)
def test_refused(asked, given, kind, words):
    """All or none: no row reaches the model."""
    error = asked.refusal(request(given))
    assert type(error) is kind
    assert words in str(error)
    assert not asked.servers.asked


def test_other_inputs_beside_them(asked):
    images = tensor("images", np.zeros((2, 28, 28), np.float32))
    assert "'image_bytes' is no input of m" in str(asked.refusal(request(ROWS, images)))


def test_signatures(asked):
    assert asked.outputs(request(ROWS, signature_name="serving_default"))["class_ids"] == [3, 7]
    also = classifier().signatures["serving_default"]
    asked.servers.versions[1].signatures["also"] = also
    error = asked.refusal(request(ROWS, signature_name="also"))
    assert "takes pictures by its signature 'serving_default'" in str(error)


def test_unknown_outputs(asked):
    assert "'z' is no output of m" in str(asked.refusal(request(ROWS, outputs=["z"])))


def test_models_that_take_no_pictures(runner):
    asked = Asked(runner, echo(wire.DT_FLOAT, [-1]))
    assert isinstance(asked.refusal(request(ROWS)), TakesNoPictures)


def test_models_with_such_an_input(runner):
    """They get the bytes as they are."""
    asked = Asked(runner, echo(wire.DT_STRING, [-1], "image_bytes"))
    contents = strings("image_bytes", b"no picture")
    assert asked.outputs(request(contents)) == {"image_bytes": [b"no picture"]}


@pytest.mark.parametrize("name", ["image_bytes", "x"])
def test_pictures_that_the_model_would_decode_whole(runner, name):
    """They are refused by their headers, one and all together, as in TensorFlow Serving's JSON."""
    asked = Asked(runner, echo(wire.DT_STRING, [-1], name), max_pixels=1600)
    assert asked.outputs(request(strings(name, *[colour(1, 2, 3)] * 4)))
    asked.servers.asked.clear()
    error = asked.refusal(request(strings(name, colour(1, 2, 3, side=41))))
    assert type(error) is InvalidImage
    error = asked.refusal(request(strings(name, *[colour(1, 2, 3)] * 5)))
    assert type(error) is PayloadTooLarge
    error = asked.refusal(request(strings(name, b"GIF89a")))
    assert "header cannot be read" in str(error)
    assert not asked.servers.asked


def test_models_of_others(runner):
    """Pictures are made by the profile, and its output comes as the model answers it."""
    asked = Asked(runner, coloured())
    pictures = strings("image_bytes", colour(255, 0, 0), colour(0, 10, 20))
    assert asked.outputs(request(pictures)) == {"y": [[255, 0, 0], [0, 10, 20]]}
    assert from_tensor(asked.servers.asked[0].inputs["x"]).shape == (2, 4, 4, 3)


def test_free_sizes(runner):
    """Pictures of several sizes are asked one after the other."""
    asked = Asked(runner, coloured((None, None, 3), fit="pad"))
    pictures = strings("image_bytes", colour(255, 0, 0, side=64), colour(0, 10, 20, side=80))
    assert asked.outputs(request(pictures)) == {"y": [[255, 0, 0], [0, 10, 20]]}
    sides = [from_tensor(each.inputs["x"]).shape[1] for each in asked.servers.asked]
    assert sides == [64, 80]


def test_a_profile_with_a_signature_of_its_own(runner):
    version = coloured(signature="other")
    version.signatures["serving_default"] = signature({}, {})
    asked = Asked(runner, version)
    pictures = strings("image_bytes", colour(255, 0, 0))
    assert asked.outputs(request(pictures)) == {"y": [[255, 0, 0]]}
    assert asked.outputs(request(pictures, outputs=["y"])) == {"y": [[255, 0, 0]]}


def test_a_version_that_makes_its_pictures_in_another_way(runner):
    """All is done again for it; by the number of the other, as ever."""
    asked = Asked(runner, coloured())
    pictures = strings("image_bytes", colour(255, 0, 0))
    asked.outputs(request(pictures))
    asked.servers.versions[2] = coloured((8, 8, 3), scaling="0..1")
    assert asked.outputs(request(pictures)) == {"y": [[1, 0, 0]]}
    assert asked.outputs(request(pictures), ModelRef("m", 1)) == {"y": [[255, 0, 0]]}


def test_a_version_that_changes_all_the_time(runner):
    """Who is asked for by number is gone when it is asked: another time is better."""
    asked = Asked(runner, coloured())
    pictures = strings("image_bytes", colour(255, 0, 0))
    asked.outputs(request(pictures))
    asked.servers.versions[2] = coloured(scaling="0..1")
    answer = asked.servers.call

    async def flapping(method, sent, **options):
        if method == "PredictionService/Predict":
            spec = wire.PredictRequest.FromString(sent).model_spec
            if spec.HasField("version"):
                raise NotFound("gone")
        return await answer(method, sent, **options)

    asked.servers.call = flapping
    assert isinstance(asked.refusal(request(pictures)), Unavailable)


def test_unknown_models(asked):
    assert isinstance(asked.refusal(request(ROWS), ModelRef("other")), NotFound)
