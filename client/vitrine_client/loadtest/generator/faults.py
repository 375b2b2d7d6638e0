"""Faults of requests: their names, and whether the service, the way to it or the generator failed.

A fault is a short text, under which a result counts it: `HTTP 503`, `timeout`, a gRPC status, or
one of these.
"""

import errno
import ssl

REFUSED, RESET, TLS, NO_HTTP = "refused", "reset", "TLS", "no HTTP"
CLOSED = "closed while kept"
"""A kept connection that had answered before was closed, and nothing came of the request on it."""
TIMEOUT, WRONG, INVALID_IMAGE = "timeout", "wrong answer", "invalid image"

_BY_ERRNO = {
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: RESET,
    errno.ECONNABORTED: RESET,
    errno.EPIPE: RESET,
}

OWN = {
    "EMFILE": "no descriptor is left to this process (ulimit -n)",
    "ENFILE": "no descriptor is left on this machine (fs.file-max)",
    "EADDRNOTAVAIL": "no port is left on this machine (net.ipv4.ip_local_port_range)",
    "EADDRINUSE": "no port is left on this machine (net.ipv4.ip_local_port_range)",
    "ENOBUFS": "no memory is left for sockets",
    "ENOMEM": "no memory is left",
}
"""Faults of the machine that makes the load, and what they mean: no request was sent."""

_NO_WAY = {REFUSED, RESET, TLS, NO_HTTP, "UNAVAILABLE", *errno.errorcode.values()}


def of(error: OSError) -> str:
    """Returns the name of what an operation on a socket failed with."""
    if isinstance(error, ssl.SSLError):
        return TLS
    code = error.errno or 0
    return _BY_ERRNO.get(code) or errno.errorcode.get(code, type(error).__name__)


def is_of_connection(fault: str) -> bool:
    """Says whether there was no connection to send on, or it broke: trying again at once would be
    in vain, and a burden."""
    return fault in _NO_WAY


def is_lost(fault: str) -> bool:
    """Says whether nobody answered, and that was not for lack of means to ask."""
    return not is_answer(fault) and fault not in OWN


def is_answer(fault: str) -> bool:
    """Says whether a server answered, if with something else than was asked for; "" is right."""
    return fault not in _NO_WAY and fault not in (CLOSED, TIMEOUT, "dropped", "unanswered")
