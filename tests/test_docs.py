"""The docs say what the code does: settings, flags, targets, commands and addresses."""

import re
import subprocess

import click
import pytest

from tests.conftest import ROOT
from vitrine_client.cli import main as vitrine
from vitrine_serving.cli import main as vitrine_serve
from vitrine_serving.gateway import openapi
from vitrine_serving.gateway.settings import PREFIX, Settings
from vitrine_serving.model_server.__main__ import main as vitrine_model_server
from vitrine_training.cli import main as vitrine_train
from vitrine_training.recipes import RECIPES

DOCS = {path.name: path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
COMMANDS = {
    "vitrine": vitrine,
    "vitrine-serve": vitrine_serve,
    "vitrine-train": vitrine_train,
}
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def options(command: click.Command) -> list[click.Option]:
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = [option for option in command.params if isinstance(option, click.Option)]
    return own + [option for child in below for option in options(child)]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_settings_are_documented(name):
    """Each setting of the gateway is in operations.md with its default and its meaning."""
    field = Settings.model_fields[name]
    default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
    default = "" if default is None else default
    row = f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |"
    assert row in DOCS["operations.md"]


def test_no_variable_is_made_up():
    """Each variable in the docs is read by something."""
    read = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for command in COMMANDS.values():
        read |= {str(option.envvar) for option in options(command) if option.envvar}
    read |= set(
        re.findall(r'"(VITRINE_\w+)"', (ROOT / "training/vitrine_training/data.py").read_text())
    )
    written = {v for text in DOCS.values() for v in re.findall(r"VITRINE_[A-Z_]+", text)}
    assert written == read


def test_model_server_flags_are_documented():
    """model-server.md has each flag of the model server, and no other."""
    flags = {option.opts[0] for option in options(vitrine_model_server)}
    section = DOCS["model-server.md"].split("## Flags")[1].split("\n## ")[0]
    assert set(re.findall(r"`(--\w+)`", section)) == flags


def test_make_targets():
    """`make` prints every target, and the docs name none that is not there."""
    printed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make (\S+)", printed, re.MULTILINE)) == TARGETS
    for text in DOCS.values():
        for line in re.findall(r"`?make ([a-z -]+)", " ".join(re.findall(r"`[^`]*`", text))):
            words = [word for word in line.split() if not word.startswith("-")]
            assert set(words) <= TARGETS, line
    assert {
        *("setup", "demo", "train", "evaluate", "serve", "predict", "loadtest", "test", "lint"),
        *("format", "typecheck", "build", "up", "down", "logs", "clean"),
    } <= TARGETS


def test_commands_in_the_docs_exist():
    """Each `vitrine… subcommand --option` in the docs is one."""
    for text in DOCS.values():
        for name, words in re.findall(
            r"(?m)[`$] ?(vitrine(?:-serve|-train)?)(?![\w-])((?: [^`\n]+)?)", text
        ):
            command = COMMANDS[name]
            subcommand, *rest = words.split() or [""]
            if subcommand:
                assert subcommand in command.commands, f"{name} {subcommand}"
                known = {"--help"} | {o for option in options(command) for o in option.opts}
                assert {w.split("=")[0] for w in rest if w.startswith("--")} <= known, words


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_documented(name):
    """Each recipe is in training.md with the command that runs it."""
    assert f"`vitrine-train train {name}`" in DOCS["training.md"]


def test_benchmarks_are_documented():
    """Each benchmark has a target, and the docs name it."""
    for target in (name for name in TARGETS if name.startswith("bench")):
        assert any(f"make {target}" in text for text in DOCS.values()), target


def test_help_names_every_subcommand():
    """The overview of each command shows its subcommands."""
    for name, command in COMMANDS.items():
        assert command.help
        for subcommand, child in command.commands.items():
            assert f"{name} {subcommand}" in command.help or subcommand == "versions"
            assert child.help
            assert all(option.help for option in options(child))


def test_addresses_are_documented():
    """api.md has every path of the OpenAPI document, up to what a path below a model repeats."""
    for path in openapi.document(())["paths"]:
        _, colon, verb = path.partition(":")
        parts = [path, path.removeprefix("/v1/models/{model}"), f"…{colon}{verb}"]
        assert any(f"{part}`" in DOCS["api.md"] for part in parts if part), path


def test_every_page_is_reachable_and_links_lead_somewhere():
    """Relative links point at files that exist, and the README leads to every page."""
    for name, text in DOCS.items():
        folder = ROOT if name == "README.md" else ROOT / "docs"
        for link in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (folder / link).exists(), f"{name}: {link}"
    for name in DOCS:
        assert name == "README.md" or f"docs/{name}" in DOCS["README.md"]


def test_no_index_host_in_the_locks():
    """Locks work with whichever index pip is configured for."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text), lock
