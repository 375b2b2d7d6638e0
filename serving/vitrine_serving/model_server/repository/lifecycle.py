"""Life cycle of a version, from START to END, and the versions of a model.

Nothing here locks, waits or reads the disk: whoever calls holds the repository's lock.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.repository.config import ModelConfig, VersionDirectory

if TYPE_CHECKING:
    from vitrine_serving.model_server.runtime.servable import Servable

_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
_UNKNOWN: int = grpc.StatusCode.UNKNOWN.value[0]


@dataclass(frozen=True)
class ServableStatus:
    """Version status, as `GetModelStatus` tells it; `error_code` is gRPC's number, 0 for none."""

    number: int
    state: str
    error_code: int = 0
    error_message: str = ""


@dataclass(frozen=True)
class Failure:
    """Reason why a load failed, in a code of gRPC's and words; a hint of ours is for the log."""

    code: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{_CODE_NAMES.get(self.code, self.code)}: {self.message}"

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Returns an exception's code and message: its own code if it has one, else UNKNOWN."""
        if isinstance(error, ServingError):
            return cls(error.code.value[0], str(error), error.hint)
        code = getattr(error, "error_code", None)  # as `tf.errors.OpError` has it
        if isinstance(code, int) and code > 0:
            return cls(code, str(getattr(error, "message", error)))
        return cls(_UNKNOWN, f"{type(error).__name__}: {error}")


CANCELLED = Failure(grpc.StatusCode.CANCELLED.value[0], "Loading of servable cancelled")


class Version:
    """Version of a model: START, LOADING, AVAILABLE, UNLOADING, END, in this order.

    `running` while a thread loads it, `due_s` on `time.monotonic()` is when it
    may be tried next, `users` are the requests that run on it.
    """

    def __init__(self, number: int, directory: VersionDirectory) -> None:
        self.number = number
        self.directory = directory
        self.state = "START"
        self.wanted = True
        self.running = False
        self.tries = 0
        self.due_s = 0.0
        self.users = 0
        self.loaded: Any = None  # a Servable, from AVAILABLE to END
        self.failure: Failure | None = None

    @property
    def awaits_load(self) -> bool:
        """Whether it is to be loaded, now or when a retry is due."""
        return self.state in ("START", "LOADING") and not self.running

    @property
    def awaits_close(self) -> bool:
        """Whether it is to be closed now."""
        return self.state == "UNLOADING" and not self.users

    @property
    def is_settled(self) -> bool:
        """Whether it has loaded or failed for good."""
        return self.state in ("AVAILABLE", "END")

    def status(self) -> ServableStatus:
        """Returns its status; a failed try that will be repeated is not told."""
        if self.state == "END" and self.failure:
            return ServableStatus(self.number, "END", self.failure.code, self.failure.message)
        return ServableStatus(self.number, self.state)

    def begin_load(self) -> None:
        """A thread tries to load it from its directory."""
        self.state, self.running = "LOADING", True
        self.tries += 1

    def end_load(self, loaded: "Servable", directory: VersionDirectory, *, stopping: bool) -> bool:
        """It was loaded from `directory`; returns whether it answers. If not, it must be closed."""
        self.loaded, self.failure = loaded, None
        if stopping or not self.wanted or directory.path != self.directory.path:
            self.failure = CANCELLED
            return False
        self.state, self.running = "AVAILABLE", False
        return True

    def fail(self, failure: Failure, directory: VersionDirectory, retry_at_s: float | None) -> bool:
        """It could not be loaded from `directory`; returns whether it will be tried again.

        That is at `retry_at_s` if it is still wanted, at once if it was replaced meanwhile.
        """
        self.running, self.failure = False, failure
        if self.wanted and self.directory.is_replaced(directory):
            self.tries = 0
        elif self.wanted and retry_at_s is not None:
            self.due_s = retry_at_s
        else:
            self.state, self.directory = "END", directory
        return self.state != "END"

    def end(self) -> None:
        """It is closed, and its memory is given back."""
        self.state, self.running, self.loaded = "END", False, None

    def keep(self, directory: VersionDirectory) -> None:
        """It is wanted; if it waits for a retry and was replaced, it need not wait.

        One that is loaded stays as it is, whatever becomes of the directory.
        """
        self.wanted = True
        if self.state == "END":
            return  # its directory is the one that failed
        if self.awaits_load and directory.is_replaced(self.directory):
            self.tries, self.due_s = 0, 0.0
        self.directory = directory

    def drop(self) -> None:
        """It is not wanted; unless it is loaded it ends here, or when its thread comes back."""
        self.wanted = False
        if self.awaits_load:
            self.state, self.failure = "END", self.failure or CANCELLED

    def restarts(self) -> bool:
        """Whether it has ended and is to begin anew: it was not wanted for a while, because of its
        directory or of the policy. One that has failed as often as it may, and is still there,
        stays as it is whatever becomes of its files, as in TensorFlow Serving."""
        return self.state == "END" and (not self.wanted or self.failure is None)


class Model:
    """Model with its versions; they stay listed after their end, and when the model is removed.

    `available` has those that answer by number, and the newest of them under None. Where nothing
    answers and all that the policy wants have failed, the newest older version that loads stands
    in, until one of the others does.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.config: ModelConfig | None = None  # None: not served any more
        self.versions: dict[int, Version] = {}
        self.available: dict[int | None, Version] = {}
        self.remark = ""  # what was last said of its directory, not to say it at every look
        self._aspired: Collection[int] = ()
        self._older: Mapping[int, VersionDirectory] = {}
        self._stand_in: int | None = None

    def aspire(
        self,
        found: Mapping[int, VersionDirectory],
        older: Mapping[int, VersionDirectory] | None = None,
    ) -> None:
        """Makes `found` the wanted versions, which TensorFlow Serving calls aspired; of `older`
        one is wanted while it stands in."""
        self._aspired, self._older = tuple(found), older or {}
        if self._stand_in not in self._older or any(number in self.available for number in found):
            self._stand_in = None
        wanted = dict(found)
        if self._stand_in is not None:
            wanted[self._stand_in] = self._older[self._stand_in]
        for number, version in self.versions.items():
            if number not in wanted:
                version.drop()
        for number, directory in wanted.items():
            known = self.versions.get(number)
            if known is None or known.restarts():
                self.versions[number] = Version(number, directory)
            else:
                known.keep(directory)
        self.fall_back()

    def fall_back(self) -> int | None:
        """Begins the newest older version that has not failed, if nothing answers and no wanted
        version is left to try; returns its number."""
        if self.available or not self._aspired:
            return None
        wanted = [version for version in self.versions.values() if version.wanted]
        if not all(version.state == "END" and version.failure for version in wanted):
            return None
        for number in sorted(self._older, reverse=True):
            known, directory = self.versions.get(number), self._older[number]
            failed = known and known.state == "END" and known.failure not in (None, CANCELLED)
            if known and failed and known.directory == directory:
                continue
            if known and known.state != "END":
                return None
            self._stand_in = number
            self.versions[number] = Version(number, directory)
            return number
        return None

    def unload(self, versions: Iterable[Version]) -> None:
        """Begins to unload these; `available` are the others that are AVAILABLE."""
        for version in versions:
            version.state = "UNLOADING"
        serving = {n: v for n, v in self.versions.items() if v.state == "AVAILABLE"}
        self.available = {version.number: version for version in serving.values()}
        if serving:
            self.available[None] = serving[max(serving)]

    def end(self, version: Version) -> None:
        """Ends a version that was closed; it starts again if it has become wanted meanwhile."""
        version.end()
        if version.wanted:
            self.versions[version.number] = Version(version.number, version.directory)

    def is_settled(self, *, all_versions: bool) -> bool:
        """Whether the wanted versions have loaded or failed for good; or, if that does, the newest
        has and one answers, which is the one that stands in where it failed."""
        newest = self._newest()
        if not all_versions and self.available and (newest is None or newest.is_settled):
            return True
        return all(version.is_settled for version in self.versions.values() if version.wanted)

    def _newest(self) -> Version | None:
        """Returns the newest of the wanted versions, not counting the one that stands in."""
        return self.versions.get(max(self._aspired)) if self._aspired else None

    def loading(self) -> list[str]:
        """Returns the names of the wanted versions that have neither loaded nor failed for good."""
        wanted = [version for version in self.versions.values() if version.wanted]
        waiting = [version for version in wanted if version.state in ("START", "LOADING")]
        return [f"{self.name}/{version.number}" for version in waiting]

    def shortfall(self) -> str:
        """Returns that the newest wanted version failed and why, empty if it answers or none is
        wanted. Whether another one answers is of no account, as in server_core.cc."""
        version = self._newest()
        if version is None or version.number in self.available:
            return ""
        reason = f" due to error: {version.failure}" if version.failure else ""
        return f"{{name: {self.name} version: {version.number}}}{reason}"
