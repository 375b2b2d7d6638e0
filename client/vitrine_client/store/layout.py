"""Layout of a models directory: entries that were meant as a model or a version, and are none.

Model servers look for `models/<model>/<integer>/saved_model.pb` and pass over all else in silence.
No function raises: an entry that cannot be looked at is passed over.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vitrine_client.store.version_directories import version_number

_GRAPH = "saved_model.pb"
_KERAS = (".keras", ".h5", ".hdf5")


class Misplaced(NamedTuple):
    """Misplaced entry: `seen` names it and says why it is passed over, `todo` how to mend that."""

    seen: str
    todo: str

    def __str__(self) -> str:
        return f"{self.seen}: {self.todo}"


def misplaced_models(models_dir: Path) -> list[Misplaced]:
    """Returns the entries of a models directory, and of its models, that are passed over and
    shouldn't be; or one alone where the directory itself is one level too deep or too high."""
    if level := _wrong_level(models_dir):
        return [level]
    found = list(misplaced_entries(models_dir))
    for entry in _entries(models_dir):
        if not entry.name.startswith(".") and _is_directory(entry) and is_servable(entry.name):
            found += misplaced_versions(entry)
    return found


def misplaced_entries(models_dir: Path) -> Iterator[Misplaced]:
    """Yields the entries of a models directory itself that were meant as a model."""
    for entry in _entries(models_dir):
        if entry.name == _GRAPH:
            there = _quoted(models_dir / "NAME" / "1")
            yield Misplaced(
                f"{models_dir} has a {_GRAPH} but no model", f"move what is in it to {there}"
            )
        elif _is_keras(entry):
            yield _export(entry, models_dir / entry.stem / "1")
        elif not is_servable(entry.name) and _is_directory(entry):
            name = "give it a name without commas, control characters and spaces at its ends"
            yield Misplaced(f"{str(entry)!r} is passed over", name)


def misplaced_versions(model: Path) -> Iterator[Misplaced]:
    """Yields the entries of a model's directory that were meant as a version."""
    entries = _entries(model)
    next_one = 1 + max((int(entry.name) for entry in entries if _is_version(entry)), default=0)
    there = model / str(next_one)
    for entry in entries:
        if entry.name == _GRAPH:
            seen = f"{model} has a {_GRAPH} outside of its versions"
            yield Misplaced(seen, f"move what is in it to {there}")
        elif _is_keras(entry):
            yield _export(entry, there)
        elif _is_version(entry) or entry.name.startswith(".") or not _is_directory(entry):
            continue
        elif _kinds(entry):
            move = f"`mv {_quoted(entry)} {_quoted(there)}`"
            yield Misplaced(f"{entry} is no version, as versions are integers", move)
        elif any(_is_version(each) and _kinds(each) for each in _entries(entry)):
            yield Misplaced(
                f"{entry} has versions, one level too deep",
                f"`--models-dir {_quoted(model)}` serves them, or "
                f"`mv {_quoted(entry)} {_quoted(model.parent)}`",
            )


def faulty_version(version: Path) -> str:
    """Returns why a version directory without a graph is none, and what to do."""
    entries = _entries(version)
    for entry in entries:
        if _is_keras(entry):
            return str(_export(entry, version))
        if _GRAPH in (each.name for each in _entries(entry)):
            return f"{entry} has the {_GRAPH}, one level too deep: move what is in it to {version}"
    if any(entry.name == "saved_model.pbtxt" for entry in entries):
        return f"saved_model.pbtxt is not read: export it with {_GRAPH}"
    is_empty = "is empty" if not entries else f"has no {_GRAPH}"
    return f'{version} {is_empty}: export a SavedModel there, `model.export("{version}")`'


def is_servable(name: str) -> bool:
    """Whether a model may have that name: `VITRINE_MODELS` and the log must be able to hold it."""
    return name.isprintable() and "," not in name and name == name.strip()


def _wrong_level(models_dir: Path) -> Misplaced | None:
    """Returns the directory itself, where models are above it."""
    entries, above = _entries(models_dir), models_dir.absolute().parent
    number = version_number(models_dir.absolute().name)
    if number is not None and any(entry.name == _GRAPH for entry in entries):
        return _level(models_dir, "is a version", above.parent)
    for entry in entries:
        if _is_version(entry) and _kinds(entry):
            return _level(models_dir, f"is one model, with version {entry.name}", above)
    return None


def _level(models_dir: Path, seen: str, right: Path) -> Misplaced:
    todo = f"models are a level above, `--models-dir {_quoted(right)}`"
    return Misplaced(f"{models_dir} {seen}", todo)


def _export(file: Path, version: Path) -> Misplaced:
    if file.name.endswith(".weights.h5"):
        todo = f'build the model, then `model.load_weights("{file}")`, `model.export("{version}")`'
    else:
        todo = f'`keras.models.load_model("{file}").export("{version}")`'
    return Misplaced(f"{file} is a Keras file, and no SavedModel", todo)


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


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
