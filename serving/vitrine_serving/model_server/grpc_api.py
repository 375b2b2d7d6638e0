"""The gRPC side: TensorFlow Serving's services, by its official stubs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from vitrine_serving.model_server.api import ModelServerApi
from vitrine_serving.model_server.errors import ServingError


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, api: ModelServerApi) -> None:
        self._api = api

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return _answer(self._api.predict, request, context)

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return _answer(self._api.metadata, request, context)


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, api: ModelServerApi) -> None:
        self._api = api

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return _answer(self._api.status, request, context)


def _answer(method: Callable[[Any], Any], request: Any, context: grpc.ServicerContext) -> Any:
    try:
        return method(request)
    except ServingError as error:
        context.abort(error.code, str(error))


def make_server(api: ModelServerApi, address: str, max_threads: int) -> grpc.Server:
    """Returns a server bound to `address`, not yet started. Raises `OSError` if it can't be."""
    server = grpc.server(
        ThreadPoolExecutor(max_threads, thread_name_prefix="grpc"),
        options=[
            ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake
            ("grpc.max_receive_message_length", -1),  # as TensorFlow Serving
            ("grpc.max_send_message_length", -1),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(api), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(api), server)
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error
    if not bound:
        raise OSError(f"cannot listen on {address}")
    return server
