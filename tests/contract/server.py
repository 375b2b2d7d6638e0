"""A model server to judge: the embedded one or the real one, by the same flags."""

import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2 as config_pb2

from harness import model_server, processes
from harness.ports import free_port
from harness.processes import Process, end, wait_until_up
from harness.waiting import wait_for
from tests.contract import models

IMAGE = "tensorflow/serving:2.20.0"
BINARY = "tensorflow_model_server"
SOCKET = "socket"
START_S = 120
TIMEOUT_S = 30
ANY_LENGTH = [("grpc.max_receive_message_length", -1)]

BATCHING = """
max_batch_size { value: 32 }
batch_timeout_micros { value: 0 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
allowed_batch_sizes: 8
allowed_batch_sizes: 32
"""


def _serialized(message: Any) -> bytes:
    return message.SerializeToString()


@dataclass(frozen=True)
class Reply:
    """An HTTP response. The names of its headers are in small letters."""

    status: int
    content_type: str
    body: bytes
    reason: str
    headers: Mapping[str, str]


@dataclass
class Server:
    """A running model server. It serves `half_plus_two` (versions 1 and 2), `echo`, `images`
    and `imported` from `models`; `kinds` is where `models.export` wrote."""

    grpc_address: str
    rest_address: str
    models: Path
    kinds: Path
    process: Process | None = None
    log: Path | None = None
    _stubs: list[Any] = field(default_factory=list)

    def call(self, method: str, request: Any, **options: Any) -> Any:
        """Calls a method of PredictionService or ModelService by the official stubs, with gRPC's
        `options`; one with a slash is called as it is, and answers bytes. Raises `grpc.RpcError`.
        """
        return self._stub(method)(request, **{"timeout": TIMEOUT_S, **options})

    def first(self, method: str, request: Any) -> bytes:
        """Returns the first message of a stream, and leaves it. Raises `grpc.RpcError`."""
        *_, channel = self._connected()
        stream = channel.unary_stream(method, _serialized)(request, timeout=TIMEOUT_S)
        try:
            return next(stream)
        finally:
            stream.cancel()

    def metadata(self, method: str, request: Any) -> list[str]:
        """Returns the names of an answer's metadata. Raises `grpc.RpcError`."""
        _, call = self._stub(method).with_call(request, timeout=TIMEOUT_S)
        return [name for name, _ in (*call.initial_metadata(), *call.trailing_metadata())]

    def _stub(self, method: str) -> Any:
        *stubs, channel = self._connected()
        if "/" in method:
            return channel.unary_unary(method, _serialized)
        return next(getattr(stub, method) for stub in stubs if hasattr(stub, method))

    def _connected(self) -> list[Any]:
        if not self._stubs:
            channel = grpc.insecure_channel(self.grpc_address, ANY_LENGTH)
            self._stubs += [
                prediction_service_pb2_grpc.PredictionServiceStub(channel),
                model_service_pb2_grpc.ModelServiceStub(channel),
                channel,
            ]
        return self._stubs

    def http(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Sends an HTTP request, its path as it is, on a connection of its own."""
        connection = http.client.HTTPConnection(self.rest_address, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, dict(headers))
            return _read(connection.getresponse())
        finally:
            connection.close()

    def reply(self, request: bytes) -> Reply:
        """Sends the bytes of an HTTP request, and returns the first answer to them."""
        host, _, port = self.rest_address.rpartition(":")
        with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
            connection.sendall(request)
            with http.client.HTTPResponse(connection) as response:
                response.begin()
                return _read(response)

    def replies(self, sent: bytes) -> list[Reply]:
        """Sends bytes to the port of REST; returns the responses until the server ends the
        connection."""
        host, _, port = self.rest_address.rpartition(":")
        with (
            socket.create_connection((host, int(port)), TIMEOUT_S) as connection,
            connection.makefile("rb") as received,
        ):
            connection.sendall(sent)
            return _replies(received.read())

    def await_ready(self, said: bytes = b"AVAILABLE") -> None:
        """Waits for the ports, which TensorFlow Serving opens when the models are loaded, and until
        it says this of one of its models."""

        def answers() -> bool:
            try:
                path = "/v1/models/half_plus_two/versions/2"
                return said in self.http("GET", path, None, {}).body
            except OSError:
                return False

        if self.process and self.log:
            wait_until_up(self.process, self.log, answers, "the model server")
        else:
            wait_for(answers, START_S, "the model server, which is not ours")

    def stop(self) -> None:
        """Closes the channel, and ends the process if it is ours."""
        for stub in self._stubs[2:]:
            stub.close()
        if self.process:
            end(self.process)


def _read(response: http.client.HTTPResponse) -> Reply:
    found = {name.lower(): value for name, value in response.getheaders()}
    kind = found.get("content-type", "")
    return Reply(response.status, kind, response.read(), response.reason, found)


def _replies(received: bytes) -> list[Reply]:
    """Returns the responses that stand one behind the other."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.lower(): value.strip() for name, value in pairs}
        size = int(headers.get("content-length", len(received)))
        _, code, reason = status.split(" ", 2)
        kind = headers.get("content-type", "")
        found.append(Reply(int(code), kind, received[:size], reason, headers))
        received = received[size:]
    return found


MODELS = ("half_plus_two", "echo", "images", "imported")


def steady_config(base: Path, names: Sequence[str] = MODELS) -> str:
    """`--model_config_file` for models in `base`."""
    labels = {"stable": 1, "canary": 2, "gone": 7}
    config = config_pb2.ModelServerConfig()
    for name in names:
        model = config.model_config_list.config.add(
            name=name, base_path=str(base / name), model_platform="tensorflow"
        )
        if name == "half_plus_two":
            model.model_version_policy.all.SetInParent()
            model.version_labels.update(labels)
    return text_format.MessageToString(config)


def fill(kinds: Path, base: Path, names: Sequence[str] = MODELS) -> None:
    """Publishes the models of `steady_config`, and writes it beside them."""
    for kind, name, version in (
        ("half_plus_two", "half_plus_two", 1),
        ("half_plus_three", "half_plus_two", 2),
        ("echo", "echo", 1),
        ("images", "images", 1),
        ("imported", "imported", 1),
    ):
        if name in names:
            models.publish(kinds, kind, base / name, version)
    (base / "models.config").write_text(steady_config(base, names))
    (base / "batching.config").write_text(BATCHING)
    (base / "monitoring.config").write_text("prometheus_config { enable: true }")


def start(command: Sequence[str], base: Path, kinds: Path, *, may_change: bool) -> Server:
    """Starts a server of what `fill` made; `may_change` is for one that cases reload, on which
    batching is on and what is off unless a flag says so, and a version that fails to load fails at
    once."""
    grpc_port, rest_port = free_port(), free_port()
    flags = [
        *(f"--port={grpc_port}", f"--rest_api_port={rest_port}"),
        f"--model_config_file={base / 'models.config'}",
        "--file_system_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models=true",
        f"--monitoring_config_file={base / 'monitoring.config'}",
    ]
    if may_change:
        flags += ["--max_num_load_retries=0", "--load_retry_interval_micros=0"]
        flags += ["--enable_batching=true", "--rest_api_enable_cors_support=true"]
        flags += ["--enable_signature_method_name_check=true"]
        flags += ["--enable_grpc_healthcheck_service=true"]
        flags += [f"--batching_parameters_file={base / 'batching.config'}"]
    log = base / "log"
    process = processes.start([*command, *flags], log)
    addresses = (f"127.0.0.1:{grpc_port}", f"127.0.0.1:{rest_port}")
    return Server(*addresses, base, kinds, process, log)


def command(kind: str, base: Path) -> list[str]:
    """Returns how to start a kind of server that sees `base` where we see it."""
    if kind == "embedded":
        return [*model_server.COMMAND, f"--local_socket={base / SOCKET}"]
    if kind == "binary":
        return [binary(os.environ)]
    return [
        *("docker", "run", "--rm", "--init", "--network=host", f"--volume={base}:{base}"),
        *(f"--entrypoint={BINARY}", image(os.environ)),
    ]


def binary(environ: Mapping[str, str]) -> str:
    """Returns the program that is the real server."""
    return environ.get("VITRINE_CONTRACT_BINARY") or BINARY


def image(environ: Mapping[str, str]) -> str:
    """Returns the image that has it."""
    return environ.get("VITRINE_CONTRACT_IMAGE") or IMAGE


def elsewhere(environ: Mapping[str, str], kinds: Path) -> Server:
    """Returns the server that somebody else runs."""
    grpc, rest, base = (environ[f"VITRINE_CONTRACT_{name}"] for name in ("GRPC", "REST", "MODELS"))
    return Server(grpc, rest, Path(base), kinds)


def why_not(kind: str, addresses: Mapping[str, str]) -> str:
    """Says why a kind of server is not there, or nothing; `addresses` is the environment."""
    if kind == "address":
        needed = ("VITRINE_CONTRACT_GRPC", "VITRINE_CONTRACT_REST", "VITRINE_CONTRACT_MODELS")
        missing = [name for name in needed if not addresses.get(name)]
        return f"{', '.join(missing)} not set" if missing else ""
    if kind == "binary":
        program = binary(addresses)
        where = "" if "/" in program else " on the PATH"
        return "" if shutil.which(program) else f"no program {program}{where}"
    if kind == "docker":
        if not shutil.which("docker"):
            return "no docker on the PATH"
        name = image(addresses)
        inspect = ["docker", "image", "inspect", name]
        if subprocess.run(inspect, capture_output=True, timeout=30).returncode:
            return f"no image {name} here, or no engine; it is never pulled"
    return ""


if __name__ == "__main__":
    # What a server that somebody else runs is to serve: see README.md.
    where = Path(sys.argv[1]).absolute()
    models.export(where / ".kinds")
    fill(where / ".kinds", where)
