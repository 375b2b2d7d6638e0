"""Calls that block do not hold up the other requests of a process under gevent."""

import subprocess
import sys

from vitrine_serving.gateway.offload import offloaded

UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import ctypes
import gevent
from vitrine_serving.gateway.offload import offloaded

done = []
def block():
    offloaded(ctypes.CDLL(None).usleep)(300_000)
    done.append("blocked")
def fail():
    raise ValueError("expected")
blocked = gevent.spawn(block)
gevent.sleep(0.01)
done.append("other")
blocked.join()
try:
    offloaded(fail)()
except ValueError as error:
    done.append(str(error))
print(*done)
"""


def test_others_go_on_and_errors_come_back():
    """Under gevent another request runs meanwhile; an error is raised, and not printed."""
    command = [sys.executable, "-c", UNDER_GEVENT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["other", "blocked", "expected"], "")


def test_a_thread_of_ones_own_needs_nothing():
    """Without gevent the function stays what it is."""
    assert offloaded(len) is len
