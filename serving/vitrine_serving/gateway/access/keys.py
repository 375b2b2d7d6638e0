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
from collections.abc import Callable, Iterable
from pathlib import Path

from vitrine_client.store import shared_files

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)  # it goes to the log
_LINE = re.compile(rf"({_NAME.pattern})\s+sha256:([0-9a-f]{{64}})", re.ASCII)
_LOOK_EVERY_S = 1.0

Hashes = dict[str, bytes]
"""The SHA-256 of each key, by the key's name."""


class KeysFileError(ValueError):
    """The keys file cannot be used; the message names it, and the line."""


class Keys:
    """The keys in the file at `path`, read again when it changes.

    Raises `KeysFileError` at first; later a file that is broken or gone is logged, and the keys
    that were read before go on. It may be made before a fork.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._now = now
        self._next_look = now() + _LOOK_EVERY_S
        self._stamp = _stamp(path)
        self._use(read(path))

    def name_of(self, key: str) -> str | None:
        """Returns the name of a key, None if there is no such key."""
        if self._now() >= self._next_look:
            self._look()
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

    def _look(self) -> None:
        self._next_look = self._now() + _LOOK_EVERY_S
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp  # before reading: what changes meanwhile is seen at the next look
        try:
            self._use(read(self._path))
        except KeysFileError as error:
            log.error("%s; the keys that were read before go on", error)

    def _use(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._seen: dict[bytes, str] = {}
        level = logging.INFO if hashes else logging.WARNING  # without keys nobody may ask
        log.log(level, "Read %d API keys from %s", len(hashes), self._path)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Says whether a file is still the same; inodes are used again, and times of change set back,
    but not ctime.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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


def add(path: Path, name: str) -> str:
    """Makes a key, appends its hash to the file, which is made if need be, and returns the key.

    Raises `KeysFileError`, also for a name that is taken or can be none.
    """
    if not _NAME.fullmatch(name):
        raise KeysFileError(
            f"{name!r} can be no name of a key; use up to 64 letters, digits, `.`, `_` and `-`"
        )
    lines = _lines(path) if path.exists() else []
    if name in _parse(path, lines):
        raise KeysFileError(f"{path} has a key named {name}; choose another name, or remove it")
    key = "vitrine_" + secrets.token_urlsafe(32)
    _write(path, [*lines, f"{name} sha256:{_hash(key).hex()}"])
    return key


def remove(path: Path, name: str) -> None:
    """Takes a key out of the file. Raises `KeysFileError`, also where there is no such key."""
    lines = _lines(path)
    names = list(_parse(path, lines))
    if name not in names:
        raise KeysFileError(f"{path} has no key named {name}; it has {', '.join(names) or 'none'}")
    _write(path, [line for line in lines if line.split()[:1] != [name]])


def _write(path: Path, lines: Iterable[str]) -> None:
    """Replaces the file in one step, so that a gateway never reads half of it, and one that runs as
    another user goes on reading it."""
    try:
        with shared_files.replacing(path, mode=0o600) as file:
            file.writelines(f"{line}\n".encode() for line in lines)
    except OSError as error:
        missing = f"there is no folder {path.parent}; make it first"
        reason = error.strerror if path.parent.is_dir() else missing
        raise KeysFileError(f"The keys file {path} cannot be written ({reason})") from error
