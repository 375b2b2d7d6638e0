"""Folder of a sweep: its runs, the data that they are of, and a lock for the sweep that goes on.

sweep.json, sweep.html       the data, as sums of its content, and the page
runs/<variant>/seed-<n>/     models/, train.log and outcome.json of `vitrine-train train`
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from vitrine_client.process.visible import visible
from vitrine_client.store import shared_files

ABOUT, PAGE = "sweep.json", "sweep.html"
_LOCK = ".lock"
_FORMAT = 1


class UnusableFolderError(Exception):
    """No sweep of this data can be kept in a folder; the message is a sentence with advice."""


@dataclass(frozen=True)
class SweptData:
    """Data of a sweep: where it is, how it is read, and the checksums of its parts by size."""

    source: str
    reading: Mapping[str, str]
    checksums: Mapping[str, Mapping[str, str]]

    def is_also(self, other: "SweptData") -> bool:
        """Whether another one is of the same content, as far as sizes are known of both."""
        both = self.checksums.keys() & other.checksums.keys()
        if not both:
            return (self.source, self.reading) == (other.source, other.reading)
        same = all(self.checksums[size] == other.checksums[size] for size in both)
        return same and self.reading == other.reading


@contextmanager
def claimed(folder: Path, data: SweptData) -> Iterator[None]:
    """Makes the folder where there is none, and holds it for one sweep. Raises
    `UnusableFolderError`."""
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _known(folder)  # no lock is left in a folder that is somebody's
            lock = shared_files.locked(folder / _LOCK, on_wait=lambda: _refuse_second(folder))
            held.enter_context(lock)
            known = _known(folder)
            _write(folder, data if known is None else _joined(folder, known, data))
        except OSError as error:
            raise UnusableFolderError(
                f"{_shown(folder)} cannot be written ({error.strerror or error}): name another "
                "folder"
            ) from error
        yield


def _known(folder: Path) -> SweptData | None:
    """Returns the data of the sweep that a folder has; None where it has nothing but hidden files,
    as of a sweep that was killed before it began."""
    if all(entry.name.startswith(".") for entry in folder.iterdir()):
        return None
    try:
        content = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError("a format of another version")
        return _read(**content["data"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise UnusableFolderError(
            f"{_shown(folder)} is not empty, and not from `vitrine-train sweep`: name another "
            "folder"
        ) from None


def _read(source: Any, reading: Any, checksums: Any) -> SweptData:
    """Returns the data that a file tells of. Raises `TypeError` where it tells something else."""
    if not isinstance(source, str) or not isinstance(checksums, dict):
        raise TypeError("no data of a sweep")
    for texts in (reading, *checksums.values()):
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise TypeError("no data of a sweep")
    return SweptData(source, reading, checksums)


def _joined(folder: Path, known: SweptData, data: SweptData) -> SweptData:
    """Returns the data with the sizes that are known of it already."""
    if not data.is_also(known):
        raise UnusableFolderError(
            f"{_shown(folder)} has a sweep of other data ({visible(known.source)}, or it has "
            "changed since): name another folder"
        )
    return replace(data, checksums={**known.checksums, **data.checksums})


def _refuse_second(folder: Path) -> NoReturn:
    raise UnusableFolderError(
        f"Another sweep goes on in {_shown(folder)}: wait for its end, or name another folder"
    )


def _write(folder: Path, data: SweptData) -> None:
    content = {"format": _FORMAT, "data": asdict(data)}
    with shared_files.replacing(folder / ABOUT) as file:
        file.write(json.dumps(content, indent=2).encode())


def _shown(folder: Path) -> str:
    return visible(str(folder))
