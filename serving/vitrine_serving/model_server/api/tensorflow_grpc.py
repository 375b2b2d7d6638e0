"""gRPC server: TensorFlow Serving's services, by its official stubs."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.metrics import ServingMetrics

_COUNTED = ("Predict", "Classify", "Regress")
"""Calls that TensorFlow Serving's metrics have."""


class _Transport:
    """Transport of calls to methods: bounded in number, counted, and with errors as codes."""

    def __init__(self, max_threads: int, metrics: ServingMetrics) -> None:
        self._free = threading.BoundedSemaphore(max_threads)
        self._metrics = metrics

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
        finally:
            self._free.release()
            self._count(call, request, code, time.monotonic() - started)
        return context.abort(code, message)

    def _count(self, call: str, request: Any, code: grpc.StatusCode, took_s: float) -> None:
        if call in _COUNTED:
            name = request.model_spec.name
            self._metrics.observe_request(name, call, "GRPC", code.name, took_s)


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
    metrics: ServingMetrics,
    with_health: bool = False,
) -> grpc.Server:
    """Returns a server bound to `address`, not yet started. Raises `OSError` if it can't be.

    `max_threads` calls run at a time; one more fails with RESOURCE_EXHAUSTED, as there.
    """
    server = grpc.server(
        ThreadPoolExecutor(max_threads + 1, thread_name_prefix="grpc"),  # one to say no
        options=[
            ("grpc.so_reuseport", 0),  # a second server on the same port is a mistake
            ("grpc.max_receive_message_length", -1),  # as TensorFlow Serving
            ("grpc.max_send_message_length", -1),
        ],
    )
    servicer = _servicer(api, _Transport(max_threads, metrics))
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
