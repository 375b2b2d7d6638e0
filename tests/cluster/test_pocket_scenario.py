"""Gateways and model servers through rolling updates, scaling and kills, on the pocket cluster.

`make cluster` runs it for ten minutes, and looks at latencies as well.
"""

import contextlib
import json
import subprocess
import sys

import numpy as np
import pytest

from harness.paths import ROOT
from tests.cluster.pocket.__main__ import UNAVAILABLE
from tests.cluster.pocket.namespaces import number_of
from tests.cluster.pocket.report import Report

COMMAND = (sys.executable, "-m", "tests.cluster.pocket")
AT_ONCE_S = 0.25
"""Within which an operating system has told a killed process's clients."""


class Run:
    """Run of one variant: its report, and what it printed."""

    def __init__(self, process, folder):
        self._process, self._folder = process, folder

    def report(self):
        out, _ = self._process.communicate(timeout=250)
        print(out)
        if self._process.returncode == UNAVAILABLE:
            pytest.skip(out.removeprefix("Skipped: ").strip())
        assert (self._folder / "events.json").exists(), out
        events = json.loads((self._folder / "events.json").read_text())
        return Report(np.load(self._folder / "answers.npy"), events)

    @property
    def status(self):
        return self._process.returncode


@pytest.fixture
def run(tmp_path):
    """Starts a variant, in namespaces of its own."""
    with contextlib.ExitStack() as stack:
        yield lambda *words: stack.enter_context(_started(tmp_path, *words))


@contextlib.contextmanager
def _started(folder, *words):
    folder = folder / words[-1]
    folder.mkdir()
    process = subprocess.Popen(
        [*COMMAND, *words, f"--folder={folder}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Run(process, folder)
    finally:
        process.kill()
        process.wait()


def test_nothing_is_lost_or_wrong_while_pods_come_and_go(run):
    changes = run("--seconds=40")
    report = changes.report()
    lost = report.lost().tolist()
    assert (lost, report.wrong) == ([], 0)
    assert changes.status == 0
    assert len(report.rows) == 40 * 150
    happened = {what.split(" at ")[0] for _, _, what in report.events}
    assert {"killed", "restarted", "preStop", "SIGTERM", "ended with 0"} <= happened


def test_without_hooks_requests_are_lost_and_a_kill_loses_what_was_in_hand(run):
    """The former or the test above would say nothing. Both at a time: they wait mostly."""
    without = run("--seconds=20", "--without-pre-stop")
    killed = run("--seconds=12", "--kill-gateway")
    assert without.report().failed > 0
    assert without.status == 1
    _check_kill(killed.report())


def _check_kill(report):
    """Requests that were lost had been sent to the gateway that was killed, before it was."""
    ((killed_s, name, _),) = (event for event in report.events if event[2] == "killed")
    pod = name.partition("/")[0]
    (created,) = (what for _, who, what in report.events if who == pod and "created" in what)
    for due_s, _, number, _ in report.lost():
        assert number == number_of(created.rpartition(" ")[2])
        assert due_s <= killed_s + AT_ONCE_S
    assert report.wrong == 0
    assert report.rows[-1, 0] > killed_s + 3
