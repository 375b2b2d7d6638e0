"""One client for several processes or event loops: every picture gets its own label."""

import asyncio
import copy
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest

from harness.fake_model_server import FakeModelServer, Gate, classifying
from harness.paths import ROOT
from harness.ports import free_port
from harness.processes import end
from harness.waiting import wait_for
from tests.client.fake_gateway import LONGEST_S, FakeGateway
from vitrine_client import Client, errors
from vitrine_client.aio import AsyncClient
from vitrine_client.model_server import ModelServerClient

NAMES = [b"%d" % number for number in range(100)]


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway() as running:
        yield running


@pytest.mark.parametrize(("way", "asked"), [("pool", 500), ("fork", 400), ("threads", 400)])
def test_forked_processes_share_a_client(gateway, way, asked):
    """It was used before the fork, and is on both sides of it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.client.sharing", way],
        env=os.environ | {"VITRINE_URL": gateway.url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [asked, []]


def test_workers_of_gunicorn_share_a_preloaded_client(gateway, tmp_path):
    """Two of them answer 800 times, side by side, and the arbiter asked before."""
    port, log = free_port(), tmp_path / "log"
    words = ["--preload", "--workers=2", f"--bind=127.0.0.1:{port}"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *words, "tests.client.sharing:application"],
            env=os.environ | {"VITRINE_URL": gateway.url},
            cwd=ROOT,
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        wait_for(lambda: log.read_text().count("Booting worker") == 2, 60, "the workers")
        told: list[bytes] = []

        def ask() -> None:
            for _ in range(5):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=60) as answer:
                    told.append(answer.read())

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        end(process)
    assert told == [b""] * 20, log.read_text()


def test_an_async_client_in_one_loop_after_the_other(gateway):
    """Each `asyncio.run` is another loop; connections are closed with it, without a warning."""
    client = AsyncClient(gateway.url, retries=0)

    async def labels() -> list[str]:
        found = await asyncio.gather(*map(client.predict, NAMES))
        return [each.label for each in found]

    for _ in range(3):
        assert asyncio.run(labels()) == [name.decode() for name in NAMES]
    asyncio.run(client.close())
    with pytest.raises(errors.ClientClosed):
        asyncio.run(labels())


def test_an_async_client_in_several_loops_at_once(gateway):
    """Three threads have a loop each, and none takes another's connections."""
    client = AsyncClient(gateway.url, retries=0)
    found: list[list[str]] = []
    together = threading.Barrier(3, timeout=LONGEST_S)

    async def labels() -> list[str]:
        together.wait()
        return [(await client.predict(name)).label for name in NAMES]

    threads = [
        threading.Thread(target=lambda: found.append(asyncio.run(labels()))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[name.decode() for name in NAMES]] * 3


def test_an_async_client_is_closed_from_another_loop(gateway):
    """What a loop that was closed without ceremony has left is forgotten, too."""
    client = AsyncClient(gateway.url)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(client.predict(b"a")).label == "a"
    loop.close()
    assert asyncio.run(client.predict(b"b")).label == "b"
    asyncio.run(client.close())


def test_a_client_of_ones_own_session_after_a_fork(gateway):
    """Its connections are closed in the child, and it goes on there with others."""
    import requests

    with requests.Session() as session:
        client = Client(gateway.url, session=session, retries=0)
        client.predict(b"a")
        before = gateway.connections
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, client.predict(b"child").label.encode())
            os._exit(0)
        os.close(writer)
        assert client.predict(b"parent").label == "parent"
        assert os.read(reader, 100) == b"child"
        os.close(reader)
    assert gateway.connections == before + 1


def test_an_iterator_of_many_belongs_to_its_process(gateway):
    """In a child it says so, instead of waiting for threads that are not there, and the parent
    goes on."""
    client = Client(gateway.url, retries=0)
    found = client.predict_many([b"%d" % n for n in range(40)], batch_size=2)
    next(found)
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            next(found)
        except errors.VitrineError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    assert b"call it anew after a fork" in os.read(reader, 1000)
    os.close(reader)
    assert [each.label for each in found] == [str(n) for n in range(1, 40)]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, "pickle"])
@pytest.mark.parametrize("kind", [Client, AsyncClient, ModelServerClient])
def test_clients_can_be_sent_to_other_processes(kind, copied):
    """What arrives is a client of its own, with the same settings."""
    address = "127.0.0.1:1" if kind is ModelServerClient else "http://127.0.0.1:1"
    client = kind(address, timeout_s=3)
    made = (
        pickle.loads(pickle.dumps(client))  # noqa: S301 - our own
        if copied == "pickle"
        else copied(client)
    )
    assert type(made) is kind
    assert made is not client
    assert made._timeout_s == 3


def test_a_spawned_process_asks_with_a_client_that_it_is_sent(gateway):
    """The bound method of a client goes to a pool, as its work."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(Client(gateway.url).predict, (b"Bag",)).label == "Bag"


def image(row: int) -> np.ndarray:
    made = np.zeros((1, 28, 28), np.uint8)
    made[0, row, 8:20] = 255
    return made


GRPC = """
import json, multiprocessing, sys, threading
from tests.client.test_sharing import image
from vitrine_client.model_server import ModelServerClient

client = ModelServerClient(sys.argv[1], timeout_s=20)

def ask(row):
    try:
        return client.predict_instances("mlp", image(row))[0].class_id - row
    except Exception as error:
        return str(error)

def held():
    client.status("held")

assert ask(3) == 0
if sys.argv[2:]:
    threading.Thread(target=held, daemon=True).start()
    sys.stdin.readline()
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(json.dumps([*pool.map(ask, range(10)), ask(4)] * 2), flush=True)
"""


def test_forked_processes_share_a_model_server_client():
    """gRPC makes a channel of its own in a child."""
    with FakeModelServer(classifying()) as server:
        assert _grpc(server.address) == [0] * 22


@pytest.mark.parametrize("off", ["0", "false"])
def test_grpc_that_does_not_survive_a_fork_says_so(off):
    """Without its support, calls in a child would never end."""
    with FakeModelServer(classifying()) as server:
        told = _grpc(server.address, GRPC_ENABLE_FORK_SUPPORT=off)
    assert told[10] == 0
    assert all("GRPC_ENABLE_FORK_SUPPORT off" in each for each in told[:10])


def test_a_fork_amid_a_call_over_grpc_says_so():
    """Nor do they where another thread of the parent was in a call."""
    gate, others = Gate(), classifying()

    def answer(call, context):
        return gate(call, context) if b"held" in call.request else others(call, context)

    with FakeModelServer(answer) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", GRPC, server.address, "held"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            wait_for(
                lambda: any(b"held" in call.request for call in server.calls), 60, "the held call"
            )
            told = json.loads(process.communicate("\n", timeout=60)[0])
    assert told[10] == 0
    assert all("while another thread called by gRPC" in each for each in told[:10])


def _grpc(address: str, **environment: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", GRPC, address],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
