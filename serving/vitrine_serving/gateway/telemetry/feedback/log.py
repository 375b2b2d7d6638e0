"""Feedback log: file of flags, in which each picture has one label.

A thread looks and writes, one flag after the other, so that a slow disk holds up nobody else.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, NamedTuple

from pydantic import Field

from vitrine_client.errors import NotStored, Unavailable
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.settings_part import SettingsPart
from vitrine_serving.gateway.telemetry.feedback.flag_index import FlagIndex
from vitrine_serving.gateway.telemetry.feedback.flags import Flag, Flagged, line_of
from vitrine_serving.gateway.telemetry.rotating_file import RotatingFile

log = logging.getLogger(__name__)

_MOST_WAITING = 4096
_SAY_AGAIN_S = 60.0
_CLOSE_S = 2.0
"""How long an end waits for flags that are not written yet."""

_NOT_STORED = (
    "This is not noted, as the gateway cannot write its feedback log just now; its own log says why"
)

MOST_FILES = 20
"""Each process has them open, as it looks whether a picture was flagged before; its reserve of
descriptors (`gateway.server.descriptors`) has room for so many."""


class FeedbackSettings(SettingsPart):
    """File of the wrong answers that people flag."""

    feedback_log: Path | None = None
    """File that flagged answers are noted in, as JSON lines; it needs VITRINE_KEYS_FILE."""
    feedback_log_max_bytes: int = Field(10 * 1024 * 1024, ge=4096)
    """Size at which that file is rotated."""
    feedback_log_files: Annotated[int, Field(ge=1, le=MOST_FILES)] = 5
    """Most of those files, the current one included, up to 20; a flag in none is forgotten."""


class FeedbackLogError(Exception):
    """The file cannot be used; the message names its setting."""


def check(settings: FeedbackSettings) -> None:
    """Raises `FeedbackLogError` where nothing can be noted, so that a start fails and not each
    flag."""
    path = settings.feedback_log
    if path is None:
        return
    try:
        _file(path, settings).check()
        FlagIndex(path, settings.feedback_log_files).check()
    except OSError as error:
        raise FeedbackLogError(
            f"{PREFIX}FEEDBACK_LOG={str(path)!r}: {_reason(error, path)}; name a file in a "
            "directory that can be written to"
        ) from error


def unused(settings: FeedbackSettings) -> str:
    """Returns a warning of settings that have no effect, as there is no log; empty where there are
    none."""
    return settings.unused_without("feedback_log", "a feedback log")


def _file(path: Path, settings: FeedbackSettings) -> RotatingFile:
    return RotatingFile(
        path, max_bytes=settings.feedback_log_max_bytes, files=settings.feedback_log_files
    )


class _Job(NamedTuple):
    flag: Flag
    before: Future[Flagged | None]


class FeedbackLog:
    """Feedback log of one process; make it after the fork. Its thread begins with the first flag.

    Processes and gateways of one machine may share the file: whether a picture was flagged is
    looked up under the lock that is written under.
    """

    def __init__(self, settings: FeedbackSettings) -> None:
        self.is_on = settings.feedback_log is not None
        self._path = settings.feedback_log or Path()
        self._settings = settings
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        # Each is changed by one thread alone: the event loop's, and the one that writes.
        self._put = 0
        self._taken = 0
        self._said_at = -_SAY_AGAIN_S

    async def note(self, flag: Flag, timeout_s: float) -> Flagged | None:
        """Notes a flag, and returns None; or returns what its picture was flagged with before, and
        notes nothing.

        Raises `NotStored` where the file can't be written, and `Unavailable` where that takes more
        than `timeout_s`, or too many wait.
        """
        if self._put - self._taken >= _MOST_WAITING:
            raise Unavailable("Too many flags wait to be noted; send it again later")
        self._start()
        job = _Job(flag, Future())
        self._put += 1
        self._jobs.put(job)
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.wrap_future(job.before)
        except TimeoutError as error:
            self._say("it is locked, or its disk is slow")
            raise Unavailable(
                "The gateway's feedback log is busy; send it again later: what was noted after all "
                "is not noted twice"
            ) from error
        except OSError as error:
            self._say(_reason(error, self._path))
            raise NotStored(_NOT_STORED) from error

    def close(self) -> None:
        """Writes the flags that wait; blocks for two seconds at most."""
        if self._thread:
            self._jobs.put(None)
            self._thread.join(_CLOSE_S)
            if waiting := self._put - self._taken:
                self._say(f"{waiting} could not be written before the end", again=True)

    def _start(self) -> None:
        """Starts the thread, once. Raises `NotStored` where the machine gives none; the next flag
        tries again."""
        if self._thread:
            return
        thread = threading.Thread(target=self._work, name="feedback log", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._say(error)
            raise NotStored(_NOT_STORED) from error
        self._thread = thread

    def _work(self) -> None:
        file = _file(self._path, self._settings)
        index = FlagIndex(self._path, self._settings.feedback_log_files)
        while job := self._jobs.get():
            try:
                if job.before.set_running_or_notify_cancel():
                    job.before.set_result(_noted(job.flag, file, index))
            except Exception as error:  # or the thread would end, and with it all that follow
                job.before.set_exception(error)
            self._taken += 1
        file.close()
        index.close()

    def _say(self, reason: object, *, again: bool = False) -> None:
        """Warns of what was not noted, once a minute unless it is `again`."""
        now_s = time.monotonic()
        if again or now_s - self._said_at >= _SAY_AGAIN_S:
            self._said_at = now_s
            log.warning("%s: %s; what people flag is not noted", self._path, reason)


def _reason(error: OSError, path: Path) -> str:
    """Returns what is wrong, and with which file where that is another one than the log's own."""
    reason = error.strerror or str(error)
    name = str(error.filename2 or error.filename or path)
    return reason if name == str(path) else f"{reason} ({name})"


def _noted(flag: Flag, file: RotatingFile, index: FlagIndex) -> Flagged | None:
    before: Flagged | None = None

    def line() -> bytes:
        nonlocal before
        index.refresh()
        before = index.find(flag.place)
        if before:
            return b""
        return (b"\n" if index.is_torn else b"") + line_of(flag)

    file.append_made(line)
    return before
