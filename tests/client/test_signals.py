"""Signals: who is told of one, in which state, and what is back afterwards."""

import contextlib
import gc
import signal
import subprocess
import sys
import threading
import time

import pytest

from harness.waiting import wait_for
from vitrine_client.process import signals


@pytest.fixture(autouse=True)
def handlers(capfd):
    """Those of before are back after each test; SIGHUP closes no terminal of the tests."""
    before = [signal.getsignal(number) for number in signals.ENDING]
    yield
    assert [signal.getsignal(number) for number in signals.ENDING] == before


@pytest.mark.parametrize("number", signals.ENDING)
def test_raising(number):
    """The code is the shell's; SIGTERM and SIGHUP raise once, as their senders repeat them."""
    with signals.raising():
        with pytest.raises(SystemExit) as raised:
            signal.raise_signal(number)
        assert raised.value.code == 128 + number
        for again in (signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(again)
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)


class Swallows:
    """A finalizer in which a signal comes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_what_a_finalizer_swallows_comes_again():
    """Python prints and forgets what is raised there."""
    with pytest.raises(SystemExit) as raised, signals.raising():
        Swallows()
        gc.collect()
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            threading.Event().wait(0.05)
    assert raised.value.code == 143


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")],
)
def test_noting(number, name):
    """The first sets the event; copies of SIGTERM and SIGHUP change nothing, Ctrl-C ends it."""
    stop = threading.Event()
    with signals.noting(stop) as noted:
        assert (noted.exit_code, noted.name) == (None, "")
        signal.raise_signal(number)
        assert stop.is_set()
        assert (noted.exit_code, noted.name, noted.again) == (128 + number, name, False)
        for again in (signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(again)
        assert not noted.again
        with pytest.raises(SystemExit) as raised:
            signal.raise_signal(signal.SIGINT)
        assert (raised.value.code, noted.again) == (128 + number, True)


def test_hasty():
    """Where nothing is lost the first one raises, and one that was before does; without a handler
    that notes nothing changes."""
    with signals.hasty():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    stop = threading.Event()
    with signals.noting(stop) as noted:
        with pytest.raises(SystemExit), signals.hasty():
            signal.raise_signal(signal.SIGTERM)
        assert (stop.is_set(), noted.again) == (True, False)
        with pytest.raises(SystemExit), signals.hasty():
            pytest.fail("it had come already")


def test_ignored_ones():
    """Those that were ignored before stay so, as nohup(1) has it; no other is changed for good."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.raising(), signals.noting(threading.Event()) as noted, signals.ignored():
            for number in signals.ENDING:
                signal.raise_signal(number)
        assert noted.number is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread():
    """Python has handlers in its main thread only, and everything works without."""
    ends = []

    def work() -> None:
        with signals.raising(), signals.noting(threading.Event()), signals.hasty():
            ends.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert ends == [True]


@pytest.mark.parametrize("number", signals.ENDING)
def test_at_once(number):
    """What was printed is not lost, and no exception is raised."""
    code = (
        "import signal; from vitrine_client.process import signals; signals.end_at_once()\n"
        "print('printed')\n"
        f"try: signal.raise_signal({int(number)})\n"
        "finally: print('raised')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "printed\n", "")


def test_blocked():
    """A process that is started meanwhile does not hear them, and this one does later."""
    stop = threading.Event()
    with signals.noting(stop) as noted:
        with signals.blocked():
            child = subprocess.Popen(
                [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(7)"],
                stdin=subprocess.PIPE,
            )
            for number in signals.ENDING:
                child.send_signal(number)
            signal.raise_signal(signal.SIGTERM)
            assert not stop.is_set()
        wait_for(stop.is_set, 20, "the signal")
        assert noted.number == signal.SIGTERM
        child.communicate(timeout=20)
    assert child.returncode == 7


def test_a_service_that_has_hardly_begun():
    """SIGHUP does not end it: neither while it is imported, nor before it can reload, nor while it
    becomes another program; afterwards it reloads."""
    code = (
        "import os, signal, sys; from vitrine_client.process import signals\n"
        "signals.end_at_once(reloads=True); signals.take_over()\n"
        "hang_up = lambda: signal.raise_signal(signal.SIGHUP)\n"
        "hang_up()\n"
        "with signals.raising():\n"
        "    hang_up()\n"
        "    with signals.reloading(lambda: print('reloads', flush=True)), signals.held_back():\n"
        "        hang_up()\n"
        "if sys.argv[1]:\n"
        "    signals.hand_over(); hang_up()\n"
        "    os.execv(sys.executable, [sys.executable, '-c', sys.argv[1], ''])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, code],
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "reloads\nreloads\n", "")


def test_an_import_is_left_to_no_collection():
    """Nor is the collector off afterwards, also where a module is not there."""
    for error in (None, ImportError("no such module")):
        with contextlib.suppress(ImportError), signals.importing():
            assert not gc.isenabled()
            if error:
                raise error
        assert gc.isenabled()
