"""Sweeps: which rates, and what becomes of them."""

import json

import pytest

from tests.client.loadtest.made_results import made
from tests.client.loadtest.simulated_queue import SimulatedQueue
from vitrine_client.loadtest.analysis import sweep
from vitrine_client.loadtest.results.result import Generator, Result


def test_rates_are_dense_about_the_capacity_and_pass_it():
    """They ascend, begin far below the capacity, and end above it."""
    rates = sweep.rates(200)
    assert rates == sorted(set(rates))
    assert rates[0] < 50
    assert rates[-1] > 200
    assert sum(150 < rate < 250 for rate in rates) > sum(rate < 100 for rate in rates)


def test_latency_rises_with_the_rate_and_throughput_ends_at_capacity():
    """A curve of a simulated queue has the knee that it must have; each point is seen once."""
    seen: list[sweep.Point] = []
    curve = sweep.measure(SimulatedQueue(0.001, 1), [1000, 100, 500, 900], seen.append)
    assert [point.rate for point in curve.points] == [100, 500, 900, 1000]
    assert list(curve.points) == seen
    p99_ms = [point.p99_ms for point in curve.points]
    assert p99_ms == sorted(p99_ms)
    assert p99_ms[0] < 3 < 15 < p99_ms[-1]
    for point in curve.points:
        assert point.p50_ms <= point.p90_ms <= point.p99_ms <= point.p999_ms
        assert point.throughput == pytest.approx(point.rate, rel=0.15)
    assert curve.highest_throughput == curve.points[-1].throughput


def test_a_curve_is_json_and_back():
    """A rate at which nothing was answered has no latency, in JSON neither."""
    answers = {1.0: made(seconds=3), 2.0: Result({}, (), Generator(0, 0, 0))}
    curve = sweep.measure(answers.__getitem__, answers)
    content = json.loads(json.dumps(curve.to_json()))
    assert sweep.Curve(tuple(sweep.Point(**point) for point in content)) == curve
    assert curve.points[1].p99_ms is None
