"""Ctrl-C, SIGTERM and a closed terminal: each command's exit code, its result, nothing left."""

import csv
import json
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest

from harness.paths import SAMPLES
from harness.ports import free_port
from harness.programmed_latency import Behaviour, Latency
from harness.programmed_server import programmed_server
from harness.terminal import Terminal
from harness.waiting import wait_for
from tests.client.cli_gateway import photos
from tests.client.fake_gateway import LONGEST_S, FakeGateway, predicting
from tests.client.loadtest.made_results import made
from vitrine_client.process.exit_codes import HUNG_UP, INTERRUPTED, TERMINATED

VITRINE, SERVE, TRAIN, MODEL_SERVER = (
    (sys.executable, "-m", module)
    for module in (
        *("vitrine_client", "vitrine_serving", "vitrine_training"),
        "vitrine_serving.model_server",
    )
)
PICTURE = (SAMPLES[0], "--model=mlp", "--warm-up-s=0")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def ctrl_c(terminal: Terminal) -> int:
    terminal.press_ctrl_c()
    return INTERRUPTED


def sigterm(terminal: Terminal) -> int:
    terminal.process.terminate()
    return TERMINATED


def closed(terminal: Terminal) -> int:
    terminal.close()
    return HUNG_UP


SIGNALS = (ctrl_c, sigterm, closed)


def ended(terminal: Terminal, send) -> str:
    """Sends a signal, checks the exit code and that no process is left; returns what was shown."""
    expected = send(terminal)
    assert terminal.wait() == expected, terminal.shown
    assert "Traceback" not in terminal.shown
    assert "Aborted" not in terminal.shown
    return terminal.shown


@pytest.fixture(scope="module")
def url():
    with programmed_server(Behaviour(Latency(mean_s=0.002))) as running:
        yield running.url


@pytest.fixture
def models_dir(tmp_path) -> Path:
    """What `--swap-model` copies, and nobody can serve: one version."""
    (tmp_path / "models/mlp/1").mkdir(parents=True)
    return tmp_path / "models"


@pytest.fixture
def options(tmp_path, models_dir):
    """Options of each kind of load test, and what is shown once something was measured."""
    line = {"time": "", "model": "mlp", "content": "picture", "status": 200, "results": []}
    at = [f"2026-11-28T05:{second // 60:02}:{second % 60:02}.000000Z" for second in range(300)]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(line | {"time": moment}) + "\n" for moment in at))
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(made(seconds=8, rate=100).to_json()))
    long = [*PICTURE, "--duration-s=60"]
    return {
        "closed": ["closed", *long],
        "closed, 2 processes": ["closed", *long, "--processes=2"],
        "open, 2 processes": ["open", *long, "--rate=50", "--processes=2"],
        "replay": ["replay", log, "--pictures", SAMPLES[0], "--speed=2"],
        "compare": ["open", *long, "--rate=50", f"--compare={earlier}"],
        "swap": ["closed", *long, f"--swap-model={models_dir}"],
    }


@pytest.mark.parametrize(
    ("kind", "send"),
    [
        ("closed, 2 processes", sigterm),
        ("open, 2 processes", closed),
        pytest.param("closed", ctrl_c, marks=pytest.mark.wide),
        *(
            pytest.param("closed, 2 processes", send, marks=pytest.mark.wide)
            for send in (ctrl_c, closed)
        ),
        pytest.param("open, 2 processes", ctrl_c, marks=pytest.mark.wide),
        ("replay", ctrl_c),
        ("compare", ctrl_c),
        ("swap", sigterm),
    ],
)
def test_a_load_test_keeps_its_result(kind, send, url, options, models_dir, tmp_path):
    """What was measured until then is shown, and is in all files."""
    files = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "html")}
    words = [*options[kind], *(f"--{name}={path}" for name, path in files.items())]
    with Terminal(*VITRINE, "loadtest", *words, f"--url={url}") as terminal:
        terminal.wait_for("so far")
        shown = ended(terminal, send)
    content = json.loads(files["json"].read_text())
    assert content["summary"]["answered"] > 0
    assert 0 < content["summary"]["duration_s"] < 50
    assert any("early" in warning for warning in content["warnings"])
    rows = list(csv.DictReader(files["csv"].open()))
    assert sum(int(row["answered"]) for row in rows) == content["summary"]["answered"]
    assert f"{content['summary']['answered']:,}" in files["html"].read_text()
    if send is not closed:
        assert f"answered    {content['summary']['answered']:,} of" in shown
    assert [path.name for path in models_dir.glob("mlp/[0-9]*")] == ["1"]


@pytest.mark.parametrize(
    ("words", "send"),
    [
        (("search", "--slo=p99=1s"), ctrl_c),
        pytest.param(("sweep",), sigterm, marks=pytest.mark.wide),
    ],
)
@pytest.mark.slow
def test_a_search_keeps_its_loads(words, send, url, tmp_path):
    """Those that were whole are shown, and are in the file."""
    out = tmp_path / "out.json"
    with Terminal(
        *VITRINE, "loadtest", *words, *PICTURE, f"--url={url}", f"--json={out}"
    ) as terminal:
        wait_for(
            lambda: re.search(r"requests/s: (\S+/s answered|held)", terminal.shown), 60, "a rate"
        )
        shown = ended(terminal, send)
    name = {ctrl_c: "Ctrl-C", sigterm: "SIGTERM"}[send]
    assert f"{name} cut it short after" in shown
    content = json.loads(out.read_text())
    assert content["warnings"][0].startswith(f"{name} cut it short after")
    assert content[words[0]]


@pytest.mark.parametrize("send", [ctrl_c, pytest.param(sigterm, marks=pytest.mark.wide)])
def test_a_load_test_that_gets_no_answer(send, tmp_path):
    """Before the load there is nothing to wait for."""
    out, over = tmp_path / "out.json", threading.Event()
    with FakeGateway(lambda _: over.wait(LONGEST_S)) as gateway:
        words = ["closed", *PICTURE, f"--url={gateway.url}", f"--json={out}", "--timeout-s=60"]
        with Terminal(*VITRINE, "loadtest", *words) as terminal:
            wait_for(lambda: gateway.asked, LONGEST_S, "a request")
            shown = ended(terminal, send)
        over.set()
    assert "came before the first load was whole" in shown
    assert not out.exists()


def test_timeout_sends_sigterm_twice(url, tmp_path):
    """timeout(1) signals its command, and then its group; the result is written all the same."""
    out = tmp_path / "out.json"
    words = ["closed", *PICTURE, "--duration-s=60", f"--url={url}", f"--json={out}"]
    command = ["timeout", "--preserve-status", "60", *VITRINE, "loadtest", *words]
    with Terminal(*command) as terminal:
        terminal.wait_for("so far")
        assert sigterm(terminal) == terminal.wait()
    assert json.loads(out.read_text())["summary"]["answered"] > 0


@pytest.fixture
def holding(tmp_path):
    """A gateway that keeps the last picture of a folder waiting."""
    photos(tmp_path / "photos", a="Bag", b="Coat", z="Hold")
    over = threading.Event()

    def answer(asked):
        return (b"Hold" in asked.body and over.wait(LONGEST_S)) or predicting(asked)

    with FakeGateway(answer) as gateway:
        yield gateway
        over.set()


def predict(gateway: FakeGateway, folder: Path) -> Terminal:
    options = [f"--url={gateway.url}", "--timeout-s=60", "--batch-size=1", "--model=mlp"]
    return Terminal(*VITRINE, "predict", *options, folder)


@pytest.mark.parametrize("send", SIGNALS)
def test_predict_of_a_folder(send, holding, tmp_path):
    """Rows that were shown stay."""
    with predict(holding, tmp_path / "photos") as terminal:
        terminal.wait_for("b.png")
        assert "Bag" in ended(terminal, send)


@pytest.mark.parametrize("send", [ctrl_c, sigterm])
def test_predict_of_standard_input(send):
    """A thread that reads the terminal holds up no end."""
    with FakeGateway() as gateway:
        command = [*VITRINE, "predict", "-", "--model=mlp", f"--url={gateway.url}"]
        with Terminal(*command) as terminal:
            wait_for(lambda: imports(terminal, "_imaging"), 60, "the import of Pillow")
            ended(terminal, send)


def imports(terminal: Terminal, library: str) -> bool:
    maps = Path(f"/proc/{terminal.process.pid}/maps")
    return library in maps.read_text()


@pytest.mark.parametrize("send", [ctrl_c, pytest.param(sigterm, marks=pytest.mark.wide)])
@pytest.mark.parametrize(
    "command",
    [
        (*VITRINE, "tune", SAMPLES[0], "--slo=p99=1s"),
        (*SERVE, "up"),
        (*SERVE, "keys", "list", "--file=/dev/stdin"),
        (*TRAIN, "train", "mlp"),
    ],
    ids=["tune", "up", "keys", "train"],
)
def test_while_modules_are_imported(command, send, models_dir, tmp_path):
    """NumPy is loaded, and the command itself has hardly begun."""
    with Terminal(*command, cwd=tmp_path) as terminal:
        wait_for(lambda: imports(terminal, "_multiarray_umath"), 60, "the import of NumPy")
        ended(terminal, send)


@pytest.mark.parametrize(
    ("command", "send"),
    [
        ("train", ctrl_c),
        pytest.param("train", sigterm, marks=pytest.mark.wide),
        *(pytest.param("evaluate", send, marks=pytest.mark.wide) for send in (ctrl_c, sigterm)),
        *(pytest.param("report", send, marks=pytest.mark.wide) for send in (ctrl_c, sigterm)),
    ],
)
def test_while_tensorflow_is_imported(command, send, training_run, tmp_path):
    """It ends at once, and tells nothing of an import that failed."""
    models = ["--models-dir", training_run.models_dir if command != "train" else tmp_path]
    with Terminal(*TRAIN, command, "mlp", *models, cwd=tmp_path) as terminal:
        wait_for(lambda: imports(terminal, "libtensorflow"), 60, "the import of TensorFlow")
        ended(terminal, send)


@pytest.mark.wide  # tests/training/test_run.py goes on after kill -9, and tells how after Ctrl-C
def test_training_goes_on(tmp_path):
    """It says after which epoch the same command goes on, though the last checkpoint was to be
    written much later; and so it does."""
    words = ["train", "mlp", "--epochs=500", "--checkpoint-every-s=1000", "--models-dir", tmp_path]
    with Terminal(*TRAIN, *words) as terminal:
        terminal.wait_for("epoch   1/500")
        shown = ended(terminal, ctrl_c)
    (epoch,) = re.findall(r"Interrupted; the same command goes on after epoch (\d+)", shown)
    with Terminal(*TRAIN, *words) as terminal:
        terminal.wait_for(f"goes on after epoch {epoch}, from its checkpoint")
        assert "Interrupted" in ended(terminal, sigterm)


def ports() -> dict[str, int]:
    return {f"VITRINE_{name}": free_port() for name in ("PORT", "GRPC_PORT", "REST_PORT")}


@pytest.mark.parametrize(
    ("send", "when"),
    [
        (ctrl_c, "Starting gunicorn"),
        *(pytest.param(send, "Ready: ", marks=pytest.mark.wide) for send in SIGNALS),
    ],
)
@pytest.mark.slow
def test_up(send, when, training_run):
    """Ready, or not yet: of one that is ready test_processes.py has `make serve`."""
    models = ["--models-dir", training_run.models_dir]
    with Terminal(*SERVE, "up", *models, variables=ports()) as terminal:
        terminal.wait_for(when)
        ended(terminal, send)


@pytest.mark.parametrize(
    ("send", "when"),
    [
        (ctrl_c, "$ vitrine predict"),
        pytest.param(sigterm, "$ vitrine predict", marks=pytest.mark.wide),
        pytest.param(ctrl_c, "Try it", marks=pytest.mark.wide),  # below by make
    ],
)
@pytest.mark.slow
def test_demo(send, when, training_run):
    """While it predicts, and once it only serves."""
    words = ["demo", "--models-dir", training_run.models_dir, SAMPLES[0]]
    with Terminal(*SERVE, *words, variables=ports()) as terminal:
        terminal.wait_for(when)
        ended(terminal, send)


@pytest.mark.wide  # tests/e2e/test_tutorial.py ends `make demo` by Ctrl-C, too
def test_make_demo(training_run):
    """make adds its own line, and 130 is lost in that: it is the shell's of make."""
    variables = ports() | {"VITRINE_MODELS_DIR": training_run.models_dir}
    command = ["make", "--old-file=.venv/.ready", "demo", "RECIPES=softmax", f"IMAGES={SAMPLES[0]}"]
    with Terminal(*command, variables=variables) as terminal:
        terminal.wait_for("Try it")
        terminal.press_ctrl_c()
        assert terminal.wait() in (2, INTERRUPTED)
        assert "Traceback" not in terminal.shown


CODES = [
    (ctrl_c, INTERRUPTED),
    (closed, HUNG_UP),
    pytest.param(sigterm, 0, marks=pytest.mark.wide),
]
"""SIGTERM in `make test` is that of test_drain.py and of test_model_server_signals.py."""


@pytest.mark.parametrize(("send", "code"), CODES)
def test_the_gateway(send, code):
    """SIGTERM drains it, and that is well."""
    variables = {"VITRINE_PORT": free_port(), "VITRINE_MODEL_SERVER": f"127.0.0.1:{free_port()}"}
    with Terminal(*SERVE, "gateway", variables=variables) as terminal:
        terminal.wait_for("server listening")
        send(terminal)
        assert terminal.wait() == code, terminal.shown
        assert "Traceback" not in terminal.shown


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (ctrl_c, INTERRUPTED),
        *(
            pytest.param(send, code, marks=pytest.mark.wide)  # as the gateway's above
            for send, code in ((closed, HUNG_UP), (sigterm, 0))
        ),
    ],
)
def test_the_model_server(send, code, training_run):
    """The same."""
    words = ["--model_name=mlp", f"--model_base_path={training_run.models_dir}/mlp"]
    words += [f"--port={free_port()}", f"--rest_api_port={free_port()}"]
    with Terminal(*MODEL_SERVER, *words) as terminal:
        terminal.wait_for("Running gRPC")
        send(terminal)
        assert terminal.wait() == code, terminal.shown
        assert "Traceback" not in terminal.shown


def test_what_is_ignored_stays_so(holding, tmp_path):
    """nohup(1) has a command outlive its terminal."""
    words = ["predict", "--model=mlp", "--batch-size=1", f"--url={holding.url}", "--timeout-s=60"]
    command = ["nohup", *VITRINE, *words, tmp_path / "photos"]
    with Terminal(*command, cwd=tmp_path) as terminal:
        wait_for(lambda: len(holding.asked) == 3, LONGEST_S, "the last picture")
        os.kill(terminal.process.pid, signal.SIGHUP)
        terminal.close()
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.wait() == TERMINATED
