"""A model server that ends and comes back, behind a gateway."""

import os
import signal
from contextlib import ExitStack

import pytest

from harness.gateway import gateway, predicts
from harness.model_server import model_server
from harness.paths import SAMPLES
from harness.ports import free_port
from harness.waiting import wait_for
from vitrine_client import Client
from vitrine_client.errors import Unavailable

pytestmark = pytest.mark.slow


def test_gateways_outlive_their_model_server(training_run, tmp_path):
    """kill -9 of the model server: a gateway says so, over gRPC as over a local socket, and answers
    again within 2 s of the new one's readiness, without a restart of its own."""
    ports = free_port(), free_port()
    flags = [f"--local_socket={tmp_path / 'socket'}", "--model_name=mlp"]
    flags.append(f"--model_base_path={training_run.models_dir / 'mlp'}")
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(gateway(address))
            for address in (f"127.0.0.1:{ports[0]}", f"ttrpc:{tmp_path / 'socket'}")
        ]
        # No second try of the client's own may hide what the gateway says.
        clients = [stack.enter_context(Client(each.url, retries=0)) for each in gateways]
        for _ in range(2):
            with model_server(tmp_path / "log", *flags, ports=ports) as server:
                # In 2 s, and in the 3 s that a busy machine may stall.
                wait_for(lambda: all(map(predicts, clients)), 5, "the gateways' answers")
                os.kill(server.pid, signal.SIGKILL)
                for client in clients:
                    with pytest.raises(Unavailable):
                        client.predict(SAMPLES[0])
        assert all(each.process.poll() is None for each in gateways)
