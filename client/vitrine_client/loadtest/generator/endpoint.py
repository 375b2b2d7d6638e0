"""Where connections go: looked up once, before the load."""

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vitrine_client import errors
from vitrine_client.loadtest.generator import faults
from vitrine_client.process import addresses
from vitrine_client.process.trust import Trust


@dataclass(frozen=True)
class Endpoint:
    """Where to connect, and how: a socket's family and address; `server_name` is whose certificate
    is expected, empty without TLS. Without `keep_alive` each request has a connection of its own.
    """

    family: int
    address: Any
    server_name: str = ""
    tls: Trust | None = None
    keep_alive: bool = True


def reach(
    url: str, timeout_s: float, *, tls: Trust | None = None, keep_alive: bool = True
) -> Endpoint:
    """Returns the address of a URL that takes connections, where its name has several.

    Raises `InvalidRequest` for what is no URL, `Unavailable` where nobody listens.
    """
    parts, shown = urlsplit(url), addresses.without_password(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise errors.InvalidRequest(f"{shown} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.InvalidRequest(f"{shown} is no URL; it begins with http:// or https://")
    try:
        with socket.create_connection((parts.hostname, port), timeout_s) as probe:
            name = parts.hostname if parts.scheme == "https" else ""
            return Endpoint(probe.family, probe.getpeername(), name, tls, keep_alive)
    except OSError as error:
        if (own := faults.OWN.get(faults.of(error))) is not None:
            raise errors.VitrineError(f"No connection can be made to {shown}: {own}") from error
        raise errors.Unavailable(f"Nobody answers at {shown} ({error})") from error


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
