"""The services that `vitrine tune` starts: by a program in vitrine-serve's place, and by itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.paths import ROOT, SAMPLES
from harness.processes import children_of, is_running
from harness.waiting import wait_for
from vitrine_client.cli import main
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.plan import Workload
from vitrine_client.loadtest.tune.configuration import Batching, Configuration
from vitrine_client.loadtest.tune.search import Unfit
from vitrine_client.loadtest.tune.service import Services, find_command
from vitrine_client.loadtest.tune.trial import Trials

SERVE = f"""#!/bin/sh
cd {ROOT}
behaviour='{{}}'
for option in "$@"; do case $option in
  --port=*) port=${{option#*=}};;
  --batching-parameters-file=*) grep max_batch_size "${{option#*=}}"; exit 1;;
esac; done
if [ "$VITRINE_WORKERS" = 7 ]; then echo "Error: 7 is a bad number"; exit 1; fi
if [ "$VITRINE_MAX_BATCH_SIZE" = 7 ]; then behaviour='{{"errors": 1.0}}'; fi
exec {sys.executable} -m harness.programmed_server $port "$behaviour"
"""


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """Takes the place of vitrine-serve. It refuses 7 workers, and batching; with batches of 7 it
    starts, and answers 503."""
    path = tmp_path / "bin/vitrine-serve"
    path.parent.mkdir()
    path.write_text(SERVE)
    path.chmod(0o755)
    return path


def test_two_services_at_a_time(command, tmp_path):
    """Those asked for last go on, so that two can be compared in turn; in the end none is left."""
    before = children_of(os.getpid())
    with Services(command, tmp_path) as services:
        first = services.of(Configuration())
        second = services.of(Configuration(workers=1))
        assert services.of(Configuration()) is first
        assert services.of(Configuration(workers=4)) is not second
        assert services.of(Configuration()) is first
        started = set(children_of(os.getpid())) - set(before)
        assert len(started) == 2
        addresses = {first.address(kind) for kind in ("raw", "json", "rest", "grpc")}
        assert len(addresses) == 3
    assert not any(is_running(pid) for pid in started)


def test_why_a_service_does_not_start(command, tmp_path):
    """Its last words are the reason; the next one starts all the same."""
    with Services(command, tmp_path) as services:
        with pytest.raises(Unfit, match="it does not start: Error: 7 is a bad number"):
            services.of(Configuration(workers=7))
        with pytest.raises(Unfit, match=r"max_batch_size \{ value: 33 \}"):
            services.of(Configuration(batching=Batching(max_batch_size=33)))
        services.of(Configuration())


def test_a_service_that_starts_and_does_not_answer(command, tmp_path):
    """Another reason not to choose it: what it says instead."""
    target = Workload("raw", "", "mlp", (SAMPLES[0].read_bytes(),))
    with Services(command, tmp_path) as services:
        trials = Trials(services, target, Slo.parse("p99=1s"), probe_s=0.5, watch=print)
        with pytest.raises(Unfit, match=r"it does not answer: .* 503"):
            trials(Configuration(max_batch_size=7))


def test_settings_of_the_shell_are_not_passed_on(command, tmp_path, monkeypatch):
    """What is set for another service (a key, a rate limit, a certificate) is none of these's."""
    monkeypatch.setenv("VITRINE_WORKERS", "7")
    monkeypatch.setenv("VITRINE_KEYS_FILE", "keys.txt")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    before = children_of(os.getpid())
    with Services(command, tmp_path) as services:
        services.of(Configuration())
        (child,) = set(children_of(os.getpid())) - set(before)
        environment = Path(f"/proc/{child}/environ").read_text()
        assert "VITRINE_WORKERS=2\0" in environment
        assert "TF_ENABLE_ONEDNN_OPTS=0\0" in environment
        assert "keys.txt" not in environment


def test_where_vitrine_serve_is(command, tmp_path):
    """Beside this Python, or on a path; nowhere, it is not installed."""
    assert find_command().parent == Path(sys.executable).parent
    assert find_command(str(command.parent)) == command
    assert find_command(str(tmp_path)) is None


PICTURE = str(SAMPLES[0])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--slo", "fast"], "'fast' is not an objective"),
        (["--slo", "p99=1s", "--batch-size", "2"], "One picture travels as it is"),
        (["--slo", "p99=1s", "--output", str(ROOT)], "is not from `vitrine tune`"),
        (["--slo", "p99=1s", "--as", "smoke"], "'smoke' is not one of"),
    ],
)
def test_wrong_usage(options, told):
    """Is told before anything is started, with exit code 2."""
    done = CliRunner().invoke(main, ["tune", PICTURE, *options])
    assert done.exit_code == 2
    assert told in done.output


def test_no_models(tmp_path, monkeypatch):
    """The service says that there is nothing to serve, and how that is changed: exit code 1, and
    nothing is written."""
    monkeypatch.setenv("VITRINE_MODEL_SERVER", "elsewhere:8500")
    output = tmp_path / "tuned"
    options = ["--slo", "p99=1s", "--models-dir", str(tmp_path), "--output", str(output)]
    done = CliRunner().invoke(main, ["tune", PICTURE, *options])
    assert done.exit_code == 1
    assert "elsewhere:8500 (VITRINE_MODEL_SERVER) is left alone" in done.output
    assert "With its defaults, it does not start" in done.output
    assert "There is no model in" in done.output
    assert not output.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_in_the_middle(tmp_path, number):
    """Ctrl-C, kill, kill -9: no process is left, and nothing half-written."""
    (tmp_path / "models/mlp/1").mkdir(parents=True)  # which never becomes ready
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from vitrine_client.__main__ import run; run()"),
            *("tune", PICTURE, "--slo=p99=1s", "--models-dir=models"),
        ],
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        wait_for(lambda: len(children_of(process.pid)) >= 2, 30, "the service")
        family = children_of(process.pid)
    finally:
        os.killpg(process.pid, number)
    assert process.wait(60) == (-9 if number == signal.SIGKILL else 128 + number)
    wait_for(lambda: not any(is_running(pid) for pid in family), 30, "the end of all of them")
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
