"""Variables that nothing reads are told of, with the one that may be meant."""

from click.testing import CliRunner

from tests.client.fake_gateway import FakeGateway
from vitrine_client.cli import main
from vitrine_client.process import variables


def test_mistyped_names():
    """The nearest is named, if there is one; those of others are theirs."""
    environ = {"VITRINE_PROT": "1", "VITRINE_XYZZY": "", "VITRINE_WORKERS": "2", "HOME": "/"}
    assert variables.unknown(environ) == {"VITRINE_PROT": "VITRINE_PORT", "VITRINE_XYZZY": ""}
    assert variables.without_unknown(environ) == {"VITRINE_WORKERS": "2", "HOME": "/"}


def test_what_kubernetes_sets_is_no_mistake():
    """A service whose name begins like ours puts variables of its own into every container."""
    assert not variables.unknown(
        {
            "VITRINE_GATEWAY_SERVICE_HOST": "10.0.0.1",
            "VITRINE_GATEWAY_SERVICE_PORT_HTTP": "80",
            "VITRINE_GATEWAY_PORT": "tcp://10.0.0.1:80",
            "VITRINE_GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
            "VITRINE_SERVICE_HOST": "10.0.0.1",
            "VITRINE_SERVICE_PORT": "8080",
            "VITRINE_PORT_8080_TCP": "tcp://10.0.0.1:8080",
            "VITRINE_PORT_8080_TCP_PROTO": "tcp",
            "VITRINE_PORT_9_SCTP_PORT": "9",
        }
    )


def test_commands_warn_once():
    """On standard error, and go on."""
    environ = {"VITRINE_PROT": "9", "VITRINE_WORKERS": "2"}
    with FakeGateway() as gateway:
        done = CliRunner().invoke(main, ["predict", "-", "--url", gateway.url], "x", env=environ)
    assert done.stderr.count("VITRINE_PROT") == 1
    assert "did you mean VITRINE_PORT?" in done.stderr
    assert "VITRINE_WORKERS" not in done.stderr
