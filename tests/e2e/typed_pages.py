"""Commands of a page, typed in a copy of the repository, and what the page says they print."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.paths import ROOT
from harness.ports import free_port
from harness.waiting import wait_for
from tests.docs.pages import PAGES, fences
from vitrine_client.store.version_directories import version_numbers

LONG_S = 400
SHORTER = {
    "make demo DATA=clothes": "make demo DATA=clothes RECIPES=softmax",
    "train softmax mlp": "train softmax mlp --hard-pictures 1",
    "mlp-256-best": "mlp-256-best --epochs 3 --hard-pictures 1 --force",  # of 300
}
"""What would take minutes is asked for less."""

NEGATIVE = "vitrine drift"
"""An alarm is exit code 1."""

VARIES = "--slo"
"""A search takes minutes: it is interrupted, and its first line is what is always there."""

FOLLOWS = "vitrine models"
"""What a new version makes of this takes as long as it is loaded: a reader looks again."""

SEARCH_S = 10
TUTORIAL = PAGES["docs/tutorial.md"]
OWN = "## Your own pictures"
SERVES = "(Ctrl-C to stop)"
MODELS = "models"
DEMO = ("softmax", "mlp", "photo")


@dataclass(frozen=True)
class Step:
    """A command, or a block of Python, and the lines that the page says it prints."""

    typed: str
    printed: tuple[str, ...] = ()
    language: str = "sh"


@dataclass
class Terminal:
    """A shell's place and environment; what it starts in the foreground, a service, is ended by
    Ctrl-C. A command may take `limit_s`."""

    folder: Path
    environment: dict[str, str]
    limit_s: float = LONG_S

    def run(self, step: Step) -> str:
        """Returns what a command printed. Fails the test if it failed."""
        command = ["bash", "-c", shorter(step.typed)]
        if step.language == "python":
            command = ["python", "-c", step.typed]
        searches, codes = VARIES in step.typed, {0}
        if searches or step.typed.startswith(NEGATIVE):
            codes |= {1}
        process = subprocess.Popen(command, start_new_session=True, **self._options())
        try:
            printed, _ = process.communicate(timeout=SEARCH_S if searches else self.limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
            printed, _ = process.communicate(timeout=self.limit_s)
            codes |= {130} if searches else set()
        assert process.returncode in codes, f"$ {step.typed}\n{printed}"
        return printed

    def run_until(self, step: Step) -> None:
        """Types a command again until it prints what the page says."""
        wait_for(lambda: not missing(step.printed, self.run(step)), 60, f"$ {step.typed}")

    def start(self, typed: str, ready: str, log: Path) -> "subprocess.Popen[str]":
        """Starts a service, and waits until it says that it is ready."""
        options = self._options() | {"stdout": log.open("w")}
        service = subprocess.Popen(["bash", "-c", typed], start_new_session=True, **options)
        wait_for(
            lambda: ready in log.read_text() or service.poll() is not None,
            self.limit_s,
            f"$ {typed}\n{log}",
        )
        assert service.poll() is None, log.read_text()
        return service

    def _options(self) -> dict:
        return {
            "cwd": self.folder,
            "env": self.environment,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }


def own_terminal(tmp_path: Path) -> Terminal:
    """A terminal in a copy of what git has, with its own ports; VITRINE_PORT is all it sets."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not (ROOT / ".venv" / ".ready").exists():
        pytest.skip("no clone with an environment of its own, as make setup makes it")
    folder = tmp_path / "vitrine"
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)  # with its time, by which make sees what is new
    (folder / ".venv").symlink_to(ROOT / ".venv")
    _copy_models(folder / MODELS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{kept['PATH']}"
    own = {"PATH": path, "VITRINE_PORT": str(_port()), "COLUMNS": "100"}
    return Terminal(folder, kept | own)


def _copy_models(to: Path) -> None:
    """Copies the newest version of each model that `make demo` has trained here, in CI just before:
    as its first, so that the copy need not train for minutes."""
    for name in DEMO:
        model = ROOT / MODELS / name
        if versions := version_numbers(model):
            shutil.copytree(model / str(versions[-1]), to / name / "1")


def _port() -> int:
    """A port P for the gateway, where P + 420 and P + 421 are free, too."""
    return next(
        port for port in iter(free_port, None) if all(map(_is_free, (port + 420, port + 421)))
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def steps(page: str) -> Iterator[Step]:
    """Yields what is typed, and what that prints, in the order of the page."""
    for language, content in fences(page):
        if language == "sh":
            for line in content.splitlines():
                yield Step(re.sub(r"\s+#\s.*$", "", line))
        elif language == "python":
            printed = re.findall(r"^\s*print\(.*\)  # (.*)$", content, re.MULTILINE)
            yield Step(content, tuple(printed), language)
        else:
            for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
                typed, *lines = part.splitlines()
                yield Step(typed, tuple(lines))


def here(step: Step, terminal: Terminal) -> Step:
    address = f"127.0.0.1:{terminal.environment['VITRINE_PORT']}"
    return Step(step.typed.replace("127.0.0.1:8080", address), step.printed, step.language)


def shorter(typed: str) -> str:
    for words, instead in SHORTER.items():
        typed = typed.replace(words, instead)
    return typed


def compare(expected: Iterable[str], printed: str, typed: str) -> None:
    """Fails the test where a line is not printed."""
    lacking = missing(expected, printed)
    assert not lacking, f"$ {typed}\n{lacking}\n\n{printed}"


def missing(expected: Iterable[str], printed: str) -> str:
    """Returns the first of the expected lines that is not there, in their order, or nothing;
    figures may differ, and `…` is anything."""
    lines = iter(printed.splitlines())
    for line in expected:
        pattern = _pattern(line)
        if line.strip() != "…" and not any(re.search(pattern, one) for one in lines):
            return line
    return ""


def _pattern(line: str) -> str:
    """A regular expression for a line of a page."""
    words = []
    for word in line.split():
        plain = re.sub(r"\d[\d.,]*", "\0", word)
        plain = re.sub("█+", "\1", plain)
        escaped = re.escape(plain).replace("…", ".*")
        words.append(escaped.replace(re.escape("\0"), r"[\d.,]+").replace(re.escape("\1"), "█*"))
    return r"\s*".join(words)


def interrupt(service: "subprocess.Popen[str]") -> None:
    os.killpg(service.pid, signal.SIGINT)
    assert service.wait(60) in (-signal.SIGINT, 2, 130)


def type_own_pictures(
    terminal: Terminal, log: Path, instead: Callable[[Step], Step] = lambda step: step
) -> dict[str, str]:
    """Types the tutorial's last section: from a folder to a URL, and what there is to ask of it.

    `instead` makes of a step on clothes one of other pictures. Returns what each command printed.
    """
    demo, *others = (here(instead(step), terminal) for step in steps(TUTORIAL.split(OWN)[1]))
    service, printed = terminal.start(shorter(demo.typed), SERVES, log), {}
    try:
        compare(demo.printed[:-1], log.read_text(), demo.typed)
        for step in others:
            printed[step.typed] = terminal.run(step)
            compare(step.printed, printed[step.typed], step.typed)
    finally:
        interrupt(service)
    return printed
