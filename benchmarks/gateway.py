"""What the gateway takes for a picture, with the embedded model server behind it and wrk in front.

wrk is a package of Debian's; all of it shares this machine.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.embedded import model_server
from tests.conftest import SAMPLES, children_of, end, free_port, predicts, wait_for
from vitrine_client import Client

IN_FLIGHT = (1, 16, 64)
PREDICT = "/v1/models/mlp:predict"
_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What wrk saw, latencies as it writes them, and the gateway's processor time a request."""

    in_flight: int
    rate: float
    p50: str
    p99: str
    cpu_us: float
    errors: bool


@contextmanager
def gateway(grpc_address: str) -> Iterator[tuple[str, int]]:
    """Starts a gateway by its defaults, waits until it predicts; gives its URL and process."""
    port = free_port()
    environment = {
        "VITRINE_PORT": str(port),
        "VITRINE_MODEL_SERVER": grpc_address,
        "VITRINE_MODELS": "mlp",
        "GUNICORN_CMD_ARGS": "--log-level=warning",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "vitrine_serving", "gateway"],
        env=os.environ | environment,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"

    try:
        with Client(url) as client:
            wait_for(lambda: predicts(client), 30, "the gateway")
        yield url, process.pid
    finally:
        end(process)


def load(url: str, pid: int, script: Path, in_flight: int, duration_s: int) -> Load:
    """Has wrk send one picture again and again, `in_flight` at a time."""
    before_s = _cpu_s(pid)
    command = ["wrk", "-t1", f"-c{in_flight}", f"-d{duration_s}s", "--latency", "-s", str(script)]
    said = subprocess.run(
        [*command, url + PREDICT], capture_output=True, text=True, check=True
    ).stdout
    cpu_s = _cpu_s(pid) - before_s

    def found(pattern: str) -> str:
        match = re.search(pattern, said)
        if not match:
            raise click.ClickException(f"wrk said:\n{said}")
        return match[1]

    return Load(
        in_flight,
        float(found(r"Requests/sec:\s+([\d.]+)")),
        found(r"\n\s+50%\s+(\S+)"),
        found(r"\n\s+99%\s+(\S+)"),
        1e6 * cpu_s / int(found(r"(\d+) requests in")),
        "Non-2xx" in said or "Socket errors" in said,
    )


def _cpu_s(pid: int) -> float:
    stats = [Path(f"/proc/{child}/stat").read_text() for child in children_of(pid)]
    return sum(sum(map(int, stat.rpartition(")")[2].split()[11:13])) for stat in stats) / _TICKS_S


def _rss_mb(pid: int) -> list[int]:
    pages = [int(Path(f"/proc/{c}/statm").read_text().split()[1]) for c in children_of(pid)]
    return [round(count * os.sysconf("SC_PAGE_SIZE") / 1e6) for count in pages]


@click.command()
@click.option("--models-dir", default="models", show_default=True, help="Where the mlp is.")
@click.option("--duration-s", default=5, show_default=True, help="How long each load lasts.")
def main(models_dir: str, duration_s: int) -> None:
    """Measure requests a second, latency, processor time and memory of the gateway."""
    if not shutil.which("wrk"):
        raise click.ClickException("There is no wrk; on Debian and Ubuntu, apt-get install wrk")
    console = Console(highlight=False)
    table = Table("in flight", "requests/s", "p50", "p99", "gateway's CPU", box=None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        script = folder / "post.lua"
        script.write_text(
            'wrk.method = "POST"\nwrk.headers["Content-Type"] = "image/png"\n'
            f'local file = io.open("{SAMPLES[0]}", "rb")\nwrk.body = file:read("*all")\n'
        )
        base = (Path(models_dir) / "mlp").absolute()
        flags = ("--model_name=mlp", f"--model_base_path={base}", "--grpc_max_threads=64")
        server = stack.enter_context(model_server(folder / "log", *flags))
        url, pid = stack.enter_context(gateway(server.grpc_address))
        loads = [load(url, pid, script, in_flight, duration_s) for in_flight in IN_FLIGHT]
        memory_mb = _rss_mb(pid)
    for one in loads:
        failed = " [red]with errors[/]" if one.errors else ""
        table.add_row(
            str(one.in_flight),
            f"{one.rate:,.0f}{failed}",
            one.p50,
            one.p99,
            f"{one.cpu_us:,.0f} us",
        )
    console.print(table)
    console.print(f"Memory of the gateway's processes: {memory_mb} MB")
    results.write("gateway", {"loads": [vars(one) for one in loads], "memory_mb": memory_mb})


if __name__ == "__main__":
    main()
