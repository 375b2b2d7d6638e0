"""Ports that cannot be listened on, and hosts that are none, are told with how to name another."""

import socket
from dataclasses import replace

import pytest
from click.testing import CliRunner

from harness.ports import free_port
from vitrine_client.process.addresses import Addresses
from vitrine_client.process.exit_codes import NOT_BEGUN
from vitrine_serving import ports
from vitrine_serving.model_server.__main__ import main as model_server
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


@pytest.mark.parametrize("flag", ["--port", "--rest_api_port"])
@pytest.mark.parametrize("host", [FREE, "localhost"])
def test_a_model_server_on_a_taken_port(flag, host):
    """Its own flags are named, before TensorFlow is imported; it could not begin."""
    with socket.create_server((FREE, 0)) as other:
        taken = other.getsockname()[1]
        free = {"--port": free_port(), "--rest_api_port": free_port()} | {flag: taken}
        words = [f"--bind_address={host}", *(f"{name}={port}" for name, port in free.items())]
        done = CliRunner().invoke(model_server, words)
    assert done.exit_code == NOT_BEGUN
    assert done.stderr == (
        f"Error: Port {taken} is taken by another program; choose another ({flag})\n"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "*", "no-such-host.invalid", "a" * 70, "1.2.3.4.5"])
def test_hosts_that_are_not_here(host):
    """It is the host that is named, as no other port would help."""
    with pytest.raises(
        PortError, match=r"no address of this machine; name one \(--host or"
    ) as told:
        ports.check_free(replace(addresses(), host=host))
    assert host in str(told.value)
    assert "--port" not in str(told.value)
