"""The command `vitrine` as a whole: help, versions, completion."""

import importlib.metadata
import signal
import subprocess
import sys

import click
import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

import vitrine_client
import vitrine_serving
import vitrine_training
from vitrine_client.cli import main
from vitrine_client.process import signals
from vitrine_client.process.exit_codes import CommandGroup
from vitrine_serving.cli import main as vitrine_serve
from vitrine_training.cli import main as vitrine_train


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_teaches(name):
    """Each subcommand shows itself in use, and fits a terminal."""
    for flag in ("-h", "--help"):
        done = CliRunner().invoke(main, [name, flag])
        assert done.exit_code == 0, done.output
        assert f"  vitrine {name}" in done.output
        assert max(map(len, done.output.splitlines())) <= 100


def test_overview():
    """It says how each ends, and its list of subcommands cuts no sentence short."""
    done = CliRunner().invoke(main, ["-h"])
    assert "130 Ctrl-C" in done.output
    assert "..." not in done.output.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("command", "name", "member"),
    [
        (main, "vitrine", vitrine_client),
        (vitrine_serve, "vitrine-serve", vitrine_serving),
        (vitrine_train, "vitrine-train", vitrine_training),
    ],
    ids=str,
)
def test_version(command, name, member):
    """Command and module say that of the package."""
    package = member.__name__.replace("_", "-")
    expected = importlib.metadata.version(package)
    assert member.__version__ == expected
    done = CliRunner().invoke(command, ["--version"], prog_name=name)
    assert done.output == f"{name} {expected}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("command", "name"),
    [(main, "vitrine"), (vitrine_serve, "vitrine-serve"), (vitrine_train, "vitrine-train")],
    ids=str,
)
def test_completion(shell, command, name):
    """The script is click's own for each of the three commands, named or by $SHELL, and asks for
    completion by the variable that click looks for."""
    made = get_completion_class(shell)
    assert made
    variable = f"_{name}_complete".replace("-", "_").upper()
    script = made(command, {}, name, variable).source()
    for words, path in (["completion", shell], "/bin/sh"), (["completion"], f"/usr/bin/{shell}"):
        done = CliRunner().invoke(command, words, env={"SHELL": path})
        assert (done.exit_code, done.stdout) == (0, f"{script}\n")
    asking = {"COMP_WORDS": f"{name} comp", "COMP_CWORD": "1", variable: "bash_complete"}
    done = CliRunner().invoke(command, env=asking, prog_name=name)
    assert done.output.split() == ["plain,completion"]


@pytest.mark.parametrize("path", ["", "/bin/sh", "/usr/bin/powershell"])
def test_completion_of_another_shell(path):
    """Exit code 2, and which there are."""
    done = CliRunner().invoke(main, ["completion"], env={"SHELL": path})
    assert (done.exit_code, done.stdout) == (2, "")
    assert "bash or zsh or fish" in done.stderr


def test_what_the_script_asks_for():
    """What it calls completes subcommands and options."""
    words = {"COMP_WORDS": "vitrine predict --mod", "COMP_CWORD": "2"}
    completing = words | {"_VITRINE_COMPLETE": "bash_complete"}
    done = CliRunner().invoke(main, env=completing, prog_name="vitrine")
    assert done.output.split() == ["plain,--model", "plain,--model-server"]


@pytest.mark.parametrize("number", signals.ENDING)
def test_a_signal_has_its_exit_code(number, capfd):
    """Whatever is interrupted ends with its code, where click would say 1; what it holds is let go,
    and the handler of before is back."""
    let_go = []

    @click.command()
    def interrupted() -> None:
        try:
            signal.raise_signal(number)
        finally:
            let_go.append(True)

    before = signal.getsignal(number)
    group = CommandGroup(commands={"it": interrupted})
    assert CliRunner().invoke(group, ["it"]).exit_code == 128 + number
    assert let_go == [True]
    assert signal.getsignal(number) is before


def test_a_light_start():
    """The help comes without what only extras have, or the other members."""
    code = "import sys, vitrine_client.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "vitrine_client" in loaded
    assert not loaded & {
        *("aiohttp", "grpc", "google", "hdrh", "httptools", "jinja2", "matplotlib"),
        *("tensorflow", "vitrine_serving", "vitrine_training"),
    }
