"""Policy of versions: which ones a model serves, which is loaded next, and which are unloaded."""

import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrine_serving.model_server.repository.config import ModelConfig, VersionDirectory
from vitrine_serving.model_server.repository.lifecycle import Model, Version

# An integer to TensorFlow Serving's parser; Python's takes `1_0` as well.
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_INT64 = range(-(2**63), 2**63)
_LONGEST = 255
"""Characters of a name: Python refuses to make an integer of some thousand digits."""

Job = tuple[Model, Version]


@dataclass(frozen=True)
class FoundVersions:
    """Versions on the disk: those to serve, the older ones to fall back to where none of those
    loads, and a sentence on each entry that cannot be looked at."""

    aspired: dict[int, VersionDirectory]
    older: dict[int, VersionDirectory]
    passed_over: tuple[str, ...] = ()


def found_versions(config: ModelConfig) -> FoundVersions:
    """Looks at the disk once.

    Versions are the integer directories in `base_path`; `_named` says which of `7` and `007` is
    version 7. TensorFlow Serving takes files for versions too, which then fail to load; here they
    are none. Where `config` names versions there are no older ones. Raises `OSError` where
    `base_path` cannot be listed, or is not there.
    """
    there: dict[int, list[VersionDirectory]] = {}
    passed_over = []
    for path in sorted(config.base_path.iterdir()):
        if not is_version(path.name):
            continue
        try:
            directory = _directory(path)
        except FileNotFoundError:  # removed while we look
            continue
        except OSError as error:
            passed_over.append(f"{path} is passed over: {error.strerror}")
            continue
        if directory:
            there.setdefault(int(path.name), []).append(directory)
    named = _named(there, config)
    if config.specific is not None:
        aspired = {number: named[number] for number in config.specific if number in named}
        return FoundVersions(aspired, {}, tuple(passed_over))
    numbers, latest = sorted(named, reverse=True), config.latest or len(named)
    return FoundVersions(
        {number: named[number] for number in numbers[:latest]},
        {number: named[number] for number in numbers[latest:]},
        tuple(passed_over),
    )


def _named(
    there: Mapping[int, Sequence[VersionDirectory]], config: ModelConfig
) -> dict[int, VersionDirectory]:
    """Returns the directory of each version, of those whose names are that number, in the order of
    the alphabet. As in file_system_storage_path_source.cc, the last counts; with the policy `all`
    the first, which the manager has by then; and the plain names, where versions are named and all
    of them are there."""
    plain = {
        number: directory
        for number, found in there.items()
        for directory in found
        if directory.path.name == str(number)
    }
    if config.specific and plain.keys() >= set(config.specific):
        return plain
    place = 0 if config.specific is None and not config.latest else -1
    return {number: found[place] for number, found in there.items()}


def aspired_versions(config: ModelConfig) -> dict[int, VersionDirectory]:
    """Looks at the disk and returns the versions to serve, of those that are there. Raises
    `OSError` as `found_versions` does."""
    return found_versions(config).aspired


def is_version(name: str) -> bool:
    """Whether a directory of that name is a version, as TensorFlow Serving reads numbers."""
    return len(name) <= _LONGEST and bool(_INTEGER.fullmatch(name)) and int(name) in _INT64


def _directory(path: Path) -> VersionDirectory | None:
    """Returns how a version lies on the disk now, None where `path` is no directory."""
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        return None
    return VersionDirectory(path, found.st_ino, found.st_mtime_ns, tuple(_files(path)))


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yields what a copy under way changes, as far as it can be seen."""
    variables = path / "variables"
    try:
        names = sorted(variables.iterdir())
    except OSError:
        names = []
    for file in (path / "saved_model.pb", *names):
        try:
            found = file.stat()
        except OSError:
            continue
        yield file.name, found.st_size, found.st_mtime_ns


def missing_versions(config: ModelConfig, found: Mapping[int, VersionDirectory]) -> str:
    """Returns a sentence on versions that one would expect in `found`, or ""."""
    if not found:
        return f"No versions of {config.name} found in {config.base_path}; {_way_out(config)}"
    absent = sorted(set(config.specific or ()) - set(found))
    return f"Versions {absent} of {config.name} not found in {config.base_path}" if absent else ""


def _way_out(config: ModelConfig) -> str:
    base = config.base_path
    if not any((base / name).exists() for name in ("saved_model.pb", "saved_model.pbtxt")):
        return f"a version is a directory with a number for its name, such as {base / '1'}"
    if is_version(base.name):
        return f"this is a version itself: give {base.parent} as the base path"
    return f"this is a SavedModel itself: move it into {base / '1'}"


class AvailabilityPreservingPolicy:
    """TensorFlow Serving's policy of that name: as long as a version is wanted, one answers.

    It decides only; whoever asks holds the lock of the states, and makes the transitions.
    """

    def versions_to_unload(self, versions: Collection[Version]) -> list[Version]:
        """Returns the versions of one model that are AVAILABLE and may begin to unload.

        While no wanted version is AVAILABLE, the newest unwanted one stays; where none is wanted,
        none stays.
        """
        serving = sorted(_in_state("AVAILABLE", versions), key=lambda version: version.number)
        unwanted = [version for version in serving if not version.wanted]
        if any(version.wanted for version in versions) and len(unwanted) == len(serving):
            return unwanted[:-1]
        return unwanted

    def next_load(self, models: Iterable[Model], now_s: float) -> Job | None:
        """Returns the load that is due first: of models with nothing to answer with, then first
        tries, then the newest; None if none is due at `now_s` of `time.monotonic`."""
        due = [job for job in loads(models) if job[1].due_s <= now_s]
        return min(due, key=lambda job: _rank(*job), default=None)


def loads(models: Iterable[Model]) -> Iterator[Job]:
    """Yields all versions that wait to be loaded, those that wait for their next try among them."""
    for model in models:
        for version in model.versions.values():
            if version.awaits_load:
                yield model, version


def _in_state(state: str, versions: Iterable[Version]) -> list[Version]:
    return [version for version in versions if version.state == state]


def _rank(model: Model, version: Version) -> tuple[bool, int, int]:
    return bool(model.available), version.tries, -version.number
