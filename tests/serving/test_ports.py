"""Ports that cannot be listened on, and hosts that are none, are told with how to name another."""

import socket
import threading
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
    return Addresses(FREE, free_port(), free_port(), free_port(), free_port())


def test_free_ports():
    """Nothing is said of them, also where they are those of all interfaces."""
    for host in (FREE, "localhost", ""):
        ports.check_free(replace(addresses(), host=host))


@pytest.mark.parametrize(
    ("which", "names"),
    [
        ("port", "--port or VITRINE_PORT"),
        ("grpc_port", "--grpc-port or VITRINE_GRPC_PORT; --port or VITRINE_PORT moves all"),
        (
            "v2_grpc_port",
            "--v2-grpc-port or VITRINE_V2_GRPC_PORT, 0 for none; --port or VITRINE_PORT moves all",
        ),
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


@pytest.mark.parametrize("host", ["::", "[::]", "::1", "[::1]"])
def test_ipv6(host):
    """With brackets and without; a port that is taken there is told."""
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(PortError, match=f"Port {taken} is taken by another program"):
            ports.check(host, taken, "VITRINE_PORT", "VITRINE_HOST")
    ports.check(host, free_port(), "VITRINE_PORT", "VITRINE_HOST")
    assert ports.bind_address(host, 80) == f"[{host.strip('[]')}]:80"


def test_names_are_resolved_for_gunicorn():
    """It would take each for one of IPv4."""
    assert ports.bind_address("localhost", 80) in ("127.0.0.1:80", "[::1]:80")


def test_a_name_that_nobody_answers_for():
    """The start does not wait for name servers as long as the system does."""
    done = threading.Event()

    def asks_for_long(*_: object) -> tuple[socket.AddressFamily, object]:
        done.wait(60)
        raise socket.gaierror

    with pytest.raises(PortError, match=r"'far' is no address .* \(VITRINE_HOST\)"):
        ports.check("far", 1, "VITRINE_PORT", "VITRINE_HOST", resolve=asks_for_long, within_s=0.01)
    done.set()
