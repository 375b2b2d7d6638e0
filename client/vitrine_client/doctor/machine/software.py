"""Checks of software: versions of Vitrine and its libraries, extras, programs for tests."""

import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import zip_longest
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation

MEMBERS = ("vitrine-client", "vitrine-serving", "vitrine-training")
_SHOWN = (
    *("tensorflow", "keras", "numpy", "pillow", "requests", "grpcio", "protobuf"),
    *("flask", "gunicorn", "pydantic", "prometheus-client", "aiohttp"),
)
_MODULES = {"grpcio": "grpc", "pillow": "PIL", "protobuf": "google.protobuf"}
_USED_FOR = {
    ("vitrine-client", "async"): "AsyncClient",
    ("vitrine-client", "grpc"): "calls to a model server, promote and rollback",
    ("vitrine-client", "loadtest"): "`vitrine loadtest` and `vitrine tune`",
    ("vitrine-client", "otel"): "traces of calls",
    ("vitrine-serving", "model-server"): "`vitrine-serve up`",
    ("vitrine-serving", "otel"): "VITRINE_TRACES_URL",
    ("vitrine-serving", "uvloop"): "a gateway that takes less processor time",
}
_TEST_PROGRAMS = ("wrk", "chromium", "promtool", "uv", "curl")

_REQUIREMENT = re.compile(r"\s*([\w.-]+)\s*(?:\[([\w., -]*)\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w.-]+)['\"]")
_BOUND = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)")
_Compare = Callable[[Any, Any], Any]
_OPERATORS: dict[str, _Compare] = {">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt}


def check_members(_: Installation) -> Iterator[Finding]:
    """Looks whether the members of Vitrine are of one version."""
    found = {name: installed_version(name) for name in MEMBERS}
    there = {name: version for name, version in found.items() if version}
    seen = ", ".join(f"{name} {version}" for name, version in there.items())
    if "vitrine-client" not in there:
        yield problem(
            "Vitrine",
            "vitrine-client runs and is not installed",
            "`make setup`, or pip install ./client in this environment",
        )
    elif len(set(there.values())) > 1:
        yield problem(
            "Vitrine",
            f"{seen}: members of several versions do not fit together",
            "install all of them from one checkout: `make setup`",
        )
    else:
        yield ok("Vitrine", seen)


def check_libraries(_: Installation) -> Iterator[Finding]:
    """Checks that the members' libraries are there, in versions that they run with."""
    found = {name: version for name in _SHOWN if (version := installed_version(name))}
    yield ok("libraries", ", ".join(f"{name} {version}" for name, version in found.items()))
    for member in MEMBERS:
        if installed_version(member):
            yield from _needs(member)
    for name in found:
        module = _MODULES.get(name, name.replace("-", "_"))
        if not _is_there(module):
            yield problem(
                "libraries",
                f"{name} {found[name]} is installed, and its module {module} is not there",
                f"`python -m pip install --force-reinstall {name}=={found[name]}`",
            )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # of a package that is not there
        return False


def _needs(member: str) -> Iterator[Finding]:
    absent: dict[str, list[_Requirement]] = {}
    for needed in _requirements(member):
        version = installed_version(needed.name)
        if version is None:
            absent.setdefault(needed.extra, []).append(needed)
        elif not needed.allows(version):
            yield problem(
                "libraries",
                f"{needed.name} {version} is installed, and {member} needs {needed}",
                f"`python -m pip install '{needed}'`, or `make setup`",
            )
    for extra, missing in absent.items():
        names = ", ".join(each.name for each in missing)
        if extra:
            use = _USED_FOR.get((member, extra), "what it is for")
            yield note(
                f"extra {extra}",
                f"{names} not installed: needed for {use} alone",
                f"pip install '{member}[{extra}]', if you want that",
            )
        else:
            yield problem(
                "libraries",
                f"{names} not installed, without which {member} does not run",
                f"`python -m pip install {' '.join(repr(str(each)) for each in missing)}`",
            )


def check_programs(here: Installation) -> Iterator[Finding]:
    """Looks for programs that tests and benchmarks use, and nothing else does."""
    path = here.environment.get("PATH")
    there = [name for name in _TEST_PROGRAMS if shutil.which(name, path=path)]
    absent = [name for name in _TEST_PROGRAMS if name not in there]
    seen = f"{', '.join(there) or 'none'} there"
    if absent:
        seen += f"; {', '.join(absent)} not there, and not needed"
    yield ok("programs for tests", seen)


@dataclass(frozen=True)
class _Requirement:
    """Requirement of an installed package: always, or for `extra`; `bounds` are its versions.

    A small part of https://packaging.python.org/specifications/dependency-specifiers, enough for
    our own packages: names, extras, and comparisons of numbers.
    """

    name: str
    extra: str
    bounds: str

    def allows(self, version: str) -> bool:
        """Says whether a version is one of those that are needed."""
        return all(
            _holds(_OPERATORS[operator], _release(version), _release(bound))
            for operator, bound in _BOUND.findall(self.bounds)
        )

    def __str__(self) -> str:
        return f"{self.name}{self.bounds}"


def _requirements(package: str) -> Iterator[_Requirement]:
    """Yields the requirements of an installed package, without its own extras. Raises
    `metadata.PackageNotFoundError`."""
    for text in metadata.requires(package) or ():
        found = _REQUIREMENT.fullmatch(text)
        if not found or found[1] == package:
            continue
        extra = _EXTRA.search(found[4] or "")
        yield _Requirement(found[1], extra[1] if extra else "", found[3].strip())


def installed_version(package: str) -> str | None:
    """Returns the version of a package, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _holds(compare: _Compare, left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    """Compares versions; 3.1 and 3.1.0 are the same."""
    pairs = list(zip_longest(left, right, fillvalue=0))
    return bool(compare([one for one, _ in pairs], [other for _, other in pairs]))
