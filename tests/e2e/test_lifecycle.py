"""A model server that ends and comes back, behind a gateway."""

import os
import signal

import pytest

from harness.gateway import gateway, predicts
from harness.model_server import model_server
from harness.paths import SAMPLES
from harness.ports import free_port
from harness.waiting import wait_for
from vitrine_client import Client
from vitrine_client.errors import Unavailable

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("road", ["gRPC", "local socket"])
def test_the_gateway_outlives_its_model_server(road, training_run, tmp_path):
    """kill -9 of the model server: the gateway says so, and answers again within 2 s of the new
    one's readiness, without a restart of its own."""
    ports = free_port(), free_port()
    flags = ["--model_name=mlp", f"--model_base_path={training_run.models_dir / 'mlp'}"]
    address = f"127.0.0.1:{ports[0]}"
    if road != "gRPC":
        address = f"ttrpc:{tmp_path / 'socket'}"
        flags.append(f"--local_socket={tmp_path / 'socket'}")
    with (
        gateway(address) as running,
        # No second try of the client's own may hide what the gateway says.
        Client(running.url, retries=0) as client,
    ):
        for _ in range(2):
            with model_server(tmp_path / "log", *flags, ports=ports) as server:
                # In 2 s, and in the 3 s that a busy machine may stall.
                wait_for(lambda: predicts(client), 5, "the gateway's answer")
                os.kill(server.pid, signal.SIGKILL)
                with pytest.raises(Unavailable):
                    client.predict(SAMPLES[0])
        assert running.process.poll() is None
