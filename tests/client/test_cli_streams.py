"""`vitrine predict` as a process: rows as they come, and how it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from harness.waiting import wait_for
from tests.client.cli_gateway import photos
from tests.client.fake_gateway import LONGEST_S, FakeGateway, predicting


@pytest.fixture
def gateway():
    with FakeGateway() as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory: a.png a bag, b.png a coat."""
    monkeypatch.chdir(tmp_path)
    return photos(tmp_path, a="Bag", b="Coat")


def start(*words: str, **streams) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "vitrine_client", "predict", *words]
    return subprocess.Popen(command, **streams)


def test_rows_come_as_they_are_answered(gateway, folder):
    """While the third picture waits for its answer, two are written; Ctrl-C then is exit code 130
    without a traceback."""
    over = threading.Event()
    gateway.answer = lambda asked: (
        (b"Hold" in asked.body and over.wait(LONGEST_S)) or predicting(asked)
    )
    photos(folder, z="Hold")
    words = ["--url", gateway.url, "--json", "--batch-size=1", "--concurrency=1"]
    process = start(
        *words, "a.png", "b.png", "z.png", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout
        assert [json.loads(process.stdout.readline())["label"] for _ in "ab"] == ["Bag", "Coat"]
        wait_for(lambda: len(gateway.asked) == 3, LONGEST_S, "the third picture")
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=LONGEST_S)
        over.set()
    assert process.returncode == 130
    assert (told[0], told[1].strip()) == (b"", b"")


def test_a_reader_that_has_enough(gateway, folder):
    """`| head -1` ends it without a word."""
    names = [f"p{n}" for n in range(400)]
    photos(folder / "many", **dict.fromkeys(names, "Bag"))
    words = ["--url", gateway.url, "--json", "--batch-size=10", "many"]
    with start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["picture"] == "many/p0.png"
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(20)


def test_progress_on_a_terminal(gateway, folder):
    """Where rows go elsewhere and standard error is a terminal, it shows how far it is."""
    photos(folder / "many", **dict.fromkeys(("p1", "p2", "p3"), "Bag"))
    ours, theirs = pty.openpty()
    shown = bytearray()

    def look() -> None:
        while chunk := _read(ours):
            shown.extend(chunk)

    looking = threading.Thread(target=look)
    looking.start()
    words = ["--url", gateway.url, "--csv", "--batch-size=1", "many"]
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")}
    with start(
        *words, stdout=subprocess.PIPE, stderr=theirs, env=environment | {"TERM": "xterm"}
    ) as process:
        os.close(theirs)
        rows, _ = process.communicate(timeout=20)
    looking.join(20)
    os.close(ours)
    assert rows.count(b"\n") == 4
    assert b"\x1b" not in rows
    assert b"100%" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody has the other end any more
        return b""
