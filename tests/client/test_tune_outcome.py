"""What `vitrine tune` writes and says, for tunings that never were."""

import dataclasses
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.client.loadtest.made_results import TARGET, made
from tests.unprivileged import unprivileged
from vitrine_client.cli.tune import conclude
from vitrine_client.loadtest.analysis.probes import Probe, RateFound
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.tune import outcome
from vitrine_client.loadtest.tune.configuration import Batching, Configuration
from vitrine_client.loadtest.tune.search import Confirmation, Duel, Trial, Tuned
from vitrine_client.loadtest.tune.summary import Tuning, load_of, summary, verdict
from vitrine_serving.model_server.runtime.batching import BatchingParameters, read_parameters

DEFAULT = Configuration()
ALWAYS = {"gateway.env", "model-server.env", "measurements.json", "README.md"}
BEST = Configuration(workers=4, intra_op_threads=2, batching=Batching(32, 500, 2, 64))
RESULT = made(seconds=2, warnings=("The generator was late: 1 % by 2.0 ms",))


def probe(rate: float, *, held: bool = True) -> Probe:
    return Probe(rate, RESULT, () if held else ("p99 is 30 ms, not 20 ms",))


def trial(configuration: Configuration, rate: float) -> Trial:
    probes = (probe(rate or 1.0, held=bool(rate)),)
    return Trial(configuration, RateFound(rate, 0.9 * rate, 1.1 * rate, 0, 0, probes))


def tuning(
    *, rates: tuple[float, float] = (100, 120), pairs: int = 3, best: Configuration = BEST
) -> Tuning:
    """The default and the best, and a duel between the two, of pairs that agree."""
    tried = (trial(DEFAULT, rates[0]), trial(BEST, rates[1]))
    skipped = Trial(Configuration(workers=1), None, "it does not start: a | b")
    duels = (Duel(DEFAULT, BEST, (tried,) * pairs),) if rates[1] > rates[0] else ()
    tuned = Tuned(best, (*tried, skipped), duels, complete=True)
    return Tuning(Slo.parse("p99=20ms"), load_of(TARGET), 0.5, tuned)


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_files_are_what_their_readers_read(tmp_path):
    """gateway.env has the environment, batching.config what a model server takes, and the
    measurements are JSON."""
    outcome.write(tmp_path / "tuned", tuning())
    files = written(tmp_path / "tuned")
    assert set(files) == {*ALWAYS, "batching.config"}
    assert files["gateway.env"] == "VITRINE_WORKERS=4\nVITRINE_MAX_BATCH_SIZE=256\n"
    assert files["model-server.env"].splitlines() == [
        "VITRINE_INTRA_OP_THREADS=2",
        "VITRINE_INTER_OP_THREADS=1",
        "TF_ENABLE_ONEDNN_OPTS=0",
    ]
    assert read_parameters(tmp_path / "tuned/batching.config") == BatchingParameters(
        max_batch_size=32, batch_timeout_s=0.0005, num_batch_threads=2, max_enqueued_batches=64
    )
    measured = json.loads(files["measurements.json"])
    assert measured["slo"] == "p99=20ms"
    assert [one.get("rate") for one in measured["trials"]] == [100, 120, None]
    assert measured["trials"][2]["reason"] == "it does not start: a | b"
    assert measured["duels"][0]["ratio"] == pytest.approx(1.2)
    assert measured["trials"][0]["probes"][0]["latency_ms"]["p99"] > 1
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]


def test_batching_that_is_off_has_no_file(tmp_path):
    """What was there of an earlier tuning is replaced as a whole."""
    outcome.write(tmp_path / "tuned", tuning())
    outcome.write(tmp_path / "tuned", tuning(best=DEFAULT, rates=(100, 90)))
    assert set(written(tmp_path / "tuned")) == ALWAYS
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]


def test_nothing_is_half_written(tmp_path):
    """Where it cannot be written the folder is as it was."""
    outcome.write(tmp_path / "tuned", tuning())
    before = written(tmp_path / "tuned")
    broken = dataclasses.replace(tuning(), probe_s=float("nan"))  # which JSON does not have
    with pytest.raises(ValueError):
        outcome.write(tmp_path / "tuned", broken)
    assert written(tmp_path / "tuned") == before
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]


def test_what_another_run_left_half_written_is_no_obstacle(tmp_path):
    """Each has names of its own for what it makes."""
    (tmp_path / ".tuned.new").mkdir()
    outcome.write(tmp_path / "tuned", tuning())
    assert set(written(tmp_path / "tuned")) == {*ALWAYS, "batching.config"}


def test_a_folder_with_a_space(tmp_path):
    """The command that the page gives reads its files."""
    outcome.write(tmp_path / "my tune", tuning())
    page = (tmp_path / "my tune/README.md").read_text()
    (command,) = re.findall(r"^    env (.*) vitrine-serve up (?:.*\n)*?.*-file (.*)$", page, re.M)
    script = f"echo {command[0]}; cat {command[1]}"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert "VITRINE_WORKERS=4" in done.stdout
    assert "num_batch_threads" in done.stdout


def test_only_what_is_ours_is_replaced(tmp_path):
    """An empty folder, one of an earlier tuning, or none at all; no other, and no file."""
    assert outcome.refusal(tmp_path / "new") == ""
    assert outcome.refusal(tmp_path) == ""
    outcome.write(tmp_path / "tuned", tuning())
    assert outcome.refusal(tmp_path / "tuned") == ""
    assert "is not from `vitrine tune`" in outcome.refusal(tmp_path)
    assert "is not from `vitrine tune`" in outcome.refusal(tmp_path / "tuned/README.md")
    assert "cannot be written: " in outcome.refusal(tmp_path / "tuned/README.md/new")


def test_a_folder_that_cannot_be_written(tmp_path):
    """It is told before the search, as another user sees it: below a directory that is closed, and
    in one that may only be read."""
    for mode in (0o000, 0o555):
        closed = tmp_path / f"closed-{mode:o}"
        closed.mkdir()
        closed.chmod(mode)
        code = (
            "from pathlib import Path; from vitrine_client.loadtest.tune import outcome; "
            f"print(outcome.refusal(Path({str(closed / 'tuned')!r})))"
        )
        done = subprocess.run(
            [*unprivileged(), sys.executable, "-c", code], capture_output=True, text=True
        )
        closed.chmod(0o755)
        assert done.stderr == ""
        assert "cannot be written: " in done.stdout


def test_what_is_said_of_a_winner():
    """By how much it is faster, how sure that is, and how it is used."""
    said = summary(tuning(), "tuned")
    assert "meets p99=20ms at 120 requests/s: 1.20 times the rate of the defaults" in said
    assert "env $(cat tuned/gateway.env tuned/model-server.env) vitrine-serve up" in said
    assert "append `tuned/model-server.env` to the `.env`" in said
    assert "--batching-parameters-file tuned/batching.config" in said
    assert "--batching_parameters_file=/config/batching.config" in said
    assert "| skipped | it does not start: a / b |" in said
    assert Counter(re.findall("Warning: .*", said)) == {
        "Warning: The generator was late: 1 % by 2.0 ms": 1
    }


def test_what_is_said_of_the_defaults():
    """Why they stay: nothing seemed faster, it was not when measured in turn, or was not often
    enough."""
    slower = tuning(rates=(100, 90), best=DEFAULT)
    assert "Keep the defaults" in verdict(slower)
    assert "nothing that was tried seemed faster" in verdict(slower)
    assert "--batching-parameters-file" not in summary(slower, "tuned")
    assert "not measured in turn often enough" in verdict(tuning(pairs=1, best=DEFAULT))
    tried = (trial(DEFAULT, 100), trial(BEST, 120))
    again = (trial(DEFAULT, 120), trial(BEST, 100))
    lost = Tuned(DEFAULT, tried, (Duel(DEFAULT, BEST, (tried, again, again)),), complete=True)
    said = summary(dataclasses.replace(slower, tuned=lost), "tuned")
    assert "did not beat them beyond the noise" in said
    assert "at 110 requests/s" in said  # the median of four
    assert "not faster beyond the noise" in said


def test_how_sure_the_rate_is(tmp_path, capsys):
    """By a longer load: it held, a lower one did, or none."""

    def told(*rates: float, held: bool) -> Tuning:
        loads = [Confirmation(rate, 24.0, ("p99 is 900 ms, not 20 ms",)) for rate in rates]
        if held:
            loads[-1] = dataclasses.replace(loads[-1], violations=())
        made = tuning()
        return dataclasses.replace(
            made, tuned=dataclasses.replace(made.tuned, confirmations=tuple(loads))
        )

    assert "It kept that up for 24 s in a row." in verdict(told(120, held=True))
    lower = "short probes: for 24 s in a row it kept up 96 requests/s (at 120 requests/s p99 is 900"
    assert lower in verdict(told(120, 96, held=True))
    assert conclude(told(120, 96, held=False), tmp_path / "tuned") == 1
    assert "No rate down to 96 requests/s held for 24 s in a row" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert conclude(told(120, 96, held=True), tmp_path / "tuned") == 0
    measured = json.loads((tmp_path / "tuned" / outcome.MEASUREMENTS).read_text())
    assert [one["rate"] for one in measured["confirmations"]] == [120, 96]


def test_an_objective_out_of_reach(tmp_path, capsys):
    """Exit code 1, what it is at the lowest rate, and no files; else 0, the verdict and where."""
    assert conclude(tuning(rates=(0, 0), best=DEFAULT), tmp_path / "tuned") == 1
    said = capsys.readouterr().err
    assert "nothing that was tried meets p99=20ms" in said
    assert "at 1 requests/s p99 is 30 ms, not 20 ms" in said
    assert not list(tmp_path.iterdir())
    assert conclude(tuning(), tmp_path / "tuned") == 0
    assert str(tmp_path / "tuned" / "README.md") in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]


def test_json(tmp_path, capsys):
    """What measurements.json has, alone on standard output; also where nothing met the objective,
    when no file is written."""
    assert conclude(tuning(), tmp_path / "tuned", as_json=True) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == json.loads(
        (tmp_path / "tuned" / outcome.MEASUREMENTS).read_text()
    )
    assert str(tmp_path / "tuned" / "README.md") in said.err
    unreached = tuning(rates=(0, 0), best=DEFAULT)
    assert conclude(unreached, tmp_path / "none", as_json=True) == 1
    assert len(json.loads(capsys.readouterr().out)["trials"]) == len(unreached.tuned.trials)
    assert not (tmp_path / "none").exists()
