"""Pocket cluster's order of events, on small programs: Kubernetes' documented one."""

import json
import signal
import subprocess
import sys

import pytest

from harness.paths import ROOT
from harness.processes import children_of, is_running
from harness.waiting import wait_for
from tests.cluster.pocket.namespaces import NoNamespacesError, inside, unshared
from tests.cluster.small_programs.__main__ import LAG_S

MODULE = "tests.cluster.small_programs"
SLACK_S = 0.5
"""Probes and looks of the cluster are that late at most, on a machine that has time."""


class Played:
    """Events of a run: `at` has the seconds of each, from the changes on."""

    def __init__(self, told):
        (began_s,) = (at_s for at_s, name, _ in told["events"] if name == "-")
        self.events = [(at_s - began_s, name, what) for at_s, name, what in told["events"]]
        self.samples = [(at_s - began_s, *rest) for at_s, *rest in told["samples"]]
        self.variables = {name: json.loads(said) for name, said in told["variables"].items()}

    def at(self, name, what):
        """When something happened to a pod or a container, each time."""
        return [at_s for at_s, who, said in self.events if who == name and said.startswith(what)]

    def once(self, name, what):
        (at_s,) = self.at(name, what)
        return at_s

    def in_order(self, *events):
        """Says whether events happened once each, and one after the other."""
        times = [self.once(*event) for event in events]
        return times == sorted(times)


@pytest.fixture(scope="module")
def namespaces():
    """Skips where there are none to be had."""
    try:
        unshared()
    except NoNamespacesError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def played(namespaces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    with inside(MODULE, [str(folder)], stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    return Played(json.loads(out))


def test_containers_start_in_order(played):
    assert played.in_order(
        ("stubborn-1-1/init", "succeeded"),
        ("stubborn-1-1/sidecar", "ready"),
        ("stubborn-1-1/main", "ready"),
    )


def test_a_sidecar_ends_after_the_container_that_uses_it(played):
    """And who ignores SIGTERM is killed when the grace period of 4 s is over."""
    assert played.in_order(
        ("stubborn-1-1", "terminating"),
        ("stubborn-1-1/main", "preStop"),
        ("stubborn-1-1/main", "SIGTERM"),
        ("stubborn-1-1/main", "SIGKILL"),
        ("stubborn-1-1/sidecar", "ended"),
        ("stubborn-1-1", "ended"),
    )
    began_s = played.once("stubborn-1-1", "terminating")
    assert played.once("stubborn-1-1/sidecar", "SIGTERM") - began_s >= 4 - SLACK_S
    assert played.once("stubborn-1-1/main", "SIGKILL") - began_s >= 4 - SLACK_S


def test_sigterm_is_sent_after_the_hook(played):
    for pod in ("web-1-1", "web-1-2"):
        hook_s = played.once(f"{pod}/program", "preStop")
        assert played.once(f"{pod}/program", "SIGTERM") - hook_s >= 3 - 0.1
        assert played.in_order((pod, "terminating"), (f"{pod}/program", "SIGTERM"), (pod, "ended"))


def test_a_rolling_update_keeps_its_bounds(played):
    """maxUnavailable 0, maxSurge 1: never fewer than two ready pods, never more than three."""
    assert min(ready for _, ready, _, _ in played.samples) == 2
    assert {living for _, _, living, _ in played.samples} == {2, 3}
    for old, new in (("web-1-2", "web-2-3"), ("web-1-1", "web-2-4")):
        ready_s = played.once(f"{new}/program", "ready")
        assert played.once(old, "terminating") - ready_s >= 1 - 0.1  # minReadySeconds


def test_others_see_a_change_after_the_lag_while_the_hook_runs(played):
    for pod, what, is_seen in (("web-2-3", "ready", True), ("web-1-2", "terminating", False)):
        at_s = played.once(pod if what == "terminating" else f"{pod}/program", what)
        address = _address(played, pod)
        seen_s = [
            when_s
            for when_s, *_, addresses in played.samples
            if when_s >= at_s and (address in addresses) is is_seen
        ]
        assert seen_s[0] - at_s >= LAG_S - 0.1
    assert seen_s[0] < played.once("web-1-2/program", "SIGTERM")


def test_a_container_that_ends_is_started_again_at_once_and_then_after_a_while(played):
    assert played.once("crashing-1-1/program", "restarted") < 1
    first_s, again_s = played.at("ill-1-1/program", "ended")[:2]
    restarts = played.at("ill-1-1/program", "restarted")
    assert restarts[0] - first_s < SLACK_S
    assert all(at_s - again_s >= 10 for at_s in restarts[1:])


def test_a_failed_liveness_probe_ends_a_container(played):
    """Once it has failed as often in a row as its threshold says, by SIGTERM at first."""
    probed_s = played.at("ill-1-1/program", "liveness probe failed")[0]
    assert probed_s - played.at("ill-1-1/program", "ready")[0] >= 2 - 0.1
    assert played.at("ill-1-1/program", "ended with 0")[0] >= probed_s


def test_services_are_variables_unless_a_pod_wants_none(played):
    assert played.variables["web"]["WEB_PORT"].startswith("tcp://")
    assert played.variables["web"]["OWN_ADDRESS"] in {
        _address(played, pod) for pod in ("web-1-1", "web-1-2", "web-2-3", "web-2-4")
    }
    assert "WEB_PORT" not in played.variables["sidecar"]


def test_nothing_is_left_after_a_kill(namespaces, tmp_path):
    """SIGKILL of the process that began the namespaces ends all in them."""
    begin = (
        "import sys; from tests.cluster.pocket.namespaces import inside\n"
        f"with inside({MODULE!r}, sys.argv[1:]) as process: process.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", begin, str(tmp_path)], cwd=ROOT)
    try:
        wait_for((tmp_path / "sidecar.variables").exists, 60, "pods")
        there = children_of(process.pid)
        assert len(there) > 10
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: not any(map(is_running, there)), 20, "the end of all")


def _address(played, pod):
    (created,) = (what for _, name, what in played.events if name == pod and "created" in what)
    return created.rpartition(" ")[2]
