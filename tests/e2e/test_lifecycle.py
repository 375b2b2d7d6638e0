"""Versions come, go, break and come back under load, and no client notices."""

import os
import signal

import pytest

from benchmarks.embedded import model_server
from benchmarks.soak import soak
from tests.conftest import SAMPLES, free_port, predicts, wait_for
from tests.running_gateway import gateway
from vitrine_client import Client
from vitrine_client.errors import Unavailable

pytestmark = pytest.mark.slow


def test_versions_swap_under_load(tmp_path):
    """20 versions published, rolled back, restored, and some broken at first, under 8 clients: no
    failed and no wrong answer, every version seen, and the server no heavier than before."""
    steps = []
    outcome = soak(tmp_path, swaps=20, clients=8, each=lambda: steps.append(1))
    print(outcome)
    assert len(steps) == 20
    assert not outcome.failed
    assert outcome.wrong == 0
    assert outcome.versions == set(range(1, 22))
    assert outcome.answered > 20 * len(steps)
    assert outcome.growth < 0.1


def test_the_gateway_outlives_its_model_server(training_run, tmp_path):
    """kill -9 of the model server: the gateway says so, and answers again within 2 s of the new
    one's readiness, without a restart of its own."""
    ports = free_port(), free_port()
    flags = ["--model_name=mlp", f"--model_base_path={training_run.models_dir / 'mlp'}"]
    with (
        gateway(f"127.0.0.1:{ports[0]}") as running,
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
