"""Ports that cannot be listened on, and hosts that are none, are told with how to name another."""

import socket
from dataclasses import replace

import pytest

from tests.conftest import free_port
from vitrine_client.addresses import Addresses
from vitrine_serving import ports
from vitrine_serving.ports import PortError

FREE = "127.0.0.1"


def addresses() -> Addresses:
    return Addresses(FREE, free_port(), free_port(), free_port())


def test_free_ports():
    """Nothing is said of them, also where they are those of all interfaces."""
    for host in (FREE, "localhost", ""):
        ports.check_free(replace(addresses(), host=host))


@pytest.mark.parametrize(
    ("which", "names"),
    [
        ("port", "--port or VITRINE_PORT"),
        ("grpc_port", "--grpc-port or VITRINE_GRPC_PORT; --port or VITRINE_PORT moves all"),
        ("rest_port", "--rest-port or VITRINE_REST_PORT; --port or VITRINE_PORT moves all"),
    ],
)
def test_taken_ports(which, names):
    """Each is told by the option and by the variable that move it."""
    with socket.create_server((FREE, 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(PortError) as caught:
            ports.check_free(replace(addresses(), **{which: taken}))
    assert str(caught.value) == (
        f"Port {taken} is taken by another program; choose another ({names})"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a" * 70, "1.2.3.4.5"])
def test_hosts_that_are_not_here(host):
    """It is the host that is named, as no other port would help."""
    with pytest.raises(
        PortError, match=r"no address of this machine; name one \(--host or"
    ) as told:
        ports.check_free(replace(addresses(), host=host))
    assert host in str(told.value)
    assert "--port" not in str(told.value)
