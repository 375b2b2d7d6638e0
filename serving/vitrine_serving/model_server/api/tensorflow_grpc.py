"""gRPC server: TensorFlow Serving's services, by its official stubs, and others beside them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from vitrine_serving.model_server.api.calls import Calls
from vitrine_serving.model_server.api.health import Health
from vitrine_serving.model_server.api.open_inference_grpc import OpenInferenceService


class _Decoding(grpc.ServerInterceptor):
    """Decoding of requests: bytes that are no message fail with INTERNAL, as TensorFlow Serving
    has it, and cost a line of the log; gRPC's own way costs a traceback. Methods that there are not
    fail with UNIMPLEMENTED. As there, neither has words."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        handler = continuation(handler_call_details)
        if handler is None:
            return _NO_METHOD
        if handler.unary_unary is None:  # a watch's, which reads for itself
            return handler
        return grpc.unary_unary_rpc_method_handler(
            partial(_decode, self._calls, handler), response_serializer=handler.response_serializer
        )


def _refuse(_: Any, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "")


_NO_METHOD = grpc.stream_stream_rpc_method_handler(_refuse)
"""Handler of a method that there is not; as it reads nothing, it answers calls of each kind."""


def _decode(calls: Calls, handler: Any, body: bytes, context: grpc.ServicerContext) -> Any:
    try:
        request = handler.request_deserializer(body)
    except DecodeError:
        code, words, _ = calls.undecodable(body)
        context.abort(code, words)
    return handler.unary_unary(request, context)


def _answer(calls: Calls, call: str, request: Any, context: grpc.ServicerContext) -> Any:
    code, words, response = calls.answer(call, request)
    if code is not grpc.StatusCode.OK:
        context.abort(code, words)
    return response


def make_server(
    calls: Calls,
    addresses: Sequence[str],
    *,
    health: Health | None = None,
    open_inference: OpenInferenceService | None = None,
    credentials: grpc.ServerCredentials | None = None,
    local_address: str = "",
    arguments: Sequence[tuple[str, str | int]] = (),
) -> grpc.Server:
    """Returns a server bound to `addresses`, by TLS where there are `credentials`, and to a
    `local_address`, without; not yet started. `arguments` are more options of gRPC; with
    `health` and `open_inference` it answers for these as well. Raises `OSError` if it can't be
    bound.

    One call more than may run at a time fails with RESOURCE_EXHAUSTED, as there.
    """
    server = grpc.server(
        ThreadPoolExecutor(calls.max_threads + 1, thread_name_prefix="grpc"),  # one to say no
        interceptors=(_Decoding(calls),),
        options=[
            ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake
            ("grpc.max_receive_message_length", -1),  # as TensorFlow Serving
            ("grpc.max_send_message_length", -1),
            *arguments,
        ],
    )
    # The methods of both services, as the stubs look for them: by their names.
    servicer = SimpleNamespace(**{call: partial(_answer, calls, call) for call in calls.methods})
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    for more in (health, open_inference):
        if more:
            more.add_to(server)
    for address in addresses:
        _bind(server, address, credentials)
    if local_address:
        _bind(server, local_address, None)
    return server


def _bind(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None) -> None:
    try:
        bound = (
            server.add_secure_port(address, credentials)
            if credentials
            else server.add_insecure_port(address)
        )
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error
    if not bound:
        raise OSError(f"cannot listen on {address}")
