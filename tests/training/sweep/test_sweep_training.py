"""Real sweeps by own data: run, interrupted and resumed, with runs that fail, and killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from harness.waiting import wait_for
from tests.training.own.made_arrays import WRITERS
from vitrine_training.cli import main

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-P", "-m", "vitrine_training")
WITHIN_S = 200


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """CSV of 9x9 pictures of 3 classes, which have a bright line each."""
    random = np.random.default_rng(7)
    labels = np.arange(120) % 3
    images = random.integers(0, 120, (120, 9, 9), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label] = 255
    return WRITERS["CSV"](tmp_path_factory.mktemp("own"), images, labels)


def sweep_words(table, out, *words):
    return [*COMMAND, "sweep", "--data", str(table), "--as", "lines", "--out", str(out), *words]


def swept(table, out, *words, code=0):
    """Runs a sweep to its end; returns its JSON, and what it said beside it."""
    command = sweep_words(table, out, "--json", *words)
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout), done.stderr


def weights(version_dir):
    reader = tf.train.load_checkpoint(str(Path(version_dir) / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name).tobytes() for name in names}


def alive(mark: str) -> list[int]:
    """Processes that have `mark` in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(folder.name))
    return found


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    """Sweep of two recipes with a seed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    words = ("softmax", "mlp", "--vary", "epochs=1", "--seeds", "0")
    return out, words, *swept(table, out, *words)


def test_variants_are_compared(whole):
    out, _, told, said = whole
    assert (told["runs"], told["complete"]) == (2, True)
    assert {each["recipe"] for each in told["variants"]} == {"softmax", "mlp"}
    medians = [each["validation"]["median"] for each in told["variants"]]
    assert medians == sorted(medians, reverse=True)
    for each in told["variants"]:
        assert [one["seed"] for one in each["seeds"]] == [0]
        assert each["test"]["low"] == each["test"]["high"]
    assert "2 runs of 2 variants; " in said
    assert "left" in said
    assert told["best"]["command"] in said
    assert 'role="img"' in (out / "sweep.html").read_text()


def test_the_command_that_is_told_publishes_the_same_weights(whole, tmp_path):
    _, _, told, _ = whole
    words = told["best"]["command"].split()
    assert words[:2] == ["vitrine-train", "train"]
    done = CliRunner().invoke(main, [*words[1:], "--models-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    best = told["variants"][0]["seeds"]
    (path,) = [each["path"] for each in best if each["seed"] == told["best"]["seed"]]
    assert weights(path) == weights(tmp_path / "lines" / "1")


def test_what_is_done_stays(whole, table):
    """The same command trains nothing, and with a seed more that one alone is trained."""
    out, words, told, _ = whole
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/models/*/1")}
    again, said = swept(table, out, *words)
    assert "2 of which are done already" in said
    assert again["variants"] == told["variants"]
    more, said = swept(table, out, "softmax", "--vary", "epochs=1", "--seeds", "0-1")
    assert "2 runs of 1 variant, 1 of which are done already" in said
    ((each,),) = [more["variants"]]
    assert [one["seed"] for one in each["seeds"]] == [0, 1]
    assert each["test"]["low"] <= each["test"]["high"]
    assert more["conclusion"] in (out / "sweep.html").read_text()
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.wide
def test_a_run_that_fails_keeps_no_other_from_its_turn(table, tmp_path):
    words = ("mlp", "--vary", "learning-rate=0.1,1e30", "--vary", "epochs=3", "--seeds", "0")
    told, said = swept(table, tmp_path / "out", *words, code=1)
    good, bad = told["variants"]
    assert good["seeds"][0]["done"]
    assert "Training diverged" in bad["seeds"][0]["reason"]
    assert bad["validation"] is None
    assert "failed: Training diverged" in said
    assert "learning-rate=0.1" in told["best"]["command"]
    assert "Training diverged" in (tmp_path / "out" / "sweep.html").read_text()


def started(table, out):
    """A sweep with two runs under way, the first of which is in its epochs."""
    words = ("softmax", "--vary", "epochs=100000", "--seeds", "0-2", "--processes", "2", "--json")
    process = subprocess.Popen(
        sweep_words(table, out, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def in_epochs() -> bool:
        found = [each.read_text() for each in out.glob("runs/*/*/train.log")]
        return len(found) == 2 and all("epoch" in text for text in found)

    wait_for(in_epochs, WITHIN_S, "two runs in their epochs")
    return process


def interrupted(table, out):
    """Starts a sweep and interrupts it; returns what it said."""
    with started(table, out) as process:
        os.kill(process.pid, signal.SIGINT)
        told = process.communicate(timeout=30)
    assert process.returncode == 130
    return told


def test_ctrl_c_ends_all(table, tmp_path):
    out = tmp_path / "out"
    stdout, stderr = interrupted(table, out)
    assert "the same command goes on" in stderr
    assert json.loads(stdout)["complete"] is False
    assert alive(str(out)) == []
    logs = [log.read_text() for log in out.glob("runs/*/*/train.log")]
    assert all("the same command goes on after epoch" in log for log in logs)


@pytest.mark.wide
def test_the_same_command_goes_on_and_one_that_is_killed_leaves_no_run(table, tmp_path):
    out = tmp_path / "out"
    interrupted(table, out)
    for log in out.glob("runs/*/*/train.log"):
        log.unlink()  # it speaks of going on, too
    with started(table, out) as process:
        logs = [log.read_text() for log in out.glob("runs/*/*/train.log")]
        assert all("goes on after epoch" in log for log in logs)
        process.kill()
        process.communicate(timeout=30)
    if sys.platform == "linux":  # elsewhere the kernel does not tell a child
        wait_for(lambda: alive(str(out)) == [], 30, "the end of all runs")
