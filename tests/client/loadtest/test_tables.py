"""A result as text for a terminal and as rows for a spreadsheet."""

import csv
import dataclasses
import io
from collections import Counter

import numpy as np
import pytest
from rich.console import Console

from tests.client.loadtest.made_results import compared, made, searched, swept
from vitrine_client.loadtest import wording
from vitrine_client.loadtest.analysis.outcome import LoadTestOutcome, highest_kept_up
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.analysis.sweep import Curve, Point
from vitrine_client.loadtest.report import tables
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Connecting, Interval, write_csv


def text_of(renderable, **options) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False, **options)
    console.print(renderable)
    return console.file.getvalue()


def summary(result):
    return tables.outcome(LoadTestOutcome(result, (result,)))


def test_an_open_loop_shows_latency_beside_service_time():
    """Each percentile has both, as the histograms give them, and late requests are counted."""
    result = made(seconds=5, stalls=(2,))
    shown = text_of(summary(result))
    row = next(line.split() for line in shown.splitlines() if line.startswith("p99.9 "))
    assert row.pop(1) == "*"  # of 1,000 requests, one was slower
    assert row[1::2] == [
        wording.ms(counts.percentile_ms(99.9)) for counts in (result.latency, result.service)
    ]
    assert f"{result.answered:,} of {result.due:,} in 5.0 s" in shown
    assert f"{result.late:,} sent over 1 ms after they were due" in shown
    assert all(f"p{percent}" in shown for percent in ("50", "99 ", "99.99"))


def test_percentiles_that_are_chance_are_marked():
    """Of 1,000 requests ten are slower than p99, and one than p99.9; JSON says so, too."""
    latency = LatencyHistogram.of(np.linspace(0.001, 0.1, 1000))
    result = dataclasses.replace(
        made(seconds=1), intervals=(Interval(0.0, 1.0, 1000, latency, latency, 1000),)
    )
    shown = text_of(summary(result))
    marked = [line.split()[0] for line in shown.splitlines() if line.split()[1:2] == ["*"]]
    assert marked == result.to_json()["summary"]["few_beyond"] == ["p99.9", "p99.99"]
    assert "* fewer than 10 requests were slower" in shown
    slo = Slo.parse("p50=1s,p99.9=1s")
    assert "fewer than 10 requests were slower than p99.9" in text_of(
        tables.outcome(LoadTestOutcome(result, (result,), slo))
    )


def test_what_the_generator_could_not_send_is_no_error():
    """It is counted apart, and is not in the share of errors."""
    result = made(seconds=2, errors={0: Counter({"HTTP 500": 10})})
    first, last = result.intervals
    first = dataclasses.replace(first, due=first.due + 90, unsent=Counter(EMFILE=90))
    with_unsent = dataclasses.replace(result, intervals=(first, last))
    assert with_unsent.error_share == result.error_share > 0
    shown = " ".join(text_of(summary(with_unsent)).split())
    assert "unsent 90 EMFILE" in shown


def test_the_cost_of_connecting_is_shown():
    """How many connections were made meanwhile, and how long that took; with TLS its own."""
    made_s = LatencyHistogram.of([0.002] * 50)
    connecting = Connecting(made_s, LatencyHistogram.of([0.03] * 50))
    shown = text_of(summary(made(seconds=2, connecting=connecting)))
    assert "50 new connections in 2.00 ms (p50) and 2.00 ms (p99), TLS 30.0 ms (p50)" in shown
    assert "connecting" not in text_of(summary(made(seconds=2)))


def test_batches_are_counted_as_images_too():
    """Requests a second say little where each has many images."""
    result = made(seconds=2, rate=100)
    result.about["plan"]["target"]["batch_size"] = 20
    shown = text_of(summary(result))
    assert f"{20 * result.throughput:,.0f} images/s" in shown
    assert "20 in each request" in shown


def test_a_closed_loop_has_one_latency():
    """Where service time is the same, it is not shown, and nothing can be late."""
    shown = text_of(summary(made(seconds=3, loop="closed")))
    assert "closed loop, 8 in flight" in shown
    assert "service time" not in shown
    assert "sent over" not in shown


def test_what_is_wrong_is_named_in_colour():
    """Errors are red with their kind and number; warnings are yellow, and not taken for markup."""
    errors = {1: Counter({"Unavailable": 3, "wrong answer": 1})}
    result = made(seconds=3, errors=errors, warnings=("[the generator] was busy",))
    shown = text_of(summary(result), force_terminal=True, color_system="standard")
    assert "\x1b[31m3 Unavailable" in shown
    assert "\x1b[31m1 wrong answer" in shown
    assert "\x1b[33mWarning: [the generator] was busy\x1b[0m" in shown


def test_nothing_answered_is_no_crash():
    """Percentiles of nothing are not shown, and in their cells of the CSV there is nothing."""
    result = made(
        seconds=2, rate=5, errors={0: Counter(Unavailable=50), 1: Counter(Unavailable=50)}
    )
    assert result.answered == 0
    shown = text_of(summary(result))
    assert "100 Unavailable" in shown
    assert "p99.9" not in shown
    file = io.StringIO()
    write_csv([result], file)
    assert all(row["latency_p99_ms"] == "" for row in csv.DictReader(io.StringIO(file.getvalue())))


def test_the_csv_has_a_row_for_each_interval():
    """What is read back are the intervals' own figures, runs are numbered."""
    results = [made(seconds=3, seed=1), made(seconds=2, errors={0: Counter(Unavailable=7)})]
    file = io.StringIO()
    write_csv(results, file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [(row["run"], float(row["start_s"])) for row in rows] == [
        *(("1", 0.0), ("1", 1.0), ("1", 2.0)),
        *(("2", 0.0), ("2", 1.0)),
    ]
    assert [int(row["answered"]) for row in rows[:3]] == [
        one.answered for one in results[0].intervals
    ]
    assert int(rows[3]["errors"]) == 7
    last = results[0].intervals[2]
    assert float(rows[2]["latency_p99.9_ms"]) == pytest.approx(
        last.latency.percentile_ms(99.9), abs=1e-3
    )
    assert float(rows[2]["service_max_ms"]) == pytest.approx(last.service.max_ms, abs=1e-3)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.1234, "0.123"),
        (0.99996, "1.00"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (99.96, "100"),
        (12345.6, "12,346"),
        (float("nan"), "–"),
    ],
)
def test_milliseconds_have_three_digits(value, said):
    """Also where rounding makes one more digit."""
    assert wording.ms(value) == said


def test_loads_are_told_in_words():
    """A rate that stays is said once, a ramp has both ends, and the warm-up is left out."""
    phases = [
        {"duration_s": 1.0, "rate": 7.0, "end_rate": 7.0},
        {"duration_s": 1.0, "rate": 100.0, "end_rate": 100.0},
        {"duration_s": 9.0, "rate": 100.0, "end_rate": 100.0},
        {"duration_s": 9.0, "rate": 100.0, "end_rate": 1200.0},
    ]
    load = {"loop": "open", "phases": phases, "arrivals": "constant"}
    plan = {"load": load, "warm_up_s": 1.0}
    assert wording.load({"plan": plan}) == "open loop, 100, 100..1,200 requests/s (constant)"


def lines_of(outcome) -> list[str]:
    return text_of(tables.outcome(outcome)).splitlines()


def test_a_search_shows_each_probe_and_the_rate():
    """Each with the latencies that the objective is about, and why it was missed."""
    lines = lines_of(searched())
    assert lines[0].split() == ["requests/s", "p50", "p99", "failed"]
    assert [line.split()[0] for line in lines[1:6]] == ["100", "200", "400", "300", "250"]
    assert [line.endswith("held") for line in map(str.rstrip, lines[1:6])] == [
        *(True, True, False, False, True)
    ]
    assert "not 10ms; p99 is" in lines[3]
    last = " ".join(" ".join(lines[7:]).split())
    assert "250 requests/s is the highest rate" in last
    assert "between 245 and 260 (90 %), and 3 of 4 more probes" in last


def test_a_sweep_shows_each_rate():
    """Where nothing was answered, there is no latency."""
    lines = lines_of(swept())
    assert [line.split()[0] for line in lines[:4]] == ["requests/s", "100", "1,200", "1,300"]
    assert lines[3].split()[1:] == ["0", "–", "–", "–", "–", "100", "%"]


def test_a_comparison_shows_both_sides_and_the_verdict():
    """Each in its unit; and each doubt once, where it was not said already."""
    shown = "\n".join(lines_of(compared()))
    assert "4.01 ms  5.02 ms  worse: 25 % higher" in shown
    assert "1,234/s    987/s  worse: 20 % lower" in shown
    assert "Worse (changes of up to 5 % are overlooked)" in shown
    assert shown.count("too little data") == 1
    assert "Warning: not the same test: seats" in shown
    assert "it was busy" not in shown


def test_no_verdict_without_data():
    """Where no measure could be compared, nobody is told that all is the same."""
    comparison = compared().comparison
    unknown = dataclasses.replace(comparison, verdict="the same", rows=comparison.rows[1:2])
    assert tables.verdict_of(unknown) == "There is too little data to tell"


def test_warnings_of_several_loads_are_told_once():
    """With the number of loads that had them; their figures may differ."""
    results = [made(seconds=1, warnings=(f"late by {lag} ms",)) for lag in ("3.5", "12")]
    outcome = LoadTestOutcome(results[0], (*results, made(seconds=1)))
    assert outcome.warnings == ["In 2 of 3 loads, as here: late by 12 ms"]
    assert LoadTestOutcome(results[0], (results[0],)).warnings == ["late by 3.5 ms"]


def test_a_swap_is_told_by_its_effect():
    """Its events become a sentence with the p99 before, meanwhile and after."""
    events = ((3.2, "published version 4"), (4.1, "version 4 answers"))
    shown = " ".join(text_of(summary(made(seconds=9, events=events))).split())
    assert "Version 4 was published at 3.2 s and answered 0.9 s later" in shown
    other = text_of(summary(made(seconds=3, events=((1.0, "lunch"),))))
    assert "At 1.0 s: lunch" in other


@pytest.mark.parametrize(
    ("rates", "kept"), [((100, 200, 300), 1), ((300, 400), 0), ((100, 200), 1)]
)
def test_the_highest_rate_that_is_kept_up_with(rates, kept):
    """Of a server that answers 200/s; the first rate where it cannot keep up with any."""
    results = [made(seconds=5, rate=min(rate, 200), seed=3) for rate in rates]
    points = [Point(rate, min(rate, 200), 1, 1, 1, 1, 0.0) for rate in rates]
    assert highest_kept_up(Curve(tuple(points)), results) is results[kept]
