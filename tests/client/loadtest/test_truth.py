"""What a load test finds is what a server was told to do."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.programmed_latency import Behaviour, Latency, closed_loop_s, open_loop_s
from tests.programmed_server import programmed_server
from vitrine_client.loadtest.plan import Closed, Load, Open, Phase, Plan, Target
from vitrine_client.loadtest.result import Result
from vitrine_client.loadtest.run import run

PERCENTS = (50, 75, 90, 99, 99.9)
STALLING = Behaviour(Latency("constant", 0.04), period_s=1, stall_s=0.3)
"""Of the requests that are due in a second, 30 % meet a stall of 0.3 s."""


def test_percentiles_are_the_programmed_ones():
    """The open loop sees a stall as all who arrive do, the closed one as one request of many. Both
    run at once, in threads: the server has room."""
    with programmed_server(STALLING) as server, ThreadPoolExecutor() as threads:
        target = Target("raw", server.url, "mlp", (b"a", b"b"))

        def measured(load: Load) -> Result:
            return run(Plan(target, load, warm_up_s=0.3))

        loads = Open((Phase(2.3, 300, 300),)), Closed(8, 2.3)
        opened, closed = threads.map(measured, loads)
    for result, true_s in (
        (opened, open_loop_s(STALLING, PERCENTS)),
        (closed, closed_loop_s(STALLING, PERCENTS)),
    ):
        found_s = [result.latency.percentile_ms(percent) / 1e3 for percent in PERCENTS]
        # 5 %, and what it takes to wake up processes on a machine that has others to run.
        assert found_s == pytest.approx(true_s, rel=0.05, abs=0.01)
        assert result.errors.total() == result.dropped == 0
    assert opened.latency.percentile_ms(90) > 4 * closed.latency.percentile_ms(90)
