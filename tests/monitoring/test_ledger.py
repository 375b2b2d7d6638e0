"""How the numbers of several processes become one sum, and stay when processes end."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tests.monitoring.scraped import Scraped
from vitrine_serving.gateway.telemetry.metrics.families import (
    BREAKER,
    IN_FLIGHT,
    REQUESTS,
    STAGE_SECONDS,
)
from vitrine_serving.gateway.telemetry.metrics.files import Files
from vitrine_serving.gateway.telemetry.metrics.ledger import Ledger

REQUEST = ("predict", "mlp", "200")
STAGE = ("mlp", "3", "rpc")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A directory of a gateway's own."""
    return Files(str(tmp_path))


def read(files: Files) -> Scraped:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(files.folder))
    return Scraped(generate_latest(registry).decode())


def test_processes_count_together(files):
    """Counters and histograms are summed over processes, a bound belongs to its own bucket."""
    for slot, seconds in ((0, 0.001), (1, 0.0011)):
        ledger = Ledger(files.folder, slot)
        ledger.single(REQUESTS, *REQUEST).value += 2
        ledger.histogram(STAGE_SECONDS, *STAGE).observe(seconds)
        ledger.flush()
    found = read(files)
    assert found.total("vitrine_requests_total", endpoint="predict", status="200") == 4
    assert found.total("vitrine_stage_seconds_bucket", le="0.001") == 1
    assert found.total("vitrine_stage_seconds_bucket", le="0.002") == 2
    assert found.total("vitrine_stage_seconds_bucket", le="+Inf") == 2
    assert found.total("vitrine_stage_seconds_count") == 2
    assert found.total("vitrine_stage_seconds_sum") == pytest.approx(0.0021)


def test_gauges_become_their_sum_or_their_worst(files):
    """Calls in flight add up, and of breakers the worst counts."""
    for slot, breaker in ((0, 2), (1, 0)):
        ledger = Ledger(files.folder, slot)
        ledger.single(IN_FLIGHT, "a:1").value = 3
        ledger.single(BREAKER, "a:1").value = breaker
        ledger.flush()
    found = read(files)
    assert found.total("vitrine_model_server_calls_in_flight") == 6
    assert found.total("vitrine_breaker_state") == 2


def test_who_comes_next_goes_on_counting(files):
    """A process that ends leaves its counts to the next with its slot, and no gauge; so there are
    no more files than processes at one time."""
    for generation in range(1, 6):
        slot = files.take()
        assert slot == 0
        ledger = Ledger(files.folder, slot)
        ledger.single(REQUESTS, *REQUEST).value += 1
        ledger.histogram(STAGE_SECONDS, *STAGE).observe(0.5)
        ledger.single(IN_FLIGHT, "a:1").value = 1
        ledger.close()
        assert read(files).total("vitrine_model_server_calls_in_flight") == 1
        files.release(slot)
        found = read(files)
        assert found.total("vitrine_requests_total") == generation
        assert found.total("vitrine_stage_seconds_count") == generation
        assert found.total("vitrine_stage_seconds_sum") == generation / 2
        assert found.labels("vitrine_model_server_calls_in_flight") == []
        assert sorted(path.name for path in files.folder.iterdir()) == [
            "counter_0.db",
            "histogram_0.db",
        ]


def test_slots_of_processes_that_live_are_not_given_away(files):
    """During a reload old and new processes have slots of their own; freed ones are used again."""
    assert [files.take(), files.take(), files.take()] == [0, 1, 2]
    files.release(1)
    assert (files.take(), files.slot) == (1, 1)
    assert files.take() == 3


def test_nothing_is_lost_where_threads_flush(files):
    """Scrapes flush in threads of their own while the event loop counts."""
    ledger = Ledger(files.folder, 0)
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            ledger.flush()

    threads = [threading.Thread(target=flush) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        series = ledger.single(REQUESTS, "predict", f"model {number}", "200")
        series.value += 1
        series.value += 1
    done.set()
    for thread in threads:
        thread.join()
    ledger.flush()
    assert read(files).total("vitrine_requests_total") == 600


SCRIPT = """
import os, sys
from vitrine_serving.gateway.telemetry.metrics.files import Files
files = Files(sys.argv[1])
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
assert files.folder.is_dir()
"""


def test_the_directory_goes_with_the_process_that_made_it(tmp_path):
    """A worker, which is a fork, leaves it when it ends; the master takes it along."""
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True, timeout=30)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from vitrine_serving.gateway.telemetry.metrics.files import Files
files = Files(sys.argv[1])
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
print(flush=True)
sys.stdin.read()
"""


def test_what_a_killed_gateway_left_goes_with_the_next(tmp_path):
    """Not while one of its workers lives, nor what others use, nor what is no directory."""
    note = tmp_path / "vitrine-metrics-note"
    note.write_text("mine")
    living = Files(str(tmp_path))
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdout.readline() == b"\n"  # of the worker, which outlives it
        assert killed.wait(30) == -signal.SIGKILL
        (left,) = set(tmp_path.glob("vitrine-metrics-*")) - {living.folder, note}
        Files(str(tmp_path))
        assert left.is_dir()
        killed.communicate(timeout=30)  # to its end
    Files(str(tmp_path))
    assert not left.exists()
    assert set(tmp_path.iterdir()) == {living.folder, note}
