"""`vitrine-serve up` and `gateway` refuse what cannot work before they start anything."""

import socket

import pytest
from click.testing import CliRunner, Result

from harness.ports import free_port
from vitrine_client.process.addresses import Addresses
from vitrine_serving import options
from vitrine_serving.cli import main


@pytest.fixture
def models_dir(tmp_path):
    (tmp_path / "mlp" / "1").mkdir(parents=True)
    return tmp_path


def serve(*words: object, **environ: object) -> Result:
    named = {name: str(value) for name, value in environ.items()}
    done = CliRunner().invoke(main, [str(word) for word in words], env=named)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


NUMBERS = (
    "99999",
    "0",
    "-1",
    "65536",
    "70000",
    "1e4",
    "eighty",
    "4294967296",
    "8080.0",
    "80_80",
    "+80",
)


@pytest.mark.parametrize("option", ["port", "grpc-port", "rest-port"])
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_that_are_no_ports(models_dir, option, number):
    """Wrong usage, as an option and as a variable, of which either is named."""
    variable = "VITRINE_" + option.replace("-", "_").upper()
    for done in (
        serve("up", f"--models-dir={models_dir}", f"--{option}={number}"),
        serve("up", f"--models-dir={models_dir}", **{variable: number}),
    ):
        assert done.exit_code == 2
        assert f"'--{option}' (env var: '{variable}')" in done.stderr


@pytest.mark.parametrize("name", ["intra-op-threads", "inter-op-threads"])
@pytest.mark.parametrize("number", ["-1", "4097", "100000", "two", "1.5"])
def test_numbers_that_are_no_threads(models_dir, name, number):
    """Wrong usage: with a hundred thousand a model server is busy making them, and cannot be
    interrupted."""
    variable = "VITRINE_" + name.replace("-", "_").upper()
    done = serve("up", f"--models-dir={models_dir}", **{variable: number})
    assert done.exit_code == 2
    assert f"'--{name}' (env var: '{variable}')" in done.stderr


@pytest.mark.parametrize("command", ["up", "gateway"])
@pytest.mark.parametrize(
    ("variable", "value"), [("VITRINE_WORKERS", "zero"), ("VITRINE_LOG_FORMAT", "xml")]
)
def test_settings_are_checked_first(models_dir, command, variable, value):
    """By whoever starts the gateway, in words of ours."""
    ports = {"VITRINE_PORT": free_port(), "VITRINE_MODELS_DIR": models_dir}
    done = serve(command, **ports, **{variable: value})
    assert done.exit_code == 2
    assert f"Error: {variable}='{value}': expected" in done.stderr


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"VITRINE_MODELS": "mlp,nope"}, "VITRINE_MODELS names nope, which is not served; mlp"),
        ({"VITRINE_MODEL_SERVER_CA": __file__}, "VITRINE_MODEL_SERVER_CA"),
        ({"VITRINE_HOST": "192.0.2.1"}, "'192.0.2.1' is no address of this machine"),
        ({"VITRINE_PORT": "65300"}, "set VITRINE_GRPC_PORT, or take a port up to 65114"),
        ({"VITRINE_MODELS_DIR": __file__}, "is a file"),
        ({"VITRINE_MODELS_DIR": "/nowhere"}, "There is no model in /nowhere"),
    ],
    ids=str,
)
def test_variables_that_up_cannot_follow(models_dir, environ, said):
    """They are refused, where they were once passed over."""
    done = serve("up", **{"VITRINE_PORT": free_port(), "VITRINE_MODELS_DIR": models_dir} | environ)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_gateway_alone_names_its_variable_for_a_taken_port():
    """It has no options."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        done = serve("gateway", VITRINE_PORT=taken, VITRINE_MODEL_SERVER="127.0.0.1:1")
    assert done.exit_code == 2
    assert f"Port {taken} is taken" in done.stderr
    assert "(VITRINE_PORT)" in done.stderr
    assert "(VITRINE_HOST)" in serve("gateway", VITRINE_HOST="192.0.2.1").stderr


def test_a_model_server_elsewhere_is_not_asked(monkeypatch, capsys):
    """`up` has its own, and says so; its own address, which it has others export, is no other."""
    monkeypatch.delenv("VITRINE_V2_GRPC_PORT")
    monkeypatch.setenv("VITRINE_MODEL_SERVER", "127.0.0.1:8500")
    assert options.addresses() == Addresses()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("VITRINE_MODEL_SERVER", "there:8500")
    assert options.addresses() == Addresses()
    assert "VITRINE_MODEL_SERVER=there:8500 is not asked" in capsys.readouterr().err


def test_what_clients_need(tmp_path):
    """Nothing by default; else all that is not where they look."""
    models = options.MODELS_DIR
    assert options.exports(Addresses(), models) == ""
    moved = Addresses.chosen({"VITRINE_PORT": "9000"})
    assert options.exports(moved, models) == (
        "VITRINE_URL=http://127.0.0.1:9000 VITRINE_MODEL_SERVER=127.0.0.1:9420"
    )
    elsewhere = tmp_path / "my models"
    assert options.exports(Addresses(), elsewhere) == f"VITRINE_MODELS_DIR='{elsewhere}'"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_service_for_this_machine_alone(host):
    """There is no address for others."""
    assert options.url_elsewhere(Addresses(host)) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])  # noqa: S104
def test_where_other_machines_find_it(host):
    """At an address of this machine's, where it has one but loopback, and never at 0.0.0.0."""
    found = options.url_elsewhere(Addresses(host, port=9000))
    assert found == "" or (found.startswith("http://") and found.endswith(":9000"))
    assert "0.0.0.0" not in found  # noqa: S104
    assert "127.0.0.1" not in found
    assert options.url_elsewhere(Addresses("192.0.2.7", port=9000)) == "http://192.0.2.7:9000"


def test_unknown_variables_are_told():
    """Also by the server's commands."""
    done = serve("gateway", VITRINE_WORKER="4", VITRINE_WORKERS="zero")
    assert "did you mean VITRINE_WORKERS?" in done.stderr
