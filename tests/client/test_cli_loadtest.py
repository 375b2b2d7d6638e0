"""`vitrine loadtest`: its grammar, what it shows and writes, and how it ends."""

import csv
import json
from collections import Counter

import pytest
from click.testing import CliRunner

from harness.fake_model_server import FakeModelServer
from harness.paths import SAMPLES
from harness.programmed_latency import Behaviour, Latency
from harness.programmed_server import programmed_server
from tests.client.fake_gateway import FakeGateway, lacking
from tests.client.fake_load_lab import PICTURE, request
from tests.client.loadtest.made_results import made
from tests.client.test_default_model import serving
from vitrine_client.cli import main
from vitrine_client.cli.loadtest import files as load_files
from vitrine_client.loadtest.limits import shared
from vitrine_client.loadtest.plan import Closed, Open, Phase
from vitrine_client.loadtest.results.result import Result

GRPC = "--model-server=127.0.0.1:8500"


def command(*words):
    return CliRunner().invoke(main, ["loadtest", *map(str, words)])


def saved(path, result: Result):
    path.write_text(json.dumps(result.to_json()))
    return path


@pytest.fixture(scope="module")
def url():
    with programmed_server(Behaviour(Latency(mean_s=0.002))) as running:
        yield running.url


def test_a_closed_loop_shows_and_writes_its_result(url, tmp_path):
    """The table is on standard output; all three files say the same, and can be read again."""
    files = {kind: tmp_path / f"a.{kind}" for kind in ("json", "csv", "html")}
    flags = [f"--{kind}={path}" for kind, path in files.items()]
    done = command(
        "closed", *SAMPLES[:2], f"--url={url}", "--duration-s=1", "--warm-up-s=0.2", *flags
    )
    assert done.exit_code == 0, done.output
    result = Result.read(files["json"])
    assert result.answered == result.due > 0
    assert f"{result.answered:,} of {result.due:,}" in done.stdout
    assert "closed loop, 8 in flight" in done.stdout
    rows = list(csv.DictReader(files["csv"].open()))
    assert sum(int(row["answered"]) for row in rows) == result.answered
    assert f"{result.answered:,}" in files["html"].read_text()
    again = command("check", files["json"])
    assert again.exit_code == 0
    assert again.stdout == done.stdout


def test_standard_output_for_programs(url):
    """`--json -` writes JSON and nothing else there, of a load in steps and ramps."""
    rates = ["--rate=20,60..100", "--duration-s=1", "--warm-up-s=0.2", "--arrivals=constant"]
    done = command("open", PICTURE, f"--url={url}", "--model=other", *rates, "--json=-")
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
        (["closed"], "PICTURES"),
        (["replay"], "LOG"),
        (["check"], "RESULT"),
        (["open", PICTURE], "--rate"),
        (["search", PICTURE], "--slo"),
        (["open", PICTURE, "--rate=5", "--concurrency=2"], "--concurrency"),
        (
            ["closed", PICTURE, "--rate=5"],
            "--rate is no option of this command, but of `vitrine",
        ),
        (["check", "README.md", "-n", "9"], "but of `vitrine loadtest closed`, `vit"),
        (["closed", PICTURE, "--concurency=2"], "Did you mean one of: '--concurrency'"),
        (["open", PICTURE, "--rate=fast"], "100..500"),
        (["open", PICTURE, "--rate=0"], "not all are 0"),
        (["open", PICTURE, "--rate=5..-1"], "not all are 0"),
        (["closed", PICTURE, "--batch-size=4"], "--as multipart, npy or json"),
        (["closed", PICTURE, "--as=npy", "--model-server=127.0.0.1:8500"], "--as"),
        (["closed", PICTURE, GRPC, "--url=http://there"], "leave out --url"),
        (["open", PICTURE, "--rate=nan"], "not all are 0"),
        (["open", PICTURE, "--rate=5", "--seed=-1"], "'--seed': -1 is not in the range"),
        (["closed", PICTURE, "--as=npy", "--batch-size=100000000"], "1<=x<=10000"),
        (["closed", PICTURE, "--duration-s=nan"], "nan is no finite number"),
        (["closed", PICTURE, "--timeout-s=nan"], "nan is no finite number"),
        (["sweep", PICTURE, "--rate=5"], "--rate"),
        (["sweep", PICTURE, "--duration-s=5"], "--duration-s"),
        (["search", PICTURE, "--slo=p99=20ms", "--swap-model=models"], "--swap-model"),
        (["search", PICTURE, "--slo=p99=20ms", f"--compare={PICTURE}"], "--compare"),
        (["search", PICTURE, "--slo=fast"], "p99=20ms"),
        (["closed", PICTURE, f"--compare={PICTURE}"], PICTURE),
        (["closed", PICTURE, "--json=-", "--csv=-"], "Only one"),
        (["closed", PICTURE, "--json=a", "--html=a"], "Only one"),
        (["closed", PICTURE, "--html=/nowhere/page.html"], "/nowhere"),
        (["closed", PICTURE, "--version=1", "--label=stable"], "--label"),
        (["closed", "no-such-picture.png"], "no-such-picture.png"),
        (["replay", PICTURE, "--rate=5"], "--rate"),
        (["replay", PICTURE, "--concurrency=2"], "--concurrency"),
        (["replay", PICTURE, "--duration-s=2"], "--duration-s"),
        (["replay", PICTURE, "--as=npy"], "--as"),
        (["replay", PICTURE, "--model=mlp"], "--model"),
        (["replay", PICTURE, "--label=stable"], "--label"),
        (["check", "README.md", "--url=http://there"], "--url"),
        (["check", "README.md", "--requests=rows.csv"], "--requests"),
        (["check", "README.md"], "README.md"),
        (["replay", PICTURE], "no line has a prediction"),
        (["replay", "no-such.jsonl"], "no-such.jsonl"),
        (["closed", PICTURE, "--speed=2"], "--speed"),
        (["replay", PICTURE, "--arrivals=constant"], "--arrivals"),
        (["replay", PICTURE, "--seed=0"], "--seed"),
        (["closed", PICTURE, "--seed=1"], "--seed"),
        (["closed", PICTURE, "--arrivals=poisson"], "--arrivals"),
        (["closed", PICTURE, "--connections=9"], "--connections"),
        (["search", PICTURE, "-n", "9", "--slo=p99=20ms"], "-n"),
        (["closed", PICTURE, "-n", "9", "--warm-up-s=1"], "--warm-up-s"),
        (["closed", PICTURE, "-n", "9", "--swap-model=models"], "--swap-model"),
        (["open", PICTURE, "-n", "9", "--rate=5..9"], "-n goes with one rate"),
        (["closed", PICTURE, "-n", "0"], "0"),
        (["closed", PICTURE, "-H", "X-Team"], "no header"),
        (["closed", PICTURE, "-H", "Content-Length: 3"], "Content-Length"),
        (["closed", PICTURE, "--longest-gap-s=60"], "--longest-gap-s"),
        (["closed", PICTURE, GRPC, "-H", "X-Data-Bin: 1"], "X-Data-Bin"),
        (["closed", PICTURE, "--insecure", "--ca=ca.pem"], "leave out --ca"),
        (["sweep", PICTURE, "--give-up-s=3"], "--give-up-s"),
        (["closed", PICTURE, GRPC, "--no-keep-alive"], "gRPC"),
        (["closed", PICTURE, GRPC, "--insecure"], "gRPC"),
        (["closed", PICTURE, "--json=-", "--requests=-"], "Only one"),
        (["closed", PICTURE, "--requests=/nowhere/rows.csv"], "/nowhere"),
        (["closed", PICTURE, "--model=mlp", "--concurrency=99999999"], "more than this machine"),
    ],
)
def test_usage_errors_name_what_is_wrong(words, said):
    """Before anything is sent, and with exit code 2."""
    done = command(*words)
    assert done.exit_code == 2
    assert said in done.stderr.partition("Error: ")[2]
    assert not done.stdout


@pytest.mark.parametrize(
    ("words", "now"),
    [
        ((PICTURE,), "closed PICTURES"),
        (("--url=http://there", PICTURE, "-n", "9"), "closed PICTURES"),
        ((PICTURE, "--concurrency=2"), "closed PICTURES --concurrency COUNT"),
        ((PICTURE, "--rate", "500", "--slo=p99=1s"), "open PICTURES --rate RATES"),
        ((PICTURE, "--slo=p99=20ms"), "search PICTURES --slo SLO"),
        ((PICTURE, "--sweep"), "sweep PICTURES"),
        (("--replay=log.jsonl", PICTURE), "replay LOG --pictures PICTURES"),
        (("--result", "a.json", "--compare=b.json"), "check RESULT"),
        (
            (PICTURE, "--rate=5", "--chaos=swap-model"),
            "open PICTURES --rate RATES --swap-model MODELS_DIR",
        ),
    ],
    ids=str,
)
def test_lines_of_before_there_were_commands(words, now):
    """One sentence says how it is written now, and nothing is done."""
    done = command(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith(f", here: vitrine loadtest {now}\n")


@pytest.mark.parametrize("name", main.commands["loadtest"].commands)
def test_each_kind_of_load_teaches_itself(name):
    """Its help has an example."""
    done = command(name, "--help")
    assert done.exit_code == 0
    assert f"  vitrine loadtest {name} " in done.stdout


def test_how_it_asks(url, tmp_path):
    """Headers, a connection each, a number of requests and rows; what may be secret is not kept."""
    flags = ["-n", 30, "-H", "X-Team: vision", "--no-keep-alive", f"--requests={tmp_path}/rows.csv"]
    done = command("closed", PICTURE, f"--url={url}", "--model=mlp", *flags, "--json=-")
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
    shown = load_files.command(["loadtest", "open", PICTURE, *words, "--rate=5"])
    assert "s3cret" not in shown
    assert "it's" not in shown
    assert shown.endswith("--rate=5")
    assert ("X-Key" in shown) is ("X-Key" in "".join(words))


def test_nobody_answers():
    """A wrong address is a message and no traceback, with exit code 2."""
    done = command("closed", PICTURE, "--url=http://127.0.0.1:1")
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
    done = command("check", saved(tmp_path / "a.json", result), *flags)
    assert done.exit_code == code, done.output
    assert said in done.stdout


def test_comparing(tmp_path):
    """What got slower is worse and ends with 1, in a table and in JSON; the reverse is no fault."""
    before = saved(tmp_path / "before.json", made(seconds=8, rate=100, seed=1))
    after = saved(tmp_path / "after.json", made(seconds=8, rate=100, seed=2, median_ms=8))
    done = command("check", after, "--compare", before, "--json", tmp_path / "out.json")
    assert done.exit_code == 1
    assert "Worse" in done.stdout
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["comparison"]["verdict"] == "worse"
    back = command("check", before, "--compare", after, "--quiet")
    assert (back.exit_code, back.output) == (0, "")


@pytest.mark.parametrize("words", [["check", "after.json"], ["closed", PICTURE]])
def test_an_open_and_a_closed_loop_are_not_compared(words, tmp_path, monkeypatch):
    """One sentence, before anything is sent."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "before.json", made(seconds=8, loop="open"))
    saved(tmp_path / "after.json", made(seconds=8, loop="closed"))
    done = command(*words, "--compare=before.json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "before.json is of an open loop, and this is a closed loop: they cannot" in done.stderr


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
    target = request("closed", PICTURE, *words).target()
    assert (target.kind, target.address) == (kind, address)
    assert target.images == (SAMPLES[0].read_bytes(),)


def test_small_loads_take_one_process():
    """And no load takes more than half of the cores, of which there are two at least."""
    assert shared(Closed(8, 10)) == 1
    assert shared(Open((Phase(10, 100, 500),))) == 1
    assert shared(Open(())) == 1


def test_chaos_needs_the_served_directory(tmp_path):
    """Where there is no version to copy, that is said before the load."""
    flags = ["--rate=5", f"--swap-model={tmp_path}", "--model=mlp"]
    done = command("open", PICTURE, *flags)
    assert done.exit_code == 1
    assert f"{tmp_path}/mlp has no version" in done.stderr


def asked_model(*words) -> tuple[str, str]:
    """The model that a load asks, and what is said of it."""
    done = command("closed", PICTURE, "--duration-s=0.2", "--warm-up-s=0", "--json=-", *words)
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
    done = command("closed", PICTURE, "--model=mlp", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert expected in done.stderr
