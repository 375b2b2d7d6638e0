"""Models that answer wrongly: one clear error that names them, and nobody else is the worse."""

import asyncio
import time

import grpc
import numpy as np
import pytest

from harness.fake_model_server import LABELS, Call, FakeModelServer, Gate, classifying
from tests.serving.asking import LONG_S, data_plane, to, until
from vitrine_client.errors import InvalidRequest, ModelFault
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor
from vitrine_serving.gateway.api.explanations import explain
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.decoder import Shown
from vitrine_serving.gateway.inference.requests import Caller, InferenceRequest, SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef

OURS = b'{"input_shape": [28, 28]}'


class Model:
    """A model whose answers are as they are set; version 3. `rows` is how many it takes in a call,
    None for any, and a picture that is brighter than 250 all over is refused."""

    def __init__(
        self, *, probabilities=None, described=None, rows=None, error=None, beside=None
    ) -> None:
        self._probabilities = probabilities
        self._beside = beside or {}
        self.described = described or {
            "labels": np.array(LABELS, object),
            "card": np.array(OURS, object),
        }
        self._rows = rows
        self._error = error
        self.sizes: list[int] = []

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        if call.method.endswith("GetModelMetadata"):
            return self._metadata()
        request = wire.PredictRequest.FromString(call.request)
        response = wire.PredictResponse()
        response.model_spec.version.value = 3
        if request.model_spec.signature_name == "describe":
            outputs = self.described
        else:
            images = from_tensor(request.inputs["images"])
            self._check(images, context)
            outputs = {"probabilities": self._answers(images), **self._beside}
        for name, made in outputs.items():
            tensor = made if isinstance(made, wire.Tensor) else to_tensor(made)
            response.outputs[name].CopyFrom(tensor)
        return response.SerializeToString()

    def _check(self, images, context) -> None:
        self.sizes.append(len(images))
        if self._error:
            context.abort(*self._error)
        if self._rows not in (None, len(images)):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Input to reshape has too many values")
        if (images.min(axis=(1, 2)) > 0.98).any():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too bright")

    def _answers(self, images):
        if callable(self._probabilities):
            return self._probabilities(images)
        if self._probabilities is not None:
            return self._probabilities
        shares = images.sum(axis=2)[:, :10] + 1
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)

    def _metadata(self) -> bytes:
        signatures = wire.SignatureDefMap()
        info = signatures.signature_def["serving_default"].inputs["images"]
        for size in (self._rows or -1, 28, 28):
            info.tensor_shape.dim.add(size=size)
        response = wire.GetModelMetadataResponse()
        response.metadata["signature_def"].value = signatures.SerializeToString()
        return response.SerializeToString()


def brightest(*classes: int) -> np.ndarray:
    images = np.zeros((len(classes), 28, 28), np.uint8)
    images[np.arange(len(classes)), classes] = 200
    return images


async def classes_of(plane: DataPlane, images: np.ndarray) -> list[int]:
    call = SignatureCall(ModelRef("mlp"), outputs=("probabilities",))
    asked = InferenceRequest(call, {"images": images}, Caller("id"), time.monotonic() + LONG_S)
    answer = await plane.infer(asked)
    return answer.outputs["probabilities"].argmax(axis=1).tolist()


async def ask_together(server: FakeModelServer, *batches: np.ndarray) -> list:
    """Has all wait for a first call, so that they go out together."""
    async with to(server) as servers:
        plane = data_plane(servers)
        server.answer = gate = Gate(server.answer)
        first = asyncio.create_task(classes_of(plane, brightest(9)))
        await until(lambda: server.calls, "the first")
        asked = [asyncio.create_task(classes_of(plane, each)) for each in batches]
        rows = sum(map(len, batches))
        await until(lambda: plane.rows_waiting()["mlp"] == rows, "the others")
        gate.open()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)


def test_a_fixed_number_of_rows():
    """A model that takes one picture a call gets so many, whoever asks, and whatever comes
    together; what was learned is kept."""
    model = Model(rows=1)
    with FakeModelServer(model) as server:
        each = [brightest(n) for n in range(8)]
        assert asyncio.run(ask_together(server, *each)) == [[n] for n in range(8)]
    assert model.sizes == [1, 8, *[1] * 8]


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_a_request_with_another_number(rows):
    """Its rows are answered in order; a last part is filled up."""
    model = Model(rows=rows)

    async def main(server):
        async with to(server) as servers:
            plane = data_plane(servers)
            assert await classes_of(plane, brightest(1, 2, 3, 4, 5)) == [1, 2, 3, 4, 5]
            assert await classes_of(plane, brightest(6)) == [6]

    with FakeModelServer(model) as server:
        asyncio.run(main(server))
    assert set(model.sizes[1:]) == {rows}


def test_nobody_is_told_of_another_s_fault():
    """Of a batch that is refused each request is asked alone, once; only its own fault is one's."""
    model = Model()
    bright = np.full((1, 28, 28), 255, np.uint8)
    with FakeModelServer(model) as server:
        found = asyncio.run(ask_together(server, brightest(1), bright, brightest(2, 3)))
    assert found[0] == [1]
    assert isinstance(found[1], InvalidRequest)
    assert found[2] == [2, 3]
    assert sorted(model.sizes) == [1, 1, 1, 2, 4]


NAN = np.full((1, 10), np.nan, np.float32)
TEN = np.full((1, 10), 0.1, np.float32)
LABELLED = {"labels": np.array(LABELS, object), "card": np.array(OURS, object)}


def tensor(*shape: int, dtype: int = wire.DT_FLOAT, **content) -> wire.Tensor:
    """A tensor that may say of itself what is not so."""
    dims = [wire.TensorShape.Dim(size=size) for size in shape]
    return wire.Tensor(dtype=dtype, tensor_shape=wire.TensorShape(dim=dims), **content)


WRONG = {
    "too short": ({"probabilities": tensor(1, 10, tensor_content=b"\0" * 8)}, "cannot reshape"),
    "petabytes": ({"probabilities": tensor(1, 1 << 50, float_val=[0.1])}, "stands for"),
    "much of one value": ({"probabilities": tensor(1, 1 << 26, float_val=[0.1])}, "stands for"),
    "a size too big": ({"probabilities": tensor(1 << 62, 0, 1 << 62)}, "cannot be used"),
    "a size below 0": ({"probabilities": tensor(1, -1, float_val=TEN[0])}, "negative"),
    "rows below 0": ({"probabilities": tensor(-1, 10, tensor_content=TEN.tobytes())}, "negative"),
    "empty": ({"probabilities": tensor(1, 10)}, "cannot reshape"),
    "no class": ({"probabilities": tensor(1, 0)}, "answers 0 classes"),
    "no dtype": ({"probabilities": tensor(1, 10, dtype=0, float_val=[0.1])}, "makes no sense"),
    "half of none": ({"probabilities": tensor(1, 1, dtype=19, half_val=[1 << 20])}, "no sense"),
    "text": (
        {"probabilities": tensor(1, 10, dtype=7, string_val=[b"0.1"] * 10)},
        "not a row of float32",
    ),
    "not a number": ({"probabilities": NAN}, "no numbers"),
    "infinite": ({"probabilities": np.where(np.arange(10) == 3, np.inf, TEN)}, "no numbers"),
    "two rows": ({"probabilities": np.repeat(TEN, 2, 0)}, r"\[2, 10\] for 1 rows"),
    "no row": ({"probabilities": TEN[:0]}, "for each of its inputs"),
    "flat": ({"probabilities": TEN[0][:1]}, "not a row of float32"),
    "whole numbers": ({"probabilities": np.ones((1, 10), np.int64)}, "not a row of float32"),
    "eleven classes": ({"probabilities": np.full((1, 11), 0.1, np.float32)}, "answers 11 classes"),
    "nine labels": (
        {"described": {**LABELLED, "labels": np.array(LABELS[:9], object)}},
        "9 labels, and answers 10 classes",
    ),
    "no labels": ({"described": {"card": LABELLED["card"]}}, "no list of `labels`"),
    "a label": ({"described": {**LABELLED, "labels": LABELLED["card"]}}, "no list of `labels`"),
    "numbers": ({"described": {**LABELLED, "labels": np.arange(10)}}, "`labels` that are no text"),
    "no card": ({"described": {"labels": LABELLED["labels"]}}, "no `card`"),
    "two cards": ({"described": {**LABELLED, "card": LABELLED["labels"]}}, "no `card`"),
    "card is text": (
        {"described": {**LABELLED, "card": np.array(b"about it", object)}},
        "no JSON object",
    ),
    "card is a list": ({"described": {**LABELLED, "card": np.array(b"[]", object)}}, "no JSON"),
    "card is not text": ({"described": {**LABELLED, "card": np.array(3.5)}}, "no JSON object"),
    "nothing": ({"described": {"else": TEN}}, "no list of `labels`"),
    "lost variables": (
        {
            "error": (
                grpc.StatusCode.FAILED_PRECONDITION,
                "Could not find variable sequential/dense/kernel. This could mean …",
            )
        },
        "exported without its variables",
    ),
}


@pytest.mark.parametrize(("wrong", "told"), WRONG.values(), ids=WRONG)
def test_wrong_answers_are_the_model_s_fault(wrong, told):
    """A 502 that names the model, never a label; once it is right, it is answered."""

    async def main(server):
        async with to(server) as servers:
            plane = data_plane(servers)
            for _ in range(2):
                with pytest.raises(ModelFault, match=told) as caught:
                    await classes_of(plane, brightest(7))
                assert caught.value.status == 502
                assert "mlp" in str(caught.value)
                assert "ersion" in str(caught.value)
            server.answer = classifying(3)
            assert await classes_of(plane, brightest(7)) == [7]

    with FakeModelServer(Model(**wrong)) as server:
        asyncio.run(main(server))


def test_outputs_that_nobody_wants():
    """Of whatever shape, they change nothing."""
    short, long = tensor(3, tensor_content=b"\0"), tensor(1 << 25, float_val=[0.5])
    beside = {"temperature": np.array(0.5, np.float32), "of": np.zeros((7, 2))}
    model = Model(beside={**beside, "short": short, "long": long})

    async def main(server):
        async with to(server) as servers:
            assert await classes_of(data_plane(servers), brightest(4, 5)) == [4, 5]

    with FakeModelServer(model) as server:
        asyncio.run(main(server))


def test_one_picture_s_nan_is_nobody_else_s():
    """A model that answers no numbers for an empty picture answers the others of its batch."""

    def shares(images):
        sums = images.sum(axis=2)[:, :10]
        with np.errstate(invalid="ignore"):
            return (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)

    black = np.zeros((1, 28, 28), np.uint8)
    with FakeModelServer(Model(probabilities=shares)) as server:
        found = asyncio.run(ask_together(server, brightest(1), black, brightest(2, 3)))
    assert found[0] == [1]
    assert isinstance(found[1], ModelFault)
    assert found[2] == [2, 3]


EXPLAINED = {
    "no such class": ({"class_ids": np.array([99])}, r"classes \[99\], and has 10 labels"),
    "a class below 0": ({"class_ids": np.array([-1])}, "publish it again"),
    "half a class": ({"class_ids": np.array([1.5])}, "class_ids float64"),
    "a list of classes": ({"class_ids": np.array([[1, 2]])}, r"class_ids int64 \[1, 2\]"),
    "a name": ({"class_ids": np.array([b"cat"])}, "class_ids object"),
    "of other pixels": ({"attributions": np.zeros((1, 3), np.float32)}, r"float32 \[1, 3\]"),
    "in words": ({"attributions": np.array([["bright"]])}, "attributions object"),
}


@pytest.mark.parametrize(("wrong", "told"), EXPLAINED.values(), ids=EXPLAINED)
def test_wrong_explanations_are_the_model_s_fault(wrong, told):
    """They are checked as predictions are."""
    right = {"class_ids": np.array([3]), "attributions": np.zeros((1, 28, 28), np.float32)}

    async def main(server):
        async with to(server) as servers:
            asked = (Shown(brightest(3)), ModelRef("mlp"), Caller("id"), time.monotonic() + LONG_S)
            return await explain(data_plane(servers), *asked)

    with FakeModelServer(Model(beside=right)) as server:
        [explained] = asyncio.run(main(server)).decoded
        assert explained.class_id == 3
    with (
        FakeModelServer(Model(beside={**right, **wrong})) as server,
        pytest.raises(ModelFault, match=told) as caught,
    ):
        asyncio.run(main(server))
    assert "mlp" in str(caught.value)


@pytest.mark.parametrize("garbled", [b"\xff", b""])
def test_signatures_that_cannot_be_read(garbled):
    """A call that is refused is that, whatever the model says of itself; no traceback."""
    model = Model(rows=3)

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        if not call.method.endswith("GetModelMetadata"):
            return model(call, context)
        response = wire.GetModelMetadataResponse()
        response.metadata["signature_def"].value = garbled
        return response.SerializeToString()

    async def main(server):
        async with to(server) as servers:
            plane = data_plane(servers)
            asked = [classes_of(plane, brightest(n)) for n in range(2)]
            return await asyncio.gather(*asked, return_exceptions=True)

    with FakeModelServer(answer) as server:
        found = asyncio.run(main(server))
    assert [type(each) for each in found] == [InvalidRequest] * 2
    assert model.sizes == [2, 1, 1]


def growing(images):
    """A class more at each call."""
    growing.classes += 1
    return np.full((len(images), growing.classes), 0.1, np.float32)


@pytest.mark.parametrize(
    ("probabilities", "told"),
    [
        (growing, "different widths"),
        (lambda images: np.float32(0.5), "for each of its inputs"),
        (lambda images: np.zeros((3, 10), np.float32), "for each of its inputs"),
    ],
)
def test_parts_that_do_not_fit(probabilities, told):
    """What a model with a fixed number of rows answers wrongly is its fault as well."""
    growing.classes = 9

    async def main(server):
        async with to(server) as servers:
            with pytest.raises(ModelFault, match=told):
                await classes_of(data_plane(servers), brightest(1, 2, 3))

    with FakeModelServer(Model(rows=2, probabilities=probabilities)) as server:
        asyncio.run(main(server))
