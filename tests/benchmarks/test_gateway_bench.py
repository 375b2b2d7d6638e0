"""The comparison with peers: what is made of the measurements."""

import io
import json
import math
import shutil
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import click
import pytest
import requests
from click.testing import CliRunner
from rich.console import Console

from benchmarks.gateway import aims, figures, latency, steps, tables, wrk
from benchmarks.gateway.__main__ import main
from benchmarks.gateway.bodies import PICTURES, Body, form, png
from benchmarks.gateway.peers import builds, triton
from benchmarks.gateway.peers.builds import EARLIER
from benchmarks.gateway.peers.frameworks import PEERS
from benchmarks.gateway.rounds import single as single_figures
from harness.ports import free_port
from harness.programmed_latency import Behaviour, Latency
from harness.programmed_server import programmed_server
from vitrine_client.process import signals

ROUNDS = {
    "vitrine": [{"rate_64": 130.0, "worker_mb": 99.0}, {"rate_64": 260.0}, {"rate_64": 150.0}],
    "fastapi": [{"rate_64": 100.0}, {"rate_64": 200.0}, {"rate_64": 300.0}],
    "fastapi-2": [{"rate_64": 50.0}, {"rate_64": 150.0}, {"rate_64": 400.0}],
}
FAMILIES = {"vitrine": ["vitrine"], "fastapi": ["fastapi", "fastapi-2"]}


def verdict(rounds, families, words):
    found = [one for one in aims.verdicts(rounds, families) if words in one.aim]
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
    """The largest, or the smallest of times and sizes, among those that have the figure."""
    both = ["fastapi", "fastapi-2"]
    assert figures.best(ROUNDS, both, "rate_64") == "fastapi"
    assert figures.best(ROUNDS, both, "images") == ""
    slower = constant(fastapi={"p99_64_ms": 30.0}, **{"fastapi-2": {"p99_64_ms": 20.0}})
    assert figures.best(slower, both, "p99_64_ms") == "fastapi-2"


def test_ratios_are_to_whom_is_best_at_each_figure():
    """Of each round, and their median; nothing about figures that one of the two lacks."""
    rounds = constant(
        vitrine={"rate_64": 130.0, "rate_1": 30.0, "worker_mb": 80.0},
        fastapi={"rate_64": 50.0, "rate_1": 20.0},
        **{"fastapi-2": {"rate_64": 100.0, "rate_1": 10.0, "images_npy": 1.0}},
    )
    found = figures.against(rounds, FAMILIES["fastapi"])
    assert found["vitrine"] == {
        "rate_1": {"of": "fastapi", "median": 1.5, "rounds": [1.5, 1.5]},
        "rate_64": {"of": "fastapi-2", "median": 1.3, "rounds": [1.3, 1.3]},
    }
    assert found["fastapi-2"]["images_npy"]["median"] == 1


@pytest.mark.parametrize(("rate", "holds"), [(125.0, True), (124.0, False)])
def test_the_better_configuration_of_a_peer_counts(rate, holds):
    """Two processes are compared with where they are faster than one."""
    rounds = constant(
        vitrine={"rate_64": rate}, **{"fastapi": {"rate_64": 50.0}, "fastapi-2": {"rate_64": 100.0}}
    )
    found = verdict(rounds, FAMILIES, "requests/s at 64")
    assert found.aim == "requests/s at 64, of fastapi-2's: at least 1.25"
    assert found.holds is holds


@pytest.mark.parametrize(("rate", "holds"), [(300.0, True), (299.0, False)])
def test_frameworks_are_to_be_led_by_far(rate, holds):
    """Three times each serving framework, tuned or not; what serves naively is no framework."""
    rounds = constant(
        vitrine={"rate_64": rate},
        ray={"rate_64": 90.0},
        flask={"rate_64": 1000.0},
        **{"ray-plain": {"rate_64": 100.0}},
    )
    families = {"vitrine": ["vitrine"], "ray": ["ray", "ray-plain"], "flask": ["flask"]}
    (found,) = aims.verdicts(rounds, families)
    assert found.aim == "requests/s at 64, of ray-plain's: at least 3"
    assert found.holds is holds


@pytest.mark.parametrize(("p99_ms", "holds"), [(16.0, True), (16.1, False)])
def test_p99_is_held_against_the_best(p99_ms, holds):
    """The least p99 among a peer's configurations."""
    rounds = constant(
        vitrine={"p99_64_ms": p99_ms},
        **{"fastapi": {"p99_64_ms": 20.0}, "fastapi-2": {"p99_64_ms": 30.0}},
    )
    assert verdict(rounds, FAMILIES, "p99").holds is holds


@pytest.mark.parametrize(
    ("figure", "most"), [("cpu_64_us", 0.6), ("cpu_1_us", 0.5), ("start_s", 1.2)]
)
def test_progress_is_a_ratio_within_a_run(figure, most):
    """Processor time and start, of those of an earlier build in the same rounds."""
    families = {"vitrine": ["vitrine"], EARLIER: [EARLIER]}
    for value, holds in ((most, True), (1.01 * most, False)):
        rounds = constant(vitrine={figure: 2 * value}, **{EARLIER: {figure: 2.0}})
        (found,) = aims.verdicts(rounds, families)
        assert (found.value, found.holds) == (pytest.approx(value), holds)


def test_memory_of_a_worker_has_a_bound_of_its_own():
    """Whoever else was measured."""
    for value, holds in ((90.0, True), (91.0, False)):
        (found,) = aims.verdicts(constant(vitrine={"worker_mb": value}), {"vitrine": ["vitrine"]})
        assert (found.value, found.holds) == (value, holds)


def test_processor_time_is_of_all_but_the_generator():
    """1,000 requests in half a second of everybody's time; wrk's own stands apart."""
    seen = single_figures(16, wrk.Load(1000, 500.0, 0, cpu_s=0.02), all_s=0.5, gateway_s=0.2)
    assert seen == {
        "rate_16": 500.0,
        "cpu_16_us": 500.0,
        "gateway_cpu_16_us": 200.0,
        "generator_cpu_16_us": 20.0,
        "per_cpu_s_16": 2000.0,
    }
    assert single_figures(1, wrk.Load(0, 0.0, 3), all_s=0.0, gateway_s=0.0) == {"rate_1": 0.0}


def test_an_earlier_build_is_exported_from_the_history(tmp_path):
    """Its members as they were, once; without that history it is left out, and said why."""

    def git(*words):
        told = ("-c", "user.name=t", "-c", "user.email=t@example.org", *words)
        return subprocess.check_output(["git", "-C", tmp_path / "repository", *told], text=True)

    for member in ("client", "serving", "training"):
        (tmp_path / "repository" / member).mkdir(parents=True)
        (tmp_path / "repository" / member / "file.py").write_text("then = 1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "then")
    commit = git("rev-parse", "HEAD").strip()
    (tmp_path / "repository" / "client" / "file.py").write_text("now = 1")
    git("commit", "-qam", "now")
    made = tmp_path / "cache" / "builds" / commit
    assert builds.export(commit, made, tmp_path / "repository") == ""
    assert (made / "client" / "file.py").read_text() == "then = 1"
    build = builds.Build("then", "Then", commit=commit)
    assert build.prepare(tmp_path / "cache", Console(quiet=True)) == ""
    why_not = builds.export("0" * 40, tmp_path / "other", tmp_path / "repository")
    assert "has no commit 000000" in why_not
    assert [each.name for each in made.parent.iterdir()] == [commit]
    assert not (tmp_path / "other").exists()


def test_a_peer_without_a_setting_is_of_its_family():
    """Rows with and without: the same server, one of them slower."""
    peers = {peer.name: peer for peer in PEERS}
    assert len(peers) == len(PEERS)
    tuned, plain = peers["fastapi-2"], peers["fastapi-2-pillow"]
    assert tuned.variables["PEER_DECODER"] == "pyspng"
    assert "PEER_DECODER" not in plain.variables
    assert (plain.family, plain.command) == (tuned.family, tuned.command)


def test_a_private_call_counts_for_no_aim():
    """Peers that run the model as ours does are shown, in families of their own."""
    peers = {peer.name: peer for peer in PEERS}
    private = [peer for peer in PEERS if peer.variables.get("PEER_CALL") == "session"]
    assert private == [peers["fastapi-2-session"], peers["triton-session"]]
    for peer in private:
        assert not any(peer.family == other.family for other in PEERS if other is not peer)
        rounds = {name: [{"rate_64": 1.0}] for name in ("vitrine", peer.name)}
        families = {"vitrine": ["vitrine"], peer.family: [peer.name]}
        assert aims.verdicts(rounds, families) == []


def test_triton_is_asked_and_read_in_its_own_format():
    """A picture as it is; several with their lengths behind a header; answers the same way."""
    assert triton.single(b"png").content == b"png"
    body = triton.batch([b"one", b"three"])
    length = int(body.headers["Inference-Header-Content-Length"])
    header = json.loads(body.content[:length])
    assert header["inputs"][0]["shape"] == [2, 1]
    assert header["inputs"][0]["parameters"]["binary_data_size"] == len(body.content) - length
    assert body.content[length:] == b"\3\0\0\0one\5\0\0\0three"
    answer = requests.Response()
    answer.headers["Inference-Header-Content-Length"] = "2"
    answer.raw = io.BytesIO(b'{}\7\0\0\0{"a":1}\7\0\0\0{"a":2}')
    assert triton.read(answer) == [{"a": 1}, {"a": 2}]


def test_without_vitrine_nothing_is_judged():
    """A run of peers alone has no aims."""
    assert aims.verdicts({"fastapi": [{"rate_64": 1.0}]}, {"fastapi": ["fastapi"]}) == []


def test_what_wrk_says_is_read():
    """The line that our script prints, among wrk's own."""
    said = "Running 1s test\n  Thread Stats   Avg\nmeasured 3000 2000000 4\n"
    assert wrk.parse(said) == wrk.Load(3000, 1500, 4)


def test_where_wrk_fails_its_words_are_shown():
    """A wrong address, a broken script."""
    with pytest.raises(click.ClickException, match="unable to connect"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused")


class _Handler(BaseHTTPRequestHandler):
    """200 for the first sample as PNG with a header more, else 400."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        good = content == PICTURES[0] and self.headers["Content-Type"] == "image/png"
        good = good and self.headers["X-More"] == "1"
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
        body = Body("image/png", PICTURES[0], {"X-More": "1"})
        good = wrk.script(body, tmp_path, "good")
        load = wrk.run(url, good, in_flight=2, duration_s=1)
        assert load.errors == 0
        assert load.requests > 10
        assert load.cpu_s > 0
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
    split = steps.split({**pieces, **around, "call by gRPC": 700, "direct": 500})
    whole, by_grpc = split.pop("all"), split.pop("the same call by gRPC")
    direct = split.pop("a direct Predict by gRPC, from threads")
    assert (whole, by_grpc, direct) == (1000, 700, 500)
    assert sum(split.values()) == whole
    assert split["JSON and the rest"] == 100 - 67


def test_tables_are_written_as_docs_have_them():
    """Caption, head and rows; what is coloured on a terminal is words alone."""
    verdict = figures.Verdict("requests/s: at least 2", 2.5, True)
    assert tables.markdown(tables.verdicts_table([verdict])) == (
        "\n\n|  | reached | aim |\n| --- | --- | --- |\n| yes | 2.50 | requests/s: at least 2 |\n"
    )
    rounds = constant(vitrine={"rate_64": 130.0, "rate_1": 1.0}, fastapi={"rate_64": 100.0})
    titles = {"vitrine": "Vitrine", "fastapi": "FastAPI"}
    text = tables.markdown(tables.ratios_table(rounds, titles, ["fastapi"]))
    assert text.startswith("Times the figures in the same round of: FastAPI.\n")
    (row,) = (line for line in text.splitlines() if line.startswith("| Vitrine"))
    assert row.split(" | ")[:4] == ["| Vitrine", "–", "–", "1.30"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rounds", "0"], "--rounds"),
        (["--duration-s", "-1"], "--duration-s"),
        (["--peers", "vitrine,nosuch"], "Invalid value for --peers: nosuch: choose from vitrine,"),
    ],
)
def test_options_that_measure_nothing(tmp_path, monkeypatch, words, told):
    """Are refused by their names before anything is started; and signals stay with whoever had
    them: only the command itself takes them."""
    before = [signal.getsignal(number) for number in signals.ENDING]
    monkeypatch.setattr(wrk, "require", lambda: None)
    (tmp_path / "mlp" / "1").mkdir(parents=True)
    (tmp_path / "mlp" / "1" / "saved_model.pb").touch()
    done = CliRunner().invoke(main, [*words, "--models-dir", str(tmp_path)])
    assert done.exit_code == 2
    assert told in done.output
    assert [signal.getsignal(number) for number in signals.ENDING] == before
