"""Limits of the machine, known before the load: a process of its own, whose limits are low."""

import subprocess
import sys

import pytest

from vitrine_client.loadtest import limits
from vitrine_client.loadtest.plan import Closed, Open, Phase

FULL = """
import os, resource
from vitrine_client.loadtest.generator import endpoint
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
held = [os.dup(0) for _ in range(20 - len(os.listdir("/proc/self/fd")) + 1)]
try:
    endpoint.reach("http://127.0.0.1:1", 1)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_what_this_machine_lacks_is_not_told_of_the_server():
    """Where no socket can be made, it is not that nobody answers."""
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("VitrineError No connection can be made to http://127.0.0.1:1: ")
    assert "ulimit -n" in done.stdout


PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from vitrine_client.loadtest import limits
from vitrine_client.loadtest.plan import Closed, Open, Phase
print(limits.most_connections(1)[0], limits.most_connections(2)[0])
loads = {"closed": Closed(32, 3), "open": Open((Phase(3, 9, 9),)), "many": Closed(200, 3)}
for told in (False, True):
    for name, load in loads.items():
        try:
            print(name, *limits.fitted(load, 1, told=told))
        except ValueError as error:
            print(name, error)
"""


def test_a_low_limit_of_descriptors():
    """What was asked for is refused, with what would do; what is only usual becomes less."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    counts, *lines = done.stdout.splitlines()
    assert counts == "40 80"
    assert lines[0] == "closed Closed(concurrency=32, duration_s=3) "
    assert "connections=40" in lines[1]
    assert "At most 40 requests are in flight, not 256: 64 descriptors" in lines[1]
    assert lines[3] == lines[0]
    assert "--connections 256 is more than this machine can" in lines[4]
    assert "--concurrency 200 is more than this machine can" in lines[5]
    assert "--processes 2" in lines[5]


@pytest.mark.parametrize("load", [Closed(8, 3), Open((Phase(3, 9, 9),))])
def test_usual_loads_fit(load):
    """Nothing is said of them."""
    assert limits.fitted(load, 1, told=True) == (load, "")
