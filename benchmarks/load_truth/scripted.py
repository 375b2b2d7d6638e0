"""Load generators that are told by a script or a file: vitrine, locust, autocannon, artillery."""

import json
import sys
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from benchmarks.load_truth.tool import NAN, Report, Tool, Workload, number, version_of
from harness.paths import SAMPLES

VITRINE = (sys.executable, "-m", "vitrine_client")

WARM_UP_S = 1
"""What `vitrine loadtest` sends before it measures."""


def vitrine(arrivals: Literal["constant", "poisson"] = "constant") -> Tool:
    """Returns `vitrine loadtest`: a closed and an open loop, in Python."""

    def command(load: Workload, folder: Path) -> list[str]:
        loop = ["closed", f"--concurrency={load.in_flight}"]
        if load.is_open:
            loop = ["open", f"--rate={load.rate}", f"--arrivals={arrivals}"]
        told = [f"--duration-s={load.duration_s}", f"--warm-up-s={WARM_UP_S}", "--model=mlp"]
        told += [f"--url={load.url.partition('/v1/')[0]}", f"--json={folder / 'result.json'}"]
        return [*VITRINE, "loadtest", *loop, *map(str, SAMPLES), *told, "--quiet"]

    version = version_of(*VITRINE, "--version", after="vitrine")
    return Tool(f"vitrine, {arrivals}", True, version, command, _read_vitrine, "result.json")


def _read_vitrine(output: str) -> Report:
    content = json.loads(output)
    summary, latency = content["summary"], content["summary"]["latency_ms"]
    found = [latency.get(each, NAN) for each in ("p50", "p90", "p99", "max")]
    return Report(summary["throughput"], *found, warnings=tuple(content["warnings"]))


def _locust(load: Workload, folder: Path) -> list[str]:
    address = urlsplit(load.url)
    wait = "constant(0)"
    if load.rate is not None:
        wait = f"constant_throughput({load.rate / load.in_flight})"
    script = folder / "locustfile.py"
    script.write_text(
        "from locust import FastHttpUser, constant, constant_throughput, task\n\n"
        f"BODY = open({str(load.body)!r}, 'rb').read()\n\n\n"
        f"class User(FastHttpUser):\n    wait_time = {wait}\n\n    @task\n"
        f"    def ask(self):\n        self.client.post({address.path!r}, data=BODY)\n"
    )
    users = [f"-u{load.in_flight}", f"-r{load.in_flight}", f"-t{load.duration_s}s"]
    host = f"{address.scheme}://{address.netloc}"
    files = ["--csv", str(folder / "locust"), "--only-summary"]
    return ["locust", "-f", str(script), "--headless", *users, "-H", host, *files]


def _read_locust(output: str) -> Report:
    rows = [line.split(",") for line in output.splitlines()]
    total = next((row for row in rows if row[1:2] == ["Aggregated"]), None)
    if total is None:
        return Report()
    value = dict(zip(rows[0], total, strict=True))
    found = [_float(value[each]) for each in ("50%", "90%", "99%", "100%")]
    return Report(_float(value["Requests/s"]), *found)


LOCUST = Tool(
    "locust", True, version_of("locust", "--version"), _locust, _read_locust, "locust_stats.csv"
)
"""locust: users with a rate of their own, in Python."""


def _autocannon(load: Workload, _: Path) -> list[str]:
    loop = ["-c", str(load.in_flight), "-d", str(load.duration_s)]
    if load.rate is not None:
        loop += ["-R", str(load.rate)]
    return ["autocannon", *loop, "-m", "POST", "-i", str(load.body), "--json", load.url]


def _read_autocannon(output: str) -> Report:
    start = output.find('{"')
    if start < 0:
        return Report()
    content, _ = json.JSONDecoder().raw_decode(output[start:])
    latency = content["latency"]
    found = [float(latency[each]) for each in ("p50", "p90", "p99", "max")]
    return Report(float(content["requests"]["average"]), *found)


AUTOCANNON = Tool(
    "autocannon", True, version_of("autocannon", "--version"), _autocannon, _read_autocannon
)
"""autocannon: a closed loop, or with -R one whose rate is limited, in JavaScript."""


def _artillery(load: Workload, folder: Path) -> list[str]:
    address = urlsplit(load.url)
    phase: dict[str, Any] = {"duration": load.duration_s, "arrivalRate": load.rate or 1}
    flow = [{"post": {"url": address.path, "body": load.body.read_text()}}]
    told = {
        "config": {"target": f"{address.scheme}://{address.netloc}", "phases": [phase]},
        "scenarios": [{"flow": flow}],
    }
    script = folder / "artillery.json"
    script.write_text(json.dumps(told))
    return ["artillery", "run", "-q", "-o", str(folder / "report.json"), str(script)]


def _read_artillery(output: str) -> Report:
    total = json.loads(output)["aggregate"]
    took_s = (total["lastMetricAt"] - total["firstMetricAt"]) / 1e3
    times = total["summaries"].get("http.response_time", {})
    found = [float(times.get(each, NAN)) for each in ("p50", "p90", "p99", "max")]
    answered = total["counters"].get("http.responses", 0)
    return Report(answered / took_s if took_s else NAN, *found)


ARTILLERY = Tool(
    "artillery",
    True,
    version_of("artillery", "--version", after="Artillery:"),
    _artillery,
    _read_artillery,
    "report.json",
)
"""artillery: an open loop, in JavaScript."""


def _float(text: str) -> float:
    return number(r"([\d.]+)", text)
