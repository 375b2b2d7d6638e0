"""Whole load tests, in processes of their own."""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from harness.ports import free_port
from harness.processes import children_of, is_running
from harness.waiting import wait_for
from tests.client.loadtest.scripted_server import (
    RIGHT,
    ScriptedServer,
    always,
    answer,
    predictions,
    scripted_server,
)
from vitrine_client import errors
from vitrine_client.loadtest.analysis.outcome import LoadTestOutcome
from vitrine_client.loadtest.plan import Closed, Load, Open, Phase, Plan, Workload
from vitrine_client.loadtest.results.result import Interval, Result
from vitrine_client.loadtest.run import run
from vitrine_client.process import signals

LOAD = Open((Phase(1.5, 100, 100),), "constant", connections=20)


FD_SETSIZE = 1024

WRONG = answer(predictions(8))


def plan(server: ScriptedServer, load: Load = LOAD, **members) -> Plan:
    members = {"warm_up_s": 0.5, "timeout_s": 5.0} | members
    return Plan(Workload("raw", server.url, "mlp", (b"a", b"b")), load, **members)


@pytest.fixture
def many_files() -> Iterator[None]:
    """More open files than `select.select` takes, which a program with many connections has."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2 * FD_SETSIZE), limits[1]))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(FD_SETSIZE)]
    yield
    for each in opened:
        os.close(each)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_by_a_program_with_many_files(many_files):
    """A program that has many files open may make a load test."""
    with scripted_server(always(RIGHT)) as server:
        result = run(plan(server, Closed(2, 0.5), warm_up_s=0.1))
    assert result.answered > 0


@pytest.mark.alone
def test_a_load_test_from_beginning_to_end():
    """Two processes make one schedule; all of it is counted, told while it runs, and a file.

    The last ten answers are not those of before the load.
    """
    told: list[Interval] = []
    began_s = time.monotonic()
    with scripted_server(lambda number: iter([RIGHT if number < 142 else WRONG])) as server:
        result = run(plan(server, processes=2), watch=told.append)
        assert len(server.requests) == 2 + 150  # each image once before, then the load
        sent = {request[-1:] for request in server.requests}
    assert sent == {b"a", b"b"}
    assert [interval.start_s for interval in told] == [-0.5, 0.0]
    assert (told[0].due, result.due, result.answered) == (50, 100, 90)
    assert result.errors == {"wrong answer": 10}
    assert result.error_share == 0.1
    assert result.duration_s == 1.0
    assert result.intervals == (told[1],)
    assert 0 <= result.generator.lag_p99_ms < 1e3 * (time.monotonic() - began_s)
    assert 0 < result.generator.busiest < 1
    assert result.generator.cpu_s > 0
    assert result.about == json.loads(json.dumps(result.about))
    assert result.about["plan"]["load"]["phases"] == [vars(LOAD.phases[0])]
    assert Result.from_json(json.loads(json.dumps(result.to_json()))).due == 100
    assert not multiprocessing.active_children()


def test_what_was_measured_until_it_is_stopped():
    """What was due until then counts, and there are no processes left. Those that make the load
    do not hear Ctrl-C, nor SIGTERM or SIGHUP, which a terminal sends to all."""
    stop = threading.Event()

    def end(interval: Interval) -> None:
        if interval.start_s < 0:
            for process in multiprocessing.active_children():
                for number in signals.ENDING:
                    os.kill(process.pid, number)
            stop.set()

    with scripted_server(always(RIGHT)) as server:
        load = plan(server, Closed(2, 60), processes=2, warm_up_s=0.01)
        result = run(load, watch=end, stop=stop)
    assert result.duration_s < 10
    assert result.answered == result.due > 0
    assert any("early" in warning for warning in result.warnings)
    assert result.generator.lag_p99_ms is None
    assert not multiprocessing.active_children()


def test_ctrl_c_twice_ends_it_without_a_result():
    """The first is noted, the second is not waited with; there are no processes left either."""
    stop = threading.Event()

    def interrupt(_: Interval) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    with (
        scripted_server(always(RIGHT)) as server,
        signals.noting(stop) as noted,
        pytest.raises(SystemExit),
    ):
        run(plan(server, Closed(1, 60), warm_up_s=0.01), watch=interrupt, stop=stop)
    assert (noted.exit_code, noted.again) == (130, True)
    assert not multiprocessing.active_children()


def test_who_has_no_answer_when_it_is_stopped_counts():
    """Stopping does not hide that the server hung."""
    stop, forever = threading.Event(), threading.Event()
    endless = Open((Phase(60, 100, 100),), "constant", connections=20)

    def script(number: int):
        if number > 5:
            stop.set()
            forever.wait(20)
        yield RIGHT

    with scripted_server(script) as server:
        result = run(plan(server, endless, warm_up_s=0), stop=stop)
        forever.set()
    assert result.errors.total() + result.dropped >= 1
    assert set(result.errors) <= {"unanswered", "timeout"}
    assert result.duration_s < 30


@pytest.mark.parametrize("processes", [1, 2])
def test_a_process_that_is_killed_ends_it_with_what_was_measured(processes):
    """It is told, and is no good result; the others end."""

    def kill(interval: Interval) -> None:
        if interval.start_s >= 0:
            for process in multiprocessing.active_children()[:1]:  # may be told several at once
                process.kill()

    with scripted_server(always(RIGHT)) as server:
        load = plan(server, Closed(2, 30), processes=processes, warm_up_s=0.1)
        result = run(load, watch=kill)
    assert not multiprocessing.active_children()
    assert 1 <= result.duration_s < 20
    assert result.answered == result.due > 0
    assert "exit code -9: killed" in result.lost
    assert result.warnings[0].startswith(result.lost)
    again = Result.from_json(json.loads(json.dumps(result.to_json())))
    assert again.lost == result.lost
    assert not LoadTestOutcome(again, (again,)).well


def test_a_process_that_is_killed_before_anything_was_measured():
    """There is no result then."""

    def kill(_: Interval) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with (
        scripted_server(always(RIGHT)) as server,
        pytest.raises(errors.VitrineError, match=r"exit code -9.* before anything was measured"),
    ):
        run(plan(server, Closed(2, 30), processes=2, warm_up_s=25), watch=kill)
    assert not multiprocessing.active_children()


PROGRAM = """
import sys
from vitrine_client.loadtest.plan import *
from vitrine_client.loadtest.run import run
target = Workload("raw", sys.argv[1], "mlp", (b"a",))
run(Plan(target, Closed(1, 60), warm_up_s=0.1), watch=lambda _: print("going", flush=True))
"""


def test_processes_end_with_their_parent():
    """Even where it is killed and can end nobody."""
    with scripted_server(always(RIGHT)) as server:
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, server.url], stdout=subprocess.PIPE
        )
        assert program.stdout.readline() == b"going\n"
        children = children_of(program.pid)
        program.kill()
        program.communicate()
        wait_for(lambda: not any(map(is_running, children)), 30, "the processes' end")
    assert children


def test_nothing_is_loaded_that_does_not_answer():
    """What is wrong is said before any load: nobody there, an error, a picture that is none."""
    with pytest.raises(errors.Unavailable, match="Nobody answers at"):
        run(Plan(Workload("raw", f"http://127.0.0.1:{free_port()}", "mlp", (b"a",)), LOAD))
    with pytest.raises(errors.InvalidRequest, match="no URL"):
        run(Plan(Workload("raw", "127.0.0.1:8080", "mlp", (b"a",)), LOAD))
    problem = answer({"detail": "no model mlp"}, "404 Not Found")
    broken = answer({"predictions": [{"error": "image 0: no picture"}]})
    for said, error, words, asked in (
        (problem, errors.NotFound, "no model mlp", 1),
        (broken, errors.InvalidImage, "no picture", 1),
        (answer({"hello": 1}), errors.ServerError, "hello", 2),
        (b"SSH-2.0\r\n", errors.ServerError, "no HTTP", 2),
    ):
        with scripted_server(always(said)) as server, pytest.raises(error, match=words):
            run(plan(server))
        assert len(server.requests) == asked
    assert not multiprocessing.active_children()


def test_a_server_that_hangs_is_told_of():
    """Before the load."""
    forever = threading.Event()

    def script(_: int):
        forever.wait(20)
        yield RIGHT

    with scripted_server(script) as server, pytest.raises(errors.DeadlineExceeded):
        run(plan(server, timeout_s=0.2))
    forever.set()
