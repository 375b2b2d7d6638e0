"""The command: a clean machine, its table and JSON, its exit codes, checks that fail or hang."""

import json
import shutil
import threading

import pytest
from click.testing import CliRunner

from harness.paths import ROOT
from vitrine_client.cli import main
from vitrine_client.doctor import CHECKS, Check, Installation, Level, examine
from vitrine_client.doctor.finding import ok


def test_clean_machine(published):
    """Nothing is to be mended: that no service runs is good to know, and no fault."""
    found = published.diagnose()
    assert found.names("problem") == set()
    assert {"gateway", "model server 127.0.0.1:" + published.environment["VITRINE_GRPC_PORT"]} <= (
        found.names("note")
    )
    assert {"Python", "Vitrine", "model mlp", "model softmax", "data set", "TLS"} <= found.names(
        "ok"
    )
    assert found.code == 0


def test_every_check_speaks(published):
    """Each has a line, VITRINE_DATA_DIR where it is set."""
    done = published.run()
    assert done.returncode == 0, done.stdout + done.stderr
    sections = dict.fromkeys(check.section for check in CHECKS)
    assert [line for line in done.stdout.splitlines() if line in sections] == list(sections)
    assert len(done.stdout.splitlines()) > len(CHECKS)
    assert "Nothing to fix" in done.stdout.splitlines()[-1]


def test_table(published):
    """A fault has its line and, below it, what to do; the last line counts; `--problems` leaves
    out the rest, and piped output has no colours."""
    published.set(VITRINE_PROT=9)
    done = published.run()
    assert done.returncode == 1
    assert (
        "fix   VITRINE_PROT: is read by nothing\n      → did you mean VITRINE_PORT?" in done.stdout
    )
    assert done.stdout.splitlines()[-1].startswith("1 to fix, ")
    assert "\x1b" not in done.stdout
    short = published.run("--problems").stdout.splitlines()
    assert [line[:5] for line in short] == ["Setti", "fix  ", "     ", "", "1 to "]


def test_documented_output(published):
    """What operations.md shows is what is printed."""
    shutil.copytree(published.models / "mlp" / "1", published.models / "mlp" / "2")
    (published.models / "mlp" / "2" / "saved_model.pb").unlink()
    published.set(VITRINE_WORKERS="zero", VITRINE_MODELS_DIR="models")
    done = published.run("--problems")
    page = (ROOT / "docs" / "operations.md").read_text()
    shown = page.partition("$ vitrine doctor --problems\n")[2].partition("```")[0]
    assert done.stdout == shown


def test_json_of_problems(published):
    """`--problems` leaves what is well out of the JSON, too."""
    published.set(VITRINE_WORKERS="zero")
    done = published.run("--json", "--problems")
    content = json.loads(done.stdout)
    assert {each["level"] for each in content["findings"]} == {"note", "problem"}
    assert (content["ok"], content["problems"], done.returncode) == (False, 1, 1)


@pytest.mark.parametrize("words", [("--timeout-s", "0"), ("--no-such",), ("more",)])
def test_wrong_usage(words):
    assert CliRunner().invoke(main, ["doctor", *words]).exit_code == 2


def test_terminals_are_not_steered(published):
    """What a file or a variable is called can't move the cursor."""
    (published.models / "mlp" / "v\x1b[31m1").mkdir()
    (published.models / "mlp" / "v\x1b[31m1" / "saved_model.pb").write_bytes(b"x")
    done = published.run()
    assert "\x1b" not in done.stdout
    assert "v\\u001b[31m1 is no version" in done.stdout


def test_plain_terminals(published):
    """An output in ASCII has an arrow of its own, and no character that it can't have."""
    published.set(PYTHONIOENCODING="ascii", VITRINE_PROT=9, VITRINE_PRÖT=9)
    done = published.run()
    assert "      -> did you mean VITRINE_PORT?" in done.stdout
    assert "VITRINE_PR??T" in done.stdout or "VITRINE_PR?T" in done.stdout
    assert "Traceback" not in done.stderr


def failing(_: Installation):
    yield ok("half", "seen")
    raise RuntimeError("unforeseen")


def test_checks_are_independent(tmp_path):
    """One that raises and one that hangs are lines among the others', in their order, in time."""
    released = threading.Event()

    def hanging(_: Installation):
        yield ok("begun", "seen")
        released.wait(60)

    checks = [
        Check("A", "broken", failing),
        Check("A", "slow", hanging),
        Check("B", "good", lambda _: [ok("good", "seen"), ok("half", "seen")]),
    ]
    here = Installation({}, url="http://127.0.0.1:9", models_dir=tmp_path)
    try:
        found = [
            (each.name, each.level)
            for _, findings in examine(checks, here, limit_s=0.5)
            for each in findings
        ]
    finally:
        released.set()
    assert found == [
        ("half", Level.OK),
        ("broken", Level.PROBLEM),
        ("begun", Level.OK),
        ("slow", Level.PROBLEM),
        ("good", Level.OK),  # and `half` once, as it says the same
    ]
