"""The Makefile: each target and each variable is in the pages, and they name no other."""

import re
import subprocess

from tests.docs.pages import PAGES, ROOT, command_lines, spans
from tests.docs.shell import words

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
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
