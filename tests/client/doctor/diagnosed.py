"""`vitrine doctor` as a user runs it: a process, in an environment that a test makes."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.paths import ROOT
from harness.ports import free_port
from tests.client.doctor import prepared

PATIENT_S = "15"
"""For an answer, where the machine is busy with other tests."""


@dataclass(frozen=True)
class Diagnosis:
    """What the command printed as JSON, and how it ended."""

    code: int
    findings: list[dict[str, str]]

    def names(self, level: str) -> set[str]:
        return {each["name"] for each in self.findings if each["level"] == level}

    def of(self, name: str) -> list[dict[str, str]]:
        return [each for each in self.findings if each["name"].startswith(name)]

    def check(self, level: str, name: str, seen: str, todo: str) -> None:
        """Asserts that a line names a fault and what to do."""
        lines = [each for each in self.of(name) if each["level"] == level]
        assert any(seen in each["seen"] and todo in each["todo"] for each in lines), (
            f"no {level} {name!r} with {seen!r} and {todo!r} in {self.findings}"
        )


class Place:
    """A clean machine as the command sees it: an environment, a home, a directory, free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.home = folder / "home"
        self.models = folder / "models"
        for each in (self.programs, self.home):
            each.mkdir()
        self.python = Path(sys.executable)
        self.environment = {
            "PATH": str(self.programs),
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT / "client"),  # also for a Python that is not .venv's
            "VITRINE_MODELS_DIR": str(self.models),
            "VITRINE_PORT": str(free_port()),
            "VITRINE_GRPC_PORT": str(free_port()),
            "VITRINE_REST_PORT": str(free_port()),
            "VITRINE_V2_GRPC_PORT": str(free_port()),
        }

    @property
    def port(self) -> int:
        return int(self.environment["VITRINE_PORT"])

    @property
    def cache(self) -> Path:
        """Where the data set would be kept."""
        return Path(self.environment.get("VITRINE_CACHE_DIR", self.home)) / "fashion-mnist"

    def set(self, **variables: object) -> None:
        self.environment |= {name: str(value) for name, value in variables.items()}

    def program(self, name: str, script: str) -> None:
        """Puts a program into the PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, *words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [
                *options.pop("before", ()),
                str(self.python),
                "-m",
                "vitrine_client",
                "doctor",
                *words,
            ],
            env=self.environment,
            cwd=options.pop("cwd", self.folder),
            capture_output=True,
            text=True,
            timeout=prepared.LONGEST_S,
            **options,
        )

    def diagnose(self, *words: str, timeout_s: str = PATIENT_S, **options: Any) -> Diagnosis:
        """Runs it; nothing may end in a traceback, whatever is wrong."""
        words = ("--json", "--timeout-s", timeout_s, *words)
        if options or self.python != Path(sys.executable):
            done = self.run(*words, **options)
        else:
            done = prepared.run(["doctor", *words], self.environment, self.folder)
        assert "Traceback" not in done.stderr, done.stderr
        content = json.loads(done.stdout)
        found = Diagnosis(done.returncode, content["findings"])
        problems = [each for each in found.findings if each["level"] == "problem"]
        assert content["problems"] == len(problems)
        assert content["ok"] == (not problems)
        assert found.code == (1 if problems else 0)
        assert all(each["todo"] for each in problems)
        return found
