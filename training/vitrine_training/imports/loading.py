"""Loading of models that others trained: Keras' `.keras` and `.h5`, and SavedModels.

A model is a program. Keras' safe mode is on, so that an archive runs no code of its own, unless
`allow_code`; a SavedModel runs in TensorFlow, which has operations that read and write files.
"""

import errno
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf

from vitrine_training.imports import ImportRefused, graph, limits, rehearsal
from vitrine_training.imports.keras_models import KerasModel
from vitrine_training.imports.saved_models import SavedModel
from vitrine_training.publish.wholeness import DamagedError, check, first_line, graphs

ForeignModel = KerasModel | SavedModel

ALLOW_CODE = (
    "--allow-code runs what is in it with all that you may do: do so only with a model whose maker "
    "you trust"
)

GRAPHS = ("saved_model.pb", "saved_model.pbtxt")


def load(path: Path, *, allow_code: bool = False) -> ForeignModel:
    """Loads a model. Raises `ImportRefused`."""
    try:
        if path.is_dir():
            return _saved_model(path)
        if not path.is_file():
            raise ImportRefused(f"{path} is no file: a pipe or a device")
        if zipfile.is_zipfile(path):
            stored = limits.check_keras(path)
            return KerasModel(_keras(path, ".keras", stored, allow_code))
        if h5py.is_hdf5(path):
            stored = limits.check_h5(path)
            return KerasModel(_keras(path, ".h5", stored, allow_code))
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror or error}") from error
    if path.name in GRAPHS:
        raise ImportRefused(f"{path} is part of a SavedModel: name its folder, {path.parent}")
    raise ImportRefused(
        f"{path} is no model that can be imported: those are .keras and .h5 files of Keras, and "
        "SavedModels, which are folders"
    )


def _saved_model(directory: Path) -> SavedModel:
    if not any((directory / name).is_file() for name in GRAPHS):
        inside = sorted(each.parent.name for each in directory.glob("*/saved_model.pb"))
        hint = f"; {directory / inside[-1]} has one" if inside else ""
        raise ImportRefused(f"{directory} is no SavedModel: it has no saved_model.pb{hint}")
    limits.check_saved_model(directory)
    try:
        check(directory)
        limits.check_size(directory, sum(map(graph.constant_bytes, _graphs(directory))))
        return SavedModel(tf.saved_model.load(str(directory)), directory)
    except DamagedError as error:
        raise ImportRefused(f"{directory} is damaged: {error}") from error
    except (ImportRefused, OSError):
        raise
    except Exception as error:  # TensorFlow raises anything
        raise ImportRefused(f"{directory} cannot be loaded: {first_line(error)}") from error


def _graphs(directory: Path) -> list[Any]:
    return [each.graph_def for each in graphs(directory).meta_graphs]


def _keras(path: Path, suffix: str, stored: int, allow_code: bool) -> keras.Model:
    """Loads a model with so many bytes of weights in its file. First it is built without memory for
    them, unless it may run code, which may need their numbers, and take what it likes."""
    if path.suffix not in (suffix, ".hdf5"):
        raise ImportRefused(f"{path} is a {suffix} file by its content: rename it to say so")

    def load_model() -> Any:
        return keras.models.load_model(path, compile=False, safe_mode=not allow_code)

    try:
        if not allow_code:
            limits.check_built(path, rehearsal.bytes_of_weights(load_model), stored)
        model = load_model()
    except ImportRefused:
        raise
    except OSError as error:
        raise OSError(error.errno or errno.EIO, first_line(error)) from error
    except Exception as error:  # Keras raises anything, too
        raise ImportRefused(_reason(path, error)) from error
    if not isinstance(model, keras.Model):
        raise ImportRefused(f"{path} has a {type(model).__name__}, which is no Keras model")
    return model


def _reason(path: Path, error: Exception) -> str:
    """Returns in a sentence why Keras did not load a file."""
    text = str(error)
    if "safe_mode" in text or "enable_unsafe_deserialization" in text:
        return f"{path} has code of its own, such as a Lambda layer; {ALLOW_CODE}"
    if "Could not locate" in text or "Unknown layer" in text or "Unknown object" in text:
        name = _quoted(text) or "a class"
        return (
            f"{path} needs `{name}`, a class that is not Keras' own: export it where that class "
            "is, with `model.export(DIRECTORY)`, and import the directory"
        )
    return f"{path} cannot be loaded: {first_line(error)}"


def _quoted(text: str) -> str:
    """Returns the first name between quotes."""
    parts = text.split("'")
    return parts[1].rpartition("/")[2][:80] if len(parts) > 2 else ""
