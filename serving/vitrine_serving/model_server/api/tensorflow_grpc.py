"""gRPC server: TensorFlow Serving's services, by its official stubs."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from traceback import extract_tb
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2_grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.bounded_log import BoundedLog

log = logging.getLogger("vitrine_serving.model_server")

_COUNTED = ("Predict", "Classify", "Regress")
"""Calls that TensorFlow Serving's metrics have."""

_MOST_WORDS_BYTES = 7 * 1024
"""Bytes of an error's words on the wire. They travel as metadata, of which a client takes 8 KiB and
no more unless told otherwise; beyond that the call has another code, and no words."""

_MOST_LOGGED = 500


class _Transport:
    """Transport of calls to methods: bounded in number, counted, and with errors as codes."""

    def __init__(self, max_threads: int, api: ModelServerApi, faults: BoundedLog) -> None:
        self._free = threading.BoundedSemaphore(max_threads)
        self._api = api
        self._faults = faults

    def answer(
        self, call: str, method: Callable[[Any], Any], request: Any, context: grpc.ServicerContext
    ) -> Any:
        if not self._free.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        started = time.monotonic()
        code, message = grpc.StatusCode.OK, ""
        try:
            return method(request)
        except ServingError as error:
            code, message = error.code, str(error)
        except MemoryError:
            code, message = grpc.StatusCode.RESOURCE_EXHAUSTED, "out of memory"
        except Exception as error:
            code, message = grpc.StatusCode.UNKNOWN, f"The model server failed: {error!r}"
            _log_fault(self._faults, call, error)
        finally:
            self._free.release()
            self._count(call, request, code, time.monotonic() - started)
        return context.abort(code, carried(message))

    def _count(self, call: str, request: Any, code: grpc.StatusCode, took_s: float) -> None:
        if call in _COUNTED:
            name = request.model_spec.name
            self._api.observe_request(name, call, "GRPC", code.name, took_s)


def carried(words: str) -> str:
    """Returns an error's words as gRPC carries them to every client, cut where they are too long.

    All but printable ASCII is escaped there, a byte by three:
    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md (Status-Message)
    """
    # Half a surrogate pair, as names of files can have, is no text for gRPC.
    text = words.encode(errors="backslashreplace").decode()
    size = 0
    for place, character in enumerate(text):
        plain = " " <= character <= "~" and character != "%"
        size += 1 if plain else 3 * len(character.encode())
        if size > _MOST_WORDS_BYTES:
            return f"{text[:place]}… (cut, of {len(text):,} characters)"
    return text


def _log_fault(faults: BoundedLog, call: str, error: Exception) -> None:
    """Logs a fault of ours in one line, as whoever found it may call again and again."""
    *_, where = extract_tb(error.__traceback__)
    told = repr(error)[:_MOST_LOGGED]
    file = Path(where.filename).name
    faults.line(logging.ERROR, "%s failed: %s (%s:%s)", call, told, file, where.lineno)


class _Decoding(grpc.ServerInterceptor):
    """Decoding of requests: bytes that are no message fail with INTERNAL, as TensorFlow Serving
    has it, and cost a line of the log; gRPC's own way costs a traceback."""

    def __init__(self, faults: BoundedLog) -> None:
        self._faults = faults

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            partial(_decode, self._faults, handler), response_serializer=handler.response_serializer
        )


def _decode(faults: BoundedLog, handler: Any, body: bytes, context: grpc.ServicerContext) -> Any:
    try:
        request = handler.request_deserializer(body)
    except DecodeError:
        text = "A request of %d bytes is no message of its method"
        faults.line(logging.WARNING, text, len(body))
        context.abort(grpc.StatusCode.INTERNAL, "Exception deserializing request!")
    return handler.unary_unary(request, context)


def _servicer(api: ModelServerApi, transport: _Transport) -> SimpleNamespace:
    """Returns the methods of both services, as the stubs look for them: by their names."""
    methods = {
        "Predict": api.predict,
        "Classify": api.classify,
        "Regress": api.regress,
        "MultiInference": api.multi_inference,
        "GetModelMetadata": api.metadata,
        "GetModelStatus": api.status,
        "HandleReloadConfigRequest": api.reload_config,
    }
    return SimpleNamespace(
        **{call: partial(transport.answer, call, method) for call, method in methods.items()}
    )


def make_server(
    api: ModelServerApi,
    address: str,
    *,
    max_threads: int,
    with_health: bool = False,
) -> grpc.Server:
    """Returns a server bound to `address`, not yet started. Raises `OSError` if it can't be.

    `max_threads` calls run at a time; one more fails with RESOURCE_EXHAUSTED, as there.
    """
    faults = BoundedLog(log)
    server = grpc.server(
        ThreadPoolExecutor(max_threads + 1, thread_name_prefix="grpc"),  # one to say no
        interceptors=(_Decoding(faults),),
        options=[
            ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake
            ("grpc.max_receive_message_length", -1),  # as TensorFlow Serving
            ("grpc.max_send_message_length", -1),
        ],
    )
    servicer = _servicer(api, _Transport(max_threads, api, faults))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    if with_health:
        health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error
    if not bound:
        raise OSError(f"cannot listen on {address}")
    return server
