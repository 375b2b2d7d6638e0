"""Load generators in C and Go: wrk, ab, h2load, hey."""

import re
import shutil
from pathlib import Path

from benchmarks.load_truth.tool import NAN, Report, Tool, Workload, number, version_of


def _wrk(load: Workload, folder: Path) -> list[str]:
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nlocal file = io.open("{load.body}", "rb")\n'
        'wrk.body = file:read("*all")\nfile:close()\n'
        "function done(summary, latency)\n"
        "  for _, share in ipairs({50, 90, 99}) do\n"
        '    io.write(string.format("p%d %f ms\\n", share, latency:percentile(share) / 1e3))\n'
        "  end\n"
        '  io.write(string.format("max %f ms\\n", latency.max / 1e3))\nend\n'
    )
    loop = [f"-c{load.in_flight}", f"-d{load.duration_s}s", "-t1", "--timeout=30s"]
    return ["wrk", *loop, f"--script={script}", load.url]


def _read_wrk(output: str) -> Report:
    found = {each: number(rf"^{each} ([\d.]+) ms", output) for each in _PERCENTILES}
    return Report(number(r"^Requests/sec:\s+([\d.]+)", output), *found.values())


WRK = Tool("wrk", False, version_of("wrk", "--version"), _wrk, _read_wrk)
"""wrk: a closed loop, in C."""


def _ab(load: Workload, _: Path) -> list[str]:
    loop = [f"-c{load.in_flight}", f"-t{load.duration_s}", "-n9999999", "-k", "-q"]
    return ["ab", *loop, "-p", str(load.body), "-T", "text/plain", load.url]


def _read_ab(output: str) -> Report:
    found = [number(rf"^\s+{each}%\s+(\d+)", output) for each in (50, 90, 99, 100)]
    return Report(number(r"^Requests per second:\s+([\d.]+)", output), *found)


AB = Tool("ab", False, version_of("ab", "-V", after="Version"), _ab, _read_ab)
"""ApacheBench: a closed loop, in C."""


def _h2load(load: Workload, _: Path) -> list[str]:
    loop = ["--h1", f"-D{load.duration_s}", f"-c{load.in_flight}"]
    if load.rate is not None:
        loop.append(f"--rps={load.rate / load.in_flight}")
    return ["h2load", *loop, "-d", str(load.body), load.url]


def _read_h2load(output: str) -> Report:
    longest = re.search(r"^time for request:\s+\S+\s+([\d.]+)(us|ms|s)\s", output, re.MULTILINE)
    max_ms = float(longest[1]) * _UNITS_MS[longest[2]] if longest else NAN
    return Report(rate=number(r"^finished in .*?, ([\d.]+) req/s", output), max_ms=max_ms)


H2LOAD = Tool(
    "h2load", True, version_of("h2load", "--version", after="nghttp2/"), _h2load, _read_h2load
)
"""h2load: a closed loop, or with --rps one whose rate is limited, in C++."""


def _hey_version() -> str | None:
    """It prints none; Debian's package has one."""
    if not shutil.which("hey"):
        return None
    found = version_of("dpkg-query", "-W", "-f", "${Version}", "hey")()
    return found or "?"


def _hey(load: Workload, _: Path) -> list[str]:
    loop = ["-z", f"{load.duration_s}s", "-c", str(load.in_flight), "-t", "30"]
    if load.rate is not None:
        loop += ["-q", f"{load.rate / load.in_flight:g}"]
    return ["hey", *loop, "-m", "POST", "-D", str(load.body), load.url]


def _read_hey(output: str) -> Report:
    found = [1e3 * number(rf"^\s+{each}% in ([\d.]+) secs", output) for each in (50, 90, 99)]
    found.append(1e3 * number(r"^\s+Slowest:\s+([\d.]+) secs", output))
    return Report(number(r"^\s+Requests/sec:\s+([\d.]+)", output), *found)


HEY = Tool("hey", True, _hey_version, _hey, _read_hey)
"""hey: a closed loop, or with -q one whose rate is limited, in Go."""


_PERCENTILES = ("p50", "p90", "p99", "max")
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
