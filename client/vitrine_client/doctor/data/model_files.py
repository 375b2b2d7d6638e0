"""Files of published models: reasons why a model server would not serve a directory."""

import re
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.http.default_model import FALLBACK, PREFERRED
from vitrine_client.open_inference.names import shared_paths
from vitrine_client.results.profiles.profile import ProfileError
from vitrine_client.store import layout, profile_files
from vitrine_client.store.layout import quoted
from vitrine_client.store.saved_model import wrong_version
from vitrine_client.store.version_directories import RETIRED, UNFINISHED

_RECIPES = ("softmax", FALLBACK, PREFERRED)
"""Models that `make train` publishes."""

_VERSION = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)


def published(models_dir: Path) -> list[str]:
    """Returns the names of the models that have a version, sorted; none where it can't be read."""
    try:
        return sorted(each.name for each in models_dir.iterdir() if versions(each))
    except OSError:
        return []


def versions(model: Path) -> dict[int, Path]:
    """Returns the version directories of a model by number. Raises `OSError`."""
    if not model.is_dir():
        return {}
    named = [each for each in model.iterdir() if _VERSION.fullmatch(each.name) and each.is_dir()]
    return {int(each.name): each for each in sorted(named, key=lambda each: int(each.name))}


def how_to_publish(model: Path) -> str:
    """Returns the way to another version of a model: by its recipe, where it has come from one."""
    if model.name in _RECIPES:
        return f"`vitrine-train train {model.name}` publishes another"
    if any(model.glob("*/assets.extra/card.json")):
        return f"`vitrine-train train RECIPE --as {model.name}` publishes another"
    return f"put another SavedModel into {model}"


def check(here: Installation) -> Iterator[Finding]:
    """Looks at each model and version in the models directory."""
    folder, name = layout.real(here.models_dir), "models"
    if not folder.exists():
        todo = "`make train` trains and publishes some; VITRINE_MODELS_DIR names another directory"
        seen = f"there is no {folder.absolute()}"
        named = here.names("VITRINE_MODELS_DIR")
        yield problem(name, seen, todo) if named else note(name, seen, todo)
        return
    try:
        entries = sorted(folder.iterdir())
    except NotADirectoryError:
        yield problem(name, f"{folder} is no directory", "name one: `export VITRINE_MODELS_DIR=…`")
        return
    except PermissionError:
        seen = f"{folder} may not be read by this user"
        yield problem(name, seen, f"have its owner `chmod a+rx {quoted(folder)}`")
        return
    for each in layout.misplaced_entries(folder):
        yield problem(name, *each)
    models = [each for each in entries if each.is_dir() and not each.name.startswith(".")]
    if not models:
        yield note(name, f"no model in {folder.absolute()}", "`make train` publishes some")
    for model in models:
        yield from _examined_model(model)


def _examined_model(model: Path) -> Iterator[Finding]:
    name = f"model {model.name}"
    try:
        entries = sorted(model.iterdir())
        found = versions(model)
    except PermissionError:
        yield problem(
            name,
            f"{model} may not be read by this user",
            f"have its owner `chmod -R a+rX {quoted(model)}`",
        )
        return
    yield from _examined_entries(name, model, entries)
    if said := shared_paths(model.name):
        yield note(name, said, "nothing, unless clients look there; another name has all paths")
    wrong = {number: reason for number, path in found.items() if (reason := wrong_version(path))}
    for number, (seen, todo) in wrong.items():
        yield problem(name, f"version {number} cannot be loaded: {seen}", todo)
    good = [number for number in found if number not in wrong]
    for number in good:
        yield from _examined_profile(name, number, found[number])
    if good:
        yield ok(name, f"{'version' if len(good) == 1 else 'versions'} {', '.join(map(str, good))}")
    elif fault := None if found else layout.without_version(model):
        yield note(name, f"{fault.seen}, so that it is not served", fault.todo)


def _examined_profile(name: str, number: int, version: Path) -> Iterator[Finding]:
    """Yields a finding on files about the pictures of a version, where they make no sense."""
    try:
        profile_files.layers(profile_files.texts(version))
    except ProfileError as error:
        seen = f"version {number} is sent no pictures: {error}"
        folder = version / profile_files.FOLDER
        yield problem(name, seen, f"mend that in {quoted(folder)}: docs/your-own-model.md")


def _examined_entries(name: str, model: Path, entries: list[Path]) -> Iterator[Finding]:
    """Yields findings on entries beside versions that may have been meant as one."""
    for misplaced in layout.misplaced_versions(model):
        yield problem(name, *misplaced)
    for each in entries:
        if each.name.startswith(RETIRED):
            seen = f"version {each.name.removeprefix(RETIRED)} was rolled back, and is not served"
            yield note(name, seen, f"`vitrine-train rollback {model.name} --undo` brings it back")
        elif each.name.startswith(UNFINISHED):
            seen = f"{each} is a version that was not finished"
            yield note(name, seen, "nothing, if a training runs; else the next one removes it")
