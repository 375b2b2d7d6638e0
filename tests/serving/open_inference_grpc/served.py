"""Server of models by the Open Inference Protocol, in this process, and calls of it."""

from pathlib import Path

import grpc
import numpy as np
import pytest

from harness.ports import free_port
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import RequestedOutput, V2Request, V2Tensor
from vitrine_serving.model_server.api.calls import Calls
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.api.health import Health
from vitrine_serving.model_server.api.open_inference import OpenInferenceApi
from vitrine_serving.model_server.api.open_inference_grpc import OpenInferenceService
from vitrine_serving.model_server.api.tensorflow_grpc import make_server
from vitrine_serving.model_server.metrics import ServingMetrics
from vitrine_serving.model_server.repository.config import ModelConfig
from vitrine_serving.model_server.repository.repository import Repository
from vitrine_serving.model_server.runtime.batching import BatchScheduler
from vitrine_serving.model_server.runtime.servable import Servable

CODE = grpc.StatusCode
ONE = V2Tensor("x", "FP32", np.array([1.0, 2.0], np.float32))


class Served:
    """A running server of models, and a channel to it."""

    def __init__(self, repository: Repository, max_threads: int = 8, **options) -> None:
        self.api = OpenInferenceApi(repository)
        self.metrics = ServingMetrics()
        tensorflow = ModelServerApi(repository, self.metrics)
        self.calls = Calls(tensorflow, max_threads, self.api.methods)
        self.service = OpenInferenceService(self.api, self.calls, **options)
        address = f"127.0.0.1:{free_port()}"
        self.server = make_server(
            self.calls, [address], health=Health(), open_inference=self.service
        )
        self.server.start()
        self.channel = grpc.insecure_channel(address)

    def call(self, method: str, request, answer=None):
        """Calls a method with a message, or with bytes."""
        body = request if isinstance(request, bytes) else request.SerializeToString()
        answer = answer or wire.ModelInferResponse
        call = self.channel.unary_unary(
            grpc_messages.path_of(method), response_deserializer=answer.FromString
        )
        return call(body, timeout=30)

    def infer(self, *inputs: V2Tensor, model: str = "half_plus_two", **more) -> dict[str, V2Tensor]:
        """Returns the outputs by name, in their order."""
        message = self.call("ModelInfer", request(*inputs, model=model, **more))
        return {each.name: each for each in grpc_messages.response_of(message).outputs}

    def stream(self, bodies):
        """Returns the answers to a stream of bodies, and the call."""
        return self.channel.stream_stream(
            grpc_messages.path_of("ModelStreamInfer"),
            response_deserializer=wire.ModelStreamInferResponse.FromString,
        )(bodies, timeout=30)

    def close(self) -> None:
        self.channel.close()
        self.server.stop(0).wait()


def request(
    *inputs: V2Tensor,
    model: str = "half_plus_two",
    version: str = "",
    outputs: tuple[RequestedOutput, ...] = (),
    **parameters,
) -> bytes:
    asked = V2Request(inputs, outputs, model, version, "an id", parameters)
    return grpc_messages.write_request(asked)


def refused(call, *arguments, **named) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **named)
    return caught.value.code(), caught.value.details()


def repository_of(folder: Path, *names: str, scheduler: BatchScheduler | None = None) -> Repository:
    def load(name: str, version: int, path: Path) -> Servable:
        return Servable(name, version, path, scheduler=scheduler)

    made = Repository(load, load_retries=0)
    made.configure([ModelConfig(name, folder / name, latest=0) for name in names])
    return made
