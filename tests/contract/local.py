"""A model server's local socket, to be held against the table as its gRPC port is."""

import socket
from dataclasses import dataclass, replace
from typing import Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.contract.server import SOCKET, TIMEOUT_S, Server
from vitrine_client.tfserving import messages, ttrpc
from vitrine_client.tfserving import wire_pb2 as wire

PREDICTION, MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"

METHODS: dict[str, tuple[str, Any]] = {
    "Predict": (PREDICTION, predict_pb2.PredictResponse),
    "Classify": (PREDICTION, classification_pb2.ClassificationResponse),
    "Regress": (PREDICTION, regression_pb2.RegressionResponse),
    "MultiInference": (PREDICTION, inference_pb2.MultiInferenceResponse),
    "GetModelMetadata": (PREDICTION, get_model_metadata_pb2.GetModelMetadataResponse),
    "GetModelStatus": (MODEL, get_model_status_pb2.GetModelStatusResponse),
    "HandleReloadConfigRequest": (MODEL, model_management_pb2.ReloadConfigResponse),
}
"""Service of each method, and its response."""


class Failed(grpc.RpcError):
    """An error that a call was answered with."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


@dataclass
class LocalServer(Server):
    """A server whose calls go to its local socket."""

    def call(self, method: str, request: Any, **_: Any) -> Any:
        """Calls a method. Raises `grpc.RpcError`."""
        if "/" in method:
            service, _, name = method[1:].rpartition("/")
            kind = None
        else:
            name = method
            service, kind = METHODS[name]
        asked = ttrpc.request_frame(1, service, name, request.SerializeToString(), TIMEOUT_S)
        answer = _asked(str(self.models / SOCKET), asked)
        if answer.status.code:
            raise Failed(messages.code_of(answer.status.code), answer.status.message)
        return kind.FromString(answer.payload) if kind else answer.payload


def over_its_socket(server: Server) -> LocalServer:
    """Returns a server as it is over its local socket."""
    fields = {name: getattr(server, name) for name in server.__dataclass_fields__}
    return replace(LocalServer(**fields), _stubs=[])


def _asked(path: str, frame: bytes) -> wire.TtrpcResponse:
    reader = ttrpc.FrameReader()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(path)
        connection.sendall(frame)
        while not (found := reader.next_frame()):
            count = connection.recv_into(reader.room())
            assert count, "the server hung up"
            reader.note(count)
    assert found.message is not None
    return ttrpc.read_response(found.message)
