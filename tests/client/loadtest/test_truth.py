"""What the load lab reports of a server that was told how slow to be: its own loops, real sockets.

`benchmarks.load_lab` has the same at length.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from harness.paths import SAMPLES
from harness.programmed_latency import (
    Behaviour,
    Latency,
    closed_loop_s,
    line_rate,
    line_s,
    open_loop_s,
)
from harness.programmed_server import programmed_server
from tests.conftest import measured
from vitrine_client.loadtest.plan import Closed, Load, Open, Phase, Plan, Workload
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import run

pytestmark = pytest.mark.alone

SPREAD = Behaviour(Latency("lognormal", 0.05))
STALLS = Behaviour(Latency("constant", 0.05), period_s=1, stall_s=0.2)
WARM_UP_S, MEASURED_S = 1, 3
OPEN = Open((Phase(WARM_UP_S + MEASURED_S, 400, 400),), "constant")
CLOSED = Closed(16, WARM_UP_S + MEASURED_S)
CASES: Mapping[str, tuple[Behaviour, Load]] = {
    "spread": (SPREAD, OPEN),
    "open": (STALLS, OPEN),
    "closed": (STALLS, CLOSED),
}


def load(case: str) -> Result:
    behaviour, load = CASES[case]
    with programmed_server(behaviour) as server:
        pictures = tuple(path.read_bytes() for path in SAMPLES)
        return run(Plan(Workload("raw", server.url, "mlp", pictures), load, warm_up_s=WARM_UP_S))


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """All at once, to be done sooner: mostly they wait."""
    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(load, CASES), strict=True))


def expect(
    results: dict[str, Result],
    case: str,
    formula: Callable[[Behaviour, list[float]], list[float]],
    percents: list[float],
) -> None:
    """Compares percentiles with a formula; where they are others, of this case measured anew."""
    expected = formula(CASES[case][0], percents)
    at_first = iter([results[case]])

    def check(result: Result) -> None:
        found = [result.latency.percentile_ms(percent) / 1e3 for percent in percents]
        assert found == pytest.approx(expected, rel=0.1)

    measured(lambda: next(at_first, None) or load(case), check)


def test_an_open_loop_has_the_percentiles_of_the_server(results: dict[str, Result]):
    """A spread of latencies is reported as it is."""
    expect(results, "spread", open_loop_s, [50, 90, 99])
    assert results["spread"].answered == results["spread"].due == 400 * MEASURED_S


def test_an_open_loop_sees_a_stall_at_its_size(results: dict[str, Result]):
    """Whoever is due while the server stalls waits, and is counted: a fourth of all."""
    expect(results, "open", open_loop_s, [50, 80, 90, 99])
    assert open_loop_s(STALLS, [90])[0] > 0.17


def test_a_closed_loop_hardly_sees_it(results: dict[str, Result]):
    """It stops asking while the server stalls: nine of ten requests have never met one."""
    expect(results, "closed", closed_loop_s, [50, 90, 99])
    assert closed_loop_s(STALLS, [90])[0] < 0.07


def test_nothing_is_wrong_with_the_answers(results: dict[str, Result]):
    """They are those that each picture had before the load."""
    assert all(not result.errors and not result.dropped for result in results.values())


@pytest.mark.parametrize("kind", ["constant", "exponential", "lognormal", "bimodal"])
def test_the_formula_of_an_open_loop_is_that_of_a_simulation(kind: str):
    """Arrivals at any time of a server with stalls, each by itself."""
    behaviour = Behaviour(Latency(kind, 0.03), period_s=2, stall_s=0.1, slow_down=1.5)
    random, count = np.random.default_rng(1), 100_000
    works_s = 1.5 * behaviour.latency.stratified(count, random)
    starts_s = random.permutation(np.linspace(0, 200, count, endpoint=False))
    waited_s = [behaviour.done_at(*one) - one[0] for one in zip(starts_s, works_s, strict=True)]
    percents = [25.0, 50.0, 90.0, 97.0, 99.0, 99.9]
    expected = pytest.approx(np.percentile(waited_s, percents), rel=0.02)
    assert open_loop_s(behaviour, percents) == expected


@pytest.mark.parametrize("kind", ["constant", "exponential"])
def test_the_formula_of_a_closed_loop_is_that_of_a_simulation(kind: str):
    """One request after the other."""
    behaviour = Behaviour(Latency(kind, 0.03), period_s=2, stall_s=0.1)
    now_s, waited_s = 0.37, []
    for work_s in behaviour.latency.stratified(100_000, np.random.default_rng(1)).tolist():
        done_s = behaviour.done_at(now_s, work_s)
        waited_s.append(done_s - now_s)
        now_s = done_s
    percents = [50.0, 90.0, 98.0, 99.0, 99.9]
    expected = pytest.approx(np.percentile(waited_s, percents), rel=0.02)
    assert closed_loop_s(behaviour, percents) == expected


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_formula_of_a_line_is_that_of_a_simulation(share: float):
    """Arrivals by chance before one server; and the rate of a percentile is its inverse."""
    random, count = np.random.default_rng(1), 1_000_000
    due_s, works_s = random.exponential(1 / share, count).cumsum(), np.arange(count)
    waited_s = works_s + np.maximum.accumulate(due_s - works_s) + 1 - due_s
    for percent in (90, 99):
        assert line_s(1, share, percent) == pytest.approx(
            np.percentile(waited_s, percent), rel=0.03
        )
    assert line_rate(1, 99, line_s(1, share, 99)) == pytest.approx(share)
