"""The truth bench: how reports of load generators are read, and what the server's log says."""

import math

import numpy as np
import pytest

from benchmarks.load_truth import compiled, scenarios, scripted
from benchmarks.load_truth.tool import Workload, version_of
from harness.programmed_latency import Behaviour, Latency

WRK = """\
  2 requests in 3.00s, 1.00MB read
Requests/sec:   1530.25
Transfer/sec:    500.10KB
p50 5.190000 ms
p90 5.250000 ms
p99 694.250000 ms
max 807.480000 ms
"""
AB = """\
Requests per second:    1490.56 [#/sec] (mean)
Time per request:       5.367 [ms] (mean)
Percentage of the requests served within a certain time (ms)
  50%      5
  90%      6
  99%      9
 100%    806 (longest request)
"""
HEY = """\
  Slowest:	0.0093 secs
  Requests/sec:	199.2665
Latency distribution:
  10% in 0.0053 secs
  50% in 0.0061 secs
  90% in 0.0081 secs
  99% in 0.0091 secs
"""
H2LOAD = """\
finished in 3.00s, 200.00 req/s, 105.92KB/s
time for request:     5.26ms      1.25s      5.55ms       521us    93.33%
"""
LOCUST = """\
Type,Name,Request Count,Requests/s,50%,66%,90%,99%,99.9%,99.99%,100%
POST,/v1/models/mlp:predict,400,227.1,7,8,11,14,29,29,29
,Aggregated,400,227.1,7,8,11,14,29,29,29
"""
AUTOCANNON = """\
Running 3s test
{"latency":{"p50":4,"p90":9,"p99":22,"max":26},"requests":{"average":219.67}}
"""
ARTILLERY = """\
{"aggregate": {"counters": {"http.responses": 600}, "firstMetricAt": 1000, "lastMetricAt": 4000,
 "summaries": {"http.response_time": {"max": 20, "p50": 5, "p90": 7.9, "p99": 15}}}}
"""
REPORTS = {
    "wrk": (compiled.WRK, WRK, (1530.25, 5.19, 5.25, 694.25, 807.48)),
    "ab": (compiled.AB, AB, (1490.56, 5, 6, 9, 806)),
    "hey": (compiled.HEY, HEY, (199.2665, 6.1, 8.1, 9.1, 9.3)),
    "h2load": (compiled.H2LOAD, H2LOAD, (200, math.nan, math.nan, math.nan, 1250)),
    "locust": (scripted.LOCUST, LOCUST, (227.1, 7, 11, 14, 29)),
    "autocannon": (scripted.AUTOCANNON, AUTOCANNON, (219.67, 4, 9, 22, 26)),
    "artillery": (scripted.ARTILLERY, ARTILLERY, (200, 5, 7.9, 15, 20)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_read(name):
    """Each by its own words and units; nothing is made up where nothing was said."""
    tool, output, (rate, *latencies_ms) = REPORTS[name]
    found = tool.read(output)
    said = (found.rate, found.p50_ms, found.p90_ms, found.p99_ms, found.max_ms)
    assert said == pytest.approx((rate, *latencies_ms), nan_ok=True)
    if not tool.report:
        nothing = vars(tool.read("it could not connect"))
        assert all(math.isnan(value) for name, value in nothing.items() if name != "warnings")


def test_rates_are_asked_for(tmp_path):
    """Connections and rates are those of the workload, each share of them by its connection."""
    body = tmp_path / "body"
    body.write_bytes(b"a picture")
    load = Workload("http://127.0.0.1:1/v1/models/mlp:predict", body, 20, 100, 250)
    assert {"-c100", "--rps=2.5"} < set(compiled.H2LOAD.command(load, tmp_path))
    assert {"-q", "2.5"} < set(compiled.HEY.command(load, tmp_path))
    assert {"-R", "250"} < set(scripted.AUTOCANNON.command(load, tmp_path))
    scripted.LOCUST.command(load, tmp_path)
    assert "constant_throughput(2.5)" in (tmp_path / "locustfile.py").read_text()
    scripted.ARTILLERY.command(load, tmp_path)
    assert '"arrivalRate": 250' in (tmp_path / "artillery.json").read_text()


def test_the_log_is_the_truth():
    """What came before the last seconds, and what was no right answer, is left out."""
    arrived_s = np.arange(0.0, 20.0, 0.01)
    took_s = np.where(arrived_s < 10, 9.0, 0.005)
    status = np.where(np.arange(len(arrived_s)) % 10, 200.0, 503.0)
    found = scenarios.truth(np.stack([arrived_s, arrived_s + took_s, status], axis=1), 9)
    assert found.rate == pytest.approx(90)
    assert (found.p50_ms, found.max_ms) == pytest.approx((5, 5))
    assert math.isnan(scenarios.truth(np.empty((0, 3)), 9).rate)


def test_a_run_beside_its_log():
    """The server saw as many requests as the load lab says it answered; they took what it took."""
    slow = Behaviour(Latency("constant", 0.05), errors=0.25)
    found = scenarios.closed_loop(scripted.vitrine(), slow, 2)
    assert found.run.exit_code == 1
    assert found.run.report.rate == pytest.approx(found.truth.rate, rel=0.2)
    assert found.truth.p50_ms >= 50
    assert found.run.report.p50_ms >= found.truth.p50_ms


def test_versions(tmp_path):
    """A tool that is not there has none."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho Tool v1.22.333-4\n")
    tool.chmod(0o755)
    assert version_of(str(tool), after="Tool")() == "1.22.333"
    assert version_of(str(tmp_path / "none"))() is None
