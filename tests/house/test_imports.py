"""Imports: few floors, no circles, and contracts that tell when they are broken."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house import floors, tree

FLOORS = 8
CONTRACTS = tomllib.loads((tree.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
BREACHES = {
    "client": ("vitrine_client/errors.py", "import vitrine_serving.errors"),
    "members": ("vitrine_training/run.py", "import vitrine_serving.errors"),
    "gateway": ("vitrine_serving/gateway/settings.py", "import vitrine_serving.model_server"),
    "model-server": ("vitrine_serving/model_server/flags.py", "import vitrine_serving.gateway"),
    "adapters": ("vitrine_serving/gateway/settings.py", "import vitrine_serving.gateway.api"),
    "gateway-rooms": (
        "vitrine_serving/gateway/settings_part.py",
        "import vitrine_serving.gateway.api",
    ),
    "rooms": ("vitrine_client/errors.py", "import vitrine_client.http"),
}
"""An import that breaks each contract, and the file to put it into."""


def test_the_gateway_has_at_most_eight_floors():
    assert len(floors.floors(floors.rooms(floors.GATEWAY))) <= FLOORS


@pytest.mark.parametrize("package", [floors.MEMBERS, *tree.packages()])
def test_no_circles(package):
    assert floors.circles(floors.rooms(package)) == []


def test_floors_and_circles_of_a_graph():
    graph = {"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}
    assert floors.floors(graph) == [["d"], ["b", "c"], ["a"]]
    assert floors.circles(graph) == []
    graph["d"] = {"b"}
    assert floors.floors(graph) == [["b", "d"], ["c"], ["a"]]
    assert floors.circles(graph) == [{"b", "d"}]


def test_each_contract_has_a_breach():
    assert [contract["id"] for contract in CONTRACTS["contracts"]] == list(BREACHES)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A copy of the members' packages, which keeps all contracts."""
    folder = tmp_path_factory.mktemp("packages")
    for member, package in tree.MEMBERS.items():
        shutil.copytree(
            tree.ROOT / member / package,
            folder / package,
            ignore=lambda folder, names: [name for name in names if name == "__pycache__"],
        )
    code, said = lint_imports(folder)
    assert code == 0, said
    return folder


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_seen(contract, packages):
    """One line more breaks a contract."""
    file, line = BREACHES[contract]
    module = packages / file
    kept = module.read_text()
    module.write_text(f"{kept}{line}\n")
    try:
        code, said = lint_imports(packages, "--contract", contract)
    finally:
        module.write_text(kept)
    assert (code, " BROKEN" in said) == (1, True), said


def lint_imports(folder: Path, *options: str) -> tuple[int, str]:
    """Returns the exit code and the output for the packages in a folder; what did not change since
    is read from a cache beside them."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-logo", "--cache-dir", "cache", *options, tree.ROOT / "pyproject.toml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr
