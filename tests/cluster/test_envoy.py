"""Envoy's files: valid, and carrying predictions while servers come and go."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
import requests

from harness.dns import Dns
from harness.fake_model_server import Call, FakeModelServer, Gate, classifying
from harness.gateway import PREDICT, gateway
from harness.paths import PICTURE
from harness.ports import free_port
from harness.waiting import wait_for
from tests.cluster.envoy import FILES, NAME, Envoy, envoy, validated
from tests.cluster.tools import program

HEALTHY = b"\x08\x01"
LONGEST_S = 20.0
"""Far less than the minute that Envoy by itself leaves between two checks without traffic."""


def serving(call: Call, context: grpc.ServicerContext) -> bytes:
    """Answers as a model server with a health service does."""
    if call.method.endswith("Health/Check"):
        return HEALTHY
    return classifying()(call, context) if is_predict(call) else b""


def is_predict(call: Call) -> bool:
    return call.method.endswith("/Predict")


def predictions(server: FakeModelServer) -> int:
    return sum(map(is_predict, server.calls))


class Pods:
    """Pods with addresses of their own and one port, and the DNS of the Service in front."""

    def __init__(self) -> None:
        self.port = free_port()
        self.records: list[str] = []
        self.dns = Dns(lambda name: self.records if name == NAME else [], port=0)

    def add(self, host: str, stack: ExitStack) -> FakeModelServer:
        """Starts a model server, and tells the DNS of it."""
        server = stack.enter_context(FakeModelServer(serving, host=host, port=self.port))
        if host not in self.records:
            self.records.append(host)
        return server


@pytest.mark.parametrize("file", sorted(FILES.glob("*.yaml")), ids=lambda file: file.name)
def test_files_are_valid(file):
    done = validated(file)
    assert done.returncode == 0, done.stderr
    assert " OK" in done.stdout + done.stderr
    assert "deprecated" not in (done.stdout + done.stderr).lower()


def test_a_wrong_file_is_refused(tmp_path):
    """The check sees more than syntax."""
    wrong = tmp_path / "envoy.yaml"
    wrong.write_text((FILES / "envoy.yaml").read_text().replace("lb_policy", "lb_politics"))
    assert validated(wrong).returncode != 0


@contextmanager
def between(folder: Path, pods: Pods) -> Iterator[tuple[Envoy, str]]:
    """Runs Envoy before model servers, and a gateway before Envoy; yields where pictures go."""
    file = FILES / "envoy.yaml"
    with envoy(file, folder, dns_port=pods.dns.port, port=pods.port) as proxy:
        wait_for(lambda: proxy.healthy() == len(pods.records), LONGEST_S, "health")
        with gateway(",".join(proxy.addresses), workers=1) as asked:
            yield proxy, f"{asked.url}{PREDICT}"


def ask(url: str, times: int) -> None:
    """Sends a picture so often, over one connection, and expects the same answer each time."""
    with requests.Session() as session:
        for number in range(times):
            headers = {"Content-Type": "image/png"}
            answer = session.post(url, PICTURE, headers=headers, timeout=30)
            assert answer.status_code == 200, (number, answer.text)
            assert answer.json()["predictions"][0]["label"].startswith("class ")


def test_model_servers_come_and_go(tmp_path):
    """500 predictions: 200 by two, 200 by three of which the third is new, and 100 after the first
    was killed, without a word to the DNS."""
    program("envoy")
    pods = Pods()
    with ExitStack() as stack:
        first, second = (pods.add(host, stack) for host in ("127.0.0.2", "127.0.0.3"))
        proxy, url = stack.enter_context(between(tmp_path, pods))
        ask(url, 200)
        assert min(map(predictions, (first, second))) > 50
        third = pods.add("127.0.0.4", stack)
        wait_for(lambda: proxy.healthy() == 3, LONGEST_S, "the third server")
        ask(url, 200)
        assert predictions(third) > 30
        first.stop()
        ask(url, 100)
        pods.records.remove("127.0.0.2")
        wait_for(lambda: proxy.members() == 2, LONGEST_S, "the DNS' word")


def test_batches_in_flight(tmp_path):
    """One process of a gateway has as many as Envoy has addresses."""
    program("envoy")
    pods, gate = Pods(), Gate(serving)
    with ExitStack() as stack:
        server = pods.add("127.0.0.2", stack)
        proxy, url = stack.enter_context(between(tmp_path, pods))
        ask(url, 1)
        server.calls.clear()
        server.answer = lambda *call: (gate if is_predict(call[0]) else serving)(*call)
        senders = stack.enter_context(ThreadPoolExecutor(16))
        stack.callback(gate.open)  # before the senders are waited for
        sent = []
        for number in range(8):
            sent.append(senders.submit(ask, url, 1))
            awaited = min(number + 1, len(proxy.addresses))
            wait_for(lambda n=awaited: predictions(server) >= n, LONGEST_S, f"{awaited} calls")
        gate.open()
        for each in sent:
            each.result(LONGEST_S)


def test_server_that_is_back_while_nobody_asks(tmp_path):
    """Without `no_traffic_interval` Envoy looks for it once a minute."""
    program("envoy")
    pods = Pods()
    with ExitStack() as stack:
        first = pods.add("127.0.0.2", stack)
        pods.add("127.0.0.3", stack)
        proxy, _ = stack.enter_context(between(tmp_path, pods))
        first.stop()
        wait_for(lambda: proxy.healthy() == 1, LONGEST_S, "the failure")
        pods.add("127.0.0.2", stack)
        wait_for(lambda: proxy.healthy() == 2, LONGEST_S, "the server's return")


def test_gateways_behind_envoy(tmp_path):
    """One of two gateways is killed: what it refuses is asked of the other, before Envoy's health
    check knows."""
    program("envoy")
    pods = Pods()
    with ExitStack() as stack:
        server = stack.enter_context(FakeModelServer(serving))
        for host in ("127.0.0.2", "127.0.0.3"):
            settings = {"host": host, "port": pods.port, "workers": 1}
            last = stack.enter_context(gateway(server.address, tmp_path / host, **settings))
            pods.records.append(host)
        proxy = stack.enter_context(
            envoy(FILES / "front.yaml", tmp_path, dns_port=pods.dns.port, port=pods.port)
        )
        wait_for(lambda: proxy.healthy() == 2, LONGEST_S, "health")
        url = f"http://{proxy.addresses[0]}{PREDICT}"
        ask(url, 20)
        for pid in (last.process.pid, *last.workers):
            os.kill(pid, signal.SIGKILL)
        ask(url, 50)
