"""Listening ports: whether a service can have them, told before anything is started."""

import errno
import socket

from vitrine_client.process.addresses import HOST, Addresses

_REASONS = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EACCES: "is not for users: below 1024 they are root's",
}


class PortError(Exception):
    """A service cannot listen there; the message says how to choose another address."""


def check_free(addresses: Addresses) -> None:
    """Raises `PortError` for the first port of a service that it cannot listen on."""
    check(addresses.host, addresses.port, "--port or VITRINE_PORT", "--host or VITRINE_HOST")
    for port, option in ((addresses.grpc_port, "grpc-port"), (addresses.rest_port, "rest-port")):
        variable = f"VITRINE_{option.replace('-', '_').upper()}"
        check(HOST, port, f"--{option} or {variable}; --port or VITRINE_PORT moves all")


def check(host: str, port: int, port_names: str, host_names: str = "") -> None:
    """Raises `PortError` where nothing can listen on a port of a host. The names are those by which
    a user chooses others."""
    try:
        if host == "*":  # every interface for glibc, no address for gunicorn
            raise socket.gaierror
        family, *_, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number in _REASONS:
            text = f"Port {port} {_REASONS[number]}; choose another ({port_names})"
        elif isinstance(error, socket.gaierror | UnicodeError) or number == errno.EADDRNOTAVAIL:
            text = (
                f"{host!r} is no address of this machine; name one ({host_names}), such as {HOST}, "
                "or 0.0.0.0 for all"
            )
        else:
            text = f"Port {port} of {host} cannot be used ({error}); choose another ({port_names})"
        raise PortError(text) from error
