"""The data plane: whose fault a failed call is, and promises that models keep."""

import asyncio
import time

import numpy as np
import pytest

from tests.serving.asked_gateway import FakeServers
from vitrine_client import errors
from vitrine_client.errors import ServerError
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.faults import fault_of
from vitrine_serving.gateway.inference.requests import Caller, InferenceRequest, SignatureCall
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
