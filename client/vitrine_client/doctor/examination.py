"""Examination: runs checks side by side, each of them bounded, whatever becomes of the others."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vitrine_client.doctor.finding import Finding, problem
from vitrine_client.doctor.installation import Installation


@dataclass(frozen=True)
class Check:
    """A look at one subject. `name` stands in for its findings where it fails."""

    section: str
    name: str
    run: Callable[[Installation], Iterable[Finding]]


def examine(
    checks: Sequence[Check], installation: Installation, *, limit_s: float
) -> Iterator[tuple[Check, list[Finding]]]:
    """Yields each check with its findings, in the order of `checks`.

    All of them run at once. One that raises, or is not done `limit_s` seconds after the start, has
    a problem that says so as its last finding. A finding of two checks is told once.
    """
    deadline = time.monotonic() + limit_s
    running = [_Running(check, installation) for check in checks]
    told: set[Finding] = set()
    for each in running:
        each.thread.join(max(0.0, deadline - time.monotonic()))
        found = [finding for finding in each.result(limit_s) if finding not in told]
        told.update(found)
        yield each.check, found


@dataclass
class _Running:
    check: Check
    installation: Installation
    found: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        # A daemon, as one that hangs in a file system must not keep the process from its end.
        self.thread = threading.Thread(target=self._run, daemon=True, name=self.check.name)
        self.thread.start()

    def _run(self) -> None:
        try:
            for finding in self.check.run(self.installation):
                self.found.append(finding)
        except PermissionError as error:
            seen = f"{error.filename or self.check.name} may not be looked at by this user"
            todo = "run the doctor, and the service, as the user that the files are of, or `chmod`"
            self.found.append(problem(self.check.name, seen, todo))
        except Exception as error:
            self.found.append(
                problem(
                    self.check.name,
                    f"could not be examined ({type(error).__name__}: {error})",
                    "mend what that says; if it says nothing to you, this is a bug of the doctor",
                )
            )

    def result(self, limit_s: float) -> list[Finding]:
        hangs = self.thread.is_alive()
        found = list(self.found)
        if hangs:
            found.append(
                problem(
                    self.check.name,
                    f"not done after {limit_s:g} s",
                    "something hangs, such as a network drive or a name server, or the machine is "
                    "busy; give it longer with --timeout-s",
                )
            )
        return found
