"""Profile files: `profile.json` and `labels.txt` beside a model, in `assets.extra`.

TensorFlow Serving serves no assets over the wire. So they are read where the models' directory is
mounted, or the embedded model server hands out what is in them (`NAMES`).
"""

import json
from collections.abc import Mapping
from pathlib import Path

from vitrine_client.results.profiles.completion import LABELS_FILE, PROFILE_FILE, Layer
from vitrine_client.results.profiles.profile import LABELLED, ProfileError, read_members
from vitrine_client.store.shared_files import content_of

FOLDER = "assets.extra"
NAMES = (PROFILE_FILE, LABELS_FILE)

MOST_BYTES = 4_000_000
"""Bytes of a file: of 100,000 labels, 40 for each."""


def texts(version_dir: Path, folder: str = FOLDER) -> dict[str, str]:
    """Returns the contents of the files of a version that are there, in its `folder`, by name.
    Raises `ProfileError` where one cannot be read."""
    return {
        name: text for name in NAMES if (text := _text(version_dir / folder / name)) is not None
    }


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


def _text(path: Path) -> str | None:
    try:
        return content_of(path, MOST_BYTES).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path.name} is not UTF-8: {error}") from error
    except OSError as error:
        raise ProfileError(f"{path.name} cannot be read ({error.strerror or error})") from error
