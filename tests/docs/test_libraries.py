"""Libraries: architecture.md says of each why we have it."""

import re
import tomllib

from tests.docs.pages import PAGES, ROOT

OURS = {"vitrine-client"}


def names(requirements: list[object]) -> set[str]:
    """Returns the packages' names, of ours and of groups none."""
    found = {re.split(r"[^\w-]", line)[0] for line in requirements if isinstance(line, str)}
    return found - OURS


def dependencies() -> set[str]:
    """Returns what the members and their extras install."""
    found: set[str] = set()
    for member in ("client", "serving", "training"):
        project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
        found |= names(project["dependencies"])
        for extra in project.get("optional-dependencies", {}).values():
            found |= names(extra)
    return found


def test_each_library_has_its_reason():
    """The table has each dependency of the members, and nothing that we do not install."""
    section = PAGES["docs/architecture.md"].split("## The libraries")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([a-z][^|]*) \|", section, re.MULTILINE)[1:]
    written = {name for row in rows for name in row.split(", ")}
    workshop = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    assert dependencies() <= written <= dependencies() | names(workshop)
