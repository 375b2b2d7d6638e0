"""wrk, Debian's package of that name: a load generator in C, so that it takes little of the
machine that it shares with what it measures."""

import resource
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import click

from benchmarks.gateway.bodies import Body

TIMEOUT_S = 30
_SAYS = "measured"


@dataclass(frozen=True)
class Load:
    """What wrk saw: requests a second, and requests that were not answered 200; and the seconds of
    processor time that it took for that."""

    requests: int
    rate: float
    errors: int
    cpu_s: float = 0.0


def require() -> None:
    """Raises `ClickException` with what to do where there is no wrk."""
    if not shutil.which("wrk"):
        raise click.ClickException("There is no wrk; on Debian and Ubuntu, apt-get install wrk")


def script(body: Body, folder: Path, name: str) -> Path:
    """Writes what makes wrk send `body`, and say what it saw in a line that is easy to read."""
    content = folder / f"{name}.body"
    content.write_bytes(body.content)
    path = folder / f"{name}.lua"
    headers = "\n".join(f'wrk.headers["{key}"] = "{value}"' for key, value in body.headers.items())
    path.write_text(
        f"""wrk.method = "POST"
{headers}
local file = io.open("{content}", "rb")
wrk.body = file:read("*all")
file:close()

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("{_SAYS} %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
    )
    return path


def run(url: str, script: Path, *, in_flight: int, duration_s: int) -> Load:
    """Sends the script's request again and again, `in_flight` at a time."""
    command = ["wrk", "-t1", f"-c{in_flight}", f"-d{duration_s}s"]
    command += [f"--timeout={TIMEOUT_S}s", f"--script={script}", url]
    before = _children_cpu_s()
    done = subprocess.run(command, capture_output=True, text=True)
    return replace(parse(done.stdout + done.stderr), cpu_s=_children_cpu_s() - before)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parse(said: str) -> Load:
    """Reads the line that `script` has wrk print: requests, their time in us, and errors."""
    lines = [line for line in said.splitlines() if line.startswith(f"{_SAYS} ")]
    if len(lines) != 1:
        raise click.ClickException(f"wrk said:\n{said}")
    requests, duration_us, errors = map(int, lines[0].split()[1:])
    return Load(requests, 1e6 * requests / duration_us, errors)
