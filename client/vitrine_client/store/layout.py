"""Layout check of a models directory: entries meant as a model or a version that are none.

Model servers look for `models/<model>/<integer>/saved_model.pb` and pass over all else in silence.
No function raises: an entry that cannot be looked at is passed over.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vitrine_client.store.version_directories import RETIRED, UNFINISHED, version_number

_GRAPH = "saved_model.pb"
_GRAPHS = (_GRAPH, "saved_model.pbtxt")
_KERAS = (".keras", ".h5", ".hdf5")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2")
_OF_OTHERS = ("lost+found", ".lock")
"""Names that are none of a model's: a disk's own folder, a publisher's lock."""


class Fault(NamedTuple):
    """Layout fault of a directory: the entry `seen`, with its name, and its mend, `todo`."""

    seen: str
    todo: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.todo}"


def misplaced_models(models_dir: Path) -> list[Fault]:
    """Returns the entries of a models directory, and of its models, that are passed over and
    shouldn't be; or one alone where the directory itself is one level too deep or too high."""
    models_dir = real(models_dir)
    if level := _wrong_level(models_dir):
        return [level]
    found = list(misplaced_entries(models_dir))
    for entry in _entries(models_dir):
        if not entry.name.startswith(".") and _is_directory(entry) and is_servable(entry.name):
            versions = [*misplaced_versions(entry)]
            found += versions or filter(None, [without_version(entry)])
    return found


def real(folder: Path) -> Path:
    """Returns a directory by its name, where it is given as `.` or `..`."""
    return folder if folder.name not in ("", "..") else folder.resolve()


def misplaced_entries(models_dir: Path) -> Iterator[Fault]:
    """Yields the entries of a models directory itself that were meant as a model."""
    for entry in _entries(models_dir):
        if entry.name == _GRAPH:
            there = quoted(models_dir / "NAME" / "1")
            yield Fault(
                f"{models_dir} has a {_GRAPH} but no model", f"move what is in it to {there}"
            )
        elif _is_keras(entry):
            yield _export(entry, models_dir / entry.stem / "1")
        elif fault := _leading_nowhere(entry) or _packed(entry, models_dir / "NAME" / "1"):
            yield fault
        elif not is_servable(entry.name) and _is_directory(entry):
            name = "give it a name without commas, control characters and spaces at its ends"
            yield Fault(f"{str(entry)!r} is passed over", name)


def misplaced_versions(model: Path) -> Iterator[Fault]:
    """Yields the entries of a model's directory that were meant as a version."""
    entries = _entries(model)
    next_one = 1 + max((int(entry.name) for entry in entries if _is_version(entry)), default=0)
    there = model / str(next_one)
    for entry in entries:
        if entry.name == _GRAPH:
            seen = f"{model} has a {_GRAPH} outside of its versions"
            yield Fault(seen, f"move what is in it to {there}")
        elif _is_keras(entry):
            yield _export(entry, there)
        elif fault := _leading_nowhere(entry) or _packed(entry, there):
            yield fault
        elif version_number(entry.name) is not None and not _is_directory(entry):
            todo = f"`rm {quoted(entry)}`, or unpack what it is into a directory"
            yield Fault(f"{entry} is named like a version, and is no directory", todo)
        elif _is_version(entry) or entry.name.startswith(".") or not _is_directory(entry):
            continue
        elif _kinds(entry):
            move = f"`mv {quoted(entry)} {quoted(there)}`"
            yield Fault(f"{entry} is no version, as versions are integers", move)
        elif any(_is_version(each) and _kinds(each) for each in _entries(entry)):
            yield Fault(
                f"{entry} has versions, one level too deep",
                f"`--models-dir {quoted(model)}` serves them, or "
                f"`mv {quoted(entry)} {quoted(model.parent)}`",
            )


def without_version(model: Path) -> Fault | None:
    """Returns what to do about a model's directory without a version, None where it has one, or
    where one is being written or was rolled back."""
    try:
        entries = [entry for entry in model.iterdir() if entry.name not in _OF_OTHERS]
    except OSError:
        return None
    if model.name in _OF_OTHERS or any(map(_is_or_was_version, entries)):
        return None
    seen = "has no version in it" if entries else "is empty"
    there = model / "1"
    return Fault(f"{model} {seen}", f'export a SavedModel there, `model.export("{there}")`')


def without_graph(version: Path) -> Fault | None:
    """Returns what to do about a version directory without a graph, None where it has one."""
    entries = _entries(version)
    if any(entry.name in _GRAPHS for entry in entries):
        return None
    for entry in entries:
        if _is_keras(entry):
            return _export(entry, version)
        if _GRAPH in (each.name for each in _entries(entry)):
            todo = f"move what is in it to {version}"
            return Fault(f"{entry} has the {_GRAPH}, one level too deep", todo)
        if packed := _packed(entry, version):
            return packed
    seen = f"has no {_GRAPH}" if entries else "is empty"
    return Fault(f"{version} {seen}", f'export a SavedModel there, `model.export("{version}")`')


def aside(version: Path) -> str:
    """Returns the command that gives a version a name which no model server takes for one."""
    return f"`mv {quoted(version)} {quoted(version.with_name(f'.broken-{version.name}'))}`"


def is_servable(name: str) -> bool:
    """Whether a model may have that name: `VITRINE_MODELS` and the log must be able to hold it."""
    return name.isprintable() and "," not in name and name == name.strip()


def _wrong_level(models_dir: Path) -> Fault | None:
    """Returns the directory itself, where models are above it."""
    entries, above = _entries(models_dir), models_dir.absolute().parent
    number = version_number(models_dir.absolute().name)
    if number is not None and any(entry.name == _GRAPH for entry in entries):
        return _level(models_dir, "is a version", above.parent)
    for entry in entries:
        if _is_version(entry) and _kinds(entry):
            return _level(models_dir, f"is one model, with version {entry.name}", above)
    return None


def _level(models_dir: Path, seen: str, right: Path) -> Fault:
    todo = f"models are a level above, `--models-dir {quoted(right)}`"
    return Fault(f"{models_dir} {seen}", todo)


def _export(file: Path, version: Path) -> Fault:
    if file.name.endswith(".weights.h5"):
        todo = f'build the model, then `model.load_weights("{file}")`, `model.export("{version}")`'
    else:
        todo = f'`keras.models.load_model("{file}").export("{version}")`'
    return Fault(f"{file} is a Keras file, and no SavedModel", todo)


def _leading_nowhere(link: Path) -> Fault | None:
    try:
        if not link.is_symlink() or link.exists():
            return None
        target = link.readlink()
    except OSError:  # a loop, or a directory that may not be looked at
        target = Path("…")
    todo = f"restore or mount what it leads to, or `rm {quoted(link)}`"
    return Fault(f"{link} leads nowhere, to {target}", todo)


def _packed(file: Path, version: Path) -> Fault | None:
    if not file.name.endswith(_ARCHIVES):
        return None
    return Fault(f"{file} is an archive", f"unpack it, so that {version / _GRAPH} is there")


def _is_or_was_version(entry: Path) -> bool:
    return _is_version(entry) or entry.name.startswith((RETIRED, UNFINISHED))


def _kinds(directory: Path) -> bool:
    """Whether a model is in a directory, of whatever kind."""
    return any(entry.name == _GRAPH or _is_keras(entry) for entry in _entries(directory))


def _is_keras(path: Path) -> bool:
    return path.suffix in _KERAS


def _is_version(path: Path) -> bool:
    return version_number(path.name) is not None and _is_directory(path)


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def quoted(path: Path) -> str:
    """Returns a path as a shell takes it, in a command to copy."""
    return shlex.quote(str(path))
