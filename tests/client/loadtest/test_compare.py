"""The verdict on two runs: better, worse or the same, and how often it is wrong."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from tests.client.loadtest.made_results import made
from vitrine_client.loadtest.analysis.compare import Comparison, Row, compare
from vitrine_client.loadtest.report.tables import verdict_of
from vitrine_client.loadtest.results.result import Result

PAIRS = 20


def run(seed: int, times: float = 1.0, *, loop: str = "closed", **options) -> Result:
    """Fifteen seconds of 16 in flight, or of 600 requests/s, with `times` the latency."""
    rate = 600 / times if loop == "closed" else 600
    return made(seconds=15, rate=rate, median_ms=20 * times, loop=loop, seed=seed, **options)


def row(comparison: Comparison, measure: str) -> Row:
    (found,) = [row for row in comparison.rows if row.measure == measure]
    return found


@pytest.mark.parametrize("loop", ["closed", "open"])
def test_two_runs_of_the_same_thing_are_the_same(loop: str):
    """In at least 19 of 20 pairs."""
    pairs = [(run(2 * n, loop=loop), run(2 * n + 1, loop=loop)) for n in range(PAIRS)]
    verdicts = Counter(compare(before, after).verdict for before, after in pairs)
    assert verdicts["the same"] >= 19


@pytest.mark.parametrize(("times", "verdict"), [(1.1, "worse"), (1 / 1.1, "better")])
def test_ten_per_cent_are_noticed(times: float, verdict: str):
    """In at least 19 of 20 pairs, in either direction."""
    pairs = [(run(2 * n), run(2 * n + 1, times)) for n in range(PAIRS)]
    verdicts = Counter(compare(before, after).verdict for before, after in pairs)
    assert verdicts[verdict] >= 19


def test_each_measure_is_told_in_words():
    """A row has both values, the change, between what it is, and a sentence of that."""
    comparison = compare(run(1), run(2, 1.25))
    assert [row.measure for row in comparison.rows] == ["p50", "p99", "throughput", "errors"]
    p50, throughput = row(comparison, "p50"), row(comparison, "throughput")
    assert p50.after / p50.before == pytest.approx(1 + p50.change)
    assert 0.05 < p50.low < p50.change < p50.high < 0.45
    assert p50.verdict == throughput.verdict == "worse"
    assert p50.text.startswith("worse: ")
    assert "% higher" in p50.text
    assert "% lower" in throughput.text
    assert json.loads(json.dumps(comparison.to_json()))["verdict"] == "worse"


def test_an_open_loop_has_no_throughput_of_its_own():
    """It is the rate that was asked for."""
    comparison = compare(run(1, loop="open"), run(2, loop="open"))
    assert [row.measure for row in comparison.rows] == ["p50", "p99", "errors"]


def test_errors_alone_make_it_worse():
    """Two errors of a hundred are worse than none, the other way round better, however fast."""
    bad = run(2, 0.5, errors={second: Counter({"timeout": 24}) for second in range(15)})
    assert row(compare(run(1), bad), "errors").verdict == "worse"
    assert compare(run(1), bad).verdict == "worse"
    assert row(compare(bad, run(1)), "errors").verdict == "better"


def test_a_second_that_went_wrong_is_told_from_a_slow_server():
    """One stall in fifteen seconds makes p99 uncertain, which is said, and is no slow-down."""
    p99 = row(compare(run(1, loop="open"), run(2, loop="open", stalls=(7,))), "p99")
    assert p99.verdict == "cannot tell"
    assert p99.high > 0.3
    assert p99.text.startswith("cannot tell: ")
    assert "longer runs tell more" in p99.text
    assert verdict_of(compare(run(1, loop="open"), run(2, loop="open", stalls=(7,)))).startswith(
        "The same, but for p99, of which these runs cannot tell"
    )


def test_no_errors_are_no_change():
    """Where nothing failed it says that, and no bounds of nothing."""
    assert row(compare(run(1), run(2)), "errors").text == "the same: no errors in either"
    failed = run(2, errors={second: Counter({"timeout": 1}) for second in range(15)})
    assert "% of requests more" in row(compare(run(1), failed), "errors").text


def test_errors_alone_do_not_make_it_the_same():
    """Two runs of which nothing is sure but that none failed."""
    comparison = compare(run(1), run(2), margin=0.001)
    assert {one.verdict for one in comparison.rows if one.measure != "errors"} == {"cannot tell"}
    assert comparison.verdict == "cannot tell"


def test_a_wider_margin_overlooks_more():
    """A tenth is within a fifth."""
    assert compare(run(1), run(2, 1.1), margin=0.2).verdict == "the same"


def test_the_same_results_are_always_judged_the_same():
    """Nothing in it is by chance."""
    assert compare(run(1), run(2, 1.05)) == compare(run(1), run(2, 1.05))
    identical = compare(run(1), run(1))
    assert [row.change for row in identical.rows] == [0, 0, 0, 0]


def test_too_little_data_is_no_verdict():
    """Few seconds, few answers or none at all: it says what is needed."""
    short = compare(made(seconds=4, loop="closed"), run(1))
    assert short.verdict == "cannot tell"
    assert all(row.verdict is row.change is None for row in short.rows)
    assert any("8 seconds of both runs are needed" in text for text in short.warnings)
    few = compare(made(seconds=20, rate=20, loop="closed"), run(1))
    assert row(few, "p50").verdict is not None
    assert "2,000 answers of both runs are needed" in row(few, "p99").text
    failed = run(1, errors={second: Counter({"refused": 10_000}) for second in range(15)})
    assert any("nothing was answered" in text for text in compare(failed, run(1)).warnings)


def test_other_tests_are_warned_of():
    """Another rate or another batch is another test; more time and other arrivals are not."""
    first = run(1, loop="open")
    assert not compare(first, run(2, loop="open")).warnings
    longer = made(seconds=20, rate=600, median_ms=20, seed=2)
    assert not compare(first, longer).warnings
    (text,) = compare(first, made(seconds=15, rate=300, median_ms=20, seed=2)).warnings
    assert text.endswith("load phases was 600..600 requests/s, and is 300..300 requests/s")
    plan = first.about["plan"]
    other = {**plan, "target": {**plan["target"], "batch_size": 8}}
    (text,) = compare(first, replace(first, about={"plan": other})).warnings
    assert text.endswith("target batch_size was 1, and is 8")


def test_doubts_about_either_run_are_passed_on():
    """What a run warned of is worth knowing here, too."""
    doubtful = run(2, warnings=("The generator was late",))
    assert compare(run(1), doubtful).warnings == ("after: The generator was late",)
