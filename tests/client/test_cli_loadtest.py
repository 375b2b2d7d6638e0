"""`vitrine loadtest`: its grammar, what it shows and writes, and how it ends."""

import csv
import dataclasses
import io
import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.client.fake_gateway import FakeGateway, lacking
from tests.client.loadtest.made_results import made
from tests.client.test_default_model import serving
from tests.conftest import SAMPLES
from tests.fake_model_server import FakeModelServer
from tests.programmed_latency import Behaviour, Latency
from tests.programmed_server import programmed_server
from vitrine_client.cli.loadtest import files as load_files
from vitrine_client.cli.loadtest.command import loadtest
from vitrine_client.cli.loadtest.lab import LoadLab
from vitrine_client.cli.loadtest.request import LoadRequest
from vitrine_client.errors import Unavailable
from vitrine_client.loadtest.limits import shared
from vitrine_client.loadtest.plan import Closed, Open, Phase
from vitrine_client.loadtest.results.result import Result

PICTURE = str(SAMPLES[0])
CAPACITY = 300


def command(*words):
    return CliRunner().invoke(loadtest, [str(word) for word in words])


def request(*words) -> LoadRequest:
    named = ["--model=mlp", *(str(word) for word in words)]
    return LoadRequest(**loadtest.make_context("loadtest", named).params)


def saved(path, result: Result):
    path.write_text(json.dumps(result.to_json()))
    return path


class FakeRun:
    """Answers up to `CAPACITY`; Ctrl-C comes in the call of that number."""

    def __init__(self, interrupted_at: int = 0) -> None:
        self.plans, self._interrupted_at = [], interrupted_at

    def __call__(self, plan, *, watch, stop, ready=None) -> Result:
        self.plans.append(plan)
        if len(self.plans) == self._interrupted_at:
            signal.raise_signal(signal.SIGINT)
        closed = isinstance(plan.load, Closed)
        rate = CAPACITY if closed else plan.load.phases[0].rate
        result = made(
            seconds=3,
            rate=rate,
            median_ms=4 if rate <= CAPACITY else 90,
            loop="closed" if closed else "open",
            seed=len(self.plans),
            warnings=(f"late by {rate:.1f} ms",),
        )
        for interval in result.intervals:
            watch(interval)
        return result


def lab(asked: LoadRequest, run: FakeRun) -> LoadLab:
    """A load lab that asks nobody."""
    return LoadLab(asked, run=run, make_ready=lambda *_: None)


@pytest.fixture(scope="module")
def url():
    with programmed_server(Behaviour(Latency(mean_s=0.002))) as running:
        yield running.url


def test_a_closed_loop_shows_and_writes_its_result(url, tmp_path):
    """The table is on standard output; all three files say the same, and can be read again."""
    files = {kind: tmp_path / f"a.{kind}" for kind in ("json", "csv", "html")}
    flags = [f"--{kind}={path}" for kind, path in files.items()]
    done = command(*SAMPLES[:2], f"--url={url}", "--duration-s=1", "--warm-up-s=0.2", *flags)
    assert done.exit_code == 0, done.output
    result = Result.read(files["json"])
    assert result.answered == result.due > 0
    assert f"{result.answered:,} of {result.due:,}" in done.stdout
    assert "closed loop, 8 in flight" in done.stdout
    rows = list(csv.DictReader(files["csv"].open()))
    assert sum(int(row["answered"]) for row in rows) == result.answered
    assert f"{result.answered:,}" in files["html"].read_text()
    again = command(f"--result={files['json']}")
    assert again.exit_code == 0
    assert again.stdout == done.stdout


def test_standard_output_for_programs(url):
    """`--json -` writes JSON and nothing else there, of a load in steps and ramps."""
    rates = ["--rate=20,60..100", "--duration-s=1", "--warm-up-s=0.2", "--arrivals=constant"]
    done = command(PICTURE, f"--url={url}", "--model=other", *rates, "--json=-")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["about"]["plan"]["load"]["phases"] == [
        {"duration_s": 0.2, "rate": 20.0, "end_rate": 20.0},
        {"duration_s": 0.5, "rate": 20.0, "end_rate": 20.0},
        {"duration_s": 0.5, "rate": 60.0, "end_rate": 100.0},
    ]
    assert content["about"]["plan"]["target"]["model"] == "other"
    assert content["summary"]["due"] == pytest.approx(50, abs=2)
    assert "service time" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "PICTURES"),
        ([PICTURE, "--rate=5", "--concurrency=2"], "closed one"),
        ([PICTURE, "--rate=fast"], "100..500"),
        ([PICTURE, "--rate=0"], "not all are 0"),
        ([PICTURE, "--rate=5..-1"], "not all are 0"),
        ([PICTURE, "--batch-size=4"], "--as multipart, npy or json"),
        ([PICTURE, "--as=npy", "--model-server=127.0.0.1:8500"], "--as"),
        ([PICTURE, "--sweep", "--rate=5"], "--sweep"),
        ([PICTURE, "--sweep", "--duration-s=5"], "--duration-s"),
        ([PICTURE, "--slo=p99=20ms", "--chaos=swap-model"], "--chaos"),
        ([PICTURE, "--slo=p99=20ms", f"--compare={PICTURE}"], "--compare"),
        ([PICTURE, "--slo=fast"], "p99=20ms"),
        ([PICTURE, f"--compare={PICTURE}"], PICTURE),
        ([PICTURE, "--json=-", "--csv=-"], "Only one"),
        ([PICTURE, "--html=/nowhere/page.html"], "/nowhere"),
        ([PICTURE, "--version=1", "--label=stable"], "--label"),
        (["no-such-picture.png"], "no-such-picture.png"),
        ([f"--replay={PICTURE}", "--rate=5"], "--rate"),
        ([f"--replay={PICTURE}", "--concurrency=2"], "--concurrency"),
        ([f"--replay={PICTURE}", "--sweep"], "--sweep"),
        ([f"--replay={PICTURE}", "--as=npy"], "--as"),
        ([f"--replay={PICTURE}", "--model=mlp"], "--model"),
        ([f"--replay={PICTURE}", "--label=stable"], "--label"),
        ([f"--replay={PICTURE}", "--result=README.md"], "--result"),
        ([f"--replay={PICTURE}"], "no line has a prediction"),
        (["--replay=no-such.jsonl"], "no-such.jsonl"),
        ([PICTURE, "--speed=2"], "--speed"),
        ([f"--replay={PICTURE}", "--arrivals=constant"], "--arrivals"),
        ([f"--replay={PICTURE}", "--seed=0"], "--seed"),
        ([PICTURE, "--seed=1"], "an open loop"),
        ([PICTURE, "--concurrency=4", "--arrivals=poisson"], "an open loop"),
        ([PICTURE, "--connections=9"], "an open loop"),
        ([PICTURE, "-n", "9", "--slo=p99=20ms"], "-n is for one load"),
        ([PICTURE, "-n", "9", "--warm-up-s=1"], "--warm-up-s"),
        ([PICTURE, "-n", "9", "--rate=5..9"], "-n goes with one rate"),
        ([PICTURE, "-n", "0"], "0"),
        ([PICTURE, "-H", "X-Team"], "no header"),
        ([PICTURE, "-H", "Content-Length: 3"], "Content-Length"),
        ([PICTURE, "--longest-gap-s=60"], "--longest-gap-s"),
        ([PICTURE, "--model-server=127.0.0.1:8500", "-H", "X-Data-Bin: 1"], "X-Data-Bin"),
        ([PICTURE, "--insecure", "--ca=ca.pem"], "leave out --ca"),
        ([PICTURE, "--give-up-s=3", "--sweep"], "--give-up-s"),
        ([PICTURE, "--model-server=127.0.0.1:8500", "--no-keep-alive"], "gRPC"),
        ([PICTURE, "--model-server=127.0.0.1:8500", "--insecure"], "gRPC"),
        ([PICTURE, "--json=-", "--requests=-"], "Only one"),
        ([PICTURE, "--requests=/nowhere/rows.csv"], "/nowhere"),
        ([PICTURE, "--model=mlp", "--concurrency=99999999"], "more than this machine can"),
    ],
)
def test_usage_errors_name_what_is_wrong(words, said):
    """Before anything is sent, and with exit code 2."""
    done = command(*words, "--url=http://127.0.0.1:1")
    assert done.exit_code == 2
    assert said in done.stderr
    assert not done.stdout


def test_how_it_asks(url, tmp_path):
    """Headers, a connection each, a number of requests and rows; what may be secret is not kept."""
    flags = ["-n", 30, "-H", "X-Team: vision", "--no-keep-alive", f"--requests={tmp_path}/rows.csv"]
    done = command(PICTURE, f"--url={url}", "--model=mlp", *flags, "--json=-")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["summary"]["due"] == content["connecting"]["connections"] == 30
    assert content["about"]["plan"]["target"]["headers"] == ["X-Team"]
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    assert [row["run"] for row in rows] == ["1"] * 30
    assert "closed loop, 8 in flight, 30 requests" in done.stderr
    assert "connecting  30 new" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("-H", "X-Key: s3cret it's"),
        ("-HX-Key: s3cret",),
        ("-qH", "X-Key: s3cret"),
        ("--header", "X-Key: s3cret"),
        ("--header=X-Key: s3cret",),
        ("--key", "s3cret it's"),
        ("--key=s3cret",),
        ("--url", "http://me:s3cret@there"),
    ],
)
def test_the_command_line_is_kept_without_secrets(words):
    """Of headers there are the names."""
    shown = load_files.command(["loadtest", PICTURE, *words, "--rate=5"])
    assert "s3cret" not in shown
    assert "it's" not in shown
    assert shown.endswith("--rate=5")
    assert ("X-Key" in shown) is ("X-Key" in "".join(words))


def test_nobody_answers():
    """A wrong address is a message and no traceback, with exit code 2."""
    done = command(PICTURE, "--url=http://127.0.0.1:1")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert "http://127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    ("result", "flags", "code", "said"),
    [
        (made(seconds=9), [], 0, "answered"),
        (made(seconds=9, errors={1: Counter(Unavailable=1)}), [], 1, "1 Unavailable"),
        (made(seconds=2, rate=0), [], 1, "0 of 0"),
        (made(seconds=9), ["--slo=p99=20ms"], 0, "Meets p99=20ms"),
        (made(seconds=9), ["--slo=p99=2ms"], 1, "Misses p99=2ms: p99 is"),
        (made(seconds=9, errors={1: Counter(A=1)}), ["--slo=p99=1s,errors=1%"], 0, "Meets"),
    ],
)
def test_the_exit_code_says_whether_all_went_well(result, flags, code, said, tmp_path):
    """Of an earlier result: failed requests are not well, unless an objective permits them."""
    done = command("--result", saved(tmp_path / "a.json", result), *flags)
    assert done.exit_code == code, done.output
    assert said in done.stdout


def test_comparing(tmp_path):
    """What got slower is worse and ends with 1, in a table and in JSON; the reverse is no fault."""
    before = saved(tmp_path / "before.json", made(seconds=8, rate=100, seed=1))
    after = saved(tmp_path / "after.json", made(seconds=8, rate=100, seed=2, median_ms=8))
    done = command("--result", after, "--compare", before, "--json", tmp_path / "out.json")
    assert done.exit_code == 1
    assert "Worse" in done.stdout
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["comparison"]["verdict"] == "worse"
    back = command("--result", before, "--compare", after, "--quiet")
    assert (back.exit_code, back.output) == (0, "")


def test_the_search_starts_from_what_a_closed_loop_reached(capsys, tmp_path):
    """Probes are open loops about the capacity; each is told as it is done, the rate at the end."""
    run = FakeRun()
    out = tmp_path / "out.json"
    asked = request(PICTURE, "--slo=p99=50ms", "--connections=9", f"--json={out}")
    assert lab(asked, run).carry_out() == 0
    first, *probes = run.plans
    assert isinstance(first.load, Closed)
    assert all(isinstance(plan.load, Open) and plan.load.connections == 9 for plan in probes)
    assert probes[0].load.phases[0].rate == pytest.approx(CAPACITY / 2, rel=0.1)
    printed = capsys.readouterr()
    assert printed.err.count(" requests/s: ") == len(probes)
    assert "is the highest rate that meets p99=50ms" in " ".join(printed.out.split())
    assert printed.out.count("Warning: ") == 1  # the same one in all probes, but for its figure
    content = json.loads(out.read_text())
    assert content["search"]["rate"] == pytest.approx(CAPACITY, rel=0.05)
    rates = [plan.load.phases[0].rate for plan in probes]
    written = [probe["rate"] for probe in content["search"]["probes"]]
    assert written == rates[: len(written)]
    assert content["about"]["plan"]["load"]["phases"][0]["rate"] == content["search"]["rate"]


def test_no_rate_meets_the_objective(capsys):
    """Then it says so, and that is exit code 1."""
    asked = request(PICTURE, "--slo=p99=10us")
    assert lab(asked, FakeRun()).carry_out() == 1
    assert "No rate meets p99=10us" in capsys.readouterr().out


def test_a_sweep_writes_every_rate(capsys):
    """CSV has all loads, numbered; the table has them by rate."""
    run = FakeRun()
    assert lab(request(PICTURE, "--sweep", "--csv=-"), run).carry_out() == 0
    printed = capsys.readouterr()
    runs = {row["run"] for row in csv.DictReader(io.StringIO(printed.out))}
    assert runs == {str(number) for number in range(1, len(run.plans))}
    assert "answered/s" in printed.err


def test_ctrl_c_shows_what_there_is(capsys, tmp_path):
    """One load that was ended is shown and written, with exit code 130."""
    out = tmp_path / "out.json"
    asked = request(PICTURE, f"--json={out}")
    assert lab(asked, FakeRun(interrupted_at=1)).carry_out() == 130
    assert "answered" in capsys.readouterr().out
    assert json.loads(out.read_text())["summary"]["answered"] > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_search_that_is_cut_short(capsys, tmp_path):
    """The loads that are whole are shown and written: that it is not known yet which rate meets the
    objective, and the highest that held."""
    run, out = FakeRun(interrupted_at=4), tmp_path / "out.json"
    pages = [f"--{kind}={tmp_path}/out.{kind}" for kind in ("json", "csv", "html")]
    assert lab(request(PICTURE, "--slo=p99=50ms", *pages), run).carry_out() == 130
    assert len(run.plans) == 4
    shown = " ".join(capsys.readouterr().out.split())
    assert "meets p99=50ms is not known yet" in shown
    assert "Ctrl-C cut it short after 2 loads" in shown
    content = json.loads(out.read_text())
    search = content["search"]
    assert (search["complete"], len(search["probes"])) == (False, 2)
    assert search["rate"] in [probe["rate"] for probe in search["probes"]]
    assert content["warnings"][0] == "Ctrl-C cut it short after 2 loads"
    assert "cut short" in (tmp_path / "out.html").read_text()
    assert {row["run"] for row in csv.DictReader((tmp_path / "out.csv").open())} == {"1", "2"}


def test_a_sweep_that_is_cut_short(capsys, tmp_path):
    """The rates so far are a curve."""
    out = tmp_path / "out.json"
    asked = request(PICTURE, "--sweep", f"--json={out}")
    assert lab(asked, FakeRun(interrupted_at=3)).carry_out() == 130
    assert len(json.loads(out.read_text())["sweep"]) == 1
    assert "Ctrl-C cut it short after 1 load" in capsys.readouterr().out


def test_nothing_was_measured(capsys, tmp_path):
    """Before the first rate is measured there is nothing to write, and that is said."""
    out = tmp_path / "out.json"
    asked = request(PICTURE, "--slo=p99=50ms", f"--json={out}")
    assert lab(asked, FakeRun(interrupted_at=1)).carry_out() == 130
    assert "Ctrl-C came before the first load was whole" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "kind", "address"),
    [
        (["--url=http://gateway:1"], "raw", "http://gateway:1"),
        (["--as=multipart", "--batch-size=3"], "multipart", "http://127.0.0.1:8080"),
        (["--model-server=there:8500", "--batch-size=3"], "grpc", "there:8500"),
        (["--model-server=http://there:8501"], "rest", "http://there:8501"),
    ],
)
def test_targets(words, kind, address):
    """The gateway by default, or a model server by what its address looks like."""
    target = request(PICTURE, *words).target()
    assert (target.kind, target.address) == (kind, address)
    assert target.images == (SAMPLES[0].read_bytes(),)


def test_small_loads_take_one_process():
    """And no load takes more than half of the cores, of which there are two at least."""
    assert shared(Closed(8, 10)) == 1
    assert shared(Open((Phase(10, 100, 500),))) == 1
    assert shared(Open(())) == 1


def test_chaos_needs_the_served_directory(tmp_path):
    """Where there is no version to copy, that is said before the load."""
    flags = ["--rate=5", "--chaos=swap-model", f"--models-dir={tmp_path}", "--model=mlp"]
    done = command(PICTURE, *flags)
    assert done.exit_code == 1
    assert f"{tmp_path}/mlp has no version" in done.stderr


def asked_model(*words) -> tuple[str, str]:
    """The model that a load asks, and what is said of it."""
    done = command(PICTURE, "--duration-s=0.2", "--warm-up-s=0", "--json=-", *words)
    assert done.exit_code == 0, done.output
    said = [line for line in done.stderr.splitlines() if "not served" in line]
    return json.loads(done.stdout)["about"]["plan"]["target"]["model"], "\n".join(said)


def test_the_default_model_is_asked_for_once():
    """`photo` where it is served, else mlp, which is said in a line unless all is to be quiet; of a
    gateway, of REST and of gRPC."""
    with FakeGateway(lacking()) as gateway:
        assert asked_model(f"--url={gateway.url}") == ("photo", "")
        assert [asked.path for asked in gateway.asked].count("/v1/models/photo") == 1
    with FakeGateway(lacking("photo")) as gateway:
        for words in ([f"--url={gateway.url}"], [f"--model-server={gateway.url}"]):
            model, said = asked_model(*words)
            assert model == "mlp"
            assert said.startswith("The model photo is not served here, so mlp is asked")
        assert asked_model(f"--url={gateway.url}", "--quiet") == ("mlp", "")
    with FakeModelServer(serving("mlp")) as server:
        assert asked_model(f"--model-server={server.address}")[0] == "mlp"
    with FakeModelServer(serving("mlp", "photo")) as server:
        assert asked_model(f"--model-server={server.address}") == ("photo", "")


ERRORS = {second: Counter({"HTTP 500": 6}) for second in range(3)}


def test_a_search_of_a_server_with_errors(capsys, tmp_path):
    """An objective that permits some is searched to its end."""
    out = tmp_path / "out.json"

    def run(plan, **_) -> Result:
        rate = CAPACITY if isinstance(plan.load, Closed) else plan.load.phases[0].rate
        median_ms = 4 if rate <= CAPACITY else 90
        return made(seconds=3, rate=max(rate, 100), median_ms=median_ms, errors=ERRORS)

    asked = request(PICTURE, "--slo=p99=50ms,errors=10%", f"--json={out}")
    assert lab(asked, run).carry_out() == 0
    assert json.loads(out.read_text())["search"]["rate"] == pytest.approx(CAPACITY, rel=0.1)
    assert "Error" not in capsys.readouterr().err


class Leaves(FakeRun):
    """The server is gone with the load of that number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._gone_at = number

    def __call__(self, plan, **members) -> Result:
        result = super().__call__(plan, **members)
        if len(self.plans) < self._gone_at:
            return result
        refused = {second: Counter(refused=999) for second in range(3)}
        return made(seconds=3, errors=refused)


@pytest.mark.parametrize(("number", "flag"), [(1, "--slo"), (4, "--slo"), (4, "--sweep")])
def test_a_search_whose_server_goes_away(number, flag, capsys, tmp_path):
    """What was measured is shown and written, with why it ended, and nothing is concluded of rates
    at which nobody was there; exit code 1."""
    out, asked_times = tmp_path / "out.json", []

    def make_ready(*_: object) -> None:
        asked_times.append(1)
        if len(asked_times) > 1:
            raise Unavailable("Nobody answers at http://there")

    run = Leaves(number)
    words = [PICTURE, "--slo=p99=50ms"] if flag == "--slo" else [PICTURE, flag]
    asked = request(*words, f"--json={out}")
    assert LoadLab(asked, run=run, make_ready=make_ready).carry_out() == 1
    assert len(run.plans) == number
    content = json.loads(out.read_text())
    assert content["warnings"][0].startswith("Nobody answers at http://there: it was cut short")
    if number > 1 and flag == "--slo":
        assert content["search"]["complete"] is False
        assert len(content["search"]["probes"]) == number - 2
    assert "Nobody answers" in capsys.readouterr().out


def test_a_search_that_this_machine_cannot_make(capsys, tmp_path):
    """It is not the service that has to be asked less."""
    out = tmp_path / "out.json"

    class NoPorts(FakeRun):
        def __call__(self, plan, **members) -> Result:
            result = super().__call__(plan, **members)
            if len(self.plans) < 5:
                return result
            first, *others = result.intervals
            first = dataclasses.replace(first, unsent=Counter(EADDRNOTAVAIL=5))
            return dataclasses.replace(result, intervals=(first, *others))

    run = NoPorts()
    assert lab(request(PICTURE, "--slo=p99=50ms", f"--json={out}"), run).carry_out() == 1
    assert len(run.plans) == 5
    assert "no port is left on this machine" in json.loads(out.read_text())["warnings"][0]
    assert "is not known yet" in capsys.readouterr().out


def test_files_that_can_be_written_are(tmp_path):
    """Also where another one cannot."""
    full, out = Path("/dev/full"), tmp_path / "out.csv"
    with pytest.raises(OSError, match="No space"):
        lab(request(PICTURE, f"--json={full}", f"--csv={out}"), FakeRun()).carry_out()
    assert out.read_text().startswith("run,")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--url=http://127.0.0.1:1", "--insecure"), "no TLS with http://: leave out --insecure"),
        (("--url=http://127.0.0.1:1", "--ca", __file__), "no TLS with http://: leave out --ca"),
        (("--url=https://127.0.0.1:1", "--ca=/no/such/ca.pem"), "/no/such/ca.pem"),
        (("--url=https://127.0.0.1:1", "--ca", __file__), "test_cli_loadtest.py"),
    ],
    ids=str,
)
def test_tls_that_makes_no_sense(words, expected):
    """Wrong usage, as in other commands, before anybody is asked."""
    done = command(PICTURE, "--model=mlp", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert expected in done.stderr
