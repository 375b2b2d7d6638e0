"""Layout of a models directory: entries that were meant as a model or a version, and are none.

Model servers look for `models/<model>/<integer>/saved_model.pb` and pass over all else in silence.
Each function returns sentences that name the entry and say what to do; none raises.
"""

import shlex
from pathlib import Path

from vitrine_client.store.version_directories import version_number

_GRAPH = "saved_model.pb"
_KERAS = (".keras", ".h5", ".hdf5")


def misplaced_models(models_dir: Path) -> list[str]:
    """Returns a sentence for each entry of a models directory that is passed over, and shouldn't
    be; or one alone where the directory itself is one level too deep or too high."""
    entries = _entries(models_dir)
    names = [entry.name for entry in entries]
    if _GRAPH in names and version_number(models_dir.absolute().name) is not None:
        return [_level(models_dir, "is a version", models_dir.absolute().parent.parent)]
    if _GRAPH in names:
        there = _quoted(models_dir / "NAME" / "1")
        return [f"{models_dir} has a {_GRAPH} but no model: move what is in it to {there}"]
    if numbers := [entry for entry in entries if _is_version(entry) and _kinds(entry)]:
        is_one = f"is one model, with version {numbers[0].name}"
        return [_level(models_dir, is_one, models_dir.absolute().parent)]
    found = [_export(entry, models_dir / entry.stem / "1") for entry in entries if _is_keras(entry)]
    for entry in entries:
        if entry.name.startswith(".") or not _is_directory(entry):
            continue
        if not is_servable(entry.name):
            found.append(
                f"{str(entry)!r} is passed over: give it a name without commas, control "
                "characters and spaces at its ends"
            )
        else:
            found += misplaced_versions(entry)
    return found


def misplaced_versions(model: Path) -> list[str]:
    """Returns a sentence for each entry of a model's directory that is passed over, and shouldn't
    be."""
    entries, found = _entries(model), []
    next_one = 1 + max((int(entry.name) for entry in entries if _is_version(entry)), default=0)
    there = model / str(next_one)
    for entry in entries:
        if entry.name == _GRAPH:
            found.append(
                f"{model} has a {_GRAPH} outside of its versions: move what is in it to {there}"
            )
        elif _is_keras(entry):
            found.append(_export(entry, there))
        elif _is_version(entry) or entry.name.startswith(".") or not _is_directory(entry):
            continue
        elif _kinds(entry):
            move = f"`mv {_quoted(entry)} {_quoted(there)}`"
            found.append(f"{entry} is no version: versions are integers, {move}")
        elif any(_is_version(each) and _kinds(each) for each in _entries(entry)):
            found.append(
                f"{entry} has versions, one level too deep: `--models-dir {_quoted(model)}` "
                f"serves them, or `mv {_quoted(entry)} {_quoted(model.parent)}`"
            )
    return found


def faulty_version(version: Path) -> str:
    """Returns why a version directory without a graph is none, and what to do."""
    entries = _entries(version)
    for entry in entries:
        if _is_keras(entry):
            return _export(entry, version)
        if _GRAPH in (each.name for each in _entries(entry)):
            return f"{entry} has the {_GRAPH}, one level too deep: move what is in it to {version}"
    if any(entry.name == "saved_model.pbtxt" for entry in entries):
        return f"saved_model.pbtxt is not read: export it with {_GRAPH}"
    is_empty = "is empty" if not entries else f"has no {_GRAPH}"
    return f'{version} {is_empty}: export a SavedModel there, `model.export("{version}")`'


def is_servable(name: str) -> bool:
    """Whether a model may have that name: `VITRINE_MODELS` and the log must be able to hold it."""
    return name.isprintable() and "," not in name and name == name.strip()


def _level(models_dir: Path, seen: str, right: Path) -> str:
    return f"{models_dir} {seen}; models are a level above: `--models-dir {_quoted(right)}`"


def _export(file: Path, version: Path) -> str:
    if file.name.endswith(".weights.h5"):
        todo = f'build the model, then `model.load_weights("{file}")`, `model.export("{version}")`'
    else:
        todo = f'`keras.models.load_model("{file}").export("{version}")`'
    return f"{file} is a Keras file, and no SavedModel: {todo}"


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
