"""Free ports, each handed out once."""

import itertools
import os
import random
import socket

PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""This one's number of those that run the tests, from 0."""


def _own_ports() -> list[int]:
    """Ports that neither another process of this run nor, on Linux, a connection is given."""
    mine = range(20_000 + PROCESS, 32_000, PROCESSES)
    start = random.randrange(len(mine))  # others may run tests on this machine, too
    return [*mine[start:], *mine[:start]]


_ports = itertools.cycle(_own_ports())


def free_port() -> int:
    """Returns a port that nobody listens on, another one each time."""
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
