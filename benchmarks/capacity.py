"""Processor time of a prediction by the rate at which they come: what capacity is planned with.

`make bench-capacity` sends single pictures at given rates, each arriving by itself (Poisson), to a
gateway of two processes that asks an embedded model server by gRPC, as pods do. Processor time is
that of the processes alone, so that it holds on a machine where the load generator runs as well;
for what fits at all, docs/benchmarks.md has the requests/s of a closed loop.
"""

import re
import tempfile
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.gateway.vitrine import embedded, gateway
from benchmarks.published import newest_version
from harness.paths import PICTURE
from harness.processes import cpu_s
from vitrine_client.loadtest.plan import Open, Phase, Plan, Workload
from vitrine_client.loadtest.run import make_ready, run

RATES = (50.0, 200.0, 500.0, 1000.0, 1500.0)
_WARM_UP_S = 1.0
_CALLS = re.compile(r'^vitrine_batch_images_(sum|count)\{model="mlp"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Figures:
    """What was seen at a rate: microseconds of processor time a request, of the gateway and of the
    model server, rows in a call, and latencies."""

    rate: float
    answered: float
    gateway_us: float
    model_server_us: float
    rows: float
    p50_ms: float
    p99_ms: float


def measured(
    url: str, gateway_pid: int, server_pid: int, rate: float, duration_s: float
) -> Figures:
    """Sends pictures at a rate, and returns what that took."""
    address = url.rpartition("/v1/")[0]
    target = Workload("raw", address, "mlp", (PICTURE,))
    load = Open((Phase(duration_s + _WARM_UP_S, rate, rate),))
    plan = Plan(target, load, warm_up_s=_WARM_UP_S)
    ready = make_ready(target, load, plan.timeout_s)
    before = cpu_s(gateway_pid), cpu_s(server_pid), *_calls(address)
    result = run(plan, ready=ready)
    after = cpu_s(gateway_pid), cpu_s(server_pid), *_calls(address)
    gateway_s, server_s, images, calls = (b - a for a, b in zip(before, after, strict=True))
    return Figures(
        rate,
        result.throughput,
        1e6 * gateway_s / images,
        1e6 * server_s / images,
        images / calls,
        result.latency.percentile_ms(50),
        result.latency.percentile_ms(99),
    )


def _calls(address: str) -> tuple[float, float]:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:  # noqa: S310
        found = _CALLS.findall(answer.read().decode())
    images, calls = (
        sum(float(n) for kind, n in found if kind == each) for each in ("sum", "count")
    )
    return images, calls


def table(figures: list[Figures]) -> Table:
    """Returns the figures as docs/benchmarks.md has them."""
    shown = Table("requests/s", "gateway", "model server", "rows a call", "p50", "p99")
    for each in figures:
        times = f"{each.gateway_us:.0f} us", f"{each.model_server_us:.0f} us"
        late = f"{each.p50_ms:.1f} ms", f"{each.p99_ms:.1f} ms"
        shown.add_row(f"{each.answered:.0f}", *times, f"{each.rows:.1f}", *late)
    return shown


@click.command()
@click.option("--models-dir", type=click.Path(path_type=Path), default=Path("models"))
@click.option("--duration-s", default=10.0, help="Seconds of each rate.")
@click.option("--rates", default=",".join(f"{rate:g}" for rate in RATES))
def main(models_dir: Path, duration_s: float, rates: str) -> None:
    """Prints the table, and writes benchmarks/results/capacity.json."""
    version = newest_version(models_dir)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with embedded(version, folder) as (address, server), gateway(address, folder) as started:
            url, _, pid = started
            each = map(float, rates.split(","))
            figures = [measured(url, pid, server, rate, duration_s) for rate in each]
    Console().print(table(figures))
    results.write("capacity", {"figures": [asdict(each) for each in figures]})


if __name__ == "__main__":
    main()
