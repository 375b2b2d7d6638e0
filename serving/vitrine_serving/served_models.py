"""Served models: those of a `models.config` beside them, else all that are published.

The file is the model server's own (`--model_config_file`), and the whole truth where there is one:
models that are not in it are not served, as with TensorFlow Serving itself. Without one,
`vitrine-serve` writes one at each start, until somebody puts a version label into it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrine_client.store import shared_files
from vitrine_client.store.generated_config import MARK, entry, is_generated
from vitrine_client.store.layout import is_servable, misplaced_models, real
from vitrine_client.store.version_directories import version_numbers

CONFIG = "models.config"
"""Its name, in the models directory."""


@dataclass(frozen=True)
class ServedModels:
    """The models' names, and the file that says so, if somebody else wrote one.

    `left_out` are published and not in the file; `misplaced` are sentences on what was meant as a
    model and is none.
    """

    names: tuple[str, ...]
    config: Path | None = None
    left_out: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()


def served_models(models_dir: Path) -> ServedModels:
    """Finds the models of `models_dir` to serve. Raises `ValueError` where that makes no sense:
    nothing is published, the file is broken, or names a model without a version."""
    models_dir = real(models_dir)
    published, misplaced = _published(models_dir), [*map(str, misplaced_models(models_dir))]
    config = models_dir / CONFIG
    if config.exists() and not is_generated(_text(config)):
        names = _names(config)
        left_out = tuple(name for name in published if name not in names)
        return ServedModels(names, config.absolute(), left_out, tuple(misplaced))
    if not published and misplaced:
        raise ValueError(f"There is no model in {models_dir}. {'; '.join(misplaced)}")
    if not published:
        raise ValueError(f"There is no model in {models_dir}; train some with `make train`")
    return ServedModels(tuple(published), misplaced=tuple(misplaced))


def _published(models_dir: Path) -> list[str]:
    """Returns the models that have a version; a directory that cannot be read has none."""

    def has_version(name: str) -> bool:
        try:
            return is_servable(name) and bool(version_numbers(models_dir / name))
        except OSError:
            return False

    try:
        return sorted(entry.name for entry in models_dir.iterdir() if has_version(entry.name))
    except OSError:
        return []


def write_config(models_dir: Path, names: Sequence[str], scratch: Path) -> Path:
    """Writes a `models.config` for the newest version of each of `names`, without labels.

    In the models directory, where `vitrine promote` finds it; in `scratch` if that is read-only.
    """
    text, config = _config_of_all(models_dir, names), models_dir.absolute() / CONFIG
    try:
        with shared_files.replacing(config) as file:
            file.write(text.encode())
    except OSError:
        config = scratch / CONFIG
        config.write_text(text)
    return config


def _config_of_all(models_dir: Path, names: Sequence[str]) -> str:
    entries = "".join(f"  {entry(models_dir, name)}\n" for name in names)
    return f"{MARK}model_config_list {{\n{entries}}}\n"


def _text(config: Path) -> str:
    try:
        return config.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"{config} cannot be read: {reason}") from error


def _names(config: Path) -> tuple[str, ...]:
    # Here, as a gateway that runs alone has no messages of TensorFlow Serving.
    from vitrine_serving.model_server.repository.config import read_config
    from vitrine_serving.model_server.repository.policy import aspired_versions, missing_versions

    try:
        models = read_config(_text(config))
    except ValueError as error:
        raise ValueError(f"{config}: {str(error).removeprefix(f'{CONFIG}: ')}") from error
    if not models:
        raise ValueError(f"{config} names no model; without that file all models are served")
    for model in models:
        try:
            found = aspired_versions(model)
        except OSError as error:
            raise ValueError(f"{config}: no versions of {model.name}: {error}") from error
        if not found:
            raise ValueError(f"{config}: {missing_versions(model, found)}")
    return tuple(model.name for model in models)
