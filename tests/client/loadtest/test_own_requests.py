"""How a load asks: own headers, a connection each, a number of requests, rows, and an end."""

import csv
import io
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from harness.certificates import make_ca, make_certificate
from tests.client.loadtest.scripted_server import (
    RESET,
    RIGHT,
    ScriptedServer,
    always,
    answer,
    scripted_server,
)
from vitrine_client.loadtest.generator import headers
from vitrine_client.loadtest.plan import Closed, Load, Open, Phase, Plan, Workload
from vitrine_client.loadtest.results.request_rows import HEADING, RequestRows, write_all
from vitrine_client.loadtest.run import run
from vitrine_client.process.trust import Trust

LOAD = Closed(4, 60)


def plan(server: ScriptedServer, load: Load = LOAD, *, processes: int = 2, **members) -> Plan:
    names = {"headers", "keep_alive", "tls"} & members.keys()
    of_target = {name: members.pop(name) for name in names}
    target = Workload("raw", server.url, "mlp", (b"a", b"b"), **of_target)
    return Plan(target, load, 0.0, processes=processes, **members)


@pytest.mark.parametrize(
    "load", [LOAD, Open((Phase(60, 400, 400),)), Open((Phase(60, 400, 400),), connections=3)]
)
def test_a_number_of_requests_is_the_end(load):
    """Exactly so many, over two processes that share them unevenly, and the time is theirs."""
    with scripted_server(always(RIGHT)) as server:
        result = run(plan(server, load, count=41))
        assert len(server.requests) == 2 + 41
    assert (result.due, result.answered) == (41, 41)
    assert 0 < result.duration_s < 30
    assert result.throughput == pytest.approx(41 / result.duration_s)
    assert not [text for text in result.warnings if "early" in text]


def test_failures_count_among_a_number_of_requests():
    """A server that resets all of them is asked so often, and no more."""
    with scripted_server(lambda n: iter([RIGHT if n < 2 else RESET])) as server:
        result = run(plan(server, Closed(2, 60), count=6, processes=1))
    assert (result.due, result.answered, result.errors.total()) == (6, 0, 6)
    assert any("No request had a right answer (6 reset)" in text for text in result.warnings)


def test_own_headers_are_sent():
    """They replace those of the same name; the plan has their names and not their values."""
    own = (("X-Team", "vision"), ("user-agent", "me"))
    with scripted_server(always(RIGHT)) as server:
        asked = plan(server, headers=own, count=1, processes=1)
        run(asked)
        head = server.requests[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"X-Team: vision" in head
    assert [line for line in head if line.lower().startswith(b"user-agent")] == [b"user-agent: me"]
    assert asked.described()["target"]["headers"] == ["X-Team", "user-agent"]
    assert "vision" not in str(asked.described())


@pytest.mark.parametrize(
    "text", ["X-Team", ": x", "X Team: x", "X: a\r\nY: b", "Content-Length: 3", "X: \u2713"]
)
def test_what_is_no_header(text):
    """A line's end would begin another one, and what frames a request is the load test's own."""
    with pytest.raises(ValueError, match="header"):
        headers.parsed(text)


def test_a_connection_for_each_request(tmp_path):
    """Their number and the time to make them are in the result, with TLS by itself."""
    ca = make_ca(tmp_path)
    certificate = make_certificate(tmp_path, "server", ca)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.cert, certificate.key)
    with scripted_server(always(RIGHT), tls) as server:
        members = {"keep_alive": False, "tls": Trust.chosen(False)}
        result = run(plan(server, count=12, **members))
        assert server.connections == len(server.requests) == 14
        assert b"Connection: close" in server.requests[-1]
    connecting = result.connecting
    assert connecting.connect.count == connecting.tls.count == 12
    assert connecting.connect.least_ms > 0
    assert connecting.tls.percentile_ms(50) + connecting.connect.percentile_ms(50) < (
        result.latency.max_ms
    )
    assert not [text for text in result.warnings if "keeps no connections" in text]


def test_each_request_is_a_row():
    """With its times and what became of it; errors have the time of their answer."""
    busy = answer({}, "503 Busy")
    rows, file = RequestRows(), io.StringIO()
    with scripted_server(lambda number: iter([busy if number == 5 else RIGHT])) as server:
        result = run(plan(server, Open((Phase(60, 200, 200),)), count=20), rows=rows)
    write_all({1: rows}, file)
    found = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert tuple(found[0]) == HEADING
    assert len(found) == 20
    assert sorted(row["outcome"] for row in found) == ["HTTP 503"] + 19 * ["ok"]
    assert {row["process"] for row in found} == {"0", "1"}
    due_s = [float(row["due_s"]) for row in found]
    assert due_s == sorted(due_s)
    latency_ms = [float(row["latency_ms"]) for row in found if row["outcome"] == "ok"]
    assert max(latency_ms) == pytest.approx(result.latency.max_ms, rel=2e-3, abs=2e-3)
    assert all(float(row["done_s"]) >= float(row["sent_s"]) for row in found)


def test_an_end_where_the_server_is_gone():
    """After so long without any answer, and what was measured until then counts."""
    with scripted_server(lambda n: iter([RIGHT if n < 30 else RESET])) as server:
        began_s = time.monotonic()
        result = run(plan(server, Open((Phase(60, 100, 100),)), give_up_s=0.5))
        assert time.monotonic() - began_s < 30
    assert result.answered == 28
    assert result.errors["reset"] > 0
    assert "Nobody answered for 0." in result.warnings[0] or "for 1." in result.warnings[0]
    assert any("ended" in text and "early" in text for text in result.warnings)


def test_an_end_where_the_server_hangs():
    """It is not waited for until its requests are given up; those count as unanswered."""
    forever = threading.Event()

    def script(number: int) -> Iterator[bytes]:
        if number > 10:
            forever.wait(60)
        yield RIGHT

    with scripted_server(script) as server:
        began_s = time.monotonic()
        result = run(plan(server, Closed(2, 60), give_up_s=0.5, timeout_s=50, processes=1))
        assert time.monotonic() - began_s < 30
        forever.set()
    assert result.answered > 0
    assert set(result.errors) == {"unanswered"}
    assert "Nobody answered for " in result.warnings[0]


def test_errors_are_answers():
    """Who answers with errors is not gone."""
    with scripted_server(lambda n: iter([RIGHT if n < 2 else answer({}, "500 No")])) as server:
        result = run(plan(server, Closed(1, 1.5), give_up_s=0.2, processes=1))
    assert result.duration_s == pytest.approx(1.5)
