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
    "members": ("vitrine_training/cli.py", "import vitrine_serving.errors"),
    "gateway": ("vitrine_serving/gateway/settings.py", "import vitrine_serving.model_server"),
    "model-server": ("vitrine_serving/model_server/config.py", "import vitrine_serving.gateway"),
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


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_seen(contract, tmp_path):
    """Each contract is kept, and is broken by one line more."""
    for member, package in tree.MEMBERS.items():
        shutil.copytree(
            tree.ROOT / member / package,
            tmp_path / package,
            ignore=lambda folder, names: [name for name in names if name == "__pycache__"],
        )
    code, said = lint_imports(tmp_path, contract)
    assert code == 0, said
    file, line = BREACHES[contract]
    with (tmp_path / file).open("a") as module:
        module.write(f"{line}\n")
    code, said = lint_imports(tmp_path, contract)
    assert (code, " BROKEN" in said) == (1, True), said


def lint_imports(folder: Path, contract: str) -> tuple[int, str]:
    """Returns the exit code and the output for the packages in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    options = ("--no-logo", "--no-cache", "--contract", contract, tree.ROOT / "pyproject.toml")
    done = subprocess.run(
        [program, *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr
