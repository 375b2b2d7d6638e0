"""The Makefile: each target and each variable is in the pages, and they name no other."""

import os
import re
import subprocess
from pathlib import Path

from tests.docs.pages import PAGES, ROOT, command_lines, spans
from tests.docs.shell import words
from vitrine_client.process.addresses import Addresses

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$\((?:if \$\()?([A-Z_]+)\)", MAKEFILE))
FOR_USERS = set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE)) | {"ONCE", "MONITORING"}


def written() -> list[list[str]]:
    """Returns the arguments of each `make` in the pages."""
    lines = [line for text in PAGES.values() for line in [*command_lines(text), *spans(text)]]
    calls = (call for line in lines if "make" in line for call in words(line))
    return [arguments for name, *arguments in calls if name == "make"]


def test_make_prints_every_target():
    """`make` alone lists them all."""
    printed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make (\S+)", printed, re.MULTILINE)) == TARGETS


def test_targets_are_documented():
    """Each target is in some page, and no page has one that is not there."""
    named = {word for call in written() for word in call if "=" not in word}
    assert named == TARGETS


def test_variables_are_documented():
    """So with what can be set: `make train RECIPES=mlp`."""
    named = {word.partition("=")[0] for call in written() for word in call if "=" in word}
    assert named <= VARIABLES
    assert {name for name in FOR_USERS if not any(name in text for text in PAGES.values())} == set()


def test_containers_have_the_ports_that_clients_look_for(tmp_path: Path):
    """Compose cannot add, so `make up` tells it the ports that follow from the gateway's."""
    compose = tmp_path / "compose"
    compose.write_text('#!/bin/sh\n[ "$1" != up ] || env\n')
    compose.chmod(0o755)
    for environ in (
        {},
        {"VITRINE_PORT": "9000"},
        {"VITRINE_PORT": "9000", "VITRINE_GRPC_PORT": "7"},
    ):
        printed = subprocess.run(
            ["make", "--silent", "up", f"COMPOSE={compose}"],
            cwd=ROOT,
            env=os.environ | {"VITRINE_V2_GRPC_PORT": ""} | environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        told = dict(
            line.split("=", 1) for line in printed.splitlines() if line.startswith("VITRINE")
        )
        assert Addresses.chosen(told) == Addresses.chosen(environ)
        assert {"VITRINE_GRPC_PORT", "VITRINE_REST_PORT"} <= set(told)
