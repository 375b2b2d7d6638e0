"""Chaos: a model is swapped in the middle of a load; a copy of its newest version is the next.

Whoever serves the models directory loads the copy, answers with it, and unloads the one before. As
both answer the same, whatever changes for clients is the swap's doing.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from vitrine_client.errors import VitrineError
from vitrine_client.loadtest.analysis.swap_effect import ANSWERS, PUBLISHED, UNLOADED
from vitrine_client.loadtest.copied_version import CopiedVersion
from vitrine_client.loadtest.gateways import client_of
from vitrine_client.loadtest.plan import Plan, Workload
from vitrine_client.loadtest.results.result import Interval, Result
from vitrine_client.loadtest.run import ignore, run
from vitrine_client.process import signals
from vitrine_client.results.predictions import VersionStatus

_LOOK_S = 0.2
"""Between two looks at the versions' states, and at another publisher's lock."""

_REMOVE_S = 30.0
"""How long another publisher may hold up the copy's removal."""

WatchInterval = Callable[[Interval], None]
Statuses = Callable[[], Sequence[VersionStatus]]


def run_with_swap(
    plan: Plan,
    models_dir: Path,
    *,
    watch: WatchInterval = ignore,
    stop: threading.Event | None = None,
    run: Callable[..., Result] = run,
    statuses: Statuses | None = None,
) -> Result:
    """Does what `run` does, and half way swaps the plan's model, which is served of `models_dir`;
    its course is among the result's events and warnings. The copy is removed before this returns or
    raises; where there is no `stop`, Ctrl-C and SIGTERM raise `SystemExit`.

    `statuses` asks for the states of the model's versions, unless given the plan's target. Raises
    `OSError` where the model has no version, or none may be published.
    """
    copy = CopiedVersion(models_dir, plan.target.model)
    middle_s = (plan.load.duration_s - plan.warm_up_s) / 2
    swapping = _Swapping(copy, statuses or (lambda: _statuses(plan.target)), middle_s)
    with signals.raising() if stop is None else nullcontext():
        try:
            result = run(plan, watch=swapping.watching(watch), stop=stop)
        finally:
            swapping.end()
    return dataclasses.replace(
        result,
        events=(*result.events, *swapping.events),
        warnings=(*result.warnings, *swapping.warnings),
    )


def _statuses(target: Workload) -> Sequence[VersionStatus]:
    if target.kind == "grpc":
        from vitrine_client.model_server import ModelServerClient

        with ModelServerClient(target.address, timeout_s=2, verify=target.tls) as server:
            return server.status(target.model)
    with client_of(target, 2) as client:
        return client.status(target.model)


class _Swapping:
    """Thread that swaps; it begins with the first interval that is watched."""

    def __init__(self, copy: CopiedVersion, statuses: Statuses, middle_s: float) -> None:
        self._copy, self._statuses, self._middle_s = copy, statuses, middle_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._swap, daemon=True, name="swap")
        self._began_s = float("inf")
        self._noted: list[tuple[float, str]] = []
        self.warnings: list[str] = []

    def watching(self, watch: WatchInterval) -> WatchInterval:
        """Returns `watch`, and looks at its clock."""

        def both(interval: Interval) -> None:
            # An interval is told some time after its end: the soonest that one was knows best.
            end_s = interval.start_s + interval.duration_s
            self._began_s = min(self._began_s, time.monotonic() - end_s)
            if self._thread.ident is None:
                self._thread.start()
            watch(interval)

        return both

    def end(self) -> None:
        """The load is over: gives up further steps, and removes the copy."""
        self._over.set()
        try:
            if self._thread.ident is not None:
                self._thread.join()
        finally:  # Ctrl-C once more ends the wait, and leaves no copy all the same
            self._remove()

    def _remove(self) -> None:
        deadline_s, pause = time.monotonic() + _REMOVE_S, threading.Event()
        try:
            self._copy.remove(lambda: pause.wait(_LOOK_S) or time.monotonic() < deadline_s)
        except OSError as error:
            self.warnings.append(f"Version {self._copy.number} was not removed: {error}")

    @property
    def events(self) -> list[tuple[float, str]]:
        """Events, in seconds of the measurement."""
        return [(at_s - self._began_s, text) for at_s, text in self._noted]

    def _swap(self) -> None:
        while (left_s := self._began_s + self._middle_s - time.monotonic()) > 0:
            if self._over.wait(left_s):
                return
        try:
            number = self._copy.publish(lambda: not self._over.wait(_LOOK_S))
        except OSError as error:
            self.warnings.append(f"No version was swapped: {error}")
            return
        self._note(PUBLISHED.format(number))
        if not self._follow(number, "AVAILABLE"):
            self.warnings.append(
                f"Version {number} was published and did not answer before the end; is it this "
                "models directory that is served?"
            )
            return
        self._note(ANSWERS.format(number))
        if self._copy.copied is not None and self._follow(self._copy.copied, "END"):
            self._note(UNLOADED.format(self._copy.copied))

    def _note(self, text: str) -> None:
        self._noted.append((time.monotonic(), text))

    def _follow(self, number: int, state: str) -> bool:
        """Blocks until a version is in `state`; returns whether that was before the end."""
        while not self._is(number, state):
            if self._over.wait(_LOOK_S):
                return False
        return True

    def _is(self, number: int, state: str) -> bool:
        try:
            found = {status.version: status.state for status in self._statuses()}
        except VitrineError:
            return False
        return found.get(number, "END" if found else "") == state
