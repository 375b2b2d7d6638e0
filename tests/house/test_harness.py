"""Harness: what tests and benchmarks share; the two meet there, and only there."""

import ast
from pathlib import PurePosixPath

import pytest

from tests.house import tree

FORBIDDEN = {
    "harness": {"tests", "benchmarks", "pytest"},
    "benchmarks": {"tests", "pytest"},
    "tests": {"benchmarks"},
}
"""Top-level packages that a folder's files do not import."""

TESTS_OF_BENCHMARKS = PurePosixPath("tests/benchmarks")


def imported(source: str) -> set[str]:
    """Returns the top-level packages that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_tests_and_benchmarks_meet_in_the_harness(folder):
    files = [file for file in tree.tracked(folder) if file.suffix == ".py"]
    assert files
    breaches = {
        str(file): found
        for file in files
        if (found := imported((tree.ROOT / file).read_text()) & FORBIDDEN[folder])
        and file.parent != TESTS_OF_BENCHMARKS
    }
    assert breaches == {}


def test_imports_are_found_wherever_they_are():
    source = "import os.path\n\ndef f():\n    from tests.turns import turn\n    from . import g\n"
    assert imported(source) == {"os", "tests"}
