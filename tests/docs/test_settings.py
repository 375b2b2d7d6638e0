"""Settings: each is used, and each variable in the pages is one."""

import re
from dataclasses import fields
from typing import get_args

import click
import pytest
from click.testing import CliRunner

from tests.docs.generated import COMMANDS
from tests.docs.pages import PAGES, ROOT
from vitrine_client.process import variables
from vitrine_serving.gateway.settings import FIELDS, PREFIX
from vitrine_serving.model_server.__main__ import main as vitrine_model_server
from vitrine_serving.model_server.flags import NOTHING, Flags
from vitrine_serving.model_server.startup.command_line import REFUSED

SERVING = ROOT / "serving/vitrine_serving"
GATEWAY = "\n".join(path.read_text() for path in SERVING.rglob("*.py"))
MODEL_SERVER = "\n".join(path.read_text() for path in (SERVING / "model_server").rglob("*.py"))
COMPOSE = "\n".join(path.read_text() for path in ROOT.glob("docker-compose*.yml"))


def options(command: click.Command) -> list[click.Option]:
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = [option for option in command.params if isinstance(option, click.Option)]
    return own + [option for child in below for option in options(child)]


@pytest.mark.parametrize("name", FIELDS)
def test_settings_are_read(name):
    """A setting that no code asks for would be a promise that nobody keeps."""
    assert re.search(rf"\w\.{name}\b", GATEWAY)


def all_read() -> set[str]:
    read = {f"{PREFIX}{name.upper()}" for name in FIELDS}
    for command in COMMANDS.values():
        read |= {str(option.envvar) for option in options(command) if option.envvar}
    data = (ROOT / "training/vitrine_training/data/fashion_mnist.py").read_text()
    return read | set(re.findall(r'"(VITRINE_\w+)"', data))


def test_the_commands_know_all_variables():
    """Any other with that prefix is told of, so none of ours may be missing, and none too many."""
    assert all_read() == variables.KNOWN


def test_no_variable_is_made_up():
    """Each variable in the pages is read by something, and each that is read is in them."""
    ours = "\n".join(text for page, text in PAGES.items() if not page.startswith("tests/"))
    assert set(re.findall(r"VITRINE_[A-Z0-9_]+\b", ours)) == all_read()


def test_compose_variables_are_documented():
    """What the Compose files take from the environment is in containers.md."""
    for name in set(re.findall(r"\$\{(\w+)", COMPOSE)):
        assert re.search(rf"`{name}\b", PAGES["docs/containers.md"]), name


def test_numbers_are_finite():
    """Options that take numbers refuse nan and inf, of every command."""
    commands = [*COMMANDS.values(), vitrine_model_server]
    found = [each for command in commands for each in options(command)]
    numbers = [each for each in found if isinstance(each.type, click.types.FloatParamType)]
    assert {"timeout_s", "learning_rate", "file_system_poll_wait_seconds"} <= {
        each.name for each in numbers
    }
    for option in numbers:
        for text in ("nan", "inf", "-inf", "1e400"):
            with pytest.raises(click.BadParameter):
                option.type.convert(text, option, None)


@pytest.mark.parametrize(
    "flag", ["--port=99999", "--rest_api_port=-1", "--grpc_max_threads=0", "--num_load_threads=-1"]
)
def test_model_server_flags_that_make_no_sense(flag):
    """A port beyond the last one was taken for another, without a word."""
    done = CliRunner().invoke(vitrine_model_server, [flag, "--model_base_path=/nowhere"])
    assert done.exit_code == REFUSED
    assert f"Invalid value for '{flag.partition('=')[0]}'" in done.stderr


def test_model_server_flags():
    """model-server.md has each flag with its default, and the model server reads each."""
    section = PAGES["docs/model-server.md"].split("## Flags")[1].split("\n## ")[0]
    written = dict(re.findall(r"^\| `--(\w+)` \| (.*?) \|", section, re.MULTILINE))
    flags = {str(option.name): option.default for option in options(vitrine_model_server)}
    assert set(written) == set(flags)
    idle = {flag.name for flag in fields(Flags) if NOTHING in get_args(flag.type)[1]}
    for name, default in flags.items():
        assert re.search(rf"flags\.{name}\b", MODEL_SERVER) or name in idle, name
        if not written[name].endswith("a core"):  # depends on the machine
            shown = "" if default in (None, "") else str(default)
            assert written[name] == (shown.lower() if isinstance(default, bool) else shown), name
