"""The data plane: whose fault a failed call is, promises that models keep, and JSON that drift is
told of."""

import asyncio
import time

import numpy as np
import pytest

from tests.serving.asked_gateway import LABELS, FakeServers
from vitrine_client import errors
from vitrine_client.errors import ServerError
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.faults import fault_of
from vitrine_serving.gateway.inference.pixels import PixelWatch
from vitrine_serving.gateway.inference.requests import (
    Caller,
    InferenceRequest,
    SignatureCall,
    WireCall,
)
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.shedding import SheddingSettings

MLP, CALLER = ModelRef("mlp"), Caller("id")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (errors.InvalidRequest, "caller"),
        (errors.NotFound, "caller"),
        (errors.Unimplemented, "caller"),
        (errors.ServerError, "model"),
        (errors.ResourceExhausted, "server"),
        (errors.Unavailable, "server"),
        (errors.Unreachable, "server"),
        (errors.DeadlineExceeded, "server"),
    ],
)
def test_faults(kind, fault):
    """Each error that a call can raise has one that is at fault."""
    assert fault_of(kind("words")) == fault


@pytest.mark.parametrize("outputs", [{}, {"probabilities": np.zeros((2, 10), np.float32)}])
def test_an_answer_without_what_was_asked_for(outputs):
    """A model that leaves out an output, or answers for other rows, is at fault."""

    class Careless(FakeServers):
        def _predict(self, request):
            response = wire.PredictResponse(
                outputs={name: to_tensor(array) for name, array in outputs.items()}
            )
            response.model_spec.version.value = 3
            return response

    call = SignatureCall(MLP, outputs=("probabilities",))
    rows = np.zeros((3, 28, 28), np.uint8)
    asked = InferenceRequest(call, {"images": rows}, CALLER, time.monotonic() + 30)
    with pytest.raises(ServerError, match=r"Version 3 of mlp does not answer `probabilities`"):
        asyncio.run(DataPlane(Careless(), BatchingSettings(), SheddingSettings()).infer(asked))


class Described(FakeServers):
    """Counts how often it is asked for a description, and says when it has answered."""

    def __init__(self) -> None:
        super().__init__()
        self.described = 0
        self.done = asyncio.Event()

    async def describe(self, model, version, *, timeout_s, first=None):
        self.described += 1
        try:
            return await super().describe(model, version, timeout_s=timeout_s)
        finally:
            self.done.set()


def seen_of(servers: Described, *arrays: np.ndarray, waits: bool, **inputs) -> list:
    """What a watch is told of JSON with these `images`, in one request after the other."""
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
            message = messages.predict_request("mlp", {"images": array})
            wire_call = WireCall(message, lambda response: len(response.outputs), len(array))
            request = InferenceRequest(
                SignatureCall(MLP, ""),
                {"images": array, **inputs},
                CALLER,
                time.monotonic() + 30,
                wire_call,
            )
            response = await plane.infer(request)
            assert (response.version, response.decoded) == (3, 1)
            if waits:
                await asyncio.wait_for(servers.done.wait(), 30)
                await asyncio.sleep(0)

    asyncio.run(scenario())
    return seen


def test_json_of_pictures_is_watched():
    """What are pictures as models take them are the pixels they were made of, no more of a request
    than may be sent as pictures; a version is described once."""
    rows = np.arange(5 * 784, dtype=np.int64).reshape(5, 28, 28).astype(np.uint8)
    servers = Described()
    seen = seen_of(servers, messages.scaled(rows), messages.scaled(rows[:1]), waits=True)
    assert servers.described == 1
    assert [(model, version) for model, version, *_ in seen] == 2 * [("mlp", 3)]
    (_, _, description, first, probabilities), (*_, second, _) = seen
    assert description.labels == LABELS
    np.testing.assert_array_equal(first, rows[:4])
    np.testing.assert_array_equal(second, rows[:1])
    assert probabilities.shape == (4, 10)


@pytest.mark.parametrize(
    "array",
    [
        np.full((1, 28, 28), 1.5, np.float32),
        np.full((1, 28, 28), np.nan, np.float32),
        np.full((1, 28, 28), 0.5, np.float64),
        np.full((1, 28, 29), 0.5, np.float32),
    ],
    ids=["beyond 1", "NaN", "doubles", "other sizes"],
)
def test_json_of_something_else_is_not(array):
    """Other values, dtypes and shapes are answered, and nobody is asked about them."""
    servers = Described()
    assert seen_of(servers, array, waits=False) == []
    assert servers.described == 0


def test_json_beside_other_inputs_is_not():
    """Nor where there is another input."""
    servers = Described()
    rows = np.zeros((1, 28, 28), np.float32)
    assert seen_of(servers, rows, waits=False, other=rows) == []
    assert servers.described == 0


def test_probabilities_of_another_shape_are_not():
    """A model of somebody else's may call a single number so; it is answered all the same."""

    class Scalar(Described):
        def _predict(self, request):
            response = wire.PredictResponse(
                outputs={"probabilities": to_tensor(np.array(1, np.float32))}
            )
            response.model_spec.version.value = 3
            return response

    servers = Scalar()
    assert seen_of(servers, np.zeros((1, 28, 28), np.float32), waits=False) == []
    assert servers.described == 0


def test_a_model_of_somebody_elses_is_asked_once():
    """One without `describe` answers, is no classifier of ours, and is not asked again."""
    servers = Described()
    servers.signatures.discard("describe")
    rows = np.zeros((1, 28, 28), np.float32)
    assert seen_of(servers, rows, rows, rows, waits=True) == []
    assert servers.described == 1
