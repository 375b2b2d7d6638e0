"""Listening ports: whether a service can have them, told before anything is started."""

import errno
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from vitrine_client.process.addresses import (
    HOST,
    V2_GRPC_PORT,
    Addresses,
    bracketed,
    unbracketed,
)

_REASONS = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EACCES: "is not for users: below 1024 they are root's",
}
_INHERITED = {"LISTEN_FDS", "GUNICORN_FD"}
_ELSEWHERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""No address of this machine, or one of IPv6 where it has none."""


Resolve = Callable[[str, int], tuple[socket.AddressFamily, Any]]


class PortError(Exception):
    """A service cannot listen there; the message says how to choose another address."""


def check_free(addresses: Addresses) -> None:
    """Raises `PortError` for the first port of a service that it cannot listen on."""
    host_names = "--host or VITRINE_HOST"
    check(addresses.host, addresses.port, "--port or VITRINE_PORT", host_names)
    if addresses.v2_grpc_port:
        check(
            addresses.host,
            addresses.v2_grpc_port,
            f"--v2-grpc-port or {V2_GRPC_PORT}, 0 for none; --port or VITRINE_PORT moves all",
            host_names,
        )
    for port, option in ((addresses.grpc_port, "grpc-port"), (addresses.rest_port, "rest-port")):
        variable = f"VITRINE_{option.replace('-', '_').upper()}"
        check(HOST, port, f"--{option} or {variable}; --port or VITRINE_PORT moves all")


def check_gateway(host: str, port: int, v2_grpc_port: int = 0) -> None:
    """Raises `PortError` where the gateway alone cannot listen, unless whoever started it with a
    socket (systemd, gunicorn's upgrade) has the port already."""
    if not _INHERITED & os.environ.keys():
        check(host, port, "VITRINE_PORT", "VITRINE_HOST")
        if v2_grpc_port:
            check(host, v2_grpc_port, f"{V2_GRPC_PORT}, 0 for none", "VITRINE_HOST")


def reserved(host: str, port: int) -> socket.socket:
    """Returns a socket that holds a port, and does not listen, for processes of this user that
    each listen there by themselves (SO_REUSEPORT): no other program gets it while none of them
    does. Call `check_gateway` first: this takes what such a program has. Raises `PortError`."""
    try:
        family, address = _resolved(host, port)
        holder = socket.socket(family, socket.SOCK_STREAM)
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(address)
        except OSError:
            holder.close()
            raise
    except OSError as error:
        raise PortError(
            f"Port {port} cannot be used ({error}); choose another ({V2_GRPC_PORT})"
        ) from error
    return holder


def bind_address(host: str, port: int) -> str:
    """Returns an address to listen on as HOST:PORT, without a name: gunicorn takes each name for
    one of IPv4. Raises `OSError` or `UnicodeError` where there is none."""
    _, address = _resolved(host, port)
    return f"{bracketed(address[0])}:{port}"


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Returns the address of a host to listen on; of several one of IPv4, which all clients try."""
    host = unbracketed(host)
    if host == "*":  # every interface for glibc, no address for gunicorn
        raise socket.gaierror
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address


def _resolved_soon(
    host: str, port: int, resolve: Resolve, within_s: float
) -> tuple[socket.AddressFamily, Any]:
    """Returns the same. Raises `socket.gaierror` as well where name servers do not answer: the
    system asks them for much longer, and somebody waits."""
    found: list[tuple[socket.AddressFamily, Any] | OSError | UnicodeError] = []

    def run() -> None:
        try:
            found.append(resolve(host, port))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(within_s)
    if not found:
        raise socket.gaierror
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def check(
    host: str,
    port: int,
    port_names: str,
    host_names: str = "",
    *,
    resolve: Resolve = _resolved,
    within_s: float = 3.0,
) -> None:
    """Raises `PortError` where nothing can listen on a port of a host, or that is not found within
    so many seconds. The names are those by which a user chooses others."""
    try:
        family, address = _resolved_soon(host, port, resolve, within_s)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number in _REASONS:
            text = f"Port {port} {_REASONS[number]}; choose another ({port_names})"
        elif isinstance(error, socket.gaierror | UnicodeError) or number in _ELSEWHERE:
            text = (
                f"{host!r} is no address of this machine; name one ({host_names}), such as {HOST}, "
                "or 0.0.0.0 for all"
            )
        else:
            text = f"Port {port} of {host} cannot be used ({error}); choose another ({port_names})"
        raise PortError(text) from error
