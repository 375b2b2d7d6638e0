"""Where connections go: looked up once, before the load."""

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vitrine_client import errors
from vitrine_client.trust import Trust


@dataclass(frozen=True)
class Endpoint:
    """Where to connect: a socket's family and address; `server_name` is whose certificate is
    expected, empty without TLS."""

    family: int
    address: Any
    server_name: str = ""
    tls: Trust | None = None


def reach(url: str, timeout_s: float, *, tls: Trust | None = None) -> Endpoint:
    """Returns the address of a URL that takes connections, where its name has several.

    Raises `InvalidRequest` for what is no URL, `Unavailable` where nobody listens.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise errors.InvalidRequest(f"{url} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.InvalidRequest(f"{url} is no URL; it begins with http:// or https://")
    try:
        with socket.create_connection((parts.hostname, port), timeout_s) as probe:
            peer = probe.getpeername()
            if parts.scheme != "https":
                return Endpoint(probe.family, peer)
            return Endpoint(probe.family, peer, parts.hostname, tls)
    except OSError as error:
        raise errors.Unavailable(f"Nobody answers at {url} ({error})") from error


def tls_failure(endpoint: Endpoint, timeout_s: float) -> OSError | None:
    """Returns what goes wrong where TLS is begun, None where nothing does."""
    context = (endpoint.tls or Trust.chosen()).context()
    try:
        with socket.socket(endpoint.family) as probe:
            probe.settimeout(timeout_s)
            probe.connect(endpoint.address)
            context.wrap_socket(probe, server_hostname=endpoint.server_name).close()
    except OSError as error:
        return error
    return None
