"""The comparison with peers: what is made of the measurements."""

import math
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import click
import pytest

from benchmarks.gateway import figures, latency, steps, wrk
from benchmarks.gateway.bodies import PICTURES, form, png
from harness.ports import free_port
from harness.programmed_latency import Behaviour, Latency
from harness.programmed_server import programmed_server

ROUNDS = {
    "vitrine": [{"rate_64": 130.0, "worker_mb": 99.0}, {"rate_64": 260.0}, {"rate_64": 150.0}],
    "fastapi": [{"rate_64": 100.0}, {"rate_64": 200.0}, {"rate_64": 300.0}],
    "fastapi-2": [{"rate_64": 50.0}, {"rate_64": 150.0}, {"rate_64": 400.0}],
}
FAMILIES = {"vitrine": ["vitrine"], "fastapi": ["fastapi", "fastapi-2"]}


def verdict(rounds, families, words):
    found = [one for one in figures.verdicts(rounds, families) if words in one.aim]
    assert len(found) == 1
    return found[0]


def constant(**peers):
    return {name: [values, values] for name, values in peers.items()}


def test_median_is_over_the_rounds_that_have_the_figure():
    """A figure that a round lacks is left out, and NaN where all lack it."""
    assert figures.median(ROUNDS, "fastapi", "rate_64") == 200
    assert figures.median(ROUNDS, "vitrine", "worker_mb") == 99
    assert math.isnan(figures.median(ROUNDS, "fastapi", "worker_mb"))


def test_ratio_is_within_the_round():
    """The median of 1.3, 1.3 and 0.5, not the ratio of the medians."""
    assert figures.ratio(ROUNDS, "vitrine", "fastapi", "rate_64") == pytest.approx(1.3)


def test_ratio_without_the_figure_is_nan():
    """Nothing is compared with what was not measured, or was zero."""
    assert math.isnan(figures.ratio(ROUNDS, "vitrine", "fastapi", "images"))
    zero = constant(vitrine={"rate_64": 1.0}, flask={"rate_64": 0.0})
    assert math.isnan(figures.ratio(zero, "vitrine", "flask", "rate_64"))


def test_best_is_by_the_median():
    """Largest or least, among those that have the figure."""
    both = ["fastapi", "fastapi-2"]
    assert figures.best(ROUNDS, both, "rate_64") == "fastapi"
    assert figures.best(ROUNDS, both, "rate_64", least=True) == "fastapi-2"
    assert figures.best(ROUNDS, both, "images") == ""


@pytest.mark.parametrize(("rate", "holds"), [(130.0, True), (129.0, False)])
def test_the_better_configuration_of_a_peer_counts(rate, holds):
    """Two processes are compared with where they are faster than one."""
    rounds = constant(
        vitrine={"rate_64": rate}, **{"fastapi": {"rate_64": 50.0}, "fastapi-2": {"rate_64": 100.0}}
    )
    found = verdict(rounds, FAMILIES, "requests/s at 64")
    assert found.aim == "requests/s at 64, of fastapi-2's: at least 1.3"
    assert found.holds is holds


@pytest.mark.parametrize(("rate", "holds"), [(250.0, True), (249.0, False)])
def test_frameworks_are_to_be_led_by_far(rate, holds):
    """2.5 times each serving framework; what serves naively is no framework."""
    rounds = constant(vitrine={"rate_16": rate}, ray={"rate_16": 100.0}, flask={"rate_16": 1000.0})
    families = {name: [name] for name in rounds}
    (found,) = figures.verdicts(rounds, families)
    assert "ray" in found.aim
    assert found.holds is holds


@pytest.mark.parametrize(("p99_ms", "holds"), [(20.0, True), (20.1, False)])
def test_p99_is_to_be_no_worse_than_the_best(p99_ms, holds):
    """The least p99 among a peer's configurations is the bar."""
    rounds = constant(
        vitrine={"p99_64_ms": p99_ms},
        **{"fastapi": {"p99_64_ms": 20.0}, "fastapi-2": {"p99_64_ms": 30.0}},
    )
    assert verdict(rounds, FAMILIES, "p99").holds is holds


@pytest.mark.parametrize(
    ("figure", "most"),
    [("worker_mb", 100.0), ("start_s", 2.0), ("added_ms", 1.0), ("gateway_cpu_64_us", 350.0)],
)
def test_bounds_of_the_gateway_itself(figure, most):
    """Memory, start, what it adds, and its processor time have bounds of their own."""
    for value, holds in ((most, True), (1.01 * most, False)):
        (found,) = figures.verdicts(constant(vitrine={figure: value}), {"vitrine": ["vitrine"]})
        assert (found.value, found.holds) == (value, holds)


def test_processor_time_counts_with_tensorflow_serving_where_there_is_one():
    """With the real server behind it, the gateway is what limits."""
    rounds = constant(
        vitrine={"gateway_cpu_64_us": 500.0}, **{"vitrine-tfs": {"gateway_cpu_64_us": 300.0}}
    )
    found = verdict(rounds, {"vitrine": ["vitrine", "vitrine-tfs"]}, "CPU")
    assert found.holds
    assert "TensorFlow Serving behind" in found.aim


def test_without_vitrine_nothing_is_judged():
    """A run of peers alone has no aims."""
    assert figures.verdicts({"fastapi": [{"rate_64": 1.0}]}, {"fastapi": ["fastapi"]}) == []


def test_what_wrk_says_is_read():
    """The line that our script prints, among wrk's own."""
    said = "Running 1s test\n  Thread Stats   Avg\nmeasured 3000 2000000 4\n"
    assert wrk.parse(said) == wrk.Load(3000, 1500, 4)


def test_where_wrk_fails_its_words_are_shown():
    """A wrong address, a broken script."""
    with pytest.raises(click.ClickException, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused")


class _Handler(BaseHTTPRequestHandler):
    """200 for the first sample as PNG, else 400."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        good = content == PICTURES[0] and self.headers["Content-Type"] == "image/png"
        self.send_response(200 if good else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Says nothing."""


@pytest.mark.skipif(not shutil.which("wrk"), reason="no wrk on the PATH")
def test_wrk_sends_the_body_and_counts_errors(tmp_path):
    """Real wrk, byte for byte; answers that are no 200 are errors."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        good = wrk.script(png(PICTURES[0]), tmp_path, "good")
        load = wrk.run(url, good, in_flight=2, duration_s=1)
        assert load.errors == 0
        assert load.requests > 10
        bad = wrk.script(form(PICTURES[:1]), tmp_path, "bad")
        load = wrk.run(url, bad, in_flight=2, duration_s=1)
        assert load.errors == load.requests > 10
    finally:
        server.shutdown()
        server.server_close()


def test_latencies_are_of_what_was_answered():
    """A server that stands still once: two requests in flight meet that, and no others are made up
    for the time of it, of which wrk would have some hundreds."""
    behaviour = Behaviour(Latency("constant", 0.002), period_s=60, stall_s=1.5)
    with programmed_server(behaviour) as server:
        seen = latency.closed_loop(
            f"{server.url}/v1/models/mlp:predict", png(PICTURES[0]), in_flight=2, duration_s=2.5
        )
        log = server.log()
    took_ms = 1e3 * (log[:, 1] - log[:, 0])
    assert len(log) - 2 <= seen.count <= len(log)
    assert seen.count > 100
    assert 2 <= seen.percentile_ms(50) <= seen.percentile_ms(98) < 500
    assert seen.max_ms == pytest.approx(took_ms.max(), abs=50)
    assert (took_ms > 500).sum() <= 2


def test_failures_are_no_latencies():
    """A connection that failed sends no more."""
    with programmed_server(Behaviour(errors=1.0)) as server:
        seen = latency.closed_loop(
            f"{server.url}/v1/models/mlp:predict", png(PICTURES[0]), in_flight=3, duration_s=0.3
        )
        assert (seen.count, len(server.log())) == (0, 3)


def test_quick_ways_are_measured_beside_the_others():
    """Each is answered, and takes some time."""
    us = steps.inference(rounds=1)
    assert {"a row, read at once", "form of 32, split", "PNG, 64 in flight"} <= us.keys()
    assert all(each > 0 for each in us.values())


def test_steps_add_up():
    """Pieces that hold each other become steps whose sum is the whole request."""
    pieces = {"read": 1, "decode": 40, "batch": 12, "message": 4, "call": 600, "answer": 10}
    around = {"endpoint, instant": 100, "app, instant": 130, "app": 800, "http": 1000}
    split = steps.split({**pieces, **around, "direct": 500})
    whole, direct = split.pop("all"), split.pop("a direct Predict, from threads")
    assert (whole, direct) == (1000, 500)
    assert sum(split.values()) == whole
    assert split["JSON and the rest"] == 100 - 67
