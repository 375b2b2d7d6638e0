"""File descriptors: enough for all connections and for the inside, or fewer connections."""

import contextlib
import resource

REFUSED = 64
"""Connections beyond the limit that are told so at a time."""

RESERVED = REFUSED + 64
"""Descriptors of a process that are for all but clients: some 30 that it always has, files of
pages and of the feedback log, connections to model servers, and those that are being refused."""


def fitting_connections(connections: int) -> int:
    """Returns how many connections a process has descriptors for, `connections` at most, after its
    soft limit, which others inherit, was raised for them as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):  # a kernel may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        return max(1, min(connections, soft - RESERVED))
    return connections


def warning(connections: int, fitting: int) -> str:
    """Returns what to tell where not all fit, else nothing."""
    if fitting == connections:
        return ""
    return (
        f"VITRINE_CONNECTIONS={connections} is more than there are file descriptors for, so each "
        f"process takes {fitting}; raise the hard limit (`ulimit -Hn {connections + RESERVED}`, "
        "LimitNOFILE= of systemd, --ulimit of docker), or set fewer"
    )
