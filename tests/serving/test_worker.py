"""The worker process: signals that come while it starts, by whichever loop it runs."""

import signal
import subprocess
import sys

import pytest

START = """
import asyncio, os, queue, signal, sys
from types import SimpleNamespace
from gunicorn.config import Config
from gunicorn.glogging import Logger
from vitrine_serving.gateway.server import worker
from vitrine_serving.gateway.server.draining import Draining
from vitrine_serving.gateway.server.listener import Shares

loop, when, number = sys.argv[1], sys.argv[2], int(sys.argv[3])

async def stopped():
    pass

class Gateway:
    metrics = budget = heads = None
    stop = staticmethod(stopped)
    def start(self):
        if when == "as it starts":
            signal.raise_signal(number)
    def begin_draining(self): print("drains", flush=True)
    def close(self): pass

def application():
    if when == "imported":
        signal.raise_signal(number)
    return Gateway()

if loop == "asyncio":
    worker.new_event_loop = asyncio.new_event_loop
config = Config()
app = SimpleNamespace(wsgi=lambda: application)
made = worker.Worker(1, os.getppid(), [], app, 30, config, Logger(config))
made.master_signals = queue.SimpleQueue()
if when == "forked":
    made.master_signals.put(number)
made.draining, made.look, made.shares, made.slot = Draining(), lambda: None, Shares(), 0
made.header_timeout_s = made.answer_timeout_s = made.connection_max_age_s = 30
made.init_process()
"""


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGTERM, "drains\n"), (signal.SIGINT, ""), (signal.SIGQUIT, "")]
)
@pytest.mark.parametrize("when", ["forked", "imported", "as it starts"])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_signal_while_it_starts_is_heard(loop, when, number, said):
    """SIGTERM ends it in order, once it can; the others at once."""
    pytest.importorskip(loop)
    done = subprocess.run(
        [sys.executable, "-c", START, loop, when, str(int(number))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, said), done.stderr
