"""Names of model servers, and of gateways, by a real resolver in a network of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def namespaces():
    """Skips where this user may not have a network of their own."""
    try:
        made = subprocess.run(
            ["unshare", "--mount", "--net", "ip", "link", "set", "lo", "up"], capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("needs util-linux's unshare")
    if made.returncode:
        pytest.skip("needs root, for a network of its own")


@pytest.mark.wide  # tests/serving/test_discovery.py has each step, without a resolver
def test_servers_come_and_go_behind_a_name(namespaces, tmp_path):
    """Each has its share within 3 s of its record, and nothing 3 s after that is gone; requests
    fail only while there is no server, and a dead DNS changes nothing."""
    command = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.e2e.names_in_dns"]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    two, three, one, none, again, dead, last = json.loads(done.stdout)
    for step, servers in ((two, 2), (three, 3), (one, 1), (again, 2), (dead, 2), (last, 3)):
        assert step["failed"] == [], step
        total = sum(step["shares"])
        assert all(share > total / servers / 2 for share in step["shares"][:servers]), step
        assert not any(step["shares"][servers:]), step
    assert set(none["failed"]) == {503}
    assert none["shares"] == [0, 0, 0]


@pytest.mark.wide  # tests/serving/test_shared_rates.py has it without a resolver and processes
def test_gateways_share_out_a_rate(namespaces, tmp_path):
    """30 requests a second of 90 are admitted by three gateways, within 5 %; by two, from 3 s after
    one was killed; and on while the DNS is dead."""
    command = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.e2e.peers_in_dns"]
    done = subprocess.run(
        [*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    three, two, dead = json.loads(done.stdout)
    for rate in (three, two, dead):
        assert rate == pytest.approx(30, rel=0.05)
