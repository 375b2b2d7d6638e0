"""Prediction log: a sample of the predictions, as lines in a file that can be replayed.

A thread writes it, so that a slow disk holds up nobody.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from queue import SimpleQueue

from pydantic import Field

from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.settings_part import Count, SettingsPart
from vitrine_serving.gateway.telemetry.prediction_lines import Note, line_of, note_of
from vitrine_serving.gateway.telemetry.rotating_file import RotatingFile

log = logging.getLogger(__name__)

_NOTED = frozenset(
    ("predict", "explain", "classify", "regress", "infer", "infer_grpc", "infer_stream_grpc")
)

_MOST_WAITING = 4096
"""Images, and requests that have none, that may wait to be written: 3 MB of pixels."""

_GATHER_S = 0.05
"""For how long lines are gathered, so that the thread that writes them seldom wants the turn of the
event loop's."""

_AT_ONCE_BYTES = 65536
_SAY_AGAIN_S = 60.0

CLOSE_S = 2.0
"""How long an end waits for lines that are not written yet."""


class PredictionLogSettings(SettingsPart):
    """File and sample of the prediction log."""

    prediction_log: Path | None = None
    """File that predictions are noted in, as JSON lines."""
    prediction_log_sample: float = Field(1.0, gt=0, le=1)
    """Share of the requests that are noted there."""
    prediction_log_images: bool = False
    """Whether the 28x28 images are kept there as well."""
    prediction_log_max_bytes: int = Field(100 * 1024 * 1024, ge=4096)
    """Size at which that file is rotated."""
    prediction_log_files: Count = 5
    """Most of those files, the current one included."""


class PredictionLogError(Exception):
    """The file cannot be used; the message names its setting."""


def check(settings: PredictionLogSettings) -> None:
    """Raises `PredictionLogError` where nothing can be noted, so that a start fails and not the
    notes of each prediction."""
    path = settings.prediction_log
    if path is None:
        return
    try:
        _file(path, settings).check()
    except OSError as error:
        raise PredictionLogError(
            f"VITRINE_PREDICTION_LOG={str(path)!r}: {error.strerror or error}; name a file in a "
            "directory that can be written to"
        ) from error


def unused(settings: PredictionLogSettings) -> str:
    """Returns a warning of settings that have no effect, as there is no log; empty where there are
    none."""
    return settings.unused_without("prediction_log", "a prediction log")


def _file(path: Path, settings: PredictionLogSettings) -> RotatingFile:
    return RotatingFile(
        path,
        max_bytes=settings.prediction_log_max_bytes,
        files=settings.prediction_log_files,
    )


class PredictionLog:
    """Prediction log of one process; make it after the fork. A thread writes it, which begins with
    the first note. A line that can't be written, or would have to wait too long, is dropped and
    counted.

    `written` counts the lines that are in the file.
    """

    def __init__(self, settings: PredictionLogSettings) -> None:
        self.written = 0
        self._settings = settings
        self._is_off = settings.prediction_log is None
        self._below = int(settings.prediction_log_sample * 2**64)
        self._notes: SimpleQueue[Note | None] = SimpleQueue()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        # Each is changed by one thread alone: the event loop's, and the one that writes.
        self._put = self._noted = self._refused = 0
        self._taken = self._lost = 0
        self._said_at = -_SAY_AGAIN_S

    @property
    def dropped(self) -> int:
        """Returns how many lines were not written."""
        return self._refused + self._lost

    def note(self, request: Request, answer: Answer, took_s: float) -> None:
        """Notes a request for inference that was answered, or refused to somebody who may ask,
        unless it is left out of the sample, or all its pictures were empty. Its id tells whether it
        is in the sample: all gateways take the same, also when it comes again with the same id."""
        if self._is_off or request.endpoint not in _NOTED or request.method != "POST":
            return
        if answer.status == HTTPStatus.UNAUTHORIZED or not self._is_sampled(request.id):
            return
        outcome = request.outcome
        if outcome and outcome.shown and outcome.empty == len(outcome.results):
            return
        if self._put - self._taken >= _MOST_WAITING:
            self._refused += 1
            self._say("more wait to be written than may; the disk, or who locks the file, is slow")
            return
        if not self._has_started():
            return
        note = note_of(request, answer, took_s, images=self._settings.prediction_log_images)
        self._put += note.size
        self._noted += 1
        self._notes.put(note)

    def close(self) -> None:
        """Writes the lines that wait; blocks for two seconds at most."""
        self._is_off = True
        if self._thread:
            self._ending.set()
            self._notes.put(None)
            self._thread.join(CLOSE_S)
            if waiting := self._noted - self.written - self._lost:
                self._lost += waiting
                self._say("they could not be written before the end", again=True)

    def _has_started(self) -> bool:
        """Starts the thread, once. Where the machine gives none, the next note tries again."""
        if self._thread is None:
            thread = threading.Thread(target=self._write_all, name="prediction log", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._refused += 1
                self._say(error)
                return False
            self._thread = thread
        return True

    def _is_sampled(self, request_id: str) -> bool:
        digest = blake2b(request_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._below

    def _write_all(self) -> None:
        path = self._settings.prediction_log or Path()
        file = _file(path, self._settings)
        at_once = min(_AT_ONCE_BYTES, self._settings.prediction_log_max_bytes)
        last = False
        while not last:
            notes = [self._notes.get()]
            self._ending.wait(_GATHER_S)
            notes += [self._notes.get() for _ in range(self._notes.qsize())]
            last = None in notes
            for lines in _pieces(self._lines(notes), at_once):
                self._append(file, lines)
            self._taken += sum(note.size for note in notes if note)
        file.close()

    def _lines(self, notes: Sequence[Note | None]) -> Iterator[bytes]:
        for note in notes:
            if note is None:
                continue
            try:
                line = line_of(note)
            except Exception as error:  # or the thread would end, and with it all that follow
                self._lose(1, repr(error))
            else:
                yield line

    def _append(self, file: RotatingFile, lines: list[bytes]) -> None:
        try:
            file.append(b"".join(lines))
        except OSError as error:
            self._lose(len(lines), error.strerror or error)
        else:
            self.written += len(lines)

    def _lose(self, lines: int, reason: object) -> None:
        self._lost += lines
        self._say(reason)

    def _say(self, reason: object, *, again: bool = False) -> None:
        """Warns of what was dropped, once a minute unless it is `again`."""
        now_s = time.monotonic()
        if again or now_s - self._said_at >= _SAY_AGAIN_S:
            self._said_at = now_s
            path = self._settings.prediction_log
            log.warning("%s: %s; %d predictions are not noted", path, reason, self.dropped)


def _pieces(lines: Iterator[bytes], most_bytes: int) -> Iterator[list[bytes]]:
    """Some lines at a time, of `most_bytes` together or one."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > most_bytes:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield piece
