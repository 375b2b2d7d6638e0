"""`vitrine loadtest search` on servers that make a search hard."""

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load_truth.scenarios import SERVICE_S, SOME_ERRORS
from benchmarks.load_truth.scripted import VITRINE
from harness.paths import SAMPLES
from harness.programmed_latency import Behaviour, Latency
from harness.programmed_server import programmed_server

RECURRING = Behaviour(Latency("constant", SERVICE_S), period_s=10, stall_s=1)
LINE = Behaviour(Latency("constant", SERVICE_S), servers=4, errors=SOME_ERRORS.errors)
"""Four at a time, of which 2 % fail."""

_PATIENCE_S = 400


@dataclass(frozen=True)
class Search:
    """A search: its exit code, seconds, how many probes were written, and what it said last."""

    exit_code: int
    took_s: float
    probes: int
    verdict: str


def recurring_stall() -> Search:
    """No rate meets p99=100ms where the server stands still for 1 s of every 10."""
    return search(RECURRING, "p99=100ms")


def some_errors() -> Search:
    """2 % of the answers are 503, and the objective lets 5 % be."""
    return search(LINE, "p99=100ms,errors=5%")


def goes_away(after_s: float = 25.0) -> Search:
    """The server is killed in the middle of the search."""
    return search(LINE, "p99=100ms,errors=5%", after_s)


def search(behaviour: Behaviour, slo: str, killed_after_s: float | None = None) -> Search:
    """Searches the highest rate that meets an objective."""
    with programmed_server(behaviour) as server, TemporaryDirectory() as name:
        written = Path(name) / "search.json"
        told = ["--slo", slo, "--url", server.url, "--model", "mlp", "--json", str(written)]
        end = threading.Timer(killed_after_s or _PATIENCE_S, server.process.kill)
        end.start()
        began_s = time.monotonic()
        try:
            done = subprocess.run(
                [*VITRINE, "loadtest", "search", *map(str, SAMPLES), *told],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_PATIENCE_S,
            )
        finally:
            end.cancel()
        took_s = time.monotonic() - began_s
        content = json.loads(written.read_bytes()) if written.exists() else {}
        said = done.stdout.strip().splitlines()
        probes = len(content.get("search", {}).get("probes", ()))
        return Search(done.returncode, took_s, probes, "\n".join(said[-4:]))
