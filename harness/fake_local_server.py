"""Fake model server on a local socket: ttrpc by the real server, with answers as told."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, cast

import grpc

from harness.fake_model_server import LONGEST_S, Answer, Call, Gate, echo
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.model_server.local_server import LocalServer, Reply
from vitrine_serving.model_server.local_socket import LocalSocket


class _Aborted(Exception):
    """End of a call with an error."""


class _Context:
    """What answers use of a gRPC context."""

    def __init__(self, ends_s: float) -> None:
        self._ends_s = ends_s
        self._timers: list[threading.Timer] = []

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise _Aborted(code, details)

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Calls when the call runs out of time; ttrpc tells of no caller who leaves."""
        timer = threading.Timer(max(0.0, self._ends_s - time.monotonic()), callback)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
        return True

    def end(self) -> None:
        for timer in self._timers:
            timer.cancel()


class FakeLocalServer:
    """Notes every call, but for checks of whether it is there, and answers it by `answer`, which
    may be exchanged at any time, as `FakeModelServer` does over gRPC. A gate holds no checks: the
    model server keeps a thread for them."""

    def __init__(self, answer: Answer = echo, *, path: str = "") -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self._folder = TemporaryDirectory()
        self.path = path or str(Path(self._folder.name) / "socket")
        self.address = f"ttrpc:{self.path}"
        self.port = self.path  # for a proxy
        listener = LocalSocket(self.path).listen()
        self._server = LocalServer(listener, self._reply, max_threads=64)

    def __enter__(self) -> "FakeLocalServer":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def stop(self) -> None:
        """Ends at once, with all calls and connections."""
        self._server.stop(0)
        if isinstance(self.answer, Gate):
            self.answer.open()  # whom it answers now is gone

    def end(self, grace_s: float) -> None:
        """Ends once its calls are answered."""
        self._server.stop(grace_s)

    def _reply(self, request: wire.TtrpcRequest, received_s: float) -> Reply:
        left_s = request.timeout_nano / 1e9 or LONGEST_S
        metadata = {pair.key: pair.value for pair in request.metadata}
        method = f"/{request.service}/{request.method}"
        call = Call(method, request.payload, metadata, left_s)
        if request.payload or not method.endswith("GetModelStatus"):
            self.calls.append(call)
        elif isinstance(self.answer, Gate):
            return grpc.StatusCode.OK, "", b""
        context = _Context(received_s + left_s)
        try:
            response = self.answer(call, cast(Any, context))
        except _Aborted as aborted:
            code, words = aborted.args
            return code, words, b""
        finally:
            context.end()
        return grpc.StatusCode.OK, "", response
