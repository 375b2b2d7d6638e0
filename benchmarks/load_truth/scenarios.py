"""Scenarios: a server that behaves in a known way, and what a tool says of it."""

import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.load_truth.tool import NAN, Report, Run, Tool, Workload, run
from harness.programmed_latency import Behaviour, Floats, Latency
from harness.programmed_server import programmed_server

SERVICE_S = 0.005
STALLS = Behaviour(Latency("constant", SERVICE_S), period_s=10, stall_s=0.6)
"""It answers after 5 ms, and stands still for 0.6 s of every 10: 6 % of what comes, or 9 % where a
third stall begins within the 20 s, so that no percentile of the table lies where one more request
decides."""

STEADY = Behaviour(Latency("constant", SERVICE_S))
SOME_ERRORS = Behaviour(Latency("constant", SERVICE_S), errors=0.02)
ONLY_ERRORS = Behaviour(Latency("constant", SERVICE_S), errors=1.0)

RATE, HIGH_RATE = 200, 2000
CONNECTIONS = 200
"""Enough for what is due while the server stands still."""

IN_FLIGHT = 8
_PATIENCE_S = 20
_OK = 200


@dataclass(frozen=True)
class Outcome:
    """A tool's run, and the truth: what the server's log says of the same time."""

    run: Run
    truth: Report


def stalls(tool: Tool, duration_s: int = 20) -> Outcome:
    """Runs a tool on a server that stands still now and then: in an open loop if it has one."""
    return _outcome(tool, STALLS, duration_s, RATE)


def high_rate(tool: Tool, duration_s: int = 10) -> Outcome:
    """Asks a tool for 2,000 requests/s of a steady server."""
    return _outcome(tool, STEADY, duration_s, HIGH_RATE)


def closed_loop(tool: Tool, behaviour: Behaviour, duration_s: int = 8) -> Outcome:
    """Has a tool keep 8 requests in flight."""
    return _outcome(tool, behaviour, duration_s, None)


def only_errors(tool: Tool, duration_s: int = 4) -> Outcome:
    """Runs a tool on a server that answers nothing but 503."""
    return _outcome(tool, ONLY_ERRORS, duration_s, RATE)


def gone(tool: Tool, duration_s: int = 8, after_s: float = 3.0) -> Run:
    """Runs a tool on a server that is killed meanwhile."""
    with programmed_server(STEADY) as server, TemporaryDirectory() as name:
        end = threading.Timer(after_s, server.process.kill)
        end.start()
        try:
            load = _workload(tool, server.url, Path(name), duration_s, RATE)
            return run(tool, load, Path(name), _PATIENCE_S)
        finally:
            end.cancel()


def truth(log: Floats, duration_s: float) -> Report:
    """Returns what the server saw of the last `duration_s` seconds: right answers a second, and
    how long they took from the moment that each request was there whole."""
    if not len(log):
        return Report()
    arrived_s, sent_s, status = log.T
    measured = (arrived_s > arrived_s.max() - duration_s) & (status == _OK)
    if not measured.any():
        return Report(rate=0.0)
    took_ms = 1e3 * (sent_s - arrived_s)[measured]
    found = np.percentile(took_ms, (50, 90, 99, 100), method="higher")
    return Report(int(measured.sum()) / duration_s, *map(float, found))


def _outcome(tool: Tool, behaviour: Behaviour, duration_s: int, rate: int | None) -> Outcome:
    with programmed_server(behaviour) as server, TemporaryDirectory() as name:
        load = _workload(tool, server.url, Path(name), duration_s, rate)
        done = run(tool, load, Path(name), _PATIENCE_S)
        return Outcome(done, truth(server.log(), duration_s))


def _workload(tool: Tool, url: str, folder: Path, duration_s: int, rate: int | None) -> Workload:
    body = folder / "body"
    body.write_bytes(b"a picture")
    is_open = rate is not None and tool.keeps_rates
    return Workload(
        url=f"{url}/v1/models/mlp:predict",
        body=body,
        duration_s=duration_s,
        in_flight=CONNECTIONS if is_open else IN_FLIGHT,
        rate=rate if is_open else None,
    )


def of_truth(said: float, true: float) -> float:
    """Returns how far a figure is from the truth, as a share of it; NaN if one is not there."""
    return said / true - 1 if true and true == true else NAN
