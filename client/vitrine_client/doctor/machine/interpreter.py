"""Check of Python: version, width, virtual environment."""

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.machine.software import installed_version

_OLDEST, _NEWEST = (3, 11), (3, 13)


@dataclass(frozen=True)
class Interpreter:
    """A Python: `version` is (major, minor), `bits` the width of a pointer."""

    version: tuple[int, int]
    bits: int
    prefix: Path
    in_venv: bool

    @classmethod
    def running(cls) -> "Interpreter":
        """Returns the Python that runs this."""
        return cls(
            sys.version_info[:2],
            64 if sys.maxsize > 2**32 else 32,
            Path(sys.prefix),
            sys.prefix != sys.base_prefix,
        )


def check(here: Installation) -> Iterator[Finding]:
    """Looks at the Python that runs the command."""
    needed = any(map(installed_version, ("vitrine-serving", "vitrine-training")))
    return examined(Interpreter.running(), here, client_alone=not needed)


def examined(
    python: Interpreter, here: Installation, *, client_alone: bool = False
) -> Iterator[Finding]:
    """Yields findings on a Python; `client_alone` is an installation that neither
    serves nor trains, for which a newer one does as well."""
    number = ".".join(map(str, python.version))
    if client_alone and python.version > _NEWEST:
        yield note("Python", f"{number}: the client runs; 3.13 is the newest to serve and train")
    elif not _OLDEST <= python.version <= _NEWEST:
        yield problem(
            "Python",
            f"{number}, where TensorFlow and the service need 3.11 to 3.13",
            "name one of these: make clean setup PYTHON=python3.12",
        )
    elif python.bits != 64:
        yield problem(
            "Python",
            f"{number} of {python.bits} bits, for which there is no TensorFlow",
            "install a Python of 64 bits, and name it: make clean setup PYTHON=…",
        )
    else:
        yield ok("Python", f"{platform.python_version()}, {python.bits} bits, {sys.executable}")
    yield from _environment(python, here)


def _environment(python: Interpreter, here: Installation) -> Iterator[Finding]:
    active = here.path("VIRTUAL_ENV")
    if not python.in_venv:
        yield note(
            "venv",
            "this Python is in no virtual environment, so other programs share its packages",
            "`make setup` makes .venv; then call .venv/bin/vitrine",
        )
    elif active and active.resolve() != python.prefix.resolve():
        yield note(
            "venv",
            f"{active} is active in this shell, and {python.prefix} runs this command",
            f"`. {python.prefix}/bin/activate`, if that is the one you mean",
        )
    else:
        yield ok("venv", str(python.prefix))
