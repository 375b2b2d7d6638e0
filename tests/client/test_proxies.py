"""Proxies of the environment: none catches a call to this machine, and errors name the variable."""

import pytest

from harness.ports import free_port
from tests.client.fake_gateway import KINDS, FakeGateway, Kind, Reply, predicting
from vitrine_client import errors
from vitrine_client.doctor.service import probe
from vitrine_client.process import proxies

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
NOBODY = "http://me:secret@127.0.0.1:9"


@pytest.fixture(params=["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def variable(request, monkeypatch) -> str:
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(request.param, NOBODY)
    return str(request.param)


@both
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.usefixtures("variable")
def test_calls_to_this_machine(kind: Kind, host):
    """They go straight, also those of the doctor."""
    with FakeGateway(lambda asked: predicting(asked) if asked.body else Reply()) as gateway:
        url = gateway.url.replace("127.0.0.1", host)
        assert kind.ask(url, "predict", b"Bag", "mlp").label == "Bag"
        assert probe.get(f"{url}/v1/models/mlp", 10).status == 200


@both
def test_errors_elsewhere_name_the_variable(kind: Kind, variable):
    """And the way past the proxy, without its password."""
    with pytest.raises(errors.Unavailable) as raised:
        kind.ask("http://gateway.invalid", "models", client={"retries": 0})
    said = str(raised.value)
    assert f"; {variable} sends the call through the proxy http://127.0.0.1:9" in said
    assert "NO_PROXY=gateway.invalid" in said
    assert "secret" not in said


@both
@pytest.mark.usefixtures("variable")
def test_a_gateway_that_is_not_here_is_no_proxys_fault(kind: Kind):
    """Nobody answers at a port of this machine; no proxy is blamed."""
    with pytest.raises(errors.Unavailable) as raised:
        kind.ask(f"http://127.0.0.1:{free_port()}", "models", client={"retries": 0})
    assert "prox" not in str(raised.value).lower()


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "a.localhost", "127.9.9.9", "::1", "[::1]"),
        *("0.0.0.0", "::", "::ffff:127.0.0.1"),  # noqa: S104
    ],
)
def test_loopback(host):
    """By name or address."""
    assert proxies.is_loopback(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "localhost.example", "::2", "127.example"])
def test_no_loopback(host):
    """Names that look like one lead elsewhere."""
    assert not proxies.is_loopback(host)


def test_variable_by_the_rule_of_requests():
    """The scheme's own comes first, small letters do, and exceptions count."""
    environ = {"ALL_PROXY": "http://a:1", "HTTP_PROXY": "http://b:1", "http_proxy": "http://c:1"}
    assert proxies.variable_for("http://there", environ) == "http_proxy"
    assert proxies.variable_for("https://there", environ) == "ALL_PROXY"
    assert proxies.variable_for("http://[::1]:8080", environ) == ""
    assert proxies.variable_for("http://[::1", environ) == ""
    assert proxies.variable_for("http://there", environ | {"NO_PROXY": "there"}) == ""
