"""Decoding processes of a running gateway: what they are spared, and what they may end from."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image, ImageDraw

from harness.fake_model_server import FakeModelServer, classifying
from harness.gateway import COMMAND, PREDICT, Gateway, gateway, variables
from harness.ports import free_port
from harness.processes import after, is_running, wait_until_up
from harness.processes import running as running_command
from harness.waiting import wait_for
from tests.client.made_pictures import encoded

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks in /proc")


def picture(width: int, height: int, noise: int) -> Image.Image:
    """A dark item on a bright ground."""
    image = Image.new("L", (width, height), 240 - noise)
    ImageDraw.Draw(image).ellipse((width // 3, height // 4, width // 2, height // 2), 20)
    pixels = np.asarray(image) + np.random.default_rng(1).integers(0, noise + 1, (height, width))
    return Image.fromarray(pixels.astype(np.uint8)).convert("RGB")


PHOTO = encoded(picture(400, 300, 0), "JPEG")


@cache
def slow() -> bytes:
    """Some tenths of a second, and what is in it cannot be guessed."""
    return encoded(picture(3000, 2500, 15), compress_level=6)


@pytest.fixture(scope="module")
def model_server():
    with FakeModelServer(classifying()) as server:
        yield server


@pytest.fixture(scope="module")
def running(model_server, tmp_path_factory):
    """A gateway of one process, for those tests that leave it as it was."""
    log = tmp_path_factory.mktemp("decoding") / "log"
    with gateway(model_server.address, log, workers=1) as started:
        yield started


def sent(running: Gateway, picture: bytes) -> requests.Response:
    return requests.post(
        running.url + PREDICT, picture, headers={"Content-Type": "image/png"}, timeout=30
    )


def total(running: Gateway, metric: str) -> float:
    lines = requests.get(f"{running.url}/metrics", timeout=20).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


@contextmanager
def stopped(running: Gateway) -> Iterator[None]:
    """Stops the decoding processes for the time of a block: they take pictures, and read none."""
    decoders = running.decoders
    for pid in decoders:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in decoders:
            os.kill(pid, signal.SIGCONT)


def test_a_picture_that_takes_too_long(model_server, log):
    """It is refused, its process ends and another comes; the workers and all others go on."""
    with gateway(model_server.address, log, decode_timeout_s=0.02) as running:
        workers, decoders = set(running.workers), set(running.decoders)
        assert len(decoders) == 2
        for _ in range(3):
            answer = sent(running, slow())
            assert answer.status_code == 400
            assert "longer than 0.02 s to decode" in answer.json()["detail"]
            assert running.predict().status_code == 200
        wait_for(lambda: len(running.decoders) == 2, 20, "others in their place")
        assert set(running.decoders) != decoders
        assert set(running.workers) == workers
        wait_for(lambda: total(running, "vitrine_decoding_processes_ended_total") == 3, 20, "them")


def test_a_deadline_in_the_middle(model_server, log):
    """504 says where the time went; nobody goes on with the picture."""
    with gateway(model_server.address, log, request_timeout_s=0.05) as running:
        answer = sent(running, slow())
        assert answer.status_code == 504
        assert "not decoded in time" in answer.json()["detail"]
        wait_for(lambda: len(running.decoders) == 2, 20, "both processes")


def test_processes_that_are_killed(running):
    """Idle ones, whose offers are still there, cost no picture; nor does one that is killed at
    work cost more than the one in its hands."""
    gone = set(running.decoders)
    for pid in gone:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(set(running.decoders) - gone) == 2, 20, "others")
    assert sent(running, PHOTO).status_code == 200
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(sent, running, slow())
        wait_for(lambda: any(map(busy, running.decoders)), 20, "its beginning")
        os.kill(next(filter(busy, running.decoders)), signal.SIGKILL)
        answer = asked.result()
    assert answer.status_code == 503
    assert "has ended; try again" in answer.json()["detail"]
    assert sent(running, PHOTO).status_code == 200


def busy(pid: int) -> bool:
    """Says whether a process runs at this moment."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"


def test_more_than_can_be_decoded(model_server, log):
    """The overload is refused, and told when to come again. How much is let in, and answered, is
    for the benchmark to say."""
    settings = {"request_timeout_s": 2, "max_body_bytes_in_flight": 2**30}
    with gateway(model_server.address, log, workers=1, **settings) as running:
        with ThreadPoolExecutor(40) as threads:
            answers = list(threads.map(sent, [running] * 40, [slow()] * 40))
        refused = [each for each in answers if each.status_code == 503]
        assert refused
        assert {200, 503} <= {each.status_code for each in answers} <= {200, 503, 504}
        assert all("to decode" in each.json()["detail"] for each in refused)
        assert all(int(each.headers["Retry-After"]) >= 1 for each in refused)
        wait_for(lambda: total(running, "vitrine_decoding_waiting_seconds") == 0, 20, "an end")
        assert total(running, 'vitrine_sheds_total{reason="too_late"}') == len(refused)


def test_a_form_of_small_files_with_many_pixels(model_server, log):
    """Some hundred bytes each, and no time is enough for them: 504, and the worker, which reads
    none of them itself, answers all others meanwhile and after it."""
    flat = encoded(Image.new("RGB", (3200, 2400), "red"), "WEBP", lossless=True)
    assert len(flat) < 2000
    with gateway(model_server.address, log, workers=1, request_timeout_s=5) as running:
        workers = running.workers
        with stopped(running), ThreadPoolExecutor(4) as threads:
            forms = [
                threads.submit(
                    requests.post,
                    running.url + PREDICT,
                    files=[("image", flat)] * 32,
                    timeout=30,
                )
                for _ in range(4)
            ]
            while not all(form.done() for form in forms):
                assert running.predict().status_code == 200
        assert {form.result().status_code for form in forms} <= {503, 504}
        wait_for(lambda: sent(running, PHOTO).status_code == 200, 30, "decoding")
        assert running.workers == workers


def test_a_worker_that_is_killed_with_pictures_waiting(running):
    """What it had waiting is forgotten, and shuts nobody out."""
    with ThreadPoolExecutor(6) as threads:
        lost = [threads.submit(sent, running, slow()) for _ in range(6)]
        wait_for(lambda: any(map(busy, running.decoders)), 20, "work")
        running.lose_a_worker()
        assert all(isinstance(each.exception(), requests.ConnectionError) for each in lost)
    assert total(running, "vitrine_decoding_waiting_seconds") == 0
    assert sent(running, PHOTO).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_they_end_with_the_gateway(model_server, log, number):
    """However it ends; signals to all processes of a group end them with it and not before."""
    with gateway(model_server.address, log) as running:
        decoders, workers = running.decoders, running.workers
        for pid in decoders:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
        assert sent(running, PHOTO).status_code == 200
        assert running.decoders == decoders
        os.kill(running.process.pid, number)
        running.process.wait(30)
        wait_for(lambda: not any(map(is_running, decoders + workers)), 30, "their end")


def test_a_row_of_the_data_set_needs_none(running):
    """28x28 PNGs are so cheap that a worker reads them itself."""
    with stopped(running):
        assert running.predict().status_code == 200


def test_a_reload_keeps_them(running):
    decoders = set(running.decoders)
    running.reload()
    assert sent(running, PHOTO).status_code == 200
    assert set(running.decoders) == decoders


def test_limits_of_memory_that_are_there_already(model_server, log):
    """As systemd sets them: the processes keep below, and serve."""
    limit = after("import resource; resource.setrlimit(resource.RLIMIT_DATA, (2**29, 2**29))")
    port = free_port()
    told = variables(port=port, model_server=model_server.address, workers=1, models="mlp")
    with running_command([*limit, *COMMAND], log, told) as process:
        started = Gateway(f"127.0.0.1:{port}", process, log)
        wait_until_up(process, log, lambda: started.serves(1), "the gateway")
        assert sent(started, PHOTO).status_code == 200


def test_what_decoders_write_is_not_in_the_log(running):
    """libtiff tells standard error of each line that it cannot read."""
    page = encoded(picture(400, 300, 200).convert("1"), "TIFF", compression="group3")
    before = len(running.log.read_text())
    for at in range(200, len(page) - 200, len(page) // 9):
        sent(running, page[:at] + b"\x55\xaa\x0f" * 9 + page[at + 27 :])
    said = running.log.read_text()[before:]
    assert all(line[:4].isdigit() for line in said.splitlines()), "lines of our own alone"
