"""Profile files: `profile.json` and `labels.txt` beside a model, in `assets.extra`.

TensorFlow Serving serves no assets over the wire. So they are read where the models' directory is
mounted, or the embedded model server hands out what is in them (`NAMES`).
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitrine_client.results.profiles.completion import LABELS_FILE, PROFILE_FILE, ProfileLayer
from vitrine_client.results.profiles.profile import (
    LABELS_MEMBER,
    MOST_LETTERS,
    ProfileError,
    read_members,
)
from vitrine_client.store.shared_files import content_of

FOLDER = "assets.extra"
NAMES = (PROFILE_FILE, LABELS_FILE)

MOST_BYTES = 4_000_000
"""Bytes of a file: of 100,000 labels, 40 for each."""

_MARK = "\ufeff"
"""Byte order mark, as some editors put it before UTF-8."""

_LINE_END = re.compile(r"\r\n|\r|\n")
"""Line ends of files, as `open` knows them: `str.splitlines` has more, which labels may hold."""


def texts(version_dir: Path, folder: str = FOLDER) -> dict[str, str]:
    """Returns the contents of the files that are there in a folder of a version, by name. Raises
    `ProfileError` where one cannot be read, and where it is a link out of the version: whoever may
    write models may not be one who may read all that the server can."""
    return {name: text for name in NAMES if (text := _text(version_dir, folder, name)) is not None}


def layers(contents: Mapping[str, str]) -> list[ProfileLayer]:
    """Returns what files say, the profile first, by their contents. Raises `ProfileError`, which
    names the file."""
    found = []
    if PROFILE_FILE in contents:
        try:
            text = contents[PROFILE_FILE].removeprefix(_MARK)
            members = read_members(json.loads(text, object_pairs_hook=_told_once))
        except (ValueError, RecursionError) as error:  # `ProfileError` is one
            raise ProfileError(f"{PROFILE_FILE}: {error}") from error
        found.append(ProfileLayer(PROFILE_FILE, members))
    if LABELS_FILE in contents:
        lines = _LINE_END.split(contents[LABELS_FILE].removeprefix(_MARK))
        while lines and not lines[-1].strip():
            lines.pop()
        try:
            labels = read_members({LABELS_MEMBER: [line.strip() for line in lines]})
        except ProfileError as error:
            raise ProfileError(f"{LABELS_FILE}: {error}") from error
        found.append(ProfileLayer(LABELS_FILE, labels))
    return found


def _told_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in found if names.count(name) > 1)
        raise ProfileError(f"`{twice[:MOST_LETTERS]}` is there more than once")
    return found


def _text(version_dir: Path, folder: str, name: str) -> str | None:
    path = version_dir / folder / name
    try:
        found = Path(
            os.path.realpath(path, strict=True)
        )  # `resolve` raises `RuntimeError` of loops
        if not found.is_relative_to(version_dir.resolve()):
            raise ProfileError(f"{name} is a link out of its version's directory: copy it there")
        return content_of(path, MOST_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path.name} is not UTF-8: {error}") from error
    except OSError as error:
        raise ProfileError(f"{path.name} cannot be read ({error.strerror or error})") from error
