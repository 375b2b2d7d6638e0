"""API keys: a file with a line for each, its name and the SHA-256 of the key.

    # who may ask
    mobile-app sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

A plain SHA-256 is enough: a key has 256 random bits, so that there is no dictionary to try as there
is for passwords, and a slow hash would be paid for on every request.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vitrine_client.store import shared_files
from vitrine_serving.file_stamp import file_stamp
from vitrine_serving.gateway.shared_memory import Snapshots

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)  # it goes to the log
_LINE = re.compile(rf"({_NAME.pattern})\s+sha256:([0-9a-f]{{64}})", re.ASCII)
_LOOK_EVERY_S = 1.0
_SHARED_BYTES = 1 << 24
"""Room for some 100,000 keys with names of ordinary length."""

Hashes = dict[str, bytes]
"""The SHA-256 of each key, by the key's name."""


class KeysFileError(ValueError):
    """The keys file cannot be used; the message names it, and the line."""


class Keys:
    """Keys in the file at `path`, read again when it changes, by whichever process sees that first.

    Make it before the fork: the last good reading is in memory that processes share, so that one
    that is forked while the file is broken has no older keys than the others. Raises
    `KeysFileError` at first; later a file that is broken or gone is logged, and the keys that were
    read before go on.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._now = now
        self._next_look = now() + _LOOK_EVERY_S
        self._shared = Snapshots(1, _SHARED_BYTES)
        self._turn = 0
        self._told = ""
        self._stamp = file_stamp(path)
        self._read()

    def name_of(self, key: str) -> str | None:
        """Returns the name of a key, None if there is no such key."""
        if self._now() >= self._next_look:
            self.look()
        if self._shared.turn(0) != self._turn:
            self._adopt()
        digest = _hash(key)
        # The lookup is of a hash of what the client sent, so its time says nothing of another key.
        return self._seen.get(digest) or self._search(digest)

    def _search(self, digest: bytes) -> str | None:
        found = None
        for name, known in self._hashes.items():  # all of them: the time must not tell which
            if hmac.compare_digest(known, digest):
                found = name
        if found:
            self._seen[digest] = found  # only keys that are known, which bounds it
        return found

    def look(self) -> None:
        """Reads the file again if it is another one than before, for all processes."""
        self._next_look = self._now() + _LOOK_EVERY_S
        stamp = file_stamp(self._path)
        if stamp == self._stamp is not None:
            return
        self._stamp = stamp  # before reading: what changes meanwhile is seen at the next look
        try:
            self._read()
        except KeysFileError as error:
            self._stamp = None  # it may be this process that cannot read just now
            if self._told != str(error):
                self._told = str(error)
                log.error("%s; the keys that were read before go on", error)

    def _read(self) -> None:
        hashes = read(self._path)
        self._told = ""
        content = _text(hashes)
        if self._turn and self._shared.read(0) == content:
            self._use(hashes)  # others were quicker, and said so
            return
        self._share(content)
        self._use(hashes)
        level = logging.INFO if hashes else logging.WARNING  # without keys nobody may ask
        log.log(level, "Read %d API keys from %s", len(hashes), self._path)

    def _share(self, content: bytes) -> None:
        """Hands a reading to the other processes. Where that cannot be, each has its own."""
        with self._shared.lock() as is_mine:
            if not is_mine:  # somebody else does so just now, perhaps with an older one
                self._stamp = None
                return
            try:
                self._shared.write(0, content)
            except OSError as error:
                log.error("%s; each process reads %s for itself", error.strerror, self._path)
        self._turn = self._shared.turn(0)

    def _adopt(self) -> None:
        """Goes on with the reading of another process, and looks at the file itself next time: that
        process may have been held up since it read."""
        self._turn = self._shared.turn(0)
        self._stamp = None
        self._use(_parse(self._path, self._shared.read(0).decode().splitlines()))

    def _use(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._seen: dict[bytes, str] = {}


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()


def read(path: Path) -> Hashes:
    """Returns the keys in a file, in its order. Raises `KeysFileError`."""
    return _parse(path, _lines(path))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is no text"
        raise KeysFileError(f"The keys file {path} cannot be read ({reason})") from error


def _parse(path: Path, lines: Iterable[str]) -> Hashes:
    hashes: Hashes = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        # The line itself is not shown: it may be a key that somebody put there as it is.
        if not found:
            raise KeysFileError(
                f"{path}, line {number}: expected a name and `sha256:` with 64 hexadecimal digits; "
                "`vitrine-serve keys add` writes such lines"
            )
        name, digest = found.groups()
        if name in hashes:
            raise KeysFileError(f"{path}, line {number}: there is a key named {name} above")
        hashes[name] = bytes.fromhex(digest)
    return hashes


def _text(hashes: Hashes) -> bytes:
    return "".join(f"{_line(name, digest)}\n" for name, digest in hashes.items()).encode()


def _line(name: str, digest: bytes) -> str:
    return f"{name} sha256:{digest.hex()}"


def add(path: Path, name: str) -> str:
    """Makes a key, appends its hash to the file, which is made if need be, and returns the key.

    Raises `KeysFileError`, also for a name that is taken or can be none.
    """
    if not _NAME.fullmatch(name):
        raise KeysFileError(
            f"{name!r} can be no name of a key; use up to 64 letters, digits, `.`, `_` and `-`"
        )
    with _alone(path):
        lines = _lines(path) if path.exists() else []
        if name in _parse(path, lines):
            raise KeysFileError(f"{path} has a key named {name}; choose another name, or remove it")
        key = "vitrine_" + secrets.token_urlsafe(32)
        _write(path, [*lines, _line(name, _hash(key))])
    return key


def remove(path: Path, name: str) -> None:
    """Takes a key out of the file. Raises `KeysFileError`, also where there is no such key."""
    with _alone(path):
        lines = _lines(path)
        names = list(_parse(path, lines))
        if name not in names:
            known = ", ".join(names) or "none"
            raise KeysFileError(f"{path} has no key named {name}; it has {known}")
        _write(path, [line for line in lines if line.split()[:1] != [name]])


def _write(path: Path, lines: Iterable[str]) -> None:
    """Replaces the file in one step, so that a gateway never reads half of it, and one that runs as
    another user goes on reading it."""
    try:
        with shared_files.replacing(path, mode=0o600) as file:
            file.writelines(f"{line}\n".encode() for line in lines)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keeps other commands from the file until the end of the block. Raises `KeysFileError`."""
    with ExitStack() as stack:
        try:
            stack.enter_context(shared_files.locked_beside(path))
        except OSError as error:
            raise _unwritable(path, error) from error
        yield


def _unwritable(path: Path, error: OSError) -> KeysFileError:
    missing = f"there is no folder {path.parent}; make it first"
    reason = error.strerror if path.parent.is_dir() else missing
    return KeysFileError(f"The keys file {path} cannot be written ({reason})")
