"""The command `vitrine-model-server`: its flags, its files, its end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from click.testing import CliRunner
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from harness.model_server import COMMAND, model_server
from harness.ports import free_port
from harness.processes import end
from harness.waiting import wait_for
from tests.contract.models import export, publish
from tests.serving.test_local_odd_peers import Client
from vitrine_client.model_server import ModelServerClient
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import V2Request, V2Tensor
from vitrine_serving.model_server.__main__ import main
from vitrine_serving.model_server.flags import Flags, parallelism


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Versions of `half` in a directory, and the kinds that `publish` copies from."""
    folder = tmp_path_factory.mktemp("models")
    export(folder / "kinds")
    publish(folder / "kinds", "half_plus_two", folder / "half", 1)
    return folder


def one_model(base: Path) -> list[str]:
    return ["--model_name=half", f"--model_base_path={base / 'half'}"]


def request_for(model: str = "half") -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array([1.0, 2.0], np.float32)))
    return request


def predict(server, model: str = "half") -> predict_pb2.PredictResponse:
    with server.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return stub.Predict(request_for(model), timeout=30)


def send_odd_encoding(server) -> None:
    """Sends a call with an encoding that gRPC does not know, of which its C core would write a
    line, and reads what comes of it until nothing more does."""

    def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
        return len(body).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + body

    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/tensorflow.serving.PredictionService/Predict",
        ":authority": "x",
        "content-type": "application/grpc",
        "te": "trailers",
        "grpc-encoding": "none-such",
    }
    packed = b"".join(
        bytes([16, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in headers.items()
    )
    host, port = server.grpc_address.split(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
        connection.sendall(
            frame(1, 4, 1, packed) + frame(0, 1, 1, bytes(5)) + frame(6, 0, 0, bytes(8))
        )
        answered = b""
        while b"grpc-status" not in answered:
            received = connection.recv(65536)
            assert received
            answered += received


@pytest.mark.parametrize(
    ("session", "intra_op", "inter_op", "threads"),
    [
        (0, 0, 0, (0, 0)),  # one a core
        (3, 0, 0, (3, 3)),
        (3, 2, 0, (2, 0)),
        (3, 0, 2, (0, 2)),
        (0, 1, 2, (1, 2)),
    ],
)
def test_threads_of_a_session(session, intra_op, inter_op, threads):
    """One flag for both kinds, unless one of theirs is given, as in TensorFlow Serving."""
    own = {"tensorflow_intra_op_parallelism": intra_op, "tensorflow_inter_op_parallelism": inter_op}
    assert parallelism(Flags(tensorflow_session_parallelism=session, **own)) == threads
    if session and intra_op:
        own["tensorflow_inter_op_parallelism"] = 1
        with pytest.raises(ValueError, match="You cannot configure all"):
            parallelism(Flags(tensorflow_session_parallelism=session, **own))


def test_monitoring_packing_and_health(base, tmp_path):
    """The metrics of both sides, where the file says; packed answers where the flag does; as many
    threads as are asked for, and no Keras."""
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/metrics" }')
    flags = [*one_model(base), f"--monitoring_config_file={monitoring}"]
    flags += ["--enable_serialization_as_tensor_content", "--enable_grpc_healthcheck_service=true"]
    flags += ["--tensorflow_session_parallelism=40"]
    with model_server(tmp_path / "log", *flags) as server:
        answer = predict(server)
        assert tf.make_ndarray(answer.outputs["y"]).tolist() == [2.5, 3]
        assert answer.outputs["y"].tensor_content
        send_odd_encoding(server)
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) >= 80
        libraries = Path(f"/proc/{server.pid}/maps").read_text()
        assert "libtensorflow" in libraries
        assert "/optree/" not in libraries  # Keras': a fifth of the start, and 50 MB
        url = f"http://{server.rest_address}"
        body = {"instances": [1.0]}
        assert requests.post(f"{url}/v1/models/half:predict", json=body, timeout=30).ok
        text = requests.get(f"{url}/metrics", timeout=30).text
    assert "hpack_parser" not in (tmp_path / "log").read_text()  # gRPC's own lines
    assert 'request_count{model_name="half",status="OK"} 2' in text
    for labels in ('API="Predict",entrypoint="GRPC"', 'API="predict",entrypoint="REST"'):
        assert f'request_latency_count{{model_name="half",{labels}}} 1' in text
    assert 'runtime_latency_count{model_name="half",API="Predict",runtime="TF1"} 2' in text


def test_both_protocols_at_one_port(base, tmp_path):
    """The Open Inference Protocol beside TensorFlow Serving's; a stream that waits for a request
    ends with the server, and keeps it from nothing."""
    stream, unary = (
        f"/inference.GRPCInferenceService/{name}" for name in ("ModelStreamInfer", "ServerReady")
    )
    one = V2Tensor("x", "FP32", np.array([1.0, 2.0], np.float32))
    body = grpc_messages.write_request(V2Request([one], model_name="half"))
    ended = threading.Event()
    with model_server(tmp_path / "log", *one_model(base)) as server, server.channel() as channel:
        assert predict(server).outputs
        assert channel.unary_unary(unary)(b"", timeout=30) == b"\x08\x01"
        answers = channel.stream_stream(stream)(bodies(body, ended), timeout=60)
        assert wire.ModelStreamInferResponse.FromString(next(answers)).infer_response.outputs
        os.kill(server.pid, signal.SIGTERM)
        assert list(answers) == []
        assert answers.code() is grpc.StatusCode.OK
        ended.set()
    assert "Traceback" not in (tmp_path / "log").read_text()


def bodies(body: bytes, ended: threading.Event) -> Iterator[bytes]:
    """One request, of a stream that is then idle."""
    yield body
    ended.wait(60)


def test_a_changed_config_file_is_followed(base, tmp_path):
    """A model that is added answers; a file that is broken meanwhile changes nothing."""
    config = tmp_path / "models.config"

    def write(*names: str) -> None:
        rest = f'base_path: "{base / "half"}" model_platform: "tensorflow"'
        entries = (f'config {{ name: "{name}" {rest} }}' for name in names)
        new = tmp_path / "new"
        new.write_text(f"model_config_list {{ {' '.join(entries)} }}")
        new.rename(config)

    def serves(server, model: str) -> bool:
        with contextlib.suppress(grpc.RpcError):
            return bool(predict(server, model).outputs)
        return False

    write("a")
    flags = [f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=0.1"]
    with model_server(tmp_path / "log", *flags) as server:
        assert serves(server, "a")
        config.write_text("model_config_list { oops")
        wait_for(lambda: "is not followed" in (tmp_path / "log").read_text(), 30, "a remark")
        assert serves(server, "a")
        config.unlink()
        said = "No such file or directory"
        wait_for(lambda: said in (tmp_path / "log").read_text(), 30, "a remark")
        write("a", "b")
        wait_for(lambda: serves(server, "b"), 30, "the model that was added")
        write("b")
        wait_for(lambda: not serves(server, "a"), 30, "the end of the one that was left out")
        with ModelServerClient(server.grpc_address) as client:
            client.reload("model_config_list {}")  # the file is as it was, and is the truth
        wait_for(lambda: serves(server, "b"), 30, "the model that a reload left out")
        config.write_text("# nothing, which is no list without models")
        said = "only legal to transition from one ModelConfigList to another"
        wait_for(lambda: said in (tmp_path / "log").read_text(), 30, "a remark")
        assert serves(server, "b")
        said = "No such file or directory"
        config.unlink()
        wait_for(lambda: (tmp_path / "log").read_text().count(said) == 2, 30, "a remark")
        (base / "half" / "9").mkdir()  # seen by the other thread, whose looks are a second apart
        wait_for(lambda: "half/9" in (tmp_path / "log").read_text(), 30, "a later look")
        (base / "half" / "9").rmdir()
        assert (tmp_path / "log").read_text().count(said) == 2


def test_the_load_is_retried_while_ports_stay_closed(base, tmp_path):
    """A version that fails at start is tried again, with nobody listening until it is settled; a
    signal ends that at once."""
    broken = tmp_path / "half"
    publish(base / "kinds", "broken", broken, 1)
    port, log = free_port(), tmp_path / "log"
    flags = [f"--model_base_path={broken}", f"--port={port}", "--rest_api_port=0"]
    with log.open("w") as output:
        process = subprocess.Popen([*COMMAND, *flags], stderr=output, text=True)
    try:
        wait_for(lambda: "saved_model.pb" in log.read_text(), 120, "a first try")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        end(process)


def test_the_local_socket_of_the_next_server(base, tmp_path):
    """That starts while this one ends, and answers the calls that it has, is left alone; this one's
    own are gone."""
    batching, own = tmp_path / "batching.config", tmp_path / "socket"
    batching.write_text("batch_timeout_micros { value: 3000000 }")
    beside = tmp_path / "socket.h2"
    flags = [*one_model(base), "--enable_batching", f"--local_socket={own}"]
    flags.append(f"--batching_parameters_file={batching}")
    with (
        model_server(tmp_path / "log", *flags) as server,
        contextlib.closing(Client(str(own))) as client,
    ):
        client.call(1, request_for().SerializeToString())  # which waits for its batch
        client.call(3)
        assert client.answer()[0] == 3
        os.kill(server.pid, signal.SIGTERM)
        wait_for(lambda: not (own.exists() or beside.exists()), 30, "the end of both sockets")
        with socket.socket(socket.AF_UNIX) as following:
            following.bind(str(beside))
            stream, answer = client.answer()
            assert (stream, answer.status.code) == (1, 0)
            os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
            assert beside.exists()


@pytest.fixture
def cold(base, tmp_path) -> list[str]:
    """Flags for a version whose warm-up fails."""
    version = shutil.copytree(base / "half" / "1", tmp_path / "half" / "1")
    (version / "assets.extra").mkdir()
    (version / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"garbage" * 9)
    return ["--model_name=half", f"--model_base_path={tmp_path / 'half'}"]


@pytest.mark.wide  # beside tests/contract/cases/started.py, which has a server without warm-up
def test_no_warm_up(cold, tmp_path):
    with model_server(tmp_path / "log", *cold, "--enable_model_warmup=false") as server:
        assert predict(server).outputs


@pytest.mark.parametrize(
    ("tags", "message"),
    # Of warm-ups that fail, and what the status says then, tests/contract has cases.
    [("gpu", "tags"), pytest.param("serve", "warmup", marks=pytest.mark.wide)],
)
def test_tags(cold, tmp_path, tags, message):
    """A graph with other tags is not found, and the status says so; with these it is warmed up."""
    flags = [*cold, "--max_num_load_retries=0", f"--saved_model_tags={tags}"]
    with model_server(tmp_path / "log", *flags) as server:
        url = f"http://{server.rest_address}/v1/models/half"
        (found,) = requests.get(url, timeout=30).json()["model_version_status"]
        assert found["state"] == "END"
        assert message in found["status"]["error_message"]


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        ([], 255, "--model_config_file, or --model_name and --model_base_path"),
        (["--model_config_file={folder}/none"], 255, "none; No such file or directory"),
        (["--model_config_file={folder}/bad"], 255, "1:1"),
        (
            ["--model_base_path=x", "--batching_parameters_file={folder}/bad"],
            255,
            "server_options.enable_batching",
        ),
        (
            ["--model_base_path=x", "--enable_batching", "--batching_parameters_file={folder}/bad"],
            255,
            "{folder}/bad",
        ),
        (["--model_base_path=x", "--monitoring_config_file={folder}/bad"], 255, "{folder}/bad"),
        (["--model_base_path=x", "--port={taken}"], 2, "is taken by another program"),
        (["--model_base_path=x", "--port=no"], 255, "'no' is not a valid integer"),
        (["--port=65536"], 255, "65536 is not in the range"),
        (["--strict_flags", "--modle_name=x"], 255, "the nearest flag is --model_name"),
        (["--strict_flags=true", "word"], 255, "unknown argument: word"),
    ],
)
def test_flags_that_make_no_sense(tmp_path, monkeypatch, flags, code, message):
    """A clear word and an exit code; nothing is served."""
    (tmp_path / "bad").write_text("nonsense")
    for name in ("GRPC_VERBOSITY", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.setenv(name, os.environ.get(name, "0"))  # which are set for good otherwise
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = {"folder": tmp_path, "taken": taken.getsockname()[1]}
        done = CliRunner().invoke(main, [flag.format(**words) for flag in flags])
    assert done.exit_code == code, done.output
    assert message.format(**words) in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_a_process_of_flags_that_make_no_sense(tmp_path):
    """Its exit code and its words are the command's."""
    command = [*COMMAND, "--model_config_file=none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path)
    assert done.returncode == 255, done.stderr
    assert "NOT_FOUND: none; No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
