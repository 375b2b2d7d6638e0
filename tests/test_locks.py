"""The locks in requirements/."""

import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

from harness.paths import ROOT

LOCKS = ROOT / "requirements"
MEMBERS = {f"vitrine-{member}": member for member in ("client", "serving", "training")}
OVERRIDDEN = {"newest.txt": {"tensorflow", "tensorflow-serving-api"}}
"""What a lock has of another version than the members ask for."""


def locked_members() -> Iterator[tuple[str, str]]:
    """Yields each lock of lock.sh, and the members that it is for, as requirements."""
    script = re.sub(r"\\\n", "", (LOCKS / "lock.sh").read_text())
    for lock, words in re.findall(r"^lock (\S+\.txt) (.*)$", script, re.MULTILINE):
        for member, extras in re.findall(r"(\w+)/pyproject\.toml((?: +--extra \S+)*)", words):
            names = ",".join(re.findall(r"--extra (\S+)", extras))
            yield lock, f"vitrine-{member}[{names}]"


def dependencies(wanted: Requirement) -> Iterator[Requirement]:
    """Yields what a requirement needs beside our members, which need some of it themselves."""
    if wanted.name not in MEMBERS:
        yield wanted
        return
    path = ROOT / MEMBERS[wanted.name] / "pyproject.toml"
    project = tomllib.loads(path.read_text())["project"]
    extras = project.get("optional-dependencies", {})
    for lines in (project["dependencies"], *(extras[name] for name in wanted.extras)):
        for line in lines:
            yield from dependencies(Requirement(line))


def versions(lock: str) -> dict[str, set[str]]:
    """Returns the versions that a lock pins, by name: one may have some, for several Pythons."""
    pinned: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", (LOCKS / lock).read_text(), re.MULTILINE):
        pinned.setdefault(name, set()).add(version)
    return pinned


def test_no_index_host_in_the_locks():
    """Locks work with whichever index pip is configured for."""
    for lock in LOCKS.glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text), lock


OTHERS = {
    *("build.txt", "clients.txt", "cluster.txt", "perf-analyzer.txt", "samples.txt", "triton.txt")
}


def test_every_lock_is_of_the_script():
    """So that the next test has each of them; those of `OTHERS` are for no member."""
    of_members = {lock for lock, _ in locked_members()}
    assert of_members | OTHERS == {path.name for path in LOCKS.glob("*.txt")}


@pytest.mark.parametrize(("lock", "member"), list(locked_members()))
def test_a_lock_has_what_its_members_need(lock: str, member: str):
    """Members are installed without their dependencies: what the lock lacks is not there."""
    pinned = versions(lock)
    for wanted in dependencies(Requirement(member)):
        assert wanted.name in pinned, f"{lock} has no {wanted.name}: run `make lock`"
        if wanted.name not in OVERRIDDEN.get(lock, ()):
            assert all(map(wanted.specifier.contains, pinned[wanted.name])), f"{lock}: {wanted}"
