"""Faults of requests: their names, and their side: the service, the way to it or the generator.

A fault is a short text, under which a result counts it: `HTTP 503`, `timeout`, a gRPC status, or
one of these.
"""

import errno
import ssl

REFUSED, RESET, TLS, NO_HTTP = "refused", "reset", "TLS", "no HTTP"
CLOSED = "closed while kept"
"""A kept connection that had answered before was closed, as by a server's idle timeout or its limit
of requests, and nothing came of the request on it."""
TIMEOUT, WRONG, INVALID_IMAGE = "timeout", "wrong answer", "invalid image"
NO_ANSWER = "not an answer"
"""A response of status 200 that has no predictions in it: no JSON, nested without end, no message
of gRPC's."""
TOO_LONG = "answer too long"

LONGEST_BYTES, LONGEST_HEAD_BYTES = 16 << 20, 256 << 10
"""Of one response, with its head and whatever comes before it, and of what comes before its body.
More is not read: so many connections of a load would take all memory."""

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
"""Faults of the machine that makes the load, and their meaning: no request was sent."""

_NO_WAY = {REFUSED, RESET, TLS, NO_HTTP, "UNAVAILABLE", *errno.errorcode.values()}


def of(error: OSError) -> str:
    """Returns the name of the failure of an operation on a socket."""
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


def is_odd(fault: str) -> bool:
    """Says whether something came that is no response to a request for predictions, whatever its
    status: one of many may be broken, and all of them are another service's."""
    return fault in (NO_ANSWER, TOO_LONG, NO_HTTP) or fault.startswith("HTTP 1")


def is_answer(fault: str) -> bool:
    """Says whether a server answered, if with something else than was asked for; "" is right."""
    return fault not in _NO_WAY and fault not in (CLOSED, TIMEOUT, "dropped", "unanswered")
