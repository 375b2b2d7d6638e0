"""Addresses: one variable moves a service, and clients find it by the same rule."""

import pytest
from click.testing import CliRunner

from tests.client.fake_gateway import FakeGateway
from vitrine_client import Client
from vitrine_client.aio import AsyncClient
from vitrine_client.cli import main
from vitrine_client.errors import InvalidRequest
from vitrine_client.http import unanswered_calls
from vitrine_client.model_server import ModelServerClient
from vitrine_client.process import addresses
from vitrine_client.process.addresses import Addresses

DEFAULT = ("http://127.0.0.1:8080", "127.0.0.1:8500", 8501)


def of(environ: dict[str, str], **given: object) -> tuple[str, str, int]:
    """Where a service is, after checking that its clients look there."""
    chosen = Addresses.chosen(environ, **given)
    if not given:
        assert addresses.gateway_url(environ) == chosen.url
        assert addresses.model_servers(environ) == (chosen.model_server,)
    return chosen.url, chosen.model_server, chosen.rest_port


def test_without_variables():
    """The defaults follow from the gateway's, too, and an empty variable is none."""
    assert of({}) == of({"VITRINE_PORT": "", "VITRINE_GRPC_PORT": ""}) == DEFAULT
    assert Addresses.chosen({}).are_default


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"VITRINE_PORT": "9000"}, ("http://127.0.0.1:9000", "127.0.0.1:9420", 9421)),
        (
            {"VITRINE_PORT": "9000", "VITRINE_GRPC_PORT": "7000"},
            ("http://127.0.0.1:9000", "127.0.0.1:7000", 9421),
        ),
        ({"VITRINE_REST_PORT": "7001"}, ("http://127.0.0.1:8080", "127.0.0.1:8500", 7001)),
        ({"VITRINE_HOST": "0.0.0.0"}, DEFAULT),  # noqa: S104 - it is not listened on
        ({"VITRINE_HOST": "10.1.2.3"}, ("http://10.1.2.3:8080", *DEFAULT[1:])),
        ({"VITRINE_HOST": "::1"}, ("http://[::1]:8080", *DEFAULT[1:])),
        ({"VITRINE_HOST": "[::1]"}, ("http://[::1]:8080", *DEFAULT[1:])),
        ({"VITRINE_HOST": "[::]"}, DEFAULT),
        ({"VITRINE_HOST": "::"}, DEFAULT),
        ({"VITRINE_PORT": "tcp://10.0.0.1:8080"}, DEFAULT),  # Kubernetes' service links
        ({"VITRINE_GRPC_PORT": "tcp://[fd00::1]:80"}, DEFAULT),
        ({"VITRINE_REST_PORT": "udp://10.0.0.1:53"}, DEFAULT),
        ({"VITRINE_TLS_CERT": "c.pem"}, ("https://127.0.0.1:8080", *DEFAULT[1:])),
        ({"VITRINE_PORT": "65114"}, ("http://127.0.0.1:65114", "127.0.0.1:65534", 65535)),
    ],
    ids=str,
)
def test_server_and_client_agree(environ, expected):
    """Whatever the environment says of the service, the client has it from there."""
    assert of(environ) == expected
    assert Addresses.chosen(environ).are_default == (expected[:2] == DEFAULT[:2])


@pytest.mark.parametrize(
    ("given", "write"),
    [
        ("example.org", "https://example.org"),
        ("http://example.org/app?a=1", "http://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://me:secret@example.org:8080", "http://example.org:8080"),
        ("https://*.example.org", "https://www.example.org"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://", "https://example.org"),
        ("https://a:b", "https://example.org"),
    ],
)
def test_origins_that_no_browser_sends(given, write):
    """They would never match; each is told what to write, and never a password."""
    with pytest.raises(InvalidRequest, match=f" {write}$") as caught:
        addresses.checked_origin(given)
    assert "secret" not in str(caught.value)
    assert addresses.checked_origin(write) == write


@pytest.mark.parametrize(
    "given", ["http://there:8500", "https://there:8500/v1", "grpc://there:8500"]
)
def test_urls_that_were_meant_as_a_model_server(given):
    """They are told what to write."""
    with pytest.raises(InvalidRequest, match=r"write HOST:PORT, such as there:8500$"):
        addresses.checked_model_servers(f"127.0.0.1:8500,{given}")


def test_origins_that_browsers_send():
    """In lower case and without a slash at the end, which is easily written."""
    for origin in ("*", "null", "http://127.0.0.1:8000", "http://[::1]:5173", "tauri://localhost"):
        assert addresses.checked_origin(origin) == origin
    assert addresses.checked_origin("https://Example.org/") == "https://example.org"


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({}, 8081),
        ({"VITRINE_PORT": "9000"}, 9001),
        ({"VITRINE_PORT": "9000", "VITRINE_V2_GRPC_PORT": "7000"}, 7000),
        ({"VITRINE_V2_GRPC_PORT": "0"}, 0),
        ({"VITRINE_V2_GRPC_PORT": "tcp://10.0.0.1:53"}, 8081),
    ],
    ids=str,
)
def test_the_port_of_the_gateways_own_grpc(environ, port):
    """It follows the gateway's, or is named; 0 is none, of which there may be several."""
    assert Addresses.chosen(environ).v2_grpc_port == port
    assert Addresses.chosen(environ, v2_grpc_port=0).v2_grpc_port == 0


def test_options_come_before_variables():
    """An option moves what follows from it, but not what a variable names."""
    environ = {"VITRINE_PORT": "9000", "VITRINE_REST_PORT": "7001"}
    assert of(environ, port=6000) == ("http://127.0.0.1:6000", "127.0.0.1:6420", 7001)
    assert of(environ, grpc_port=6001, rest_port=6002)[1:] == ("127.0.0.1:6001", 6002)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"VITRINE_PORT": "65115"}, "set VITRINE_REST_PORT, or take a port up to 65114"),
        ({"VITRINE_PORT": "65300"}, "set VITRINE_GRPC_PORT, or take a port up to 65114"),
        ({"VITRINE_PORT": "65536"}, "VITRINE_PORT='65536' is no port"),
        ({"VITRINE_PORT": "0"}, "VITRINE_PORT='0' is no port"),
        ({"VITRINE_PORT": "-1"}, "1 to 65535"),
        ({"VITRINE_PORT": "８０８０"}, "is no port"),
        ({"VITRINE_GRPC_PORT": "high"}, "VITRINE_GRPC_PORT='high' is no port"),
        ({"VITRINE_REST_PORT": "8500"}, "8080, 8500 and 8500"),
        ({"VITRINE_GRPC_PORT": "8080"}, "need a port each"),
        ({"VITRINE_V2_GRPC_PORT": "8500"}, "gRPC would be on port 8500, which the service has"),
        ({"VITRINE_GRPC_PORT": "8081"}, "another with VITRINE_V2_GRPC_PORT, or 0 for none"),
        ({"VITRINE_V2_GRPC_PORT": "-1"}, "VITRINE_V2_GRPC_PORT='-1' is no port"),
    ],
    ids=str,
)
def test_ports_that_are_none(environ, said):
    """One sentence that says what to set."""
    with pytest.raises(InvalidRequest, match=said):
        Addresses.chosen(environ)


def test_clients_are_told_by_their_own_variables_first():
    """Which need not be of this machine."""
    environ = {
        "VITRINE_PORT": "9000",
        "VITRINE_URL": "https://there/base",
        "VITRINE_MODEL_SERVER": "a:1, b:2",
    }
    assert addresses.gateway_url(environ) == "https://there/base"
    assert addresses.model_servers(environ) == ("a:1", "b:2")
    near = {"VITRINE_PORT": "65300"}  # no port for gRPC is no reason not to ask the gateway
    assert addresses.gateway_url(near) == "http://127.0.0.1:65300"


def test_clients_in_python(monkeypatch):
    """Without an address they ask where the commands ask."""
    monkeypatch.setenv("VITRINE_PORT", "9000")
    assert Client().base_url == AsyncClient().base_url == "http://127.0.0.1:9000"
    assert ModelServerClient().address == "127.0.0.1:9420"
    monkeypatch.setenv("VITRINE_URL", "http://there:1/")
    monkeypatch.setenv("VITRINE_MODEL_SERVER", "a:1,b:2")
    assert Client().base_url == AsyncClient().base_url == "http://there:1"
    assert ModelServerClient().address == "a:1"
    assert Client("http://here:2").base_url == "http://here:2"
    monkeypatch.setenv("VITRINE_MODEL_SERVER", "foo")
    with pytest.raises(InvalidRequest, match="write HOST:PORT"):
        ModelServerClient()


@pytest.mark.parametrize("address", ["host:1", "10.0.0.1:65535", "[::1]:8500", "dns:///host:8500"])
def test_addresses_of_model_servers(address):
    """A host and a port, or what gRPC has other names for."""
    assert addresses.checked_model_server(address) == address


@pytest.mark.parametrize(
    "address", ["foo", "host:", ":8500", "host:0", "host:65536", "http://host:8501", "a b:1", ""]
)
def test_addresses_of_no_model_server(address):
    """They say what is wanted, whoever takes them."""
    with pytest.raises(InvalidRequest, match="write HOST:PORT, such as"):
        addresses.checked_model_server(address)


@pytest.mark.parametrize("url", ["http://host:99999", "http://host:0", "http://[::1", "host:80"])
def test_urls_that_are_none(url):
    """Ports that are none among them: requests would fail on those with a traceback."""
    with pytest.raises(InvalidRequest, match="write http://HOST:PORT"):
        Client(url)


def test_commands_find_the_gateway():
    """By its port alone."""
    with FakeGateway() as gateway:
        port = gateway.url.rpartition(":")[2]
        CliRunner().invoke(main, ["models"], env={"VITRINE_PORT": port})
        assert gateway.asked[0].path == "/v1/models"


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (["models"], {"VITRINE_URL": "foo"}, "(env var: 'VITRINE_URL'): 'foo' is not an address"),
        (["models"], {"VITRINE_PORT": "no"}, "Error: VITRINE_PORT='no' is no port"),
        (["promote", "mlp", "1"], {"VITRINE_MODEL_SERVER": "foo"}, "write HOST:PORT"),
        (["rollback", "mlp"], {"VITRINE_PORT": "65300"}, "set VITRINE_GRPC_PORT"),
        (["predict", "x.png", "--model-server", "http://a:1"], {}, "write HOST:PORT"),
        (["loadtest", "closed", "x.png", "--model-server", "foo"], {}, "write HOST:PORT"),
        (
            ["loadtest", "closed", "x.png", "--model-server", "http://"],
            {},
            "write http://HOST:PORT",
        ),
        (["predict", "x.png", "--model-server=a:1", "--url=http://b"], {}, "leave out --url"),
        (["predict", "x.png", "--model-server=a:1", "--key=k"], {}, "leave out --key"),
        (["loadtest", "closed", "samples", "--models-dir=m"], {}, "No such option '--models-dir'"),
        (["models"], {"VITRINE_PORT": "1"}, "name another (--url or VITRINE_URL)"),
    ],
)
def test_commands_say_what_is_wrong(words, environ, said):
    """Before anything is asked, by the option's or the variable's name."""
    done = CliRunner().invoke(main, words, env=environ)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    "url", ["http://a:1?x=1", "http://a:1#f", "http://a b:80", "http://..:80", "http://a:1\n/x"]
)
def test_what_no_gateway_can_have(url):
    """A query, a fragment and blanks are refused, and not taken for a gateway that is down."""
    with pytest.raises(InvalidRequest, match="is not an address"):
        addresses.checked_url(url)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:a@host:80/models/x@2", "http://host:80/models/x@2"),
        ("http://host:80/models/x@2", "http://host:80/models/x@2"),
        ("http://[::1]:80/x@2", "http://[::1]:80/x@2"),
        ("http://user:p@ss@host", "http://host"),
        *((f"http://user:sec{sign}ret@host:80", "http://host:80") for sign in "/?#"),
        ("user:secret@proxy:3128", "proxy:3128"),
    ],
)
def test_an_address_is_shown_without_user_and_password(address, shown):
    """What is behind an @ in a path stays, and a password with a slash does not."""
    assert addresses.without_password(address) == shown


@pytest.mark.parametrize("sign", "/?#")
def test_passwords_that_an_address_cannot_have_are_explained(sign):
    """Each of these ends the part of an address that has the password."""
    with pytest.raises(InvalidRequest, match=r"in a password, / is %2F, . is %3F and # is %23"):
        addresses.checked_url(f"http://user:sec{sign}ret@host")


def test_passwords_are_shown_to_nobody():
    """An error names the address without user and password."""
    with pytest.raises(InvalidRequest) as caught:
        addresses.checked_url("ftp://user:secret@host")
    assert "secret" not in str(caught.value)
    assert "secret" not in str(unanswered_calls.lost("http://user:secret@host:1", OSError()))
    assert addresses.checked_url(" http://host:1/ ") == "http://host:1"
