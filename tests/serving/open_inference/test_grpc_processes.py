"""gRPC of a gateway's processes: their start, end and loss, TLS, and ports that are taken."""

import asyncio
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import grpc
import pytest

from harness.certificates import make_ca, make_certificate
from harness.fake_model_server import FakeModelServer
from harness.gateway import Gateway, gateway, start_in_vain
from harness.ports import free_port
from harness.processes import LONG_S
from harness.waiting import wait_for
from tests.serving.open_inference.asked_grpc import asked
from tests.serving.open_inference.echo_servers import EchoServers
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.process.exit_codes import NOT_BEGUN
from vitrine_client.tfserving import wire_pb2 as tensorflow_wire
from vitrine_serving.grpc_services import services_pb2 as services

CODE = grpc.StatusCode
INFER, STREAM = (grpc_messages.path_of(name) for name in ("ModelInfer", "ModelStreamInfer"))
CHECK = "/grpc.health.v1.Health/Check"
OWN = [("grpc.use_local_subchannel_pool", 1)]
"""Option of a channel that has a connection of its own."""


class Echo:
    """Answers of a model server: those of `EchoServers`, predictions once `may_answer`."""

    def __init__(self) -> None:
        self._servers = EchoServers()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.waiting = 0

    def __call__(self, call, context) -> bytes:
        method = "/".join(call.method.rsplit("/", 1)).removeprefix("/tensorflow.serving.")
        if method.endswith("Predict"):
            if wire_signature(call.request) != "serving_default":
                context.abort(CODE.INVALID_ARGUMENT, "no such signature")
            self.waiting += 1
            self.may_answer.wait(LONG_S)
        return asyncio.run(self._servers.call(method, call.request, timeout_s=10))


def wire_signature(request: bytes) -> str:
    return tensorflow_wire.PredictRequest.FromString(request).model_spec.signature_name


@pytest.fixture
def echo() -> Iterator[Echo]:
    """The answers of the model server."""
    made = Echo()
    yield made
    made.may_answer.set()


@pytest.fixture
def address(echo) -> Iterator[str]:
    """The address of a model server."""
    with FakeModelServer(echo) as server:
        yield server.address


class Front:
    """The gRPC of a running gateway."""

    def __init__(self, running: Gateway, port: int, credentials=None) -> None:
        self.gateway = running
        self.address = f"localhost:{port}"
        self._credentials = credentials

    def channel(self) -> grpc.Channel:
        """A channel with a connection of its own."""
        if self._credentials:
            return grpc.secure_channel(self.address, self._credentials, OWN)
        return grpc.insecure_channel(self.address, OWN)

    def infer(self, timeout_s: float = 20.0, **fields) -> str:
        """Asks over a connection of its own; returns the version that has answered."""
        with self.channel() as channel:
            content = channel.unary_unary(INFER)(
                asked(**fields).SerializeToString(), timeout=timeout_s, wait_for_ready=True
            )
        return wire.ModelInferResponse.FromString(content).model_version

    def stream(self, channel: grpc.Channel) -> "Streaming":
        return Streaming(channel)


class Streaming:
    """A stream that sends what it is told to."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._sent = Sent()
        self.call = channel.stream_stream(STREAM)(self._sent)

    def send(self, name: str) -> None:
        self._sent.put(asked(id=name).SerializeToString())

    def next(self) -> str:
        return wire.ModelStreamInferResponse.FromString(next(self.call)).infer_response.id


class Sent:
    """Iterator over what is put into it."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self.put = self._queue.put

    def __iter__(self):
        return self

    def __next__(self) -> bytes:
        return self._queue.get()


@pytest.fixture
def fronting(address):
    """Runs gateways with gRPC, by their settings."""

    @contextmanager
    def run(credentials=None, **settings) -> Iterator[Front]:
        port = free_port()
        with gateway(address, v2_grpc_port=port, **({"models": "m"} | settings)) as running:
            yield Front(running, port, credentials)

    return run


def test_each_process_answers(fronting):
    """New connections are dealt out to all."""
    with fronting() as front:
        pids = set()
        wait_for(lambda: _asked_one_of(front, pids) and len(pids) == 2, LONG_S, "both processes")


def _asked_one_of(front: Front, pids: set) -> bool:
    assert front.infer() == "2"
    pids |= {pid for pid in front.gateway.workers if _has_connection(pid, front)}
    with front.channel() as channel:
        channel.unary_unary(INFER)(asked().SerializeToString(), timeout=20)
        pids |= {pid for pid in front.gateway.workers if _has_connection(pid, front)}
    return True


def _has_connection(pid: int, front: Front) -> bool:
    """Whether a process has a connection that was made to the port."""
    port = int(front.address.rpartition(":")[2])
    inodes = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "01":
                inodes.add(f"socket:[{fields[9]}]")
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(each.readlink()) in inodes:
                return True
        except OSError:
            continue
    return False


def test_an_end_answers_calls_and_streams_in_hand(fronting, echo):
    """SIGTERM: what was asked is answered, streams are told why they end, and it ends with 0."""
    with fronting() as front, front.channel() as channel:
        front.infer()
        echo.may_answer.clear()
        before = echo.waiting
        unary = channel.unary_unary(INFER).future(asked(id="u").SerializeToString())
        stream = front.stream(channel)
        stream.send("s")
        wait_for(lambda: echo.waiting >= before + 1, LONG_S, "the calls")
        front.gateway.process.terminate()
        with front.channel() as another:
            wait_for(lambda: _is_refused(another), LONG_S, "the end of new calls")
        echo.may_answer.set()
        assert wire.ModelInferResponse.FromString(unary.result(LONG_S)).id == "u"
        assert stream.next() == "s"
        with pytest.raises(grpc.RpcError) as caught:
            stream.next()
        assert caught.value.code() is CODE.UNAVAILABLE
        assert "ending" in caught.value.details()
        assert front.gateway.process.wait(LONG_S) == 0


def _is_refused(channel: grpc.Channel) -> bool:
    try:
        channel.unary_unary(CHECK)(b"", timeout=5)
    except grpc.RpcError as error:
        return error.code() is CODE.UNAVAILABLE
    return False


def test_health_tells_of_a_drain_before_it_ends(fronting):
    """For as long as balancers have, calls are answered."""
    with fronting(drain_s=30) as front, front.channel() as channel:

        def status() -> int:
            content = channel.unary_unary(CHECK)(b"", timeout=20)
            return services.HealthCheckResponse.FromString(content).status

        assert status() == services.HealthCheckResponse.SERVING
        front.gateway.process.terminate()
        wait_for(
            lambda: status() == services.HealthCheckResponse.NOT_SERVING, LONG_S, "NOT_SERVING"
        )
        assert front.infer() == "2"
        front.gateway.process.send_signal(signal.SIGINT)
        front.gateway.process.wait(LONG_S)


def test_a_reload_goes_on_with_calls(fronting):
    """SIGHUP: one client goes on with its channel, from the old processes to the new ones."""
    with fronting() as front, front.channel() as channel:
        failed: list[grpc.RpcError] = []
        ended = threading.Event()

        def ask() -> None:
            while not ended.is_set():
                try:
                    channel.unary_unary(INFER)(
                        asked().SerializeToString(), timeout=20, wait_for_ready=True
                    )
                except grpc.RpcError as error:
                    failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        front.gateway.reload()
        ended.set()
        thread.join(LONG_S)
        # gRPC cancels a call that comes in the moment in which it stops.
        assert len(failed) <= 1, failed
        assert front.infer() == "2"


def test_a_process_that_is_lost_under_a_stream(fronting):
    """Its streams fail with UNAVAILABLE; the next connection is answered, and so are all when
    another process has taken its place."""
    with fronting(workers=1) as front, front.channel() as channel:
        stream = front.stream(channel)
        stream.send("a")
        assert stream.next() == "a"
        front.gateway.lose_a_worker()
        with pytest.raises(grpc.RpcError) as caught:
            stream.next()
        assert caught.value.code() is CODE.UNAVAILABLE
        assert front.infer() == "2"


def test_calls_count_for_the_life_of_a_process(fronting, monkeypatch):
    """`max_requests` has it replaced, as after requests by HTTP."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--max-requests=5")
    with fronting(workers=1) as front:
        (old,) = front.gateway.workers
        for _ in range(6):
            assert front.infer() == "2"
        wait_for(lambda: old not in front.gateway.workers, LONG_S, "the end of the process")
        assert front.infer() == "2"


def test_tls(fronting, tmp_path):
    """Certificates of both sides, and renewed ones after a reload."""
    ca = make_ca(tmp_path)
    server = make_certificate(tmp_path, "server", ca)
    client = make_certificate(tmp_path, "client", ca)
    root = ca.cert.read_bytes()
    shown = grpc.ssl_channel_credentials(root, client.key.read_bytes(), client.cert.read_bytes())
    tls = {"tls_cert": server.cert, "tls_key": server.key, "tls_client_ca": ca.cert}
    with fronting(shown, **tls) as front:
        assert front.infer() == "2"
        port = front.address.rpartition(":")[2]
        for refused in (None, grpc.ssl_channel_credentials(root)):
            with pytest.raises(grpc.RpcError) as caught:
                _ask_once(Front(front.gateway, port, refused))
            assert caught.value.code() is CODE.UNAVAILABLE
        other = make_ca(tmp_path, "other")
        renewed = make_certificate(tmp_path, "renewed", other)
        server.cert.write_bytes(renewed.cert.read_bytes())
        server.key.write_bytes(renewed.key.read_bytes())
        front.gateway.reload()
        trusting = grpc.ssl_channel_credentials(
            other.cert.read_bytes(), client.key.read_bytes(), client.cert.read_bytes()
        )
        assert Front(front.gateway, port, trusting).infer() == "2"


def _ask_once(front: Front) -> None:
    with front.channel() as channel:
        channel.unary_unary(INFER)(asked().SerializeToString(), timeout=20)


def test_a_port_that_is_taken():
    """It is told before anything starts, by the variable that moves it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        done = start_in_vain(v2_grpc_port=taken)
    assert done.returncode == NOT_BEGUN
    assert done.stderr == (
        f"Error: Port {taken} is taken by another program; choose another "
        "(VITRINE_V2_GRPC_PORT, 0 for none)\n"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("65536", "VITRINE_V2_GRPC_PORT='65536': expected a whole number from 0 up to 65535"),
        *(
            pytest.param(
                value,
                f"VITRINE_V2_GRPC_PORT='{value}': expected a whole number from 0 up to 65535",
                marks=pytest.mark.wide,
            )
            for value in ("-1", "many")
        ),
        (None, "HTTP is there (VITRINE_PORT); name another port, or 0 for none"),
    ],
)
def test_settings_that_are_no_port(value, said):
    port = free_port()
    done = start_in_vain(port=port, v2_grpc_port=value or port)
    assert done.returncode == NOT_BEGUN
    assert said in done.stderr
    assert re.search("Traceback", done.stderr) is None


def test_the_port_is_held_while_the_gateway_runs(fronting):
    """No other program gets it, also between two processes."""
    with fronting(workers=1) as front:
        port = int(front.address.rpartition(":")[2])
        second = start_in_vain(v2_grpc_port=port)
    assert second.returncode == NOT_BEGUN
    assert f"Port {port} is taken" in second.stderr


def test_without_a_port_there_is_no_grpc(address):
    with gateway(address, models="m") as running:
        assert "gRPC at" not in running.log.read_text()
