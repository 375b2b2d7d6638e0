"""Calls of the model server, whatever carries them: bounded in number, counted, and with errors as
gRPC's codes and words."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

import grpc

from vitrine_client.errors import InvalidRequest
from vitrine_serving.errors import ServingError
from vitrine_serving.grpc_services.words import carried
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.bounded_log import BoundedLog

log = logging.getLogger("vitrine_serving.model_server")

EXHAUSTED = "Server Threadpool Exhausted"

_COUNTED: dict[str, Callable[[Any], str]] = {
    **dict.fromkeys(("Predict", "Classify", "Regress"), lambda request: request.model_spec.name),
    "ModelInfer": lambda request: request.model_name,
}
"""Calls that metrics count, as TensorFlow Serving's have them, and what names the model of each."""

_MOST_LOGGED = 500


class CallOutcome(NamedTuple):
    """Outcome of a call: OK with a response, or another code with an error's words."""

    code: grpc.StatusCode
    words: str
    response: Any = None


class Calls:
    """Calls of an API: `max_threads` of them run at a time, over all transports. `more` are those
    of other protocols, by their names."""

    def __init__(
        self,
        api: ModelServerApi,
        max_threads: int,
        more: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        self.max_threads = max_threads
        self._free = threading.BoundedSemaphore(max_threads)
        self._api = api
        self._faults = BoundedLog(log)
        self.methods = {
            "Predict": api.predict,
            "Classify": api.classify,
            "Regress": api.regress,
            "MultiInference": api.multi_inference,
            "GetModelMetadata": api.metadata,
            "GetModelStatus": api.status,
            "HandleReloadConfigRequest": api.reload_config,
            **(more or {}),
        }

    def answer(self, call: str, request: Any) -> CallOutcome:
        """Answers a request of one of the `methods`; raises nothing."""
        if not self._free.acquire(blocking=False):
            return CallOutcome(grpc.StatusCode.RESOURCE_EXHAUSTED, EXHAUSTED)
        started = time.monotonic()
        code, words = grpc.StatusCode.OK, ""
        try:
            return CallOutcome(code, words, self.methods[call](request))
        except ServingError as error:
            code, words = error.code, str(error)
        except InvalidRequest as error:
            code, words = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except MemoryError:
            code, words = grpc.StatusCode.RESOURCE_EXHAUSTED, "out of memory"
        except Exception as error:
            code, words = grpc.StatusCode.UNKNOWN, f"The model server failed: {error!r}"
            self._log_fault(call, error)
        finally:
            self._free.release()
            self._count(call, request, code, time.monotonic() - started)
        return CallOutcome(code, carried(words))

    def undecodable(
        self, body: bytes, code: grpc.StatusCode = grpc.StatusCode.INTERNAL, words: str = ""
    ) -> CallOutcome:
        """Returns the outcome for bytes that are no message of their method, as TensorFlow Serving
        has it unless told otherwise, without words, and logs a line."""
        text = "A request of %d bytes is no message of its method"
        self._faults.line(logging.WARNING, text, len(body))
        return CallOutcome(code, words)

    def _count(self, call: str, request: Any, code: grpc.StatusCode, took_s: float) -> None:
        if name_of := _COUNTED.get(call):
            self._api.observe_request(name_of(request), call, "GRPC", code.name, took_s)

    def _log_fault(self, call: str, error: Exception) -> None:
        """Logs a fault of ours in one line, as whoever found it may call again and again."""
        *_, where = extract_tb(error.__traceback__)
        told, file = repr(error)[:_MOST_LOGGED], Path(where.filename).name
        self._faults.line(logging.ERROR, "%s failed: %s (%s:%s)", call, told, file, where.lineno)
