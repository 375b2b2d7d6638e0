"""Start of the model server with TLS, at a Unix socket, and with a version's own batching."""

import contextlib
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from harness.certificates import Certificate, make_ca, make_certificate
from harness.model_server import COMMAND
from harness.ports import free_port
from harness.processes import running, wait_until_up
from tests.contract.models import export, publish
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.grpc_credentials import ssl_credentials


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """Version 1 of `half`, and the kinds that it was copied from."""
    folder = tmp_path_factory.mktemp("models")
    export(folder / "kinds")
    publish(folder / "kinds", "half_plus_two", folder / "half", 1)
    return folder


@contextlib.contextmanager
def started(folder: Path, *flags: str) -> Iterator[Path]:
    """Starts a server in a folder, and returns its log."""
    log = folder / "log"
    with running((*COMMAND, *flags), log, cwd=folder) as process:
        wait_until_up(process, log, lambda: "Running gRPC" in log.read_text(), "the model server")
        yield log


def written(path: Path, own: Certificate, ca: Certificate | None = None) -> Path:
    """Writes an `SSLConfig`; with `ca` clients have to show a certificate of its."""

    def quoted(name: str, file: Path) -> str:
        text = file.read_text().replace("\n", "\\n")
        return f'{name}: "{text}"\n'

    text = quoted("server_key", own.key) + quoted("server_cert", own.cert)
    if ca:
        text += quoted("custom_ca", ca.cert) + "client_verify: true\n"
    path.write_text(text)
    return path


def predicted(channel: grpc.Channel, values: list[float]) -> list[float]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array(values, np.float32)))
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(
        request, timeout=30
    )
    return [float(value) for value in tf.make_ndarray(response.outputs["y"])]


def refusal(channel: grpc.Channel) -> grpc.StatusCode:
    """The code of a call that is to fail at once."""
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(), timeout=10)
    return caught.value.code()


def test_tls_at_the_port_and_at_the_socket(base, tmp_path):
    """Clients that show a certificate are answered at both, and no others; REST stays plain."""
    ca = make_ca(tmp_path)
    own, client = (make_certificate(tmp_path, name, ca) for name in ("server", "client"))
    config = written(tmp_path / "ssl.config", own, ca)
    port, rest = free_port(), free_port()
    flags = ["--model_name=half", f"--model_base_path={base / 'half'}", f"--port={port}"]
    flags += [f"--rest_api_port={rest}", f"--ssl_config_file={config}", "--grpc_socket_path=socket"]
    roots = ca.cert.read_bytes()
    shown = grpc.ssl_channel_credentials(roots, client.key.read_bytes(), client.cert.read_bytes())
    with started(tmp_path, *flags) as log:
        for address in (f"localhost:{port}", f"unix:{tmp_path / 'socket'}"):
            named = [("grpc.ssl_target_name_override", "localhost")]
            with grpc.secure_channel(address, shown, options=named) as channel:
                assert predicted(channel, [2.0]) == [3.0]
            nobody = grpc.ssl_channel_credentials(roots)
            with grpc.secure_channel(address, nobody, options=named) as channel:
                assert refusal(channel) is grpc.StatusCode.UNAVAILABLE
            with grpc.insecure_channel(address) as channel:
                assert refusal(channel) is grpc.StatusCode.UNAVAILABLE
        assert requests.get(f"http://127.0.0.1:{rest}/v1/models/half", timeout=30).ok
        assert "Running gRPC by TLS at" in log.read_text()


def test_a_socket_alone_and_batching_of_a_versions_own(base, tmp_path):
    """Port 0 with a relative socket, whose file is gone afterwards; what a killed server has left
    is replaced. A version is batched by its own file alone, and one without is not."""
    for name, file in (("half", "max_batch_size { value: 2 }"), ("other", "")):
        shutil.copytree(base / "half", tmp_path / "models" / name)
        if file:
            (tmp_path / "models" / name / "1" / "batching_params.pbtxt").write_text(file)
    (tmp_path / "session.config").write_text("log_device_placement: false\n")
    (tmp_path / "batching.config").write_text("max_batch_size { value: 1 }\n")
    (tmp_path / "models.config").write_text(
        "model_config_list {"
        + "".join(
            f'config {{ name: "{name}" base_path: "{tmp_path}/models/{name}" '
            'model_platform: "tensorflow" }'
            for name in ("half", "other")
        )
        + "}"
    )
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "socket"))
    flags = ["--model_config_file=models.config", "--port=0", "--rest_api_port=0"]
    flags += ["--grpc_socket_path=socket", "--tensorflow_session_config_file=session.config"]
    flags += ["--enable_batching", "--batching_parameters_file=batching.config"]
    flags += ["--enable_per_model_batching_parameters", "--num_request_iterations_for_warmup=2"]
    flags += ["--grpc_channel_arguments=grpc.max_connection_age_ms=60000"]
    with started(tmp_path, *flags):
        with grpc.insecure_channel(f"unix:{tmp_path / 'socket'}") as channel:
            assert predicted(channel, [2.0, 4.0]) == [3.0, 4.0]
            with pytest.raises(grpc.RpcError) as caught:
                predicted(channel, [2.0] * 3)
            assert "larger than maximum input batch size 2" in caught.value.details()
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "other"
            request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.ones(3, np.float32)))
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(request, timeout=30).outputs
        again = [*COMMAND, *flags]
        with running(again, tmp_path / "second", cwd=tmp_path) as second:
            assert second.wait(120) == 2
        said = (tmp_path / "second").read_text()
        assert "--grpc_socket_path: another model server answers at socket" in said
    assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("server_key", "custom_ca"), "there is no server_key"),
        (lambda text: text.replace("-----BEGIN CERT", "-----"), "server_cert is no certificate"),
        (lambda text: text.replace("PRIVATE", "PUBLIC"), "server_key is no key, or that of"),
        (lambda text: text + "client_verify: true", "client_verify needs a custom_ca"),
        (lambda text: text + 'custom_ca: "x"', "custom_ca is no certificate"),
        (lambda text: text + 'custom_ca: "é"', "custom_ca is no certificate"),
        (lambda text: text + "nonsense", "Invalid protobuf file"),
    ],
)
def test_tls_that_cannot_be(tmp_path, change, said):
    """Each is told with the file, before a model is loaded."""
    own = make_certificate(tmp_path, "server", make_ca(tmp_path))
    config = written(tmp_path / "ssl.config", own)
    assert isinstance(ssl_credentials(config), grpc.ServerCredentials)
    config.write_text(change(config.read_text()))
    with pytest.raises(ServingError) as caught:
        ssl_credentials(config)
    assert said in str(caught.value)
    assert str(config) in str(caught.value)


def test_tls_of_paths(tmp_path):
    """Paths in place of PEM texts are told; a text that is cut off is another mistake."""
    config = tmp_path / "ssl.config"
    for given, is_told in (("/tls/own.pem", True), ("-----BEGIN CERTIFICATE-----", False)):
        config.write_text(f'server_key: "{given}" server_cert: "{given}"')
        with pytest.raises(ServingError) as caught:
            ssl_credentials(config)
        assert ("hold the PEM texts themselves" in caught.value.hint) == is_told


def test_tls_of_two_pairs(tmp_path):
    """A key of another certificate is found out."""
    ca = make_ca(tmp_path)
    own, other = (make_certificate(tmp_path, name, ca) for name in ("server", "other"))
    config = written(tmp_path / "ssl.config", Certificate(own.cert, other.key))
    with pytest.raises(ServingError, match="KEY_VALUES_MISMATCH"):
        ssl_credentials(config)


@pytest.mark.slow
def test_alts_elsewhere(tmp_path):
    """Nothing listens, and it is said why."""
    config = tmp_path / "models.config"
    config.write_text("model_config_list { }")
    flags = [f"--model_config_file={config}", f"--port={free_port()}", "--rest_api_port=0"]
    log = tmp_path / "log"
    with running((*COMMAND, *flags, "--use_alts_credentials"), log) as process:
        assert process.wait(120) == 1
    assert "--use_alts_credentials is for Google's cloud alone" in log.read_text()
