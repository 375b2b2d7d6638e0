"""Profile files: `profile.json` and `labels.txt` beside a model, in `assets.extra`.

TensorFlow Serving serves no assets over the wire. So they are read where the models' directory is
mounted, or the embedded model server hands out what is in them (`NAMES`).
"""

import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from vitrine_client.results.profiles.completion import LABELS_FILE, PROFILE_FILE, Layer
from vitrine_client.results.profiles.profile import LABELLED, ProfileError, read_members

FOLDER = "assets.extra"
NAMES = (PROFILE_FILE, LABELS_FILE)

MOST_BYTES = 4_000_000
"""Bytes of a file: of 100,000 labels, 40 for each."""


def texts(version_dir: Path) -> dict[str, str]:
    """Returns the contents of the files of a version that are there, by name. Raises
    `ProfileError` where one cannot be read."""
    return {name: text for name in NAMES if (text := _text(version_dir, name)) is not None}


def layers(contents: Mapping[str, str]) -> list[Layer]:
    """Returns what files say, the profile first, by their contents. Raises `ProfileError`, which
    names the file."""
    found = []
    if PROFILE_FILE in contents:
        try:
            members = read_members(json.loads(contents[PROFILE_FILE]))
        except (ValueError, RecursionError) as error:  # `ProfileError` is one
            raise ProfileError(f"{PROFILE_FILE}: {error}") from error
        found.append(Layer(PROFILE_FILE, members))
    if LABELS_FILE in contents:
        lines = contents[LABELS_FILE].removeprefix("\ufeff").splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        try:
            labels = read_members({LABELLED: [line.strip() for line in lines]})
        except ProfileError as error:
            raise ProfileError(f"{LABELS_FILE}: {error}") from error
        found.append(Layer(LABELS_FILE, labels))
    return found


def _text(version_dir: Path, name: str) -> str | None:
    try:
        return _content(version_dir, name).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise ProfileError(f"{name} is not UTF-8: {error}") from error
    except OSError as error:
        raise ProfileError(f"{name} cannot be read ({error.strerror or error})") from error


def _content(version_dir: Path, name: str) -> bytes:
    """Returns a file's content. Raises `OSError`, also with words of its own: whoever publishes a
    version may not have it show the reader's other files, nor keep the reader waiting."""
    found = os.path.realpath(version_dir / FOLDER / name, strict=True)
    if not Path(found).is_relative_to(version_dir.resolve()):
        raise OSError(0, "it is a link that leaves the version's directory", name)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(found, flags)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no regular file", name)
        if status.st_size > MOST_BYTES:
            raise OSError(0, f"it has {status.st_size:,} bytes", name)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:  # it grows
            raise OSError(0, f"it has more than {MOST_BYTES:,} bytes", name)
        return content
    finally:
        os.close(descriptor)
