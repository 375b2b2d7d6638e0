"""JSON of pictures, as a model takes them, that drift is told of."""

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.serving.asked_gateway import FakeServers
from vitrine_client import errors
from vitrine_client.images.preprocessing import model_input
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.pixels import PixelWatch, of_chosen
from vitrine_serving.gateway.inference.requests import (
    Caller,
    InferenceRequest,
    SignatureCall,
    WireCall,
)
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.shedding import SheddingSettings

LABELS = ("a", "b", "c")
SHARES = np.array([0.2, 0.3, 0.5])
COLOURS = ModelProfile(
    input="keras_tensor_2", shape=(8, 9, 3), fit="crop", output="output_0", batchable=False
)
MEANS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class Foreign(FakeServers):
    """Has a profile, and answers each row with the same numbers by its output's name; counts how
    often it is asked for a description, and says when it has answered."""

    def __init__(self, profile=COLOURS, numbers=SHARES, labels=LABELS, dtype=np.float32) -> None:
        super().__init__()
        self.profile, self.known = profile, labels
        self.numbers = np.asarray(numbers, dtype)
        self.described, self.done = 0, asyncio.Event()
        self.error_of_describe: Exception | None = None

    async def describe(self, model, version, *, timeout_s, first=None):
        self.described += 1
        self.done.set()
        if self.error_of_describe:
            raise self.error_of_describe
        reason = "" if self.profile else "it takes two inputs"
        return Description(self.known, {}, self.profile, reason)

    def _predict(self, request):
        rows = next(iter(request.inputs.values())).tensor_shape.dim[0].size
        outputs = np.broadcast_to(self.numbers, (rows, *self.numbers.shape))
        named = {(self.profile or COLOURS).output: outputs, "embedding": np.zeros((rows, 7))}
        tensors = {name: to_tensor(np.ascontiguousarray(each)) for name, each in named.items()}
        response = wire.PredictResponse(outputs=tensors)
        response.model_spec.version.value = 3
        return response


def seen_of(servers, *arrays, name="", signature="", waits=True, **others):
    """What a watch is told of JSON with these arrays, in one request after the other."""
    seen = []

    async def scenario() -> None:
        def note(*each):
            seen.append(each)

        plane = DataPlane(
            servers,
            BatchingSettings(),
            SheddingSettings(),
            answered=note,
            pixels=PixelWatch(servers, note, max_images=4),
        )
        for array in arrays:
            inputs = {name or (servers.profile or COLOURS).input: array}
            message = messages.predict_request("mlp", inputs)
            wire_call = WireCall(message, lambda response: len(response.outputs), len(array))
            call = SignatureCall(ModelRef("mlp"), signature)
            deadline = time.monotonic() + 30
            request = InferenceRequest(call, inputs | others, Caller("id"), deadline, wire_call)
            response = await plane.infer(request)
            assert (response.version, response.decoded) == (3, 2)
            if waits:
                await asyncio.wait_for(servers.done.wait(), 30)
                await asyncio.sleep(0)

    asyncio.run(scenario())
    return seen


def levels_of(profile, count=2):
    sides = [side or 8 for side in profile.shape[:2]]
    shape = [*sides, *[profile.channels] * (len(profile.shape) - 2)]
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def test_classifiers_of_ours():
    """What are pictures as models take them are the pixels they were made of, no more of a request
    than may be sent as pictures; a version is described once."""
    rows = np.arange(5 * 784, dtype=np.int64).reshape(5, 28, 28).astype(np.uint8)
    servers = Foreign(FASHION_MNIST)
    seen = seen_of(servers, messages.scaled(rows), messages.scaled(rows[:1]))
    assert servers.described == 1
    assert [(model, version) for model, version, *_ in seen] == 2 * [("mlp", 3)]
    (_, _, description, first, probabilities), (*_, second, _) = seen
    assert description.labels == LABELS
    np.testing.assert_array_equal(first, rows[:4])
    np.testing.assert_array_equal(second, rows[:1])
    assert first.dtype == np.uint8
    assert probabilities.shape == (4, 3)


PROFILES = {
    "0..1": COLOURS,
    "0..255": replace(COLOURS, scaling="0..255"),
    "-1..1": replace(COLOURS, scaling="-1..1"),
    "mean and std": replace(COLOURS, scaling="mean/std", **MEANS),
    "bytes": replace(COLOURS, scaling="0..255", dtype="uint8"),
    "int32": replace(COLOURS, scaling="0..255", dtype="int32"),
    "int64": replace(COLOURS, scaling="0..255", dtype="int64"),
    "halves": replace(COLOURS, dtype="float16"),
    "halves of -1..1": replace(COLOURS, scaling="-1..1", dtype="float16"),
    "halves of mean and std": replace(COLOURS, scaling="mean/std", dtype="float16", **MEANS),
    "doubles": replace(COLOURS, dtype="float64"),
    "grey": replace(COLOURS, shape=(8, 9)),
    "grey, of mean and std": replace(
        COLOURS, shape=(8, 9), scaling="mean/std", mean=(0.3,), std=(0.4,)
    ),
    "one channel": replace(COLOURS, shape=(28, 28, 1)),
    "with alpha": replace(COLOURS, shape=(8, 9, 4)),
    "free sizes": replace(COLOURS, shape=(None, None, None)),
    "negative": replace(COLOURS, polarity="negative"),
    "another signature": replace(COLOURS, signature="predict"),
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_levels_that_pictures_were_made_of(profile):
    """Exactly, whatever the scaling and the dtype."""
    levels = levels_of(profile)
    signature = "" if profile.signature == "serving_default" else profile.signature
    inputs = model_input(levels, profile)
    ((*_, seen, probabilities),) = seen_of(Foreign(profile), inputs, signature=signature)
    np.testing.assert_array_equal(seen, levels)
    np.testing.assert_allclose(probabilities, [SHARES, SHARES], rtol=1e-6)


def test_levels_between_whole_ones():
    """As resizing makes them: they are told with 8 bits."""
    levels = levels_of(COLOURS) * np.float32(0.77)
    ((*_, seen, _),) = seen_of(Foreign(), model_input(levels, COLOURS))
    np.testing.assert_allclose(seen, levels, atol=0.51)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("kind", "numbers", "probabilities"),
    [
        ("probabilities", SHARES, SHARES),
        ("logits", np.log(SHARES) + 5, SHARES),
        ("scores", [0.9, 0.8, 0.1], [0.9, 0.8, 0.1]),
        ("binary", [0.25], [0.75, 0.25]),
    ],
)
def test_answers_of_each_kind(kind, numbers, probabilities, dtype):
    """They are told as pictures' answers are."""
    profile = replace(COLOURS, kind=kind)
    servers = Foreign(profile, numbers, LABELS[: len(probabilities)], dtype)
    ((*_, seen),) = seen_of(servers, model_input(levels_of(profile), profile))
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, [probabilities] * 2, atol=2e-3)


GREY_TOO = replace(COLOURS, shape=(8, 9, None), scaling="mean/std")
PICTURE = np.full((1, 8, 9, 3), 0.5, np.float32)
NONE_OF_ITS = {
    "beyond 1": PICTURE * 3,
    "below 0": PICTURE - 0.51,
    "NaN": PICTURE * np.nan,
    "huge": PICTURE * 3e38,
    "doubles": PICTURE.astype(np.float64),
    "integers": PICTURE.astype(np.int32),
    "another height": PICTURE[:, 1:],
    "other channels": PICTURE[..., :1],
    "no channels": PICTURE[..., 0],
    "channels first": PICTURE.transpose(0, 3, 1, 2),
}


@pytest.mark.parametrize("array", NONE_OF_ITS.values(), ids=NONE_OF_ITS)
def test_what_are_no_pictures_of_its_is_not_told(array):
    """Other values, dtypes and shapes than the profile has are answered, and that is all."""
    assert seen_of(Foreign(), array) == []


@pytest.mark.parametrize(
    "servers",
    [
        Foreign(None),
        Foreign(replace(COLOURS, input="pixels")),
        Foreign(replace(COLOURS, signature="predict")),
        Foreign(replace(COLOURS, dtype="int32")),
        Foreign(replace(GREY_TOO, mean=(0.5, 0.5), std=(0.2, 0.2))),
        Foreign(replace(GREY_TOO, mean=(0.5,) * 4, std=(0.2,) * 4)),
        Foreign(labels=LABELS[:2]),
        Foreign(numbers=np.ones((3, 2))),
        Foreign(numbers=[1, 2, 3], dtype=np.int64),
    ],
    ids=[
        *("no profile", "another input", "another signature", "integers of 0..1"),
        *("means of two channels", "means of four"),
        *("fewer labels", "answers by pixel", "answers that are integers"),
    ],
)
def test_what_the_profile_does_not_have_is_not_told(servers):
    """Nor is what was asked, or answered, in another way than it says."""
    profile = servers.profile or COLOURS
    array = PICTURE.astype(profile.dtype)
    assert seen_of(servers, array, name=COLOURS.input) == []


@pytest.mark.parametrize(
    ("array", "others"),
    [
        (PICTURE, {"other": PICTURE}),
        (PICTURE[0, 0], {}),
        (PICTURE[:0], {}),
        (np.array([[[b"png"]]], object), {}),
        (PICTURE[np.newaxis], {}),
    ],
    ids=["two inputs", "features", "no rows", "strings", "films"],
)
def test_what_can_be_no_pictures_asks_nobody(array, others):
    """No version is asked for its description because of it."""
    servers = Foreign()
    assert seen_of(servers, array, waits=False, **others) == []
    assert servers.described == 0


def test_answers_without_classes_ask_nobody():
    """Nor because of an answer that has no row of numbers for each."""

    class Scalar(Foreign):
        def _predict(self, request):
            named = {"output_0": np.array(1, np.float32), "b": np.zeros((1, 2), np.int64)}
            response = wire.PredictResponse(outputs={k: to_tensor(v) for k, v in named.items()})
            response.model_spec.version.value = 3
            return response

    servers = Scalar()
    assert seen_of(servers, PICTURE, waits=False) == []
    assert servers.described == 0


@pytest.mark.parametrize(
    ("error", "asked"),
    [(errors.InvalidRequest("no `describe`"), 1), (errors.Unavailable("not now"), 3)],
    ids=["says nothing of itself", "is out of reach"],
)
def test_a_version_that_does_not_describe_itself(error, asked):
    """It is asked once, and again where the server was at fault; its answers are not told."""
    servers = Foreign()
    servers.error_of_describe = error
    assert seen_of(servers, PICTURE, PICTURE, PICTURE) == []
    assert servers.described == asked


def test_many_answers_before_the_description():
    """Of answers that wait for it some are told, and the others are not kept."""

    class Slow(Foreign):
        async def describe(self, model, version, *, timeout_s, first=None):
            self.described += 1
            await self.done.wait()
            return Description(self.known, {}, self.profile)

    servers, seen = Slow(), []

    async def scenario():
        watch = PixelWatch(servers, lambda *each: seen.append(each), max_images=4)
        message = servers._predict(messages_of(PICTURE))
        call = SignatureCall(ModelRef("mlp"))
        request = InferenceRequest(call, {COLOURS.input: PICTURE}, Caller("id"), 0.0)
        for _ in range(100):
            watch.note(request, 3, message)
        servers.done.set()
        deadline = time.monotonic() + 30
        while len(seen) < 32:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
        for _ in range(100):
            watch.note(request, 3, message)

    asyncio.run(scenario())
    assert len(seen) == 132
    assert servers.described == 32


def messages_of(array):
    return wire.PredictRequest.FromString(messages.predict_request("mlp", {"x": array}))


def test_answers_in_bfloat16():
    """As models of mixed precision give them."""

    class Mixed(Foreign):
        def _predict(self, request):
            response = super()._predict(request)
            tensor = response.outputs["output_0"]
            halves = np.frombuffer(tensor.tensor_content, np.uint16)[1::2]
            tensor.dtype, tensor.tensor_content = wire.DT_BFLOAT16, halves.tobytes()
            return response

    ((*_, seen),) = seen_of(Mixed(), model_input(levels_of(COLOURS), COLOURS))
    np.testing.assert_allclose(seen, [SHARES] * 2, atol=2e-3)


@pytest.mark.parametrize(
    "chosen", [[], [1], [0, 3], slice(None)], ids=["none", "one", "two", "all"]
)
def test_rows_that_are_chosen(chosen):
    """Those alone are told of, with what was answered to each: of JSON, of rows that share calls
    and of pictures."""
    levels = levels_of(COLOURS, 4)
    answers = np.random.default_rng(1).dirichlet(np.ones(3), 4).astype(np.float32)
    seen, asked = [], []

    def choose(*of):
        asked.append(of)
        return chosen

    def note(*each):
        seen.append(each)

    class Various(Foreign):
        def _predict(self, request):
            response = super()._predict(request)
            response.outputs["output_0"].CopyFrom(to_tensor(answers))
            return response

    async def scenario():
        servers = Various()
        watch = PixelWatch(servers, note, 4, choose)
        inputs = model_input(levels, COLOURS)
        call = SignatureCall(ModelRef("mlp"), profile=COLOURS)
        request = InferenceRequest(call, {COLOURS.input: inputs}, Caller("id"), 0.0)
        watch.note(request, 3, servers._predict(messages_of(inputs)))
        watch.note_rows(call, inputs, 3, {"output_0": answers})
        watch.flush()
        await asyncio.sleep(0)
        description = await servers.describe("mlp", 3, timeout_s=1)
        of_chosen(note, choose)("mlp", 3, description, levels, answers)

    asyncio.run(scenario())
    assert asked == 3 * [("mlp", 3, 4)]
    assert len(seen) == (0 if chosen == [] else 3)
    for *_, rows, probabilities in seen:
        np.testing.assert_array_equal(rows, levels[chosen])
        np.testing.assert_allclose(probabilities, answers[chosen], rtol=1e-6)
