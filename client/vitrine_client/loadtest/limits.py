"""Limits of the machine that makes a load: how many connections it can have, how many processes."""

import math
import os
import resource
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitrine_client.loadtest.plan import Closed, Load, Replay

_OTHERS = 24
"""Descriptors that a process of the generator has beside its connections, such as its pipes."""

_RATE_A_PROCESS, _CONNECTIONS_A_PROCESS = 3000, 64
"""Load of one process of the generator, where there are cores for more."""

_UNKNOWN = 1 << 30
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def most_connections(processes: int) -> tuple[int, str]:
    """Returns how many connections so many processes can have at once, and their limit.

    A process may raise its soft limit of descriptors, and not its hard one.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = _UNKNOWN if hard == resource.RLIM_INFINITY else max(hard - _OTHERS, 0) * processes
    ports = _ports()
    if ports < descriptors:
        return ports, f"{ports:,} ports on this machine (net.ipv4.ip_local_port_range)"
    return descriptors, f"{hard:,} descriptors a process (ulimit -Hn)"


def fitted(load: Load, processes: int, *, told: bool) -> tuple[Load, str]:
    """Returns the load with no more requests in flight than this machine can have, and a note where
    that is less. Raises `ValueError` where somebody `told` how many."""
    most, limit = most_connections(processes)
    name = "concurrency" if isinstance(load, Closed) else "connections"
    wanted: int = getattr(load, name)
    if wanted <= most:
        return load, ""
    if told or not most:
        raise ValueError(
            f"--{name} {wanted:,} is more than this machine "
            f"can: {limit}, enough for {most:,}; raise that, or take less"
            + (f", or --processes {processes + 1}" if "a process" in limit else "")
        )
    note = f"At most {most:,} requests are in flight, not {wanted:,}: {limit}"
    fewer: dict[str, Any] = {name: most}
    return replace(load, **fewer), note


def shared(load: Load) -> int:
    """Returns among how many processes to share a load: at most half of the cores, since the
    service may need the others."""
    if isinstance(load, Closed):
        wanted = load.concurrency / _CONNECTIONS_A_PROCESS
    elif isinstance(load, Replay):
        wanted = len(load.due_s) / load.duration_s / _RATE_A_PROCESS
    else:
        rates = [rate for one in load.phases for rate in (one.rate, one.end_rate)]
        wanted = max(rates, default=0) / _RATE_A_PROCESS
    return max(1, min(math.ceil(wanted), (os.cpu_count() or 1) // 2))


def _ports() -> int:
    with suppress(OSError, ValueError):
        first, last = map(int, _PORTS.read_text().split())
        return last - first + 1
    return _UNKNOWN
