"""The benchmark of capacity, for seconds: it counts what was asked, and prints what it says."""

from rich.console import Console

from benchmarks.capacity import Figures, measured, table
from benchmarks.gateway.vitrine import embedded, gateway
from harness.paths import ROOT


def test_figures_of_a_rate(tmp_path):
    """Processor time of both, at least a row in each call, and all that were asked are answered."""
    version = ROOT / "tests/compat/2026-11-30/models/mlp/1"
    with (
        embedded(version, tmp_path) as (address, server),
        gateway(address, tmp_path) as (url, _, pid),
    ):
        found = measured(url, pid, server, 40.0, 2.0)
    assert found.rows >= 1
    assert found.answered > 20
    assert min(found.gateway_us, found.model_server_us) > 0
    assert 0 < found.p50_ms <= found.p99_ms


def test_table():
    console = Console(width=120, record=True)
    console.print(table([Figures(50.0, 48.2, 2045.4, 1397.0, 1.04, 3.8, 51.2)]))
    said = console.export_text()
    assert all(each in said for each in ("48", "2045 us", "1397 us", "1.0", "3.8 ms", "51.2 ms"))
