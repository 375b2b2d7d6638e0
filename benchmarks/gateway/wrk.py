"""wrk, Debian's package of that name: a load generator in C, so that it takes little of the
machine that it shares with what it measures."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.gateway.bodies import Body

TIMEOUT_S = 30
_SAYS = "measured"


@dataclass(frozen=True)
class Load:
    """What wrk saw: requests a second, and requests that were not answered 200."""

    requests: int
    rate: float
    errors: int


def require() -> None:
    """Raises `ClickException` with what to do where there is no wrk."""
    if not shutil.which("wrk"):
        raise click.ClickException("There is no wrk; on Debian and Ubuntu, apt-get install wrk")


def script(body: Body, folder: Path, name: str) -> Path:
    """Writes what makes wrk send `body`, and say what it saw in a line that is easy to read."""
    content = folder / f"{name}.body"
    content.write_bytes(body.content)
    path = folder / f"{name}.lua"
    path.write_text(
        f"""wrk.method = "POST"
wrk.headers["Content-Type"] = "{body.content_type}"
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
    done = subprocess.run(command, capture_output=True, text=True)
    return parse(done.stdout + done.stderr)


def parse(said: str) -> Load:
    """Reads the line that `script` has wrk print: requests, their time in us, and errors."""
    lines = [line for line in said.splitlines() if line.startswith(f"{_SAYS} ")]
    if len(lines) != 1:
        raise click.ClickException(f"wrk said:\n{said}")
    requests, duration_us, errors = map(int, lines[0].split()[1:])
    return Load(requests, 1e6 * requests / duration_us, errors)
