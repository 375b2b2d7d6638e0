"""Requirements of an installed package: names, extras and version ranges.

A small part of https://packaging.python.org/specifications/dependency-specifiers, enough for our
own packages: names, extras, and comparisons of numbers.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import zip_longest
from operator import eq, ge, gt, le, lt, ne
from typing import Any

_REQUIREMENT = re.compile(r"\s*([\w.-]+)\s*(?:\[([\w., -]*)\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w.-]+)['\"]")
_BOUND = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)")
_Compare = Callable[[Any, Any], Any]
_OPERATORS: dict[str, _Compare] = {">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt}


@dataclass(frozen=True)
class Requirement:
    """A package that another one needs: always, or for `extra`; `bounds` are its versions."""

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


def requirements(package: str) -> Iterator[Requirement]:
    """Yields the requirements of an installed package, without its own extras. Raises
    `metadata.PackageNotFoundError`."""
    for text in metadata.requires(package) or ():
        found = _REQUIREMENT.fullmatch(text)
        if not found or found[1] == package:
            continue
        extra = _EXTRA.search(found[4] or "")
        yield Requirement(found[1], extra[1] if extra else "", found[3].strip())


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
